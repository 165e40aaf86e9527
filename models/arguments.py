"""Arguments: what may be typed where the command line asks for a number or a device."""

from __future__ import annotations

import math
from argparse import ArgumentTypeError
from collections.abc import Callable
from typing import TypeVar

import torch

Number = TypeVar("Number", int, float)


def _number(kind: type[Number], fits: Callable[[Number], bool], words: str) -> Callable[[str], Number]:
    """What reads numbers that fit, and refuses others with these words."""

    def read(text: str) -> Number:
        try:
            value = kind(text)
        except ValueError:
            value = None
        if value is None or not fits(value):
            raise ArgumentTypeError(f"it must be {words}, not {text!r}")
        return value

    return read


count = _number(int, lambda value: value > 0, "a whole number above 0")
seed = _number(int, lambda value: 0 <= value < 2**63, "a whole number from 0 to 2^63 - 1")  # what requests may carry
minutes = _number(float, lambda value: 0 < value < math.inf, "a number above 0")
pause = _number(float, lambda value: 0 <= value < math.inf, "a number of seconds, 0 for none")
share = _number(float, lambda value: 0 < value <= 1, "a number above 0, 1 at most")


def device(text: str) -> torch.device:
    """A device on which something can be computed here."""
    try:
        named = torch.device(text)
        torch.zeros(1, device=named)
    except (RuntimeError, AssertionError) as error:  # torch's, when it was built without that kind
        raise ArgumentTypeError(f"there is no device {text!r} here; take cpu") from error
    return named
