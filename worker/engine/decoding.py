"""Decoding: pictures that people hand in, as the model sees them.

What a file claims to be does not count, only its content. Its size in pixels is read from the header before anything is
decoded.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from PIL import Image, UnidentifiedImageError
from torch import Tensor

from models.pictures import MALFORMED, middle, most_pixels, opened, to_unit
from models.roles import Sight
from worker.errors import BadRequest
from worker.schemas.vision import MAX_PICTURE, Prepared

ROOMY = 4_000_000  # pixels; larger pictures are to be decoded one at a time, since each may take 500 MB for a moment
FORMATS = ("PNG", "JPEG", "WEBP", "GIF")  # what chats show
ADVICE = "hand in a PNG, JPEG, WebP or GIF"
ORIENTATION = 0x0112  # Exif's tag
SIDEWAYS = range(5, 9)  # its values that exchange width and height
HEIC, AVIF = "a HEIC picture", "an AVIF picture"
BRANDS = {b"heic": HEIC, b"heix": HEIC, b"hevc": HEIC, b"mif1": HEIC, b"msf1": HEIC, b"avif": AVIF, b"avis": AVIF}
BEGINNINGS = {
    b"BM": "a BMP picture",
    b"II*\0": "a TIFF picture",
    b"MM\0*": "a TIFF picture",
    b"8BPS": "a Photoshop document",
    b"%PDF": "a PDF document",
    b"<svg": "an SVG drawing",
    b"<?xml": "an SVG drawing",
    b"\xff\x0a": "a JPEG XL picture",
    b"\0\0\0\x0cJXL ": "a JPEG XL picture",
    b"\x1aE\xdf\xa3": "a WebM video",
    b"PK\x03\x04": "a zip archive",
}


@dataclass(frozen=True)
class Seen:
    """A picture as the model sees it."""

    picture: Tensor  # (C, S, S) in [-1, 1]
    prepared: Prepared


@dataclass(frozen=True)
class Handed:
    """A file that was handed in, of which nothing but the header is read yet."""

    content: bytes
    file: Image.Image
    param: str  # which field of the request it came in

    @property
    def large(self) -> bool:
        width, height = self.file.size
        return width * height > ROOMY


def unpack(image: str, param: str = "image") -> Handed:
    """The file of base64; BadRequest, naming ``param``, says what is wrong with it."""
    try:
        content = base64.b64decode(image, validate=True)
    except ValueError as error:
        raise BadRequest(f"{param} is not base64 ({error}); send a file's bytes in base64.", param) from error
    if len(content) > MAX_PICTURE:
        raise BadRequest(f"{param} has {len(content):,} bytes; make it smaller than {MAX_PICTURE // 2**20} MiB.", param)
    with _explained(content, param):
        return Handed(content, opened(content, FORMATS), param)


def see(handed: Handed, sight: Sight) -> Seen:
    """The picture of a file; BadRequest says what is wrong with it."""
    file = handed.file
    with _explained(handed.content, handed.param):
        width, height = file.size
        if file.getexif().get(ORIENTATION, 1) in SIDEWAYS:  # a PNG's may stand behind all its pixels
            width, height = height, width
        picture = to_unit(middle(file, sight.channels, sight.side))
    inverted = sight.inverts(picture)
    prepared = Prepared(width=width, height=height, cropped=width != height, inverted=inverted)
    return Seen(-picture if inverted else picture, prepared)


@contextmanager
def _explained(content: bytes, param: str) -> Iterator[None]:
    """Errors of a file as BadRequest."""
    try:
        yield
    except Image.DecompressionBombError as error:
        most = f"{most_pixels(content) // 10**6} megapixels"
        raise BadRequest(f"{param} has more than {most}; make it smaller.", param, "picture_too_large") from error
    except UnidentifiedImageError as error:
        raise BadRequest(f"{param} is {_kind(content)}; {ADVICE}.", param, "picture_unreadable") from error
    except MALFORMED as error:
        advice = f"save it again, or {ADVICE}"
        raise BadRequest(f"{param} is damaged ({error}); {advice}.", param, "picture_unreadable") from error


def _kind(content: bytes) -> str:
    """What a file that is not taken seems to be."""
    if content[4:8] == b"ftyp":
        named = BRANDS.get(content[8:12], "a video")
    else:
        named = next((name for begin, name in BEGINNINGS.items() if content.startswith(begin)), "")
    return f"{named}, which cannot be read here" if named else "no picture, or a damaged one"
