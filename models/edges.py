"""Edges: pictures turned into line drawings of several strengths, and people's sketches brought to the same form.

Lines are found as Canny (1986) does: blur, take the gradient, keep its ridges, and weak ridges only where they continue
a strong one. A strength sets how much is blurred and kept: who has learnt from all of them can read a few bold strokes.

Shapes: N pictures, C channels, H height, W width; lines are 1 on 0.
"""

from __future__ import annotations

import math
from dataclasses import astuple, dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from models.metrics import blur
from models.thinning import thin


@dataclass(frozen=True)
class Strength:
    """How much of a picture becomes lines."""

    sigma: float  # of the blur, in pixels
    strong: float  # gradient a line must reach somewhere, as a share of the picture's steepest
    weak: float  # gradient it must keep everywhere


STRENGTHS = {
    "fine": Strength(0.8, 0.25, 0.12),  # fur and whiskers
    "plain": Strength(1.2, 0.35, 0.18),
    "bold": Strength(2.0, 0.45, 0.25),  # outlines, as a hand draws them
}
NEAR = 2  # pixels: about what a hand misses
LUMA = (0.299, 0.587, 0.114)  # of red, green and blue (ITU-R BT.601)
BACKGROUND = 0.6  # share of the pixels that a drawing leaves untouched
FLAT = 0.02  # most by which those differ, of the full range; a photograph's dark or bright areas vary more
INK = 0.25  # share of the strongest stroke's difference to the background that makes a stroke
FILLED = 0.75  # pen widths from the paper: ink that lies deeper was filled in; where strokes cross it reaches 0.7
WIDEST = 0.08  # of a pen, as a share of the drawing's side: who draws a face with a wider one would see no eyes


def between(share: float) -> Strength:
    """The strength at a share of the way from the finest lines, 0, over plain ones to the boldest, 1."""
    place = share * (len(STRENGTHS) - 1)
    first = min(int(place), len(STRENGTHS) - 2)
    one, other = list(STRENGTHS.values())[first : first + 2]
    return Strength(*(a + (place - first) * (b - a) for a, b in zip(astuple(one), astuple(other), strict=True)))


def extract(pictures: Tensor, strength: Strength = STRENGTHS["plain"]) -> Tensor:
    """Lines (N, 1, H, W), 0 or 1, of pictures (N, C, H, W) in [-1, 1]."""
    smooth = blur(_grey(pictures), strength.sigma)
    across, down = _gradient(smooth)  # (N, 1, H, W) each
    height = torch.hypot(across, down)
    share = height / height.amax((2, 3), keepdim=True).clamp(min=1e-6)
    ridge = _ridges(height, across, down)
    return _connected(ridge & (share >= strength.strong), ridge & (share >= strength.weak)).float()


def kept(lines: Tensor, pictures: Tensor, strength: Strength = STRENGTHS["plain"]) -> float:
    """Share of what was drawn as lines (N, 1, H, W) within ``NEAR`` pixels of which pictures (N, C, H, W) have one."""
    near = F.max_pool2d(extract(pictures, strength), 2 * NEAR + 1, stride=1, padding=NEAR)
    return float((lines * near).sum() / lines.sum().clamp(min=1))


def drawn(pictures: Tensor) -> Tensor:
    """Whether pictures (N, C, H, W) are drawings (N,): most of their pixels have the same grey, whichever it is."""
    return (_apart(pictures) < FLAT).float().mean((1, 2, 3)) >= BACKGROUND


def strokes(drawings: Tensor, coarser: int = 1) -> Tensor:
    """A drawing's own strokes: lines (N, 1, H / coarser, W / coarser), 0 or 1, of pictures (N, C, H, W).

    Whatever the pen, a stroke becomes a line one pixel wide, as ``extract`` finds them, and a filled area its outline.
    Hands draw large, and scaled down a thin stroke would be too pale to be told from the paper.
    """
    apart = _apart(drawings)
    least = (INK * apart.amax((2, 3), keepdim=True)).clamp(min=2 * FLAT)
    lines = thin(_hollowed(apart >= least)).float()
    return thin(F.max_pool2d(lines, coarser) > 0).float()


def _hollowed(ink: Tensor) -> Tensor:
    """Ink (N, 1, H, W) without what was filled in: as if the outlines had been drawn with the same pen."""
    deepest = math.ceil(FILLED * WIDEST * min(ink.shape[2:]))
    depth, inside = ink.float(), ink  # pixels from the paper
    for _ in range(deepest):
        inside = inside & ~_touched(~inside)
        depth = depth + inside
    rim = (depth == 1).sum((2, 3), keepdim=True).clamp(min=1)
    pen = 2 * ink.sum((2, 3), keepdim=True) / rim  # a stroke has a rim on either side
    return ink & (depth <= (FILLED * pen).clamp(max=deepest))


def _apart(pictures: Tensor) -> Tensor:
    """How far each pixel (N, 1, H, W) is from the background, of the full range."""
    grey = _grey(pictures)  # (N, 1, H, W)
    return (grey - grey.flatten(1).median(1).values[:, None, None, None]).abs() / 2


def _grey(pictures: Tensor) -> Tensor:
    if pictures.shape[1] == 1:
        return pictures
    return (pictures * pictures.new_tensor(LUMA)[:, None, None]).sum(1, keepdim=True)


def _gradient(grey: Tensor) -> tuple[Tensor, Tensor]:
    """Sobel's derivatives to the right and downwards."""
    across = grey.new_tensor([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]]) / 8
    padded = F.pad(grey, (1, 1, 1, 1), mode="replicate")
    return F.conv2d(padded, across[None, None]), F.conv2d(padded, across.T[None, None])


def _ridges(height: Tensor, across: Tensor, down: Tensor) -> Tensor:
    """Where the gradient is the largest along its own direction, rounded to the eight neighbours.

    Of two equal neighbours only one counts as the larger, so that a line is one pixel wide.
    """
    padded = F.pad(height, (1, 1, 1, 1))
    h, w = height.shape[2:]

    def neighbour(dy: int, dx: int) -> Tensor:
        return padded[:, :, 1 + dy : 1 + dy + h, 1 + dx : 1 + dx + w]

    sector = (torch.atan2(down, across) / (math.pi / 4)).round().long() % 4  # opposite directions are one
    ridge = torch.zeros_like(height, dtype=torch.bool)
    for i, (dy, dx) in enumerate(((0, 1), (1, 1), (1, 0), (1, -1))):
        ridge |= (sector == i) & (height > neighbour(dy, dx)) & (height >= neighbour(-dy, -dx))
    return ridge


def _connected(strong: Tensor, weak: Tensor) -> Tensor:
    """The weak pixels that a chain of weak ones joins to a strong one."""
    found = strong
    while True:
        grown = weak & _touched(found)
        if torch.equal(grown, found):
            return found
        found = grown


def _touched(found: Tensor) -> Tensor:
    """The found pixels and their eight neighbours (shifts of truth values cost a tenth of a pooling)."""
    rows = found.clone()
    rows[:, :, 1:] |= found[:, :, :-1]
    rows[:, :, :-1] |= found[:, :, 1:]
    both = rows.clone()
    both[:, :, :, 1:] |= rows[:, :, :, :-1]
    both[:, :, :, :-1] |= rows[:, :, :, 1:]
    return both
