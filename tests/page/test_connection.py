"""What a page shows when the bot, the sandbox or the line to it comes and goes."""

from __future__ import annotations

from playwright.async_api import Browser, WebSocketRoute, expect

from sandbox.app import Sandbox, create_app, serve
from sandbox.settings import Settings
from tests.page.conftest import Open, Visit, cast
from tests.person import Person


async def test_the_bot_comes_and_goes(sandbox: Sandbox, open_page: Open) -> None:
    visit = await open_page()
    await expect(visit.page.get_by_text("Prospero is offline")).to_be_visible()
    async with cast(sandbox):
        await expect(visit.page.get_by_text("Prospero is online")).to_be_visible()
        await visit.text.fill("/recite")
        await expect(visit.suggestions).to_have_count(1)
    await expect(visit.page.get_by_text("Prospero is offline")).to_be_visible()


async def test_a_lost_line_is_announced_and_what_was_missed_is_fetched(browser: Browser, sandbox: Sandbox) -> None:
    context = await browser.new_context()
    page = await context.new_page()
    routes: list[WebSocketRoute] = []
    closed = False

    def connect(route: WebSocketRoute) -> None:
        routes.append(route)
        if not closed:
            route.connect_to_server()

    await page.route_web_socket("**/sandbox/events*", connect)
    await page.goto(sandbox.url)
    visit = Visit(page)
    await visit.settled()
    await visit.say("Before")
    await page.evaluate("document.querySelector('.message').mine = true")

    closed = True
    await routes[-1].close(code=1001)
    banner = page.locator("#connection")
    await expect(banner).to_have_text("The connection to the sandbox is lost. Trying again…")
    async with Person(sandbox.url, "Miranda") as miranda:
        await miranda.say("Meanwhile")
    closed = False
    await routes[-1].close(code=1001)
    await expect(banner).to_be_hidden()
    await expect(visit.messages).to_have_count(2)
    await expect(visit.messages.last).to_contain_text("Meanwhile")
    assert await page.evaluate("document.querySelector('.message').mine"), "a message that stayed was drawn anew"
    await context.close()


async def test_another_sandbox_at_the_same_address_starts_afresh(browser: Browser) -> None:
    context = await browser.new_context()
    page = await context.new_page()
    visit = Visit(page)
    async with serve(create_app(Settings(sandbox_token="ariel"))) as sandbox:
        port = int(sandbox.url.rsplit(":", 1)[1])
        await page.goto(sandbox.url)
        await visit.settled()
        await visit.say("In the first one")
    await expect(page.locator("#connection")).to_be_visible()
    await visit.text.fill("Into the void")
    await visit.text.press("Enter")
    await expect(visit.hint).to_have_text("The sandbox cannot be reached. See whether it still runs in its terminal.")
    await expect(visit.text).to_have_value("Into the void")
    async with serve(create_app(Settings(sandbox_token="ariel")), port=port):
        await expect(page.locator("#connection")).to_be_hidden()
        await expect(page.get_by_role("heading", name="This is #the-stage")).to_be_visible()
        await visit.say("In the second one")
    await context.close()


async def test_who_one_is_stays_with_the_tab(sandbox: Sandbox, open_page: Open) -> None:
    visit = await open_page()
    await visit.become("Miranda")
    await visit.say("As Miranda")
    await expect(visit.messages.last.locator(".name")).to_have_text("Miranda")
    await visit.page.reload()
    await visit.settled()
    await visit.known_as("Miranda", "member")
    other = await open_page()
    await other.known_as("Ariel", "operator")
