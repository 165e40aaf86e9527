"""Buttons, selects and forms."""

from __future__ import annotations

import asyncio

import pytest_asyncio
from playwright.async_api import Route, expect

from tests.page.conftest import Visit
from tests.page.players import Controls, Players


@pytest_asyncio.fixture(loop_scope="package")
async def controls(visit: Visit) -> Visit:
    """The page with a message that has a button of each style and a select."""
    await visit.command("controls")
    await expect(visit.messages.last.get_by_role("button", name="Continue")).to_be_visible()
    return visit


async def test_buttons_of_every_style(controls: Visit) -> None:
    buttons = controls.messages.last.locator(".button")
    await expect(buttons).to_have_text(["Continue", "Form", "Silence", "🌊Never", "The source"])
    styles = [str(await button.get_attribute("class")).removeprefix("button ") for button in await buttons.all()]
    assert styles == ["primary", "secondary", "danger", "success", "link"]
    await expect(controls.page.get_by_role("button", name="Never")).to_be_disabled()
    await expect(controls.page.get_by_role("link", name="The source")).to_have_attribute(
        "href", "https://example.com/source"
    )


async def test_the_keyboard_stays_on_a_button_that_is_drawn_anew(controls: Visit) -> None:
    button = controls.page.get_by_role("button", name="Continue")
    await button.focus()
    await button.press("Enter")
    await expect(controls.messages.last.locator(".prose")).to_have_text("Continued 1 (edited)")
    await expect(button).to_be_enabled()
    await button.press("Enter")
    await expect(controls.messages.last.locator(".prose")).to_have_text("Continued 2 (edited)")
    await expect(button).to_be_focused()


async def test_one_press_is_answered_before_the_keyboard_can_make_another(controls: Visit, players: Players) -> None:
    pressed, free = 0, asyncio.Event()

    async def hold(route: Route) -> None:
        nonlocal pressed
        pressed += 1
        await free.wait()
        await route.continue_()

    await controls.page.route("**/sandbox/interactions", hold)
    go_on = controls.messages.last.locator("[data-custom-id=continue]")
    await go_on.press("Enter")
    await expect(go_on).to_have_attribute("aria-busy", "true")
    await go_on.press("Enter")
    await controls.page.get_by_role("button", name="Form").press("Enter")
    await controls.page.get_by_role("button", name="Which spirit?").press("Enter")
    await expect(controls.page.get_by_role("listbox", name="Which spirit?")).to_be_hidden()

    message_id = str(await controls.messages.last.get_attribute("id")).removeprefix("message-")
    message = await players.guilds[0].text_channels[0].fetch_message(int(message_id))
    view = Controls()
    view.go_on.label = "Go on"
    await message.edit(view=view)
    await expect(go_on).to_have_text("Go on")
    await expect(go_on).to_be_disabled()
    await go_on.press("Enter")

    free.set()
    await expect(controls.messages.last.locator(".prose")).to_have_text("Continued 1 (edited)")
    await expect(go_on).to_be_enabled()
    await go_on.press("Enter")
    await expect(controls.messages.last.locator(".prose")).to_have_text("Continued 2 (edited)")
    assert pressed == 2


async def test_a_press_without_answer_is_reported_under_the_message(controls: Visit) -> None:
    await controls.page.get_by_role("button", name="Silence").click()
    await expect(controls.page.get_by_role("button", name="Silence")).to_have_attribute("aria-busy", "true")
    await expect(controls.messages.last.get_by_role("alert")).to_have_text("The application did not respond")
    await controls.page.get_by_role("button", name="Continue").click()
    await expect(controls.messages.last.locator(".prose")).to_have_text("Continued 1 (edited)")
    await expect(controls.messages.last.get_by_role("alert")).to_have_count(0)


async def test_a_select_by_mouse(controls: Visit) -> None:
    await controls.page.get_by_role("button", name="Which spirit?").click()
    options = controls.page.get_by_role("listbox", name="Which spirit?").get_by_role("option")
    await expect(options).to_have_text(["🌬Arielof the air", "Calibanof the earth"])
    await options.last.click()
    await expect(controls.last.locator(".prose")).to_have_text("You chose Caliban")


async def test_a_select_by_keyboard(controls: Visit) -> None:
    opener = controls.page.get_by_role("button", name="Which spirit?")
    await opener.focus()
    await opener.press("ArrowDown")
    await controls.page.keyboard.press("ArrowDown")
    await controls.page.keyboard.press("Escape")
    await expect(opener).to_be_focused()
    await opener.press("Enter")
    await controls.page.keyboard.press("Enter")
    await expect(controls.last.locator(".prose")).to_have_text("You chose Ariel")


async def test_a_select_of_channels_offers_no_conversation(visit: Visit) -> None:
    await visit.command("places")
    await visit.page.get_by_role("button", name="Where?").click()
    options = visit.page.get_by_role("listbox", name="Where?").get_by_role("option")
    await expect(options).to_have_text(["#the-stage", "#gallery", "#workshop"])
    await options.nth(1).click()
    await expect(visit.last.locator(".prose")).to_have_text("In gallery")


async def test_a_form_is_checked_sent_and_gives_the_focus_back(controls: Visit) -> None:
    keyboard = controls.page.keyboard
    opener = controls.page.get_by_role("button", name="Form")
    await opener.focus()
    await keyboard.press("Enter")
    form = controls.page.get_by_role("dialog", name="A line of your own")
    line = form.get_by_role("textbox", name="Line")
    await expect(line).to_be_focused()
    await expect(line).to_have_attribute("maxlength", "40")
    await keyboard.press("Enter")
    await expect(form.get_by_role("alert")).to_have_text("Write something here.")
    await keyboard.type("O brave new world")
    await keyboard.press("Enter")
    await expect(form).to_have_count(0)
    await expect(controls.last.locator(".prose")).to_have_text("You wrote: O brave new world")
    await expect(opener).to_be_focused()


async def test_a_form_is_put_away(controls: Visit) -> None:
    await controls.page.get_by_role("button", name="Form").click()
    await expect(controls.page.get_by_role("dialog")).to_be_visible()
    await controls.page.keyboard.press("Escape")
    await expect(controls.page.get_by_role("dialog")).to_have_count(0)
