"""Pictures: data sets of pictures as tensors, single pictures from files, and sheets of pictures for people.

A data set is ``digits`` (MNIST), ``cats``, ``dogs``, ``sprites``, or the name of any folder or zip of pictures in a
data folder. What cannot be read is left out and named in ``Pictures.problems``; nothing is ever unpacked to the disk.
"""

from __future__ import annotations

import gzip
import io
import logging
import lzma
import math
import struct
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path, PurePath, PurePosixPath
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from models import sprites
from models.data import SETS, DataError, licence, locate

SIZE = 64  # pixels a side of the pictures in folders and archives
HELD_OUT = 10  # every tenth picture is held out where a data set has no train and test folders
MAX_PIXELS = 40_000_000  # of one picture: more than a camera's, far less than what fills the memory
MAX_BYTES = 32 * 2**20  # of one picture's file
MAX_SCANS = 100  # of a JPEG: a progressive one has ten, and each goes over the whole picture anew
MAX_PICTURES = 200_000  # of one data set: 2.5 GB at 64x64
SAID = 10  # problems of a data set that are logged; all are in Pictures.problems
MALFORMED = (OSError, SyntaxError, ValueError, TypeError, LookupError, EOFError, struct.error, zlib.error)  # Pillow's
# zipfile's errors about an entry: those of its four compressions, and of what it cannot do
DAMAGED = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError, RuntimeError)
FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP")  # Pillow knows others, some of which start programs
SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif"}

Image.MAX_IMAGE_PIXELS = MAX_PIXELS // 2  # Pillow refuses twice as many, before it allocates anything for them
warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # of what is below ours

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Pictures:
    """A data set in memory: pictures (N, C, H, W) and, where it has any, their classes (N,) or factors (N, K)."""

    name: str
    licence: str
    train: Tensor  # uint8
    test: Tensor  # uint8
    train_labels: Tensor | None = None
    test_labels: Tensor | None = None
    problems: tuple[str, ...] = ()  # a sentence for each picture left out

    @property
    def classified(self) -> bool:
        """Whether each picture is of one class."""
        return self.train_labels is not None and self.train_labels.ndim == 1

    def check(self, channels: int, side: int, settings: str = "channels and side") -> None:
        """DataError unless they fit as for check_shape and some are to be learnt from."""
        self.check_shape(channels, side, settings)
        if not len(self.train):
            raise DataError(f"No picture of {self.name} is to be learnt from: all are held out; name another data set.")

    def check_shape(self, channels: int, side: int, settings: str = "channels and side") -> None:
        """DataError unless they are (N, channels, side, side), as the network's settings of those names say."""
        shape = tuple(self.train.shape)
        if shape[1:] != (channels, side, side):
            found = f"{shape[0]:,} training pictures of {shape[1]}x{shape[2]}x{shape[3]}"
            fit = f"set {settings} to fit, or name another data set"
            raise DataError(f"{self.name} has {found}, not of {channels}x{side}x{side}; {fit}.")

    def check_classes(self, classes: int, none: int) -> None:
        """DataError unless each is of one of so many classes; ``none`` is that number where there are no classes."""
        for labels in (self.train_labels, self.test_labels):
            if labels is None or labels.ndim != 1:
                raise DataError(f"The pictures of {self.name} have no classes; set classes={none}.")
            if (found := int(labels.max()) + 1) > classes:
                raise DataError(f"The pictures of {self.name} are of {found} classes; set classes={found}.")


def load(name: str) -> Pictures:
    """A data set by name; DataError when it is missing, damaged or holds too few pictures."""
    if name == "digits":
        return _digits()
    if name == "sprites":
        return _sprites()
    if name in SETS and SETS[name].kind != "pictures":
        raise DataError(f"{name} is a {SETS[name].kind}; name a data set of pictures.")
    if name == "dogs":  # outliers for the cats: never trained on
        dogs = _collection(name, locate(SETS[name].file))
        return replace(dogs, train=dogs.train[:0], test=torch.cat((dogs.train, dogs.test)))
    return _collection(name, locate(SETS[name].file if name in SETS else name))


def spread(rows: Tensor, count: int) -> Tensor:
    """So many rows, evenly from the first to the last; some of them more than once where there are fewer."""
    return rows[torch.linspace(0, len(rows) - 1, count).long()]


def at_most(pictures: Tensor, most: int) -> Tensor:
    """Some pictures of a data set that stand for all: the first ones would be those of its first folders."""
    return spread(pictures, most) if len(pictures) > most else pictures


class NotANumberError(ArithmeticError):
    """A network drew what is no picture."""


def to_unit(pictures: Tensor) -> Tensor:
    """From uint8 to float in [-1, 1]."""
    return pictures.float() / 127.5 - 1


