"""What a page shows when the bot, the sandbox or the line to it comes and goes."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest_asyncio
from playwright.async_api import Browser, Route, WebSocketRoute, expect

from sandbox.app import Sandbox, create_app, serve
from sandbox.settings import Settings
from tests.page.conftest import Open, Visit, cast
from tests.page.players import Players
from tests.person import Person

UNREACHABLE = "The sandbox cannot be reached. See whether it still runs in its terminal."
UNKNOWN = "The connection was lost meanwhile, so this may not have arrived."
SESSION = "**/sandbox/session*"


@dataclass
class Line:
    """A page and its line to the sandbox, which a test may cut and mend; of what fails its console may tell."""

    visit: Visit
    streams: list[WebSocketRoute] = field(default_factory=list)

    def connect(self, stream: WebSocketRoute) -> None:
        stream.connect_to_server()
        self.streams.append(stream)

    async def cut(self, **answer: Any) -> None:
        """Break the stream; until the line is mended, `answer` is all that the page hears when it asks for the session
        to come back to, by default nothing."""
        asked = asyncio.Event()

        async def turn_away(route: Route) -> None:
            await (route.fulfill(**answer) if answer else route.abort())
            asked.set()

        await self.visit.page.route(SESSION, turn_away)
        await self.streams[-1].close(code=1001)
        await asked.wait()

    async def mend(self) -> None:
        await self.visit.page.unroute(SESSION)
        await expect(self.visit.page.locator("#connection")).to_be_hidden()


@pytest_asyncio.fixture(loop_scope="package")
async def line(browser: Browser, sandbox: Sandbox) -> AsyncIterator[Line]:
    """The page as Ariel sees it, with its line to the sandbox."""
    context = await browser.new_context()
    line = Line(Visit(await context.new_page()))
    await line.visit.page.route_web_socket("**/sandbox/events*", line.connect)
    await line.visit.page.goto(sandbox.url)
    await line.visit.settled()
    yield line
    await context.close()


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
    await expect(visit.hint).to_have_text(UNREACHABLE)
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


async def test_a_channel_that_could_not_be_fetched_is_fetched_later(line: Line, sandbox: Sandbox) -> None:
    page = line.visit.page
    banner, content = page.locator("#connection"), page.locator("#content")
    answers: dict[str, dict[str, Any]] = {
        "The sandbox answered 500 and no more. Its terminal may say why.": {"status": 500},
        UNREACHABLE: {"content_type": "application/json", "body": '[{"id": "1'},  # broken off
        "Unknown Channel": {"status": 404, "json": {"message": "Unknown Channel"}},
    }
    answer: dict[str, Any] = {}

    async def fail(route: Route) -> None:
        await (route.fulfill(**answer) if answer else route.abort())

    await page.clock.install()
    await page.route("**/messages?*", fail)
    await page.get_by_role("button", name="gallery").click()
    await expect(banner).to_have_text(UNREACHABLE)
    async with Person(sandbox.url, "Miranda") as miranda:
        miranda.go("gallery")
        await miranda.say("Meanwhile")
        for sentence, given in answers.items():
            answer = given
            await page.clock.run_for(2000)
            await expect(banner).to_have_text(sentence)
        await expect(content).to_have_attribute("aria-busy", "true")
        await page.unroute("**/messages?*")
        await page.clock.run_for(2000)
        await line.visit.settled()
        await expect(banner).to_be_hidden()
        await miranda.say("And after")
    await expect(line.visit.messages.locator(".prose")).to_have_text(["Meanwhile", "And after"])


async def test_older_messages_are_fetched_after_a_try_that_failed(line: Line, sandbox: Sandbox) -> None:
    page, messages = line.visit.page, line.visit.messages
    async with Person(sandbox.url, "Miranda") as miranda:
        for n in range(60):
            await miranda.say(f"Line {n}")
    await page.reload()
    await line.visit.settled()
    await expect(messages).to_have_count(50)
    older = re.compile("before=")
    await page.route(older, lambda route: route.abort())
    await page.locator("#scroller").evaluate("node => { node.scrollTop = 0; }")
    await expect(page.locator("#connection")).to_have_text(UNREACHABLE)
    await page.unroute(older)
    await page.locator("#scroller").evaluate("node => { node.scrollTop = 100; }")
    await expect(messages).to_have_count(60)
    await expect(page.locator("#connection")).to_be_hidden()


async def test_a_form_sent_while_the_line_is_cut_stays_with_what_was_typed(line: Line, players: Players) -> None:
    visit, page = line.visit, line.visit.page
    await visit.command("controls")
    await page.get_by_role("button", name="Form").click()
    form = page.get_by_role("dialog", name="A line of your own")
    text = form.get_by_role("textbox", name="Line")
    await text.fill("O brave new world")
    await line.cut()
    async with page.expect_response("**/sandbox/interactions"):
        await text.press("Enter")
    await line.mend()
    await expect(form.get_by_role("alert")).to_have_text(UNKNOWN)
    await expect(text).to_have_value("O brave new world")
    await expect(form.get_by_role("button", name="Submit")).to_be_enabled()


async def test_a_command_whose_answer_may_have_been_missed_can_be_tried_again(line: Line, players: Players) -> None:
    visit = line.visit
    async with visit.page.expect_response("**/sandbox/interactions"):
        await visit.command("silence")
    await line.cut()
    await expect(visit.last.get_by_role("alert")).to_contain_text(UNKNOWN)
    await visit.page.get_by_role("button", name="Try again").click()
    await expect(visit.page.locator(".command-chip")).to_have_text("/silence")


async def test_a_fault_of_the_sandbox_does_not_start_the_page_afresh(line: Line) -> None:
    visit = line.visit
    await visit.say("Before")
    await visit.messages.last.evaluate("node => { node.mine = true; }")
    await visit.text.fill("Half a thought")
    await line.cut(status=503, json={"message": "Not now"})
    await line.mend()
    await expect(visit.text).to_have_value("Half a thought")
    assert await visit.messages.last.evaluate("node => node.mine"), "the page was started afresh"


async def test_a_fault_of_the_sandbox_makes_nobody_somebody_else(line: Line) -> None:
    visit, page = line.visit, line.visit.page
    await visit.become("Miranda")
    mine = re.compile(r"/sandbox/session\?user=")
    await page.route(mine, lambda route: route.fulfill(status=500, json={"message": "A fault"}))
    await page.reload()
    await expect(page.get_by_role("alert")).to_contain_text("A fault")
    await page.unroute(mine)
    await page.get_by_role("button", name="Try again").click()
    await visit.known_as("Miranda", "member")
