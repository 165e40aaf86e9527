"""Codes: the numbers of a quantised picture as a short text that can be pasted, and back.

The numbers are the digits of one large integer, whose bytes (with two bytes of checksum) are written in base64: nothing
in it means anything to a chat's formatting.
"""

from __future__ import annotations

import base64
import string
import zlib

import torch
from torch import Tensor

CHECKSUM = 2  # bytes: one would let one damaged code in 256 pass
ALPHABET = frozenset(string.ascii_letters + string.digits + "+/")


class CodeError(ValueError):
    """A text that is no code of the model; the message says what to do."""


def size(count: int, levels: int) -> int:
    """Bytes that ``count`` numbers below ``levels`` take, without the checksum."""
    return (int(levels**count - 1).bit_length() + 7) // 8


def write(numbers: Tensor, levels: int) -> str:
    """Numbers (N,) below ``levels`` as a text."""
    packed = 0
    for number in numbers.tolist():
        packed = packed * levels + number
    content = packed.to_bytes(size(len(numbers), levels), "big")
    return _letters(content + _checksum(content))


def read(text: str, count: int, levels: int) -> Tensor:
    """The numbers (count,) of a text; CodeError when it is none or was not copied whole."""
    text = "".join(text.split())  # a chat may have wrapped it
    strange = next((character for character in text if character not in ALPHABET), None)
    if strange is not None:
        raise CodeError(f"This is no code: {strange!r} never occurs in one; copy it again.")
    letters = (8 * (size(count, levels) + CHECKSUM) + 5) // 6
    if len(text) != letters:
        raise CodeError(f"This code has {len(text)} characters, not {letters}; copy all of it, for the right model.")
    content = base64.b64decode(text + "=" * (-len(text) % 4))
    packed = int.from_bytes(content[:-CHECKSUM], "big")
    whole = content[-CHECKSUM:] == _checksum(content[:-CHECKSUM]) and _letters(content) == text
    if not whole or packed >= levels**count:
        raise CodeError("This code was changed on its way; copy it again.")
    numbers = torch.empty(count, dtype=torch.long)
    for i in reversed(range(count)):
        packed, numbers[i] = divmod(packed, levels)
    return numbers


def _letters(content: bytes) -> str:
    return base64.b64encode(content).decode().rstrip("=")


def _checksum(content: bytes) -> bytes:
    return zlib.crc32(content).to_bytes(4, "big")[:CHECKSUM]
