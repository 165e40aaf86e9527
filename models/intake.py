"""Intake: a zip of pictures or a text that somebody hands in, checked whole before any of it becomes a data set.

Nothing is unpacked to the disk. What is kept is written anew: pictures under names of ours, each once; a text with
plain line ends.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
import zipfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from torch import Tensor, stack

from models.data import COLLECTED, SETS, DataError, Kind, find, known_files
from models.pictures import MAX_PICTURES, decode, is_picture, part_of, read_entry, sheet

NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
LEAST_PICTURES = 100  # a tenth is held out, and figures compare a picture with several neighbours
LEAST_HELD_OUT = 10
LEAST_TEXT = 10_000  # characters: the held-out tenth is four windows of a usual context
MOST_TEXT = 64 * 2**20  # bytes, sixty times Tiny Shakespeare
MOST_UNPACKED = 2 * 2**30  # bytes of all files in an archive
RATIO = 200  # times that an archive may grow; pictures are compressed already
SHOWN = 64  # pictures on the sheet
EXCERPT = 400  # characters


@dataclass(frozen=True)
class Found:
    """What a file holds that can be learnt from."""

    kind: Kind
    items: int  # pictures or characters
    left_out: dict[str, int] = field(default_factory=dict)  # how many, by the reason's code
    excerpt: str = ""


def add(file: Path, name: str, home: Path, shown: Path | None = None) -> Found:
    """Make a data set of the file in a data home, and a sheet of its pictures at ``shown``.

    DataError says what is wrong with the file or the name; then nothing is kept.
    """
    check_name(name)
    if not file.is_file():
        raise DataError(f"There is no file {file}; name a zip of pictures or a text.")
    folder = home / COLLECTED
    folder.mkdir(parents=True, exist_ok=True)
    beside = unfinished(home, name)
    try:
        if zipfile.is_zipfile(file):
            found, suffix = _pack(file, beside, shown), ".zip"
        else:
            found, suffix = _copy_text(file, beside), ".txt"
        with beside.open("rb") as written:
            os.fsync(written.fileno())
        beside.replace(folder / f"{name}{suffix}")
    finally:
        beside.unlink(missing_ok=True)
    return found


def check_name(name: str) -> None:
    """DataError unless a new data set may have that name."""
    if not NAME.fullmatch(name):
        message = f"{name!r} is no name for a data set; use up to 32 small letters, digits and hyphens."
        raise DataError(message, "name_unfit")
    files = {name, *(f"{name}{suffix}" for suffix in (".zip", ".txt"))}
    if name in SETS or files & known_files() or find(name) is not None:
        raise DataError(f"There is a data set {name} already; choose another name.", "name_taken")


def unfinished(home: Path, name: str) -> Path:
    """Where a data set lies until it is whole."""
    return home / COLLECTED / f".{name}.part"


def _pack(file: Path, beside: Path, shown: Path | None) -> Found:
    """Write the pictures of an archive that can be used into another."""
    left_out: Counter[str] = Counter()
    hashes: set[str] = set()
    parts: Counter[str] = Counter()
    first: list[Tensor] = []
    with _open(file) as archive, zipfile.ZipFile(beside, "w", zipfile.ZIP_STORED) as packed:
        for entry in _checked(archive, file.stat().st_size):
            path = PurePosixPath(entry.filename)
            if not is_picture(path):
                left_out["no_picture"] += 1
                continue
            try:
                content = read_entry(archive, entry)
                picture = decode(content)
            except DataError as error:
                left_out[error.code or "unreadable"] += 1
                continue
            same = hashlib.sha256(picture.numpy().tobytes()).hexdigest()  # whatever file it came in
            if same in hashes:
                left_out["duplicate"] += 1
                continue
            hashes.add(same)
            if len(first) < SHOWN:
                first.append(picture)
            part = part_of(path)
            parts[part] += 1
            packed.writestr(str(PurePosixPath(part, f"{len(hashes):06}{path.suffix.lower()}")), content)
    if len(hashes) < LEAST_PICTURES:
        others = ", ".join(f"{count} {reason.replace('_', ' ')}" for reason, count in left_out.items())
        found = f"{len(hashes)} usable pictures{f' ({others})' if others else ''}"
        raise DataError(f"The archive holds {found}; {LEAST_PICTURES} are the least.", "too_few_pictures")
    if parts["train"] and 0 < parts["test"] < LEAST_HELD_OUT:
        found = f"{parts['test']} usable pictures"
        raise DataError(f"test/ holds {found}; {LEAST_HELD_OUT} are the least, or leave it out.", "too_few_held_out")
    if shown is not None:
        sheet(stack(first), shown)
    return Found("pictures", len(hashes), dict(left_out))


def _open(file: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(file)
    except (zipfile.BadZipFile, OSError) as error:
        raise DataError(f"The archive cannot be read ({error}); pack it again.", "archive_unreadable") from error


def _checked(archive: zipfile.ZipFile, size: int) -> Iterator[zipfile.ZipInfo]:
    """The archive's files in order, once none is a trap."""
    entries = [entry for entry in archive.infolist() if not entry.is_dir()]
    if len(entries) > MAX_PICTURES:
        raise DataError(f"The archive holds {len(entries):,} files; pack at most {MAX_PICTURES:,}.", "archive_refused")
    unpacked = sum(entry.file_size for entry in entries)
    if unpacked > MOST_UNPACKED or unpacked > RATIO * size:
        message = f"The archive of {size:,} bytes would unpack to {unpacked:,}; pack pictures only."
        raise DataError(message, "archive_refused")
    for entry in entries:
        path = PurePosixPath(entry.filename.replace("\\", "/"))
        if path.is_absolute() or ".." in path.parts or any(part.endswith(":") for part in path.parts[:1]):
            message = f"The archive holds {entry.filename!r}, which leads out of it; pack it again."
            raise DataError(message, "archive_refused")
        if stat.S_ISLNK(entry.external_attr >> 16):
            message = f"The archive holds {entry.filename!r}, which is a link; pack the pictures themselves."
            raise DataError(message, "archive_refused")
        if entry.flag_bits & 1:
            raise DataError("The archive is locked with a password; pack it without.", "archive_locked")
    return iter(sorted(entries, key=lambda entry: entry.filename))


def _copy_text(file: Path, beside: Path) -> Found:
    """Write a text with plain line ends."""
    if file.stat().st_size > MOST_TEXT:
        raise DataError(f"The text is larger than {MOST_TEXT // 2**20} MiB; cut it.", "text_too_long")
    try:
        text = file.read_bytes().decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError as error:
        message = f"The file is neither a zip archive nor UTF-8 text (byte {error.start}); save it as one of them."
        raise DataError(message, "neither_zip_nor_text") from None
    if "\0" in text:
        message = "The file is neither a zip archive nor a text; save it as one of them."
        raise DataError(message, "neither_zip_nor_text")
    if len(text) < LEAST_TEXT:
        message = f"The text has {len(text):,} characters; hand in {LEAST_TEXT:,} at least."
        raise DataError(message, "text_too_short")
    beside.write_text(text, encoding="utf-8", newline="\n")
    return Found("text", len(text), excerpt=text[:EXCERPT])
