"""Lines of known pictures, and sketches brought to the same form."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from models import edges


@pytest.fixture
def square() -> Tensor:
    """A bright square on a dark ground, rows and columns 16 to 47."""
    picture = torch.full((1, 3, 64, 64), -0.8)
    picture[:, :, 16:48, 16:48] = 0.9
    return picture


@pytest.mark.parametrize("strength", edges.STRENGTHS)
def test_a_square_becomes_its_closed_outline(square: Tensor, strength: str) -> None:
    lines = edges.extract(square, edges.STRENGTHS[strength])[0, 0]
    assert set(lines.unique().tolist()) == {0.0, 1.0}
    y, x = lines.nonzero().T
    outside = torch.maximum((y - 31.5).abs(), (x - 31.5).abs())  # 16 on the border between bright and dark
    assert (outside - 16).abs().max() <= 2
    assert len(y) <= 4 * 34  # one pixel wide
    for middle in range(24, 40):  # every side is met once in each direction, rounded corners aside
        assert lines[middle].sum() == 2 and lines[:, middle].sum() == 2


def test_stronger_means_fewer_lines() -> None:
    noisy = torch.rand(4, 3, 64, 64, generator=torch.Generator().manual_seed(0)) * 0.6 - 0.3
    noisy[:, :, 20:40, 20:40] += 0.6
    counts = [edges.extract(noisy, edges.between(share)).sum().item() for share in (0.0, 0.25, 0.5, 0.75, 1.0)]
    assert counts == sorted(counts, reverse=True) and counts[-1] > 0
    assert [edges.between(share) for share in (0.0, 0.5, 1.0)] == list(edges.STRENGTHS.values())


def test_nothing_to_see_gives_no_lines() -> None:
    assert edges.extract(torch.full((2, 3, 64, 64), 0.3)).sum() == 0


def test_weak_lines_live_by_strong_ones() -> None:
    strong, weak = torch.zeros(2, 1, 1, 8, 8, dtype=torch.bool)
    strong[0, 0, 2, 0] = True
    weak[0, 0, 2, :6] = True  # joined to the strong one
    weak[0, 0, 6, :6] = True  # on its own
    assert edges._connected(strong, weak).nonzero()[:, 2].unique().tolist() == [2]


@pytest.mark.parametrize(("ground", "ink"), [(1.0, -1.0), (-1.0, 1.0)])
def test_a_sketch_keeps_its_own_strokes(ground: float, ink: float) -> None:
    drawing = torch.full((1, 3, 64, 64), ground)
    drawing[:, :, 30, 10:50] = ink
    assert edges.drawn(drawing)
    lines = edges.strokes(drawing)
    assert lines.nonzero()[:, 2].unique().tolist() == [30] and lines.sum() == 40


def test_a_thin_pale_stroke_outlives_being_scaled_down() -> None:
    drawing = torch.full((1, 1, 256, 256), 1.0)
    drawing[:, :, 120, 40:200] = 0.4
    drawing[:, :, 40:200, 81] = 0.5
    lines = edges.strokes(drawing, coarser=4)[0, 0]
    assert lines.shape == (64, 64)
    assert lines[30, 10:50].all() and lines[10:50, 20].all() and lines.sum() == 40 + 40 - 1
    assert edges.strokes(torch.ones(1, 1, 64, 64)).sum() == 0


def test_a_photograph_is_no_drawing(square: Tensor) -> None:
    photograph = square + 0.1 * torch.randn(square.shape, generator=torch.Generator().manual_seed(0))
    assert not edges.drawn(photograph)
