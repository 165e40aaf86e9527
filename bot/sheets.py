"""Sheets of samples side by side in one picture, each under its caption, so that no client crops or reorders them."""

from __future__ import annotations

import asyncio
import io
import textwrap
from collections.abc import Sequence

import discord
import structlog
from PIL import Image, ImageDraw, ImageFont

from bot.draft import Attached
from bot.locale import translate
from bot.training_api import TrainingAPI

HEIGHT = 720  # pixels of the highest sheet: two of noise in colour, side by side, stay under Discord's 10 MiB
SMALLEST = 240  # pixels; a lower one is enlarged by a whole number of times
CAPTION = 32  # pixels of the line above each sheet
GAP = 16  # pixels between sheets
COLUMNS, LINES = 56, 34  # characters and lines of a text: they fill a square of that height
SIGNATURE = b"\x89PNG"

logger = structlog.get_logger(__name__)


async def at(trainings: TrainingAPI, address: str) -> Image.Image | None:
    """The sheet at an address; None when there is none, or none that can be read. WorkerError."""
    content = await trainings.sheet(address)
    if content is None:
        return None
    try:
        return await asyncio.to_thread(opened, content)
    except Exception as error:  # of a dozen kinds that Pillow raises for damaged files
        logger.error("a sheet of samples cannot be read", address=address, reason=str(error))
        return None


async def side_by_side(captioned: Sequence[tuple[str, Image.Image]]) -> bytes:
    """A PNG of several sheets from left to right; it is put together beside the event loop."""
    return await asyncio.to_thread(_join, captioned)


async def of_versions(
    trainings: TrainingAPI, model: str, versions: Sequence[tuple[str, str]], locale: discord.Locale
) -> Attached | None:
    """The samples of versions, each given with their address, in one file; None when there are none. WorkerError."""
    found = []
    for version, address in versions:
        sheet = await at(trainings, address)
        if sheet is not None:
            found.append((version, sheet))
    if not found:
        return None
    names = [version for version, _ in found]
    described = translate(locale, "training.shows_samples", versions=", ".join(f"{model}@{name}" for name in names))
    return Attached(f"{model}-{'-'.join(names)}.png", await side_by_side(found), described)


def _join(captioned: Sequence[tuple[str, Image.Image]]) -> bytes:
    sheets = [_fitted(sheet) for _, sheet in captioned]
    width = sum(sheet.width for sheet in sheets) + GAP * (len(sheets) - 1)
    whole = Image.new("RGB", (width, CAPTION + max(sheet.height for sheet in sheets)), "white")
    pen = ImageDraw.Draw(whole)
    left = 0
    for (caption, _), sheet in zip(captioned, sheets, strict=True):
        pen.text((left + 4, 4), caption, fill="black", font=ImageFont.load_default(20))
        whole.paste(sheet, (left, CAPTION))
        left += sheet.width + GAP
    file = io.BytesIO()
    whole.save(file, "PNG")
    return file.getvalue()


def opened(content: bytes) -> Image.Image:
    """A sheet that is a PNG or a text, as a picture; raises whatever Pillow does for a damaged PNG."""
    if content.startswith(SIGNATURE):
        return Image.open(io.BytesIO(content)).convert("RGB")
    text = content.decode(errors="replace")
    lines = [part for line in text.split("\n") for part in textwrap.wrap(line, COLUMNS) or [""]]
    page = Image.new("RGB", (HEIGHT, HEIGHT), "white")
    font = ImageFont.load_default(16)
    ImageDraw.Draw(page).multiline_text((8, 4), "\n".join(lines[:LINES]), fill="black", font=font)
    return page


def _fitted(sheet: Image.Image) -> Image.Image:
    if sheet.height < SMALLEST:
        times = -(-SMALLEST // sheet.height)
        return sheet.resize((sheet.width * times, sheet.height * times), Image.Resampling.NEAREST)
    if max(sheet.size) > HEIGHT:
        sheet.thumbnail((HEIGHT, HEIGHT), Image.Resampling.LANCZOS)
    return sheet
