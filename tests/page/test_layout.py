"""The page on a desk and on a phone, in dark and light, by keyboard alone; and how it scrolls."""

from __future__ import annotations

import pytest
from playwright.async_api import Locator, expect

from sandbox.app import Sandbox
from tests.page.conftest import PHONE, Open, Visit
from tests.page.players import Players
from tests.person import Person

CONTRAST = """node => {
    const parse = (colour) => {
        const canvas = new OffscreenCanvas(1, 1).getContext("2d");
        canvas.fillStyle = colour;
        canvas.fillRect(0, 0, 1, 1);
        return [...canvas.getImageData(0, 0, 1, 1).data];
    };
    const linear = (part) => (part / 255 <= 0.04045 ? part / 255 / 12.92 : ((part / 255 + 0.055) / 1.055) ** 2.4);
    const light = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
    let ground = node;
    while (parse(getComputedStyle(ground).backgroundColor)[3] < 255) ground = ground.parentElement;
    const [a, b] = [getComputedStyle(node).color, getComputedStyle(ground).backgroundColor].map((c) => light(parse(c)));
    return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
}"""


async def sideways(visit: Visit) -> int:
    """How many pixels the page can be scrolled sideways."""
    return int(await visit.page.evaluate("document.scrollingElement.scrollWidth - innerWidth"))


async def test_a_phone_shows_everything_without_scrolling_sideways(players: Players, open_page: Open) -> None:
    visit = await open_page(viewport=PHONE, has_touch=True, is_mobile=True)
    assert await sideways(visit) == 0
    await visit.command("gallery")
    await expect(visit.messages).to_have_count(4)
    await visit.command("controls")
    await expect(visit.page.get_by_role("button", name="Continue")).to_be_visible()
    await visit.say("w" * 300 + " ```" + "w" * 300 + "```")
    await visit.page.keyboard.type("/everything ")
    await expect(visit.field("where")).to_be_visible()
    assert await sideways(visit) == 0
    scroller = visit.page.locator("#scroller")
    assert await scroller.evaluate("node => node.scrollWidth - node.clientWidth") == 0


async def test_the_drawer_of_channels_on_a_phone(players: Players, open_page: Open) -> None:
    visit = await open_page(viewport=PHONE, has_touch=True, is_mobile=True)
    opener = visit.page.get_by_role("button", name="Channels")
    workshop = visit.page.get_by_role("button", name="workshop")
    await expect(workshop).to_be_hidden()
    await opener.tap()
    await expect(workshop).to_be_visible()
    await visit.page.keyboard.press("Escape")
    await expect(workshop).to_be_hidden()
    await expect(opener).to_be_focused()
    await opener.tap()
    await workshop.tap()
    await expect(visit.page.get_by_role("heading", name="This is #workshop")).to_be_visible()
    await expect(workshop).to_be_hidden()


@pytest.mark.parametrize("scheme", ["dark", "light"])
async def test_text_is_readable_in_dark_and_light(players: Players, open_page: Open, scheme: str) -> None:
    visit = await open_page(color_scheme=scheme)
    await visit.command("whisper")
    await visit.command("controls")
    await expect(visit.messages).to_have_count(2)
    await visit.say("# Title\n-# small *print* `code` <@1>")
    await expect(visit.messages).to_have_count(3)
    ground = await visit.page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (ground == "rgb(6, 19, 29)") == (scheme == "dark")
    places = ".prose *, .name, .message header time, .button:enabled, .whisper, .channel, .person small, #topic, .badge"
    texts: list[Locator] = await visit.page.locator(places).all()
    assert len(texts) > 20
    for text in texts:
        assert await text.evaluate(CONTRAST) >= 4.5, await text.evaluate("node => node.outerHTML")


async def test_the_theme_is_chosen_and_kept(visit: Visit) -> None:
    toggle = visit.page.get_by_role("button", name="Theme: system. Change it")
    await toggle.click()
    await expect(visit.page.get_by_role("button", name="Theme: dark. Change it")).to_be_visible()
    await visit.page.get_by_role("button", name="Theme: dark. Change it").click()
    await visit.page.reload()
    await expect(visit.page.get_by_role("button", name="Theme: light. Change it")).to_be_visible()
    await expect(visit.page.locator("html")).to_have_css("color-scheme", "light")


