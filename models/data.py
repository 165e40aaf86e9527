"""Data sets: where they lie."""

from __future__ import annotations

import os
from pathlib import Path


class DataError(Exception):
    """A data set that is missing or damaged; the message says what to do."""


def locate(name: str) -> Path:
    """The file or folder ``name`` of the data folders; DataError says where it was looked for."""
    folders = [Path(folder) for folder in (os.environ.get("PROSPERO_DATA"), "data") if folder]
    for folder in folders:
        if (folder / name).exists():
            return folder / name
    looked = " and ".join(str(folder / name) for folder in folders)
    raise DataError(f"There is no {looked}; set PROSPERO_DATA to the folder that holds the data.")
