"""Takes every picture of docs/ but those of a training (retraining.py beside this), from the running page.

Run: .venv/bin/python docs/screenshot.py

It starts the sandbox with Prospero, a worker with the models that ship, and an empty home; asks for results of every
kind as the operator would; and saves each as docs/<name>.png. Pictures to hand in are drawn here or by the models.
"""

from __future__ import annotations

from pathlib import Path

from PIL import Image, ImageDraw
from playwright.sync_api import Browser, Page, expect
from visitor import (
    DESK,
    HERE,
    PHONE,
    TALL,
    answered,
    ask,
    chromium,
    empty_home,
    go,
    island,
    save,
    save_messages,
    visit,
)

GREETING = "Good evening, Prospero. The wind has dropped; **will you write us a scene?**"
PROMPT = "PROSPERO: Our revels now are ended."
NUMBER = "1623"  # when the First Folio was printed
SEED = "7"  # so that the next picture shows the same, as long as the models are the same
SHIPPED = HERE.parent / "checkpoints"


def main() -> None:
    """Takes the pictures."""
    with empty_home() as home, island(home) as url, chromium() as browser:
        verse(browser, url)
        page = visit(browser, url, color_scheme="dark", viewport=TALL)
        go(page, "gallery")
        digits(page)
        if (SHIPPED / "gan-cats").exists():
            result(page, "gan-cats", "gan sample", model="gan-cats", seed=SEED)
        cat, other = drawn(page, home, "1"), drawn(page, home, "4")
        looked_at(page, cat, other, home)
        go(page, "workshop")
        ask(page, "help")
        save_messages(page, "help")


def verse(browser: Browser, url: str) -> None:
    """The page with a text: on a desk in dark and in light, on a phone, and what the model would write next."""
    page = visit(browser, url, color_scheme="dark", viewport=DESK)
    page.get_by_label("Message", exact=True).fill(GREETING)
    page.keyboard.press("Enter")
    page.get_by_text("will you write us a scene?").wait_for()
    ask(page, "shakespeare", PROMPT, seed=SEED)
    finished(page, "page")
    finished(visit(browser, url, color_scheme="light", viewport=DESK), "page-light")
    phone = {"viewport": PHONE, "device_scale_factor": 2, "is_mobile": True, "has_touch": True}
    finished(visit(browser, url, color_scheme="dark", **phone), "page-phone")
    tall = visit(browser, url, color_scheme="dark", viewport=TALL)
    tall.get_by_role("button", name="Next letters").click()
    tall.locator("button.picture").wait_for()
    save_messages(tall, "next-letters")


def finished(page: Page, name: str) -> None:
    """Saves the page once the text on it is finished."""
    expect(page.get_by_role("button", name="Continue")).to_be_in_viewport()
    save(page, name)


def digits(page: Page) -> None:
    """A number and a sheet of digits."""
    ask(page, "gan number", NUMBER, seed=SEED)
    answered(page, "Recipe")
    ask(page, "gan sample", model="gan-digits", seed=SEED)
    answered(page, "Recipe")
    save_messages(page, "digits", 2)


def result(page: Page, name: str, command: str, files: dict[str, Path] | None = None, **options: str) -> None:
    """Asks for a result and saves the message with it."""
    ask(page, command, files=files, **options)
    answered(page, "Recipe")
    save_messages(page, name)


def drawn(page: Page, home: Path, seed: str) -> Path:
    """A cat that never existed, as a file to hand in."""
    ask(page, "vae sample", model="vae-cats", count="1", seed=seed)
    answered(page, "Recipe")
    address = page.locator(".message").last.locator("button.picture img").get_attribute("src")
    file = home / f"cat-{seed}.png"
    file.write_bytes(page.request.get(page.url + str(address).removeprefix("/")).body())
    return file


def looked_at(page: Page, cat: Path, other: Path, home: Path) -> None:
    """What the models make of pictures that are handed in."""
    result(page, "vae-reconstruct", "vae reconstruct", {"image": cat}, model="vae-cats")
    result(page, "vae-interpolate", "vae interpolate", {"first": cat, "second": other}, model="vae-cats")
    result(page, "vae-traverse", "vae traverse", {"image": cat}, model="vae-cats")
    result(page, "autoencoder-reconstruct", "autoencoder reconstruct", {"image": cat}, model="autoencoder-cats")
    result(page, "autoencoder-compress", "autoencoder compress", {"image": cat}, model="autoencoder-cats")
    odd = home / "cat-with-a-patch.png"
    patched(cat).save(odd)
    result(page, "autoencoder-outlier", "autoencoder outlier", {"image": odd}, model="autoencoder-cats")
    drawing = home / "sketch.png"
    sketch().save(drawing)
    result(page, "translate", "translate", {"image": drawing})
    result(page, "latent-map", "latent map", {"image": cat}, model="vae-cats")


def patched(cat: Path) -> Image.Image:
    """The cat with something on its cheek that no cat has."""
    picture = Image.open(cat).convert("RGB")
    side = picture.width
    pen = ImageDraw.Draw(picture)
    pen.ellipse((0.62 * side, 0.52 * side, 0.86 * side, 0.76 * side), fill=(20, 90, 220))
    return picture


def sketch() -> Image.Image:
    """A cat's face in a few strokes: white paper, black ink."""
    paper = Image.new("RGB", (512, 512), "white")
    pen = ImageDraw.Draw(paper)
    pen.line([(70, 230), (80, 40), (190, 120), (322, 120), (432, 40), (442, 230)], fill="black", width=8, joint="curve")
    pen.arc((60, 130, 452, 490), 350, 190, fill="black", width=8)
    for left in (130, 290):
        pen.ellipse((left, 220, left + 92, 300), outline="black", width=8)
        pen.ellipse((left + 30, 232, left + 62, 288), fill="black")
    pen.polygon([(226, 340), (286, 340), (256, 372)], fill="black")
    pen.arc((196, 350, 256, 420), 0, 140, fill="black", width=7)
    pen.arc((256, 350, 316, 420), 40, 180, fill="black", width=7)
    for down in (-16, 10):
        pen.line([(190, 370 + down // 2), (40, 360 + 2 * down)], fill="black", width=5)
        pen.line([(322, 370 + down // 2), (472, 360 + 2 * down)], fill="black", width=5)
    return paper


if __name__ == "__main__":
    main()