async def test_everything_is_reached_by_tab_and_shows_where_the_keyboard_is(visit: Visit) -> None:
    await visit.say("A line")
    reached = set()
    await visit.page.get_by_role("button", name="the-stage").focus()
    for _ in range(30):
        await visit.page.keyboard.press("Tab")
        name, outlined = await visit.page.evaluate(
            """() => {
                const node = document.activeElement;
                if (node === document.body) return [null, false];
                const outlined = getComputedStyle(node).outlineStyle !== "none";
                const frame = node.closest("#composer");
                const framed = frame !== null && getComputedStyle(frame).boxShadow !== "none";
                return [node.getAttribute("aria-label") ?? node.innerText, outlined || framed];
            }"""
        )
        if name is not None:
            assert outlined, f"{name!r} does not show that it has the keyboard"
        reached.add(name)
    assert {"gallery", "Attach files", "Message", "Send", "Apps"} <= reached


async def test_typing_anywhere_goes_to_the_composer(visit: Visit) -> None:
    await visit.page.get_by_role("button", name="gallery").focus()
    await visit.page.keyboard.type("/gan")
    await expect(visit.text).to_have_value("/gan")


async def test_a_menu_by_keyboard(visit: Visit) -> None:
    await visit.say("A line")
    apps = visit.messages.last.get_by_role("button", name="Apps")
    await apps.focus()
    await apps.press("Enter")
    first = visit.page.get_by_role("menuitem", name="Count the letters")
    await expect(first).to_be_focused()
    await visit.page.keyboard.press("ArrowDown")
    await expect(visit.page.get_by_role("menuitem", name="Copy the text")).to_be_focused()
    await visit.page.keyboard.press("Escape")
    await expect(first).to_have_count(0)
    await expect(apps).to_be_focused()


async def test_nothing_moves_for_who_wants_no_motion(players: Players, open_page: Open) -> None:
    visit = await open_page(reduced_motion="reduce")
    await visit.command("recite Full")
    bubble = visit.messages.last.locator(".bubbles i").first
    await expect(bubble).to_be_visible()
    duration = await bubble.evaluate("node => parseFloat(getComputedStyle(node).animationDuration)")
    assert duration < 0.001
    await players.lines.put("")


FOLLOWS = """async (node) => {
    while (node.scrollHeight - node.clientHeight - node.scrollTop > 2) await new Promise(requestAnimationFrame);
}"""
RESTS = """async (node) => {
    for (let still = 0, was; still < 20; still = node.scrollTop === was ? still + 1 : 0) {
        was = node.scrollTop;
        await new Promise(requestAnimationFrame);
    }
    return node.scrollTop;
}"""


async def test_growing_text_is_followed_but_a_reader_is_left_alone(visit: Visit, players: Players) -> None:
    scroller = visit.page.locator("#scroller")
    jump = visit.page.get_by_role("button", name="Jump to present")
    await visit.say("\n".join(f"Line {n}" for n in range(60)))
    await visit.command("recite Full")
    await players.lines.put("\n".join(f"verse {n}" for n in range(40)))
    await expect(visit.last.locator(".prose")).to_contain_text("verse 39")
    await scroller.evaluate(FOLLOWS)
    await expect(jump).to_be_hidden()

    await scroller.hover()
    await visit.page.mouse.wheel(0, -400)
    await expect(jump).to_be_visible()
    place = await scroller.evaluate(RESTS)
    await players.lines.put("\n".join(f"more {n}" for n in range(40)))
    await expect(visit.last.locator(".prose")).to_contain_text("more 39")
    await players.guilds[0].text_channels[0].send("New")
    await expect(jump).to_have_text("1 new · Jump to present")
    assert await scroller.evaluate(RESTS) == place

    await jump.click()
    await expect(jump).to_be_hidden()
    await scroller.evaluate(FOLLOWS)
    await players.lines.put("")
    await expect(visit.page.get_by_role("button", name="Continue")).to_be_visible()
    await scroller.evaluate(FOLLOWS)


async def test_older_messages_come_when_one_scrolls_up(visit: Visit, sandbox: Sandbox) -> None:
    async with Person(sandbox.url, "Miranda") as miranda:
        miranda.go("gallery")
        for n in range(60):
            await miranda.say(f"Number {n}")
    await visit.page.get_by_role("button", name="gallery").click()
    await expect(visit.messages).to_have_count(50)
    await expect(visit.messages.last).to_be_in_viewport()
    await visit.page.locator("#scroller").evaluate("node => { node.scrollTop = 0; }")
    await expect(visit.messages).to_have_count(60)
    await expect(visit.messages.nth(10)).to_be_in_viewport()
    await expect(visit.messages.first).to_contain_text("Number 0")
