"""Failures: what can end a training or a measurement, as a code that programs read and a sentence for people."""

from __future__ import annotations

import errno
from dataclasses import dataclass

from models.checkpoint import CheckpointError
from models.configuration import ConfigurationError
from models.data import DataError
from models.pictures import NotANumberError
from models.registry import UnknownModelError
from models.training import NAN, TrainingError, wants_memory

FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}  # a full disk, a used-up quota, a limit on the size of files


@dataclass(frozen=True)
class Failure:
    """Why something ended before its time."""

    code: str
    message: str


def explain(error: Exception) -> Failure | None:
    """The failure that an exception stands for; None for a fault of ours."""
    if wants_memory(error):
        return Failure("out_of_memory", "There is not enough memory for this training; set a smaller batch.")
    if isinstance(error, OSError) and error.errno in FULL:
        return Failure("disk_full", f"The disk has no room ({error.strerror}); free some, then resume the training.")
    if isinstance(error, NotANumberError):
        return Failure(NAN, "What it draws is not a number any more; train with a lower learning rate.")
    if isinstance(error, DataError):
        return Failure(error.code or "data", str(error))
    if isinstance(error, TrainingError):
        return Failure(error.code, str(error))
    if isinstance(error, CheckpointError | ConfigurationError | UnknownModelError):
        return Failure("failed", str(error))
    if isinstance(error, OSError) and error.filename is not None:
        return Failure("failed", f"{error.filename} cannot be used ({error.strerror}); mend that, or name another.")
    return None
