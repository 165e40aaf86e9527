"""Sheets of samples side by side in one picture, each under its caption, so that no client crops or reorders them."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont

HEIGHT = 720  # pixels of the highest sheet: two of noise in colour, side by side, stay under Discord's 10 MiB
SMALLEST = 240  # pixels; a lower one is enlarged by a whole number of times
CAPTION = 32  # pixels of the line above each sheet
GAP = 16  # pixels between sheets


async def side_by_side(captioned: Sequence[tuple[str, bytes]]) -> bytes:
    """A PNG of several PNGs from left to right; it is put together beside the event loop."""
    return await asyncio.to_thread(_join, captioned)


def _join(captioned: Sequence[tuple[str, bytes]]) -> bytes:
    sheets = [_fitted(Image.open(io.BytesIO(content)).convert("RGB")) for _, content in captioned]
    width = sum(sheet.width for sheet in sheets) + GAP * (len(sheets) - 1)
    whole = Image.new("RGB", (width, CAPTION + max(sheet.height for sheet in sheets)), "white")
    pen = ImageDraw.Draw(whole)
    left = 0
    for (caption, _), sheet in zip(captioned, sheets, strict=True):
        pen.text((left + 4, 4), caption, fill="black", font=ImageFont.load_default(20))
        whole.paste(sheet, (left, CAPTION))
        left += sheet.width + GAP
    file = io.BytesIO()
    whole.save(file, "PNG", optimize=True)
    return file.getvalue()


def _fitted(sheet: Image.Image) -> Image.Image:
    if sheet.height < SMALLEST:
        times = -(-SMALLEST // sheet.height)
        return sheet.resize((sheet.width * times, sheet.height * times), Image.Resampling.NEAREST)
    if max(sheet.size) > HEIGHT:
        sheet.thumbnail((HEIGHT, HEIGHT), Image.Resampling.LANCZOS)
    return sheet
