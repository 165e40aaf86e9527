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
LENGTH = "280"  # characters: they fill the page, and end with a line, after which many letters could follow
NUMBER = "1623"  # when the First Folio was printed
SEED = "7"  # so that the next picture shows the same, as long as the models are the same
VERSE_SEED = "16"  # the same for the text
CATS_SEED = "10"  # the same for cats; the sheet of 64 beside the weights shows them unchosen
COATS_SEED = "12"  # of a translation: three whose fur differs
INK = 7  # pixels of a stroke on 512 pixels of paper: one of the model's 64
SHIPPED = HERE.parent / "checkpoints"


def main() -> None:
    """Takes the pictures."""
    with empty_home() as home, island(home) as url, chromium() as browser:
        verse(browser, url)
        page = visit(browser, url, color_scheme="dark", viewport=TALL)
        go(page, "gallery")
        digits(page)
        if (SHIPPED / "gan-cats").exists():
            result(page, "gan-cats", "gan sample", model="gan-cats", seed=CATS_SEED)
        looked_at(page, home)
        go(page, "workshop")
        ask(page, "help")
        save_messages(page, "help")
        ask(page, "settings")
        save_messages(page, "settings")


def verse(browser: Browser, url: str) -> None:
    """The page with a text: on a desk in dark and in light, on a phone, and what the model would write next."""
    page = visit(browser, url, color_scheme="dark", viewport=DESK)
    page.get_by_label("Message", exact=True).fill(GREETING)
    page.keyboard.press("Enter")
    page.get_by_text("will you write us a scene?").wait_for()
    ask(page, "shakespeare", PROMPT, seed=VERSE_SEED, length=LENGTH)
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


def drawn(page: Page, home: Path, model: str, seed: str) -> Path:
    """A picture that never existed, as a file to hand in."""
    ask(page, "vae sample", model=model, count="1", seed=seed)
    answered(page, "Recipe")
    address = page.locator(".message").last.locator("button.picture img").get_attribute("src")
    file = home / f"{model}-{seed}.png"
    file.write_bytes(page.request.get(page.url + str(address).removeprefix("/")).body())
    return file


def looked_at(page: Page, home: Path) -> None:
    """What the models make of pictures that are handed in."""
    cat, other = drawn(page, home, "vae-cats", "1"), drawn(page, home, "vae-cats", "4")
    digit = drawn(page, home, "vae-digits", "3")
    odd, drawing = home / "cat-with-a-ball.png", home / "sketch.png"
    with_ball(cat).save(odd)
    sketch().save(drawing)
    result(page, "vae-reconstruct", "vae reconstruct", {"image": odd}, model="vae-cats")
    result(page, "vae-interpolate", "vae interpolate", {"first": cat, "second": other}, model="vae-cats")
    result(page, "vae-traverse", "vae traverse", seed="2")
    result(page, "vae-density", "vae density", {"image": digit}, model="vae-digits")  # the cats' shows others' photos
    result(page, "autoencoder-reconstruct", "autoencoder reconstruct", {"image": cat}, model="autoencoder-cats")
    result(page, "autoencoder-compress", "autoencoder compress", {"image": cat}, model="autoencoder-cats")
    result(page, "autoencoder-outlier", "autoencoder outlier", {"image": odd}, model="autoencoder-cats")
    result(page, "translate", "translate", {"image": drawing}, seed=COATS_SEED)
    result(page, "latent-map", "latent map", {"image": digit}, model="vae-digits")


def with_ball(cat: Path) -> Image.Image:
    """The cat behind something that no cat has on its face."""
    picture = Image.open(cat).convert("RGB")
    side = picture.width
    ImageDraw.Draw(picture).ellipse((0.5 * side, 0.45 * side, 0.92 * side, 0.87 * side), fill=(20, 90, 220))
    return picture


def sketch() -> Image.Image:
    """A cat's face in a few strokes: white paper, black ink."""
    paper = Image.new("RGB", (512, 512), "white")
    pen = ImageDraw.Draw(paper)
    ears = [[(40, 130), (50, 20), (160, 90)], [(352, 90), (462, 20), (472, 130)]]
    nose = [(222, 345), (290, 345), (256, 385), (222, 345)]
    mouth = [[(256, 385), (256, 410), (220, 440), (180, 430)], [(256, 410), (292, 440), (332, 430)]]
    for stroke in (*ears, nose, *mouth):
        pen.line(stroke, fill="black", width=INK, joint="curve")
    for left in (140, 310):
        pen.ellipse((left, 190, left + 62, 245), outline="black", width=INK)
    return paper


if __name__ == "__main__":
    main()
