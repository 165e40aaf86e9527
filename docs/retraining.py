"""Retrains the digit GAN from the chat, from scratch, and keeps pictures of how it went.

Run: .venv/bin/python docs/retraining.py

It needs the digits (python -m models data get digits, or PROSPERO_DATA) and ten minutes. It starts the sandbox with an
empty home, asks as the operator for `/retrain model:gan-digits minutes:5`, and writes docs/retraining-live.png (the
message half way), docs/retraining-report.png (the report) and docs/retraining-digits.png (what the network drew on the
way).
"""

from __future__ import annotations

import io
import re
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont
from playwright.sync_api import Page
from visitor import TALL, answered, ask, chromium, empty_home, go, island, keep, save_messages, visit

from worker.job_store import JobStore
from worker.schemas.training import Step

MODEL = "gan-digits"
MINUTES = 5
MILESTONES = (15, 60, 120, 210, 300)  # seconds of training
LONGEST = 1_500_000  # milliseconds: the training and the measuring after it, on a busy machine
HALF_WAY = r"(5\d|6\d)%"
SIDE = 280  # pixels of a picture in the history
GAP = 16
CAPTION = 32  # pixels


def main() -> None:
    """Trains and takes the pictures."""
    with empty_home() as home:
        with island(home) as url, chromium() as browser:
            page = visit(browser, url, color_scheme="dark", viewport=TALL)
            go(page, "workshop")
            retrain(page)
        keep(history(home), "retraining-digits")


def retrain(page: Page) -> None:
    """Asks for the training, watches it and waits for the report."""
    ask(page, "retrain", minutes=str(MINUTES), model=MODEL)
    page.get_by_role("button", name="Start training").click()
    live = page.locator(".message", has=page.get_by_role("button", name="Cancel training"))
    live.filter(has_text=re.compile(HALF_WAY)).wait_for(timeout=LONGEST)
    save_messages(page, "retraining-live")
    page.get_by_role("button", name="Promote", exact=True).wait_for(timeout=LONGEST)
    answered(page, "Promote")
    save_messages(page, "retraining-report")
    print(page.locator(".message").last.inner_text())


def history(home: Path) -> bytes:
    """What the network drew at the milestones, side by side, each under its time."""
    store = JobStore(home / "jobs.sqlite")
    (record,) = store.with_status("succeeded")
    events = store.events(record.job.id, None, 1_000, "metrics")
    store.close()
    steps = [Step.model_validate(event.data) for event in events]
    chosen = [min(steps, key=lambda step: abs(step.seconds - wanted)) for wanted in MILESTONES]
    whole = Image.new("RGB", (len(chosen) * (SIDE + GAP) - GAP, CAPTION + SIDE), "white")
    pen = ImageDraw.Draw(whole)
    for place, step in enumerate(chosen):
        left = place * (SIDE + GAP)
        drawn = Image.open(home / "jobs" / record.job.id / "samples" / f"{step.step}.png").convert("RGB")
        drawn.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
        whole.paste(drawn, (left, CAPTION))
        pen.text(
            (left, 4), f"{in_words(step.seconds)}, step {step.step}", fill="black", font=ImageFont.load_default(18)
        )
    file = io.BytesIO()
    whole.save(file, "PNG", optimize=True)
    return file.getvalue()


def in_words(seconds: float) -> str:
    """A time of training as people say it: "15 s", "3.5 min"."""
    return f"{seconds:.0f} s" if seconds < 60 else f"{seconds / 60:.1f} min"


if __name__ == "__main__":
    main()
