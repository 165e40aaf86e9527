"""Encoding: pictures as files for people, each pixel of the model enlarged to a crisp square.

Shapes: N pictures, C channels, H height, W width; values are uint8.
"""

from __future__ import annotations

import io
import math
import zlib
from collections.abc import Sequence
from typing import Any, Literal

import torch
from PIL import Image
from torch import Tensor

from models.pictures import tiled, to_image
from worker.errors import BadRequest

STILL = 768  # pixels that a picture is enlarged to, by whole steps: as wide as chats show it
LEAST = 2  # steps for every still picture smaller than that: strips are looked at larger than chats show them
MOVING = 384  # pixels that an animation is enlarged to at most: its every frame costs time and bytes
FRAME = 80  # milliseconds: slow enough to look at, fast enough to flow
WIDEST = 8  # pictures in a row of a strip: more would be too small to look at
LARGEST = 4_096  # pixels a side that a scale may lead to
MOST_PIXELS = 32_000_000  # of all frames of a file together: a hundred megabytes while it is encoded


def stills(images: Tensor, scale: int | None, most: int | None) -> list[bytes]:
    """Each picture as a PNG of at most ``most`` bytes, each pixel ``scale`` pixels wide."""
    return [_encode([_picture(image)], "png", scale, most) for image in images]


def grid(images: Tensor, scale: int | None, most: int | None) -> list[bytes]:
    """All pictures on one sheet, as square as it can be; a single one needs none."""
    if len(images) == 1:
        return stills(images, scale, most)
    return rows(images, math.ceil(math.sqrt(len(images))), scale, most)


def rows(images: Tensor, columns: int, scale: int | None, most: int | None) -> list[bytes]:
    """All pictures on one sheet, ``columns`` in a row."""
    return [_encode([tiled(images, columns)], "png", scale, most)]


def strip(images: Tensor, scale: int | None, most: int | None) -> list[bytes]:
    """Pictures to be read like text, in rows of equal length."""
    return rows(images, math.ceil(len(images) / math.ceil(len(images) / WIDEST)), scale, most)


def animation(images: Tensor, kind: Literal["webp", "gif"], scale: int | None, most: int | None) -> list[bytes]:
    """The pictures one after the other, for ever."""
    frames = [_picture(image) for image in images]
    if kind == "gif":
        height = frames[0].height
        strip = _picture(torch.cat(list(images), 1)).quantize()  # all in the same 256 colours, or they would flicker
        frames = [strip.crop((0, i * height, strip.width, (i + 1) * height)) for i in range(len(frames))]
    return [_encode(frames, kind, scale, most)]


def _picture(image: Tensor) -> Image.Image:
    """From (C, H, W)."""
    return to_image(image.numpy().transpose(1, 2, 0))


def _encode(frames: Sequence[Image.Image], kind: str, scale: int | None, most: int | None) -> bytes:
    """The frames as one file, at half the scale for as long as it is too large."""
    width, height = frames[0].size
    longest = max(width, height)
    largest = max(1, min(LARGEST // longest, math.isqrt(MOST_PIXELS // (len(frames) * width * height))))
    if scale is None:
        usual = MOVING // longest if len(frames) > 1 else max(STILL // longest, LEAST if longest < STILL else 1)
        scale = max(1, min(largest, usual))
    if scale > largest:
        raise BadRequest(f"scale must be at most {largest} for this picture, not {scale}.", param="scale")
    while True:
        content = _file([_enlarge(frame, scale) for frame in frames], kind)
        if most is None or len(content) <= most:
            return content
        if scale == 1:
            raise BadRequest(f"max_bytes must be at least {len(content)} for this picture.", param="max_bytes")
        scale //= 2


def _enlarge(picture: Image.Image, scale: int) -> Image.Image:
    return picture.resize((picture.width * scale, picture.height * scale), Image.Resampling.NEAREST)


def _file(frames: Sequence[Image.Image], kind: str) -> bytes:
    out = io.BytesIO()
    more: dict[str, Any] = {"compress_type": zlib.Z_RLE}  # runs are what crisp squares consist of
    if kind != "png":
        more = {"save_all": True, "append_images": frames[1:], "duration": FRAME, "loop": 0}
    if kind == "webp":  # lossless keeps the squares crisp; its quickest method makes hardly larger files
        more |= {"lossless": True, "quality": 0, "method": 0}
    frames[0].save(out, kind, **more)
    return out.getvalue()
