"""Prospero himself on the page: `/shakespeare` typed, verse that grows, Stop, Continue and Retry pressed."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web
from playwright.async_api import expect

from models.checkpoint import Store
from tests.bot.conftest import Island, ToldWorker, real_worker
from tests.page.conftest import Open, Visit


@asynccontextmanager
async def told_worker() -> AsyncIterator[ToldWorker]:
    """A worker that writes what the test tells it to."""
    worker = ToldWorker()
    app = web.Application()
    app.router.add_post("/v1/completions", worker.complete)
    runner = web.AppRunner(app, shutdown_timeout=0.1, handler_cancellation=True)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    worker.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield worker
    await runner.cleanup()


async def ask(visit: Visit, prompt: str) -> None:
    """Ask for verse with the keyboard alone."""
    await visit.page.keyboard.type("/shak")
    await expect(visit.suggestions).to_have_count(1)
    await visit.page.keyboard.press("Tab")
    await expect(visit.field("prompt")).to_be_focused()
    await visit.page.keyboard.type(prompt)
    await visit.page.keyboard.press("Enter")


async def test_verse_grows_and_the_buttons_press(island: Island, open_page: Open) -> None:
    async with told_worker() as worker:
        await island.start_bot(worker.url)
        visit = await open_page()
        await ask(visit, "Full fathom five")
        stream = await worker.stream()
        await expect(visit.last).to_contain_text("thinking…")
        text = visit.last.locator(".prose")
        for line in (" thy father lies;", "\nOf his bones are coral made;", "\nThose are pearls that were his eyes:"):
            stream.write(line)
            await expect(text).to_contain_text(line.strip())
        await visit.last.get_by_role("button", name="Stop").click()
        await expect(visit.last.get_by_role("button", name="Retry")).to_be_visible()
        assert stream.closed.is_set()
        await expect(text).to_contain_text("Those are pearls that were his eyes:")

        await visit.last.get_by_role("button", name="Continue").click()
        stream = await worker.stream()
        assert stream.wanted["prompt"].endswith("that were his eyes:")
        stream.finish("\nNothing of him that doth fade")
        await expect(visit.messages).to_have_count(2)
        await expect(text).to_contain_text("Nothing of him that doth fade")
        await expect(visit.last.locator(".quoted")).to_contain_text("Full fathom five")


async def test_a_trained_model_writes_into_the_page(island: Island, open_page: Open, tiny_store: Store) -> None:
    async with real_worker(tiny_store) as url:
        await island.start_bot(url)
        visit = await open_page()
        await visit.page.get_by_role("button", name="/shakespeare").click()
        await expect(visit.field("prompt")).to_have_value("Our revels now are ended.")
        await visit.field("prompt").press("Enter")
        await expect(visit.last.get_by_role("button", name="Continue")).to_be_visible()
        await expect(visit.last.locator(".used")).to_contain_text("/shakespeare")
        await expect(visit.last.locator(".subtext")).to_contain_text("gpt-shakespeare@tiny")
        assert len(await visit.last.locator(".prose").inner_text()) > 400


async def end(visit: Visit) -> str:
    """What the newest text ends with, far from its prompt."""
    return "\n".join(await visit.last.locator(".prose > :not(.subtext)").all_inner_texts())[-100:]


async def test_the_recipe_of_a_continued_text_is_pasted(island: Island, open_page: Open, tiny_store: Store) -> None:
    async with real_worker(tiny_store) as url:
        await island.start_bot(url)
        visit = await open_page()
        await ask(visit, r"PROSPERO:\nO brave")
        await visit.last.get_by_role("button", name="Continue").click()
        await expect(visit.messages).to_have_count(2)
        await expect(visit.last.get_by_role("button", name="Recipe")).to_be_visible()
        written = await end(visit)
        await visit.last.get_by_role("button", name="Recipe").click()
        await expect(visit.messages).to_have_count(3)
        command = await visit.last.locator("pre").inner_text()
        assert command.count(r"\n") > 1
        await visit.text.focus()
        await visit.page.keyboard.insert_text(command)
        await expect(visit.field("prompt")).to_have_value(re.compile(r"^PROSPERO:\\nO brave.*\\n"))
        await visit.field("prompt").press("Enter")
        await expect(visit.messages).to_have_count(4)
        await expect(visit.last.get_by_role("button", name="Recipe")).to_be_visible()
        assert await end(visit) == written


async def test_the_bots_own_sentences(island: Island, open_page: Open) -> None:
    async with told_worker() as worker:
        await island.start_bot(worker.url)
        visit = await open_page()
        worker.refuse(503, "The model is not loaded yet; try again in a moment.")
        await ask(visit, "O brave new world")
        await expect(visit.last.get_by_role("button", name="Retry")).to_be_visible()
        await visit.command("help")
        await expect(visit.last.locator(".embed, .prose")).to_contain_text(["shakespeare"])
