"""Takes the README's pictures of the running page: on a desk in dark and in light, and on a phone.

Run: .venv/bin/python docs/screenshot.py

It starts the sandbox with Prospero and a worker on a free port, asks for verse the way a person would, waits for the
finished text and writes docs/page.png, docs/page-light.png and docs/page-phone.png; then for digits, and writes
docs/digits.png. It needs Debian's Chromium and a font with emoji: apt-get install chromium fonts-noto-color-emoji.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Any

from playwright.sync_api import Browser, Page, expect, sync_playwright

HERE = Path(__file__).parent
PATIENCE = 120_000  # milliseconds; the first text after a start waits for the model to load
DESK = {"width": 1280, "height": 800}
PHONE = {"width": 390, "height": 780}
GREETING = "Good evening, Prospero. The wind has dropped; **will you write us a scene?**"
PROMPT = "PROSPERO: Our revels now are ended."
NUMBER = "1623"  # when the First Folio was printed
SEED = "7"  # so that the next picture shows the same verse, as long as the model is the same


def main() -> None:
    """Takes the pictures."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        sys.exit("There is no Chromium here: apt-get install chromium fonts-noto-color-emoji")
    with island() as url, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        page = visit(browser, url, color_scheme="dark", viewport=DESK)
        warm_up(page)
        ask(page, "shakespeare", PROMPT, seed=SEED)
        take(page, "page")
        take(visit(browser, url, color_scheme="light", viewport=DESK), "page-light")
        phone = {"viewport": PHONE, "device_scale_factor": 2, "is_mobile": True, "has_touch": True}
        take(visit(browser, url, color_scheme="dark", **phone), "page-phone")
        go(page, "gallery")
        ask(page, "gan number", NUMBER, seed=SEED)
        recipes = page.get_by_role("button", name="Recipe")
        expect(recipes).to_have_count(1)
        ask(page, "gan sample", seed=SEED)
        expect(recipes).to_have_count(2)
        save(page, "digits")
        browser.close()


@contextmanager
def island() -> Iterator[str]:
    """A sandbox with Prospero in it, on a port of its own and with an empty home; yields its address."""
    with tempfile.TemporaryDirectory() as home:
        process = subprocess.Popen(
            [sys.executable, "-m", "sandbox", "--port", "0"],
            cwd=HERE.parent,
            env=os.environ | {"PROSPERO_HOME": home, "PYTHONUNBUFFERED": "1"},
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            yield address(process)
        finally:
            process.terminate()
            process.wait()


def address(process: subprocess.Popen[str]) -> str:
    """Where the sandbox says it is; what it says afterwards goes to the terminal."""
    assert process.stdout is not None
    for line in process.stdout:
        if found := re.search(r"http://\S+", line):
            Thread(target=shutil.copyfileobj, args=(process.stdout, sys.stderr), daemon=True).start()
            return found[0]
    sys.exit("The sandbox ended before it said where it is.")


def visit(browser: Browser, url: str, **options: Any) -> Page:
    """The page as the operator sees it, with Prospero there."""
    page = browser.new_context(locale="en-US", **options).new_page()
    page.set_default_timeout(PATIENCE)
    page.goto(url)
    page.locator("[data-bot=online]").wait_for()
    page.locator("#content[aria-busy=false]").wait_for(state="attached")
    return page


def warm_up(page: Page) -> None:
    """Waits elsewhere until the model is loaded, then greets in the channel that is shown."""
    go(page, "workshop")
    ask(page, "shakespeare", PROMPT, length="1")
    page.get_by_role("button", name="Continue").wait_for()
    go(page, "the-stage")
    page.keyboard.type(GREETING)
    page.keyboard.press("Enter")
    page.get_by_text("will you write us a scene?").wait_for()


def go(page: Page, channel: str) -> None:
    """Opens a channel."""
    page.get_by_role("button", name=channel).click()
    page.locator("#content[aria-busy=false]").wait_for(state="attached")


def ask(page: Page, command: str, first: str = "", **options: str) -> None:
    """Types a command, its first option and others as one would, and sends it."""
    page.keyboard.type(f"/{command} ")
    page.keyboard.type(first)
    for name, text in options.items():
        page.get_by_role("textbox", name=name).fill(text)
    page.keyboard.press("Enter")


def take(page: Page, name: str) -> None:
    """Saves what the page shows once the text is finished and nothing moves any more."""
    continued = page.get_by_role("button", name="Continue")
    expect(continued).to_be_in_viewport(timeout=PATIENCE)
    page.locator(".growing").wait_for(state="detached")
    save(page, name)


def save(page: Page, name: str) -> None:
    """Saves what the page shows."""
    page.mouse.move(0, 0)
    page.screenshot(path=HERE / f"{name}.png", animations="disabled")


if __name__ == "__main__":
    main()
