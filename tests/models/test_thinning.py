"""Strokes of all kinds made thin."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw
from torch import Tensor
from torch.nn.functional import pad

from models.metrics import blur
from models.thinning import thin

NEIGHBOURS = [(-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 1), (1, -1), (1, 0), (1, 1)]
BESIDE = [(-1, 0), (0, -1), (0, 1), (1, 0)]


@pytest.fixture(scope="module")
def blobs() -> Tensor:
    """Areas, islands and lakes of every shape: sixteen pictures, as truth values."""
    noise = torch.randn(16, 1, 64, 64, generator=torch.Generator().manual_seed(0))
    noise[8:] += 0.5  # the latter half mostly ink
    return blur(noise, 1.5) > 0.1


def parts(truths: Tensor, steps: list[tuple[int, int]]) -> int:
    """How many parts of a picture (H, W) are joined by ``steps`` to no other."""
    left = {(y, x) for y, x in truths.nonzero().tolist()}
    count = 0
    while left:
        count += 1
        reached = [left.pop()]
        while reached:
            y, x = reached.pop()
            near = {(y + dy, x + dx) for dy, dx in steps} & left
            left -= near
            reached += near
    return count


def blocks(lines: Tensor) -> int:
    """Squares of two by two pixels in lines (N, 1, H, W)."""
    return int((lines[..., 1:, 1:] & lines[..., 1:, :-1] & lines[..., :-1, 1:] & lines[..., :-1, :-1]).sum())


def test_what_is_joined_stays_joined_and_holes_stay_holes(blobs: Tensor) -> None:
    lines = thin(blobs)
    assert lines.sum() < blobs.sum() / 2
    assert not (lines & ~blobs).any()
    for ink, line in zip(blobs[:, 0], lines[:, 0], strict=True):
        assert parts(line, NEIGHBOURS) == parts(ink, NEIGHBOURS)
        before, after = (pad(~picture, (1, 1, 1, 1), value=True) for picture in (ink, line))  # the paper
        assert parts(after, BESIDE) == parts(before, BESIDE)


def test_lines_are_one_pixel_wide(blobs: Tensor) -> None:
    lines = thin(blobs)
    assert blocks(blobs) > 1000 and blocks(lines) <= lines.sum() / 500  # where several lines meet it may need one


def test_thin_lines_stay_as_they_are() -> None:
    lines = torch.zeros(4, 1, 32, 32, dtype=torch.bool)
    lines[0, 0, 7, 3:20] = lines[0, 0, 20:, 31] = True  # as far as the edge
    lines[1, 0] = torch.eye(32, dtype=torch.bool)
    lines[2, 0, [5, 5, 4, 3, 3, 4], [6, 7, 8, 7, 6, 5]] = True  # the smallest ring but one
    lines[3, 0, 9, 9] = True
    assert torch.equal(thin(lines), lines)


def test_several_pictures_become_what_each_becomes_alone(blobs: Tensor) -> None:
    assert torch.equal(thin(blobs), torch.cat([thin(one[None]) for one in blobs]))


@pytest.mark.parametrize("pen", [2, 5, 9])
def test_the_middle_of_a_stroke_is_what_stays(pen: int) -> None:
    paper = Image.new("1", (64, 64))
    ImageDraw.Draw(paper).line((10, 12, 50, 40), fill=1, width=pen)
    ink = torch.from_numpy(np.array(paper))[None, None]
    y, x = thin(ink)[0, 0].nonzero().T
    between = (x >= 20) & (x < 40)  # the ends fork to the corners of the pen
    assert sorted(x[between].tolist()) == list(range(20, 40))
    assert (12 + (x - 10) * 28 / 40 - y)[between].abs().max() <= 1
