"""Leftovers: what crashes left half written in the data home, under names that begin with a dot."""

from __future__ import annotations

import shutil
import time
from contextlib import suppress
from pathlib import Path

OLD = 24 * 60 * 60.0  # seconds; nothing is written for so long
PATTERNS = (
    "files/.*.upload",
    "files/.*.part",
    "data/.*.part",
    "precision/.*.part",
    "checkpoints/*/.*.part",
    "checkpoints/*/*/.*.part",
    "checkpoints/*/.*.deleted",
)


def sweep(home: Path) -> None:
    """Remove what has not been touched for a day."""
    for pattern in PATTERNS:
        for path in home.glob(pattern):
            with suppress(OSError):  # it went meanwhile, or stays
                if time.time() - path.lstat().st_mtime < OLD:
                    continue
                if path.is_dir() and not path.is_symlink():
                    shutil.rmtree(path)
                else:
                    path.unlink()
