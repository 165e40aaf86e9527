"""A visitor with a camera: starts the sandbox, opens its page in Chromium, asks Prospero for things and takes pictures.

It serves the scripts beside it. They need Debian's Chromium and a font with emoji:
apt-get install chromium fonts-noto-color-emoji.
"""

from __future__ import annotations

import io
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
from typing import IO, Any

from PIL import Image
from playwright.sync_api import Browser, FloatRect, Locator, Page, expect, sync_playwright

HERE = Path(__file__).parent
PATIENCE = 120_000  # milliseconds; the first result after a start waits for its model to load
DESK = {"width": 1280, "height": 800}
PHONE = {"width": 390, "height": 780}
TALL = {"width": 1100, "height": 1900}  # so that a few results fit in at once
MARGIN = 12  # pixels around messages that are shown without the rest of the page
HEAVY = 400_000  # bytes; a picture above that is kept in a palette
COLOURS = 256

expect.set_options(timeout=PATIENCE)


@contextmanager
def island(home: Path) -> Iterator[str]:
    """A sandbox with Prospero and a worker that is ready, on a port of its own; yields its address."""
    process = subprocess.Popen(
        [sys.executable, "-m", "sandbox", "--port", "0"],
        cwd=HERE.parent,
        env=os.environ | {"PROSPERO_HOME": str(home), "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    try:
        url = _heard(process.stdout, r"http://\S+")
        _heard(process.stdout, "the worker is ready")
        Thread(target=shutil.copyfileobj, args=(process.stdout, sys.stderr), daemon=True).start()
        yield url
    finally:
        process.terminate()
        process.wait()


def _heard(told: IO[str], wanted: str) -> str:
    """Waits until the sandbox or what it started says that, and passes on what they say; returns what was found."""
    for line in told:
        sys.stderr.write(line)
        if found := re.search(wanted, line):
            return found[0]
    sys.exit("The sandbox ended before it was ready.")


@contextmanager
def chromium() -> Iterator[Browser]:
    """Debian's Chromium, without a window."""
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if found is None:
        sys.exit("There is no Chromium here: apt-get install chromium fonts-noto-color-emoji")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


@contextmanager
def empty_home() -> Iterator[Path]:
    """A data home that is thrown away."""
    with tempfile.TemporaryDirectory() as home:
        yield Path(home)


def visit(browser: Browser, url: str, **options: Any) -> Page:
    """The page as the operator sees it, with Prospero there."""
    page = browser.new_context(locale="en-US", **options).new_page()
    page.set_default_timeout(PATIENCE)
    page.goto(url)
    page.locator("[data-bot=online]").wait_for()
    page.locator("#content[aria-busy=false]").wait_for(state="attached")
    return page


def go(page: Page, channel: str) -> None:
    """Opens a channel."""
    page.get_by_role("button", name=channel).click()
    page.locator("#content[aria-busy=false]").wait_for(state="attached")


def ask(page: Page, command: str, first: str = "", files: dict[str, Path] | None = None, **options: str) -> None:
    """Fills in a command: what is typed first, files, other options by name; sends it, and waits for the bot's turn."""
    messages = page.locator(".message:not(.pending)")
    before = messages.count()
    page.locator("#content[aria-busy=false]").wait_for(state="attached")
    page.get_by_label("Message", exact=True).focus()
    page.keyboard.type(f"/{command} ")
    form = page.locator(".command-form")
    form.wait_for()
    page.keyboard.type(first)
    for name, file in (files or {}).items():
        _field(form, name).locator("input[type=file]").set_input_files(file)
    for name, text in options.items():
        _field(form, name).locator("input").fill(text)
    page.get_by_role("button", name="Send").click()
    messages.nth(before).wait_for()


def _field(form: Locator, name: str) -> Locator:
    return form.locator(".field", has=form.page.get_by_text(name, exact=True))


def answered(page: Page, button: str) -> None:
    """Waits until the newest message is finished: it has a button of that name."""
    page.locator(".message").last.get_by_role("button", name=button, exact=True).wait_for()
    page.locator(".growing").wait_for(state="detached")


def settled(page: Page) -> None:
    """Waits until every picture on the page is there."""
    page.wait_for_function("[...document.querySelectorAll('.message img')].every(one => one.complete)")


def save(page: Page, name: str) -> None:
    """Saves what the page shows, as docs/<name>.png."""
    page.mouse.move(0, 0)
    settled(page)
    keep(page.screenshot(animations="disabled"), name)


def save_messages(page: Page, name: str, count: int = 1) -> None:
    """Saves the newest messages alone, as docs/<name>.png."""
    page.mouse.move(0, 0)
    settled(page)
    boxes = [box for one in page.locator(".message").all() if (box := one.bounding_box())]
    top, bottom = boxes[-count], boxes[-1]
    before = boxes[-count - 1] if len(boxes) > count else None
    end = before["y"] + before["height"] if before else 0  # of the message before, of which nothing shall be seen
    left, above = max(0, top["x"] - MARGIN), max(end, top["y"] - MARGIN)
    below = bottom["y"] + bottom["height"] + MARGIN
    clip = FloatRect(x=left, y=above, width=top["width"] + 2 * MARGIN, height=below - above)
    keep(page.screenshot(animations="disabled", clip=clip), name)


def keep(png: bytes, name: str) -> None:
    """Writes docs/<name>.png, with fewer colours when it would be heavy."""
    if len(png) > HEAVY:
        file = io.BytesIO()
        Image.open(io.BytesIO(png)).convert("RGB").quantize(COLOURS).save(file, "PNG", optimize=True)
        png = file.getvalue()
    (HERE / f"{name}.png").write_bytes(png)
    print(f"docs/{name}.png")
