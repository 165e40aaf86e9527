"""Pictures that people hand in: what is odd in a file is either read or refused in a sentence, never anything else."""

from __future__ import annotations

import base64
import io
import random

import numpy as np
import pytest
from PIL import Image

from models.roles import Sight
from worker.engine.decoding import Seen, see, unpack
from worker.errors import BadRequest

SIGHT = Sight(channels=3, side=16)


def file(picture: Image.Image, kind: str, **options: object) -> bytes:
    out = io.BytesIO()
    picture.save(out, kind, **options)
    return out.getvalue()


def seen(content: bytes, sight: Sight = SIGHT) -> Seen:
    return see(unpack(base64.b64encode(content).decode()), sight)


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")  # it tells what it skips of damaged metadata
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF"])
def test_whatever_befalls_a_file_it_is_read_or_refused(kind: str) -> None:
    chance = random.Random(0)
    exif = Image.Exif()
    exif[0x0112] = 6
    whole = file(Image.effect_noise((40, 30), 60).convert("RGB"), kind, exif=exif)
    refused = 0
    for _ in range(300):
        content = bytearray(whole[: chance.randrange(1, len(whole))] if chance.random() < 0.3 else whole)
        for _ in range(chance.randrange(1, 6)):
            content[chance.randrange(len(content))] = chance.randrange(256)
        try:
            assert seen(bytes(content)).picture.shape == (3, 16, 16)
        except BadRequest as error:
            assert error.param == "image" and error.message.endswith(".")
            refused += 1
    assert refused > 30


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16"])
def test_every_mode_is_seen_as_it_looks(mode: str) -> None:
    half = Image.new("L", (32, 32), 0)
    half.paste(255, (16, 0, 32, 32))
    if mode == "I;16":
        picture = Image.fromarray(np.asarray(half).astype(np.uint16) * 257)
    else:
        picture = half.convert("RGB").convert(mode) if mode != "LA" else half.convert(mode)
    values = seen(file(picture, "JPEG" if mode == "CMYK" else "PNG")).picture
    assert values[:, :, :6].max() < -0.9 and values[:, :, -6:].min() > 0.9


def test_transparent_palettes_are_composed_on_white() -> None:
    picture = Image.new("P", (20, 20), 0)
    picture.putpalette([0, 0, 0, 255, 255, 255])
    assert seen(file(picture, "PNG", transparency=0)).picture.min() == 1
    assert seen(file(picture, "PNG")).picture.max() == -1


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")  # as the program does, before pytest
def test_large_pictures_are_read_up_to_the_limit() -> None:
    content = file(Image.new("L", (6_300, 6_300), 255), "PNG", compress_level=1)
    assert seen(content).prepared.width == 6_300
    with pytest.raises(BadRequest, match="image has more than 40 megapixels; make it smaller"):
        seen(file(Image.new("1", (6_400, 6_400)), "PNG"))


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_large_webps_are_read_up_to_half_the_limit() -> None:
    """Decoding one takes twice the memory that it takes with other kinds."""
    assert seen(file(Image.new("L", (4_400, 4_400), 255), "WEBP", method=0)).prepared.width == 4_400
    with pytest.raises(BadRequest, match="image has more than 20 megapixels; make it smaller") as refused:
        unpack(base64.b64encode(file(Image.new("L", (4_500, 4_500)), "WEBP", method=0)).decode())
    assert refused.value.code == "picture_too_large"


def test_a_picture_of_endless_scans_is_refused() -> None:
    content = file(Image.effect_noise((64, 64), 60), "JPEG", progressive=True)
    last = content[content.rindex(b"\xff\xda") : -2]
    with pytest.raises(BadRequest, match=r"image is damaged \(it has .* scans\)") as refused:
        seen(content[:-2] + 100 * last + content[-2:])
    assert refused.value.code == "picture_unreadable"


@pytest.mark.parametrize("text", ["&%$", "é", "aGFsbG8"])
def test_what_is_no_base64_is_refused(text: str) -> None:
    with pytest.raises(BadRequest, match="is not base64"):
        unpack(text)
