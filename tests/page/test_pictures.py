"""Pictures on the page: a sheet asked for, then others, variations and one alone, by mouse and by keys."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio
from playwright.async_api import Locator, expect

from models.checkpoint import Store
from tests.bot.conftest import Island, real_worker
from tests.conftest import CATS, keep_gan
from tests.page.conftest import Open, Visit

STOPS = 60  # presses of Tab; a message with a sheet has 14 stops
IS_REACHED = """([message, label]) => {
    const focused = document.activeElement;
    return focused.textContent === label && focused.closest(".message") === message;
}"""


@pytest_asyncio.fixture(loop_scope="package")
async def gallery(island: Island, open_page: Open, tmp_path: Path) -> AsyncIterator[Visit]:
    """The page with a Prospero whose worker draws noise from random weights."""
    store = Store(tmp_path / "home", shipped=tmp_path / "shipped")
    keep_gan(store, "gan-cats", CATS)
    async with real_worker(store) as url:
        await island.start_bot(url)
        yield await open_page()
        await island.stop_bot()


async def shown(visit: Visit, count: int, small_print: str) -> Locator:
    """The newest of so many messages, once its picture is there, is described and has that small print."""
    await expect(visit.messages).to_have_count(count)
    message = visit.messages.nth(count - 1)
    await expect(message.locator(".subtext")).to_have_text(re.compile(small_print))
    image = message.get_by_role("img", name=re.compile("gan-cats"))
    await expect(image).to_have_js_property("complete", True)
    assert await image.evaluate("image => image.naturalWidth") > 0
    return message


async def file_of(message: Locator) -> str:
    return str(await message.locator("button.picture img").get_attribute("src"))


async def test_by_mouse(gallery: Visit) -> None:
    await gallery.page.get_by_role("button", name="See every command").click()
    await gallery.suggestions.filter(has_text="/gan sample").click()
    await gallery.field("seed").fill("7")
    await gallery.page.get_by_role("button", name="Send").click()
    sheet = await shown(gallery, 1, "^gan-cats@tiny · seed 7$")

    await sheet.get_by_role("button", name="Re-roll").click()
    others = await shown(gallery, 2, r"^gan-cats@tiny · seed \d+$")
    assert await others.locator(".subtext").inner_text() != await sheet.locator(".subtext").inner_text()
    assert await file_of(others) != await file_of(sheet)

    await sheet.get_by_role("button", name="🎲 2").click()
    await shown(gallery, 3, "near 8, strength 0.4$")

    await sheet.get_by_role("button", name="🔍 3").click()
    alone = await shown(gallery, 4, "^gan-cats@tiny · seed 9$")
    await expect(alone.get_by_role("button", name="🔍 1")).to_have_count(0)

    await alone.locator("button.picture").click()
    large = gallery.page.get_by_role("dialog", name="Picture")
    await expect(large.get_by_role("img")).to_be_visible()
    await large.get_by_role("button", name="Close the picture").click()
    await expect(large).to_have_count(0)


async def test_the_gallery_offers_cats(gallery: Visit) -> None:
    await gallery.page.get_by_role("button", name="gallery").click()
    await gallery.settled()
    await gallery.page.get_by_role("button", name="/gan sample").click()
    await expect(gallery.field("model")).to_have_value("gan-cats")
    await gallery.field("model").press("Enter")
    await shown(gallery, 1, r"^gan-cats@tiny · seed \d+$")
    await gallery.page.get_by_role("button", name="workshop").click()
    await gallery.settled()
    await gallery.page.get_by_role("button", name="/model list").click()
    await gallery.page.get_by_role("button", name="Send").click()
    await expect(gallery.last.locator(".prose")).to_contain_text("gan-cats")


async def press(visit: Visit, way: str, label: str) -> None:
    """Walk to the newest message's button with Tab or Shift+Tab, and press it with Enter."""
    message = await visit.messages.last.element_handle()
    for _ in range(STOPS):
        await visit.page.keyboard.press(way)
        if await visit.page.evaluate(IS_REACHED, [message, label]):
            await visit.page.keyboard.press("Enter")
            return
    raise AssertionError(f"{way} never came to {label}.")


async def test_by_keys_alone(gallery: Visit) -> None:
    keyboard = gallery.page.keyboard
    await keyboard.type("/gan sam")
    await expect(gallery.suggestions).to_have_count(1)
    await keyboard.press("Tab")
    await expect(gallery.field("model")).to_be_focused()
    await keyboard.type("gan")
    await expect(gallery.suggestions).to_have_text(["gan-cats", "gan-cats@tiny"])
    await keyboard.press("Enter")
    await expect(gallery.field("model")).to_have_value("gan-cats")
    await keyboard.press("Tab")
    await keyboard.press("Tab")
    await expect(gallery.field("seed")).to_be_focused()
    await keyboard.type("7")
    await keyboard.press("Enter")
    await shown(gallery, 1, "^gan-cats@tiny · seed 7$")

    await press(gallery, "Shift+Tab", "Re-roll")
    await shown(gallery, 2, r"^gan-cats@tiny · seed \d+$")
    await press(gallery, "Tab", "🎲 1")
    await shown(gallery, 3, r"near \d+, strength 0.4$")
    await press(gallery, "Tab", "🔍 4")
    await shown(gallery, 4, r"near \d+, strength 0.4$")

    await keyboard.type("/hel")
    await expect(gallery.text).to_have_value("/hel")  # from wherever one is, one goes on writing