def from_unit(pictures: Tensor) -> Tensor:
    """From float in [-1, 1] to uint8; what lies outside is clipped. NotANumberError for what is none."""
    if not pictures.isfinite().all():
        raise NotANumberError("its output is not a number")
    return ((pictures.float() + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)


def decode(content: bytes) -> Tensor:
    """A picture file's middle square as (3, SIZE, SIZE), uint8; DataError says what is wrong with it.

    The size in pixels is read from the header before anything is decoded.
    """
    try:
        return middle(opened(content), 3, SIZE)
    except Image.DecompressionBombError as error:
        raise DataError(f"has more than {most_pixels(content):,} pixels; make it smaller.", "too_large") from error
    except MALFORMED as error:
        raise DataError("is no picture that can be decoded; save it again as PNG or JPEG.") from error


def opened(content: bytes, formats: tuple[str, ...] = FORMATS) -> Image.Image:
    """A picture file of one of the formats, not decoded yet.

    DecompressionBombError for too many pixels, MALFORMED errors for what is no picture or would take minutes.
    """
    if content.startswith(b"\xff\xd8") and (scans := content.count(b"\xff\xda")) > MAX_SCANS:
        raise ValueError(f"it has {scans:,} scans")
    picture = Image.open(io.BytesIO(content), formats=formats)
    if picture.width * picture.height > most_pixels(content):
        raise Image.DecompressionBombError
    return picture


def most_pixels(content: bytes) -> int:
    """How many a picture file may have: a WebP half as many, which is in memory four times while it is decoded."""
    return MAX_PIXELS // 2 if content.startswith(b"RIFF") else MAX_PIXELS


def middle(picture: Image.Image, channels: int, size: int) -> Tensor:
    """An opened file's middle square as (C, size, size), uint8: upright, transparency on white; MALFORMED errors.

    Scaled down before anything is composed, so that a large picture is in memory three times at most: as it was
    decoded, converted, and about to be scaled.
    """
    picture.draft("RGB", (2 * size, 2 * size))  # JPEG: decode no more than is needed
    ImageOps.exif_transpose(picture, in_place=True)
    if picture.mode == "I;16":  # Pillow would clip its values to 255
        picture = Image.fromarray((np.asarray(picture) >> 8).astype(np.uint8))
    see_through = picture.has_transparency_data
    wanted = "RGBA" if see_through else "L" if channels == 1 else "RGB"
    fitted = ImageOps.fit(
        picture if picture.mode == wanted else picture.convert(wanted), (size, size), Image.Resampling.LANCZOS
    )
    if see_through:
        fitted = Image.alpha_composite(Image.new("RGBA", fitted.size, "white"), fitted)
    array = np.array(fitted.convert("L" if channels == 1 else "RGB")).reshape(size, size, channels)
    return torch.from_numpy(array).permute(2, 0, 1).contiguous()  # (C, H, W)


def sheet(pictures: Tensor, path: Path, columns: int = 8) -> None:
    """Write pictures (N, C, H, W), uint8, as one PNG, at twice their size."""
    tiles = tiled(pictures, columns)
    enlarged = tiles.resize((2 * tiles.width, 2 * tiles.height), Image.Resampling.NEAREST)
    enlarged.save(path, "PNG", compress_type=zlib.Z_RLE)  # for crisp squares smaller, and in a fiftieth of the time


def tiled(pictures: Tensor, columns: int) -> Image.Image:
    """Pictures (N, C, H, W), uint8 (else TypeError), as one, ``columns`` in a row, with white lines between them."""
    if pictures.dtype != torch.uint8:
        raise TypeError(f"Pictures are shown as uint8, not {pictures.dtype}; from_unit makes that of [-1, 1].")
    count, channels, height, width = pictures.shape
    rows = math.ceil(count / columns)
    array = np.full((rows * (height + 1) + 1, columns * (width + 1) + 1, channels), 255, np.uint8)
    for i, picture in enumerate(pictures.cpu().numpy()):
        top, left = 1 + i // columns * (height + 1), 1 + i % columns * (width + 1)
        array[top : top + height, left : left + width] = picture.transpose(1, 2, 0)
    return to_image(array)


def to_image(array: np.ndarray[Any, np.dtype[np.uint8]]) -> Image.Image:
    """From (H, W, C), grey where C is 1."""
    return Image.fromarray(array[:, :, 0] if array.shape[2] == 1 else array)


# The data sets


def _digits() -> Pictures:
    def pair(part: str) -> tuple[Tensor, Tensor]:
        return _idx(f"mnist/{part}-images-idx3-ubyte.gz")[:, None], _idx(f"mnist/{part}-labels-idx1-ubyte.gz").long()

    (train, train_labels), (test, test_labels) = pair("train"), pair("t10k")
    return Pictures("digits", SETS["digits"].licence, train, test, train_labels, test_labels)


def _idx(name: str) -> Tensor:
    """A gzipped idx file of bytes: two zero bytes, type 8, the number of axes, their lengths, the content."""
    file = locate(name)
    again = "delete it and run `python -m models data get digits`"
    try:
        content = gzip.decompress(file.read_bytes())
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{file} is damaged ({error}); {again}.") from error
    axes = content[3] if content[:3] == b"\x00\x00\x08" else 0
    lengths = [int.from_bytes(content[4 + 4 * i : 8 + 4 * i], "big") for i in range(axes)]
    if not axes or len(content) != 4 + 4 * axes + math.prod(lengths):
        raise DataError(f"{file} is no idx file of bytes; {again}.")
    return torch.from_numpy(np.frombuffer(content, np.uint8, offset=4 + 4 * axes).copy()).reshape(lengths)


def _sprites() -> Pictures:
    """Nine tenths in a fixed random order for training, the rest held out."""
    factors = sprites.factors()
    factors = factors[torch.randperm(len(factors), generator=torch.Generator().manual_seed(0))]
    drawn = sprites.draw(*factors.unbind(1))
    cut = len(factors) // HELD_OUT
    return Pictures(
        "sprites",
        SETS["sprites"].licence,
        drawn[cut:],
        drawn[:cut],
        factors[cut:].contiguous(),
        factors[:cut].contiguous(),
    )


def _collection(name: str, place: Path) -> Pictures:
    """A folder or zip of pictures, each its middle square at 64x64.

    Parts ``train/`` and ``test/`` are kept apart; of other pictures, or where there is one part alone, every tenth is
    held out.
    """
    parts: dict[str, list[Tensor]] = {"train": [], "test": [], "": []}
    problems: list[str] = []
    for file, read in _files(place):
        if sum(map(len, parts.values())) >= MAX_PICTURES:
            problems.append(f"{place.name} holds more than {MAX_PICTURES:,} pictures; the rest is left out.")
            break
        try:
            picture = decode(read())
        except DataError as error:
            problems.append(f"{place.name}: {file} {error}")
            continue
        parts[part_of(file)].append(picture)
    train, test, loose = parts.values()
    if not loose and not (train and test):
        train, test, loose = [], [], train + test
    train += [picture for i, picture in enumerate(loose) if i % HELD_OUT]
    test += loose[::HELD_OUT]
    if not train and not test:
        first = f" ({problems[0]})" if problems else ""
        raise DataError(f"{place} holds no picture that can be read{first}; put JPEG or PNG files there.")
    if not train or not test:
        raise DataError(f"{place} holds {len(train)} pictures to train on and {len(test)} to hold out; add some.")
    for problem in problems[:SAID]:
        logger.warning(problem)
    if len(problems) > SAID:
        logger.warning(f"{place.name}: {len(problems) - SAID} more are left out.")
    return Pictures(name, licence(name), _stack(train), _stack(test), problems=tuple(problems))


def is_picture(path: PurePath) -> bool:
    """Whether a file is taken for a picture, by its name; macOS puts others beside it that begin with ._"""
    return path.suffix.lower() in SUFFIXES and not path.name.startswith("._")


def part_of(path: PurePath) -> str:
    """The part of a data set that a file is meant for, by its folders: train, test, or what is left open."""
    return next((folder for folder in path.parts[:-1] if folder in ("train", "test")), "")


def _stack(pictures: list[Tensor]) -> Tensor:
    return torch.stack(pictures) if pictures else torch.empty(0, 3, SIZE, SIZE, dtype=torch.uint8)


def _files(place: Path) -> Iterator[tuple[PurePosixPath, Callable[[], bytes]]]:
    """The pictures of a folder or zip by name, each with what reads it; reading raises DataError."""
    if place.is_dir():
        for path in sorted(place.rglob("*")):
            if is_picture(path) and path.is_file():
                yield PurePosixPath(path.relative_to(place).as_posix()), partial(_read_file, path)
        return
    try:
        archive = zipfile.ZipFile(place)
    except (zipfile.BadZipFile, OSError) as error:
        raise DataError(f"{place} is no folder and no readable zip archive ({error}); put it there again.") from error
    with archive:
        for entry in sorted(archive.infolist(), key=lambda entry: entry.filename):
            name = PurePosixPath(entry.filename)
            if is_picture(name) and not entry.is_dir():
                yield name, partial(read_entry, archive, entry)


def _read_file(path: Path) -> bytes:
    if path.stat().st_size > MAX_BYTES:
        raise DataError(f"is larger than {MAX_BYTES // 2**20} MiB; make it smaller.")
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror}.") from error


def read_entry(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    """The content of an archive's file; DataError when it is damaged, or larger than it may be, whatever it says."""
    name = PurePosixPath(entry.filename)
    if name.is_absolute() or ".." in name.parts:
        raise DataError("points outside the archive and is left out.")
    try:
        with archive.open(entry) as content:
            read = content.read(MAX_BYTES + 1)
    except DAMAGED as error:
        raise DataError(f"is damaged in the archive ({error}).", "damaged") from error
    if len(read) > MAX_BYTES:
        raise DataError(f"is larger than {MAX_BYTES // 2**20} MiB; make it smaller.", "too_large")
    return read
