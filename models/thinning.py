"""Thinning: what a pen of any width drew, as lines one pixel wide (Guo and Hall 1989, their algorithm A1).

Pixels are taken from the rims of strokes, of two opposite sides in turn, as long as they are no end of a line and
nothing comes apart or gets another hole without them.

Shapes: N pictures, H height, W width.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def thin(ink: Tensor) -> Tensor:
    """The middles of strokes (N, 1, H, W), both as truth values; lines that are thin stay as they are."""
    while True:
        thinner = _without_rim(_without_rim(ink, half=0), half=1)
        if torch.equal(thinner, ink):
            return ink
        ink = thinner


def _without_rim(ink: Tensor, half: int) -> Tensor:
    """The ink that a round's first (0) or second (1) half leaves."""
    ring = north, north_east, east, south_east, south, south_west, west, north_west = _around(ink)
    after = (*ring[1:], north)
    begins = [~ring[i] & (ring[i + 1] | after[i + 1]) for i in (0, 2, 4, 6)]  # of what is joined among the neighbours
    pairs = [one | other for one, other in zip(ring, after, strict=True)]
    few = torch.minimum(_count(pairs[::2]), _count(pairs[1::2]))  # 1 at the end of a line, 4 inside a stroke
    held = west & (south | south_west | ~north_west) if half == 0 else east & (north | north_east | ~south_east)
    return ink & ~((_count(begins) == 1) & (few >= 2) & (few <= 3) & ~held)


def _around(ink: Tensor) -> tuple[Tensor, ...]:
    """The eight neighbours of each pixel, clockwise from the one above."""
    height, width = ink.shape[2:]
    padded = F.pad(ink, (1, 1, 1, 1))
    places = ((0, 1), (0, 2), (1, 2), (2, 2), (2, 1), (2, 0), (1, 0), (0, 0))  # of their first pixels
    return tuple(padded[:, :, top : top + height, left : left + width] for top, left in places)


def _count(truths: list[Tensor]) -> Tensor:
    return torch.stack(truths).sum(0)
