"""Lines of known pictures, and sketches brought to the same form."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from PIL import Image, ImageDraw
from torch import Tensor

from models import edges
from models.pictures import middle, to_unit

SHEET = 512  # pixels a side of what is drawn on
FINE = 256  # of a drawing as its strokes are looked for

Draw = Callable[[ImageDraw.ImageDraw], None]


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
    for place in range(24, 40):  # every side is met once in each direction, rounded corners aside
        assert lines[place].sum() == 2 and lines[:, place].sum() == 2


def test_stronger_means_fewer_lines() -> None:
    noisy = torch.rand(4, 3, 64, 64, generator=torch.Generator().manual_seed(0)) * 0.6 - 0.3
    noisy[:, :, 20:40, 20:40] += 0.6
    counts = [edges.extract(noisy, edges.between(share)).sum().item() for share in (0.0, 0.25, 0.5, 0.75, 1.0)]
    assert counts == sorted(counts, reverse=True) and counts[-1] > 0
    assert [edges.between(share) for share in (0.0, 0.5, 1.0)] == list(edges.STRENGTHS.values())


def test_nothing_to_see_gives_no_lines() -> None:
    assert edges.extract(torch.full((2, 3, 64, 64), 0.3)).sum() == 0


def test_lines_are_kept_by_who_draws_them_to_two_pixels(square: Tensor) -> None:
    lines = edges.extract(square)
    assert edges.kept(lines, square) == 1.0
    assert edges.kept(lines, square.roll((2, 0), (2, 3))) == 1.0
    assert edges.kept(lines, square.roll((5, 5), (2, 3))) < 0.2
    assert edges.kept(lines, torch.zeros_like(square)) == 0.0


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


def drawing(draw: Draw, ground: str = "white") -> Tensor:
    """What is drawn on a sheet, as a picture (1, 1, FINE, FINE)."""
    sheet = Image.new("L", (SHEET, SHEET), ground)
    draw(ImageDraw.Draw(sheet))
    return to_unit(middle(sheet, 1, FINE))[None]


def face(pen: int, ink: str = "black", solid: bool = False) -> Draw:
    """A face: its outline, eyes and a mouth, drawn with the middle of a pen."""

    def draw(hand: ImageDraw.ImageDraw) -> None:
        for x, y, radius in ((256, 256, 200), (170, 200, 50), (342, 200, 50)):
            reach = radius + pen / 2
            fill = ink if solid and radius == 50 else None
            hand.ellipse((x - reach, y - reach, x + reach, y + reach), outline=ink, width=pen, fill=fill)
        hand.line((180, 350, 332, 350), fill=ink, width=pen)

    return draw


def apart(lines: Tensor, others: Tensor) -> float:
    """How far the pixel of lines (1, 1, H, W) is that is farthest from all of the others."""
    return float(torch.cdist(lines[0, 0].nonzero().float(), others[0, 0].nonzero().float()).min(1).values.max())


@pytest.mark.parametrize("pen", [1, 4, 12, 25, 40])
@pytest.mark.parametrize(("ground", "ink"), [("white", "black"), ("black", "white"), ("white", "gray")])
def test_every_pen_leaves_the_same_lines(pen: int, ground: str, ink: str) -> None:
    usual = edges.strokes(drawing(face(7)), 4)
    lines = edges.strokes(drawing(face(pen, ink), ground), 4)
    assert apart(lines, usual) <= 2 and apart(usual, lines) <= 4  # the mouth ends half a pen early
    assert 0.85 < lines.sum() / usual.sum() < 1.15
    blocks = torch.nn.functional.avg_pool2d(lines, 2, stride=1) == 1
    assert blocks.sum() == 0  # one pixel wide


@pytest.mark.parametrize("pen", [3, 7, 15, 25])
def test_a_filled_eye_becomes_its_outline(pen: int) -> None:
    open_eyes, solid_eyes = (edges.strokes(drawing(face(pen, solid=solid)), 4) for solid in (False, True))
    assert apart(solid_eyes, open_eyes) <= 2 and apart(open_eyes, solid_eyes) <= 2
    assert solid_eyes[0, 0, 23:27, 19:24].sum() == 0  # inside the left eye


def test_a_black_head_becomes_its_outline() -> None:
    head = drawing(lambda hand: hand.ellipse((60, 80, 460, 480), fill="black"))
    y, x = edges.strokes(head, 4)[0, 0].nonzero().T
    inside = 25 - torch.hypot(y - 34.5, x - 32.0)
    assert len(y) > 100 and inside.min() > -1 and inside.max() < 4


def test_what_is_joined_stays_joined() -> None:
    lines = edges.strokes(drawing(lambda hand: hand.line((20, 30, 480, 200, 90, 430), fill="black", width=3)), 4) > 0
    first = torch.zeros_like(lines)
    first.view(-1)[lines.view(-1).nonzero()[0]] = True
    assert torch.equal(edges._connected(first, lines), lines)


def test_several_drawings_become_what_each_becomes_alone() -> None:
    drawings = torch.cat([drawing(face(pen, solid=pen > 9)) for pen in (2, 9, 30)] + [torch.ones(1, 1, FINE, FINE)])
    together = edges.strokes(drawings, 4)
    assert torch.equal(together, torch.cat([edges.strokes(one[None], 4) for one in drawings]))
    assert together[-1].sum() == 0  # a blank sheet


def test_a_photograph_is_no_drawing(square: Tensor) -> None:
    photograph = square + 0.1 * torch.randn(square.shape, generator=torch.Generator().manual_seed(0))
    assert not edges.drawn(photograph)
