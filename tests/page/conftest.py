"""The page in a real browser, on a real sandbox, with a small real bot; all of a test shares one event loop."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import discord
import pytest
import pytest_asyncio
import yarl
from aiohttp import web
from playwright.async_api import Browser, ConsoleMessage, Locator, Page, async_playwright, expect

from sandbox.app import Sandbox, create_app, serve
from sandbox.settings import Settings
from tests.bot.conftest import Island
from tests.page.players import Players

PATIENCE = 20_000  # milliseconds; far more than anything takes, so that only a real fault runs into it
QUIET = [  # a browser that keeps to itself
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
DESK = {"width": 1280, "height": 800}
PHONE = {"width": 390, "height": 780}

expect.set_options(timeout=PATIENCE)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the tests of this folder in the loop that its fixtures live in."""
    for item in items:
        if "tests/page/" in item.path.as_posix():
            item.add_marker(pytest.mark.asyncio(loop_scope="package"), append=False)


@pytest_asyncio.fixture(scope="package", loop_scope="package")
async def browser() -> AsyncIterator[Browser]:
    """Debian's Chromium."""
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if found is None:
        pytest.skip("There is no Chromium to open the page with: apt-get install chromium")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=found, args=QUIET)
        yield browser
        await browser.close()


@asynccontextmanager
async def cast(sandbox: Sandbox) -> AsyncIterator[Players]:
    """The small bot, logged in and with its commands registered."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(discord.http.Route, "BASE", f"{sandbox.url}/api/v10")
        gateway = yarl.URL(sandbox.url).with_scheme("ws") / "gateway"
        patch.setattr(discord.gateway.DiscordWebSocket, "DEFAULT_GATEWAY", gateway)
        async with Players() as players:
            await players.login(sandbox.token)
            connection = asyncio.create_task(players.connect())
            await players.wait_until_ready()
            yield players
            await players.close()
            await connection


@pytest_asyncio.fixture(loop_scope="package")
async def sandbox() -> AsyncIterator[Sandbox]:
    """A sandbox of its own for each test, without a bot."""
    app: web.Application = create_app(Settings(sandbox_token="ariel"))
    async with serve(app) as sandbox:
        yield sandbox


@pytest_asyncio.fixture(loop_scope="package")
async def players(sandbox: Sandbox) -> AsyncIterator[Players]:
    """The small bot in the sandbox."""
    async with cast(sandbox) as players:
        yield players


@pytest_asyncio.fixture(loop_scope="package")
async def island(sandbox: Sandbox, tmp_path: Path) -> AsyncIterator[Island]:
    """The test's sandbox, for Prospero to be started in."""
    island = Island(sandbox, tmp_path / "bot", [])
    yield island
    await island.stop_bot()


@dataclass
class Visit:
    """An open page and what people find on it. `complaints` are errors that the browser's console was told."""

    page: Page
    complaints: list[str] = field(default_factory=list)

    def listen(self) -> None:
        """Collect the errors that the page throws or the console is told."""

        def hear(told: ConsoleMessage) -> None:
            if told.type == "error":
                self.complaints.append(told.text)

        self.page.on("console", hear)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))

    @property
    def text(self) -> Locator:
        """Where ordinary messages are written."""
        return self.page.get_by_label("Message", exact=True)

    @property
    def suggestions(self) -> Locator:
        return self.page.get_by_role("listbox", name="Suggestions").get_by_role("option")

    @property
    def hint(self) -> Locator:
        return self.page.locator("#hint")

    @property
    def messages(self) -> Locator:
        return self.page.get_by_role("log").locator(".message:not(.pending)")

    @property
    def last(self) -> Locator:
        return self.page.locator(".message").last

    def field(self, name: str) -> Locator:
        """The field of a command's option."""
        return self.page.locator(".field", has=self.page.get_by_text(name, exact=True)).locator("input, button").first

    async def command(self, line: str) -> None:
        """Type a command's name, and with what follows its first field, and send it."""
        await self.text.focus()
        await self.page.keyboard.type(f"/{line.split(' ')[0]} ")
        await expect(self.page.locator(".command-form")).to_be_visible()
        if " " in line:
            await self.page.keyboard.type(line.split(" ", 1)[1])
        await self.page.keyboard.press("Enter")

    async def say(self, content: str) -> None:
        """Write an ordinary message and wait until it is there."""
        count = await self.messages.count()
        await self.text.fill(content)
        await self.text.press("Enter")
        await expect(self.messages).to_have_count(count + 1)

    async def become(self, name: str) -> None:
        await self.page.locator("#identity").click()
        await self.page.get_by_role("menuitemradio", name=name).click()
        await self.known_as(name, "member")
        await self.settled()

    async def known_as(self, name: str, role: str) -> None:
        """Until the page says who one is."""
        said = f"You are {name}, {role}. Be somebody else"
        await expect(self.page.locator("#identity")).to_have_accessible_name(said)

    async def settled(self) -> None:
        """Until the page has what the sandbox has, so that what is done next is not done too early."""
        await expect(self.page.locator("#app[data-bot]")).to_be_visible()
        await expect(self.page.locator("#content[aria-busy=false]")).to_be_attached()


Open = Callable[..., Coroutine[Any, Any, Visit]]


@pytest_asyncio.fixture(loop_scope="package")
async def open_page(browser: Browser, sandbox: Sandbox) -> AsyncIterator[Open]:
    """Opens the page; options are those of a browser context. A test fails when the console hears of an error."""
    visits: list[Visit] = []
    async with AsyncExitStack() as stack:

        async def open_page(**options: Any) -> Visit:
            settings = {"viewport": DESK, "color_scheme": "dark", "locale": "en-US", "timezone_id": "UTC"} | options
            context = await browser.new_context(**settings)
            stack.push_async_callback(context.close)
            context.set_default_timeout(PATIENCE)
            visit = Visit(await context.new_page())
            visits.append(visit)
            visit.listen()
            await visit.page.goto(sandbox.url)
            await visit.settled()
            return visit

        yield open_page
        assert [complaint for visit in visits for complaint in visit.complaints] == []


@pytest_asyncio.fixture(loop_scope="package")
async def visit(players: Players, open_page: Open) -> Visit:
    """The page as Ariel, the operator, sees it on a desk, with the bot there."""
    return await open_page()
