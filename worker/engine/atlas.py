"""Atlas: remembered pictures at their places on a map of two dimensions, one in each cell of a grid.

Shapes: M remembered pictures, N pictures, Z numbers of a latent, K pictures shown, C their channels, S their side, G
cells a side of the map.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from models.pictures import from_unit
from models.projection import Axes, principal_axes

WIDTH = 1_024  # of the models' pixels that a map is wide, about
MOST = 24  # cells a side: more could not be told apart
BEYOND = 0.02  # share of the remembered pictures on each side that lie beyond the edge, or they would have most of it
FRAME = 5  # a frame is a fifth of a picture wide
MAGENTA = (1.0, -1.0, 1.0)  # which no data set has; against black and white alike it stands out without colour, too


@dataclass(frozen=True)
class Ground:
    """Where latents lie: along the axes of the remembered ones."""

    axes: Axes
    low: Tensor  # (2,), what lies at the first and at the last cell
    high: Tensor  # (2,)
    grid: int  # G

    def places(self, latents: Tensor) -> Tensor:
        """Column and row (N, 2) of latents (N, Z), fractions from 0 to G - 1; what lies beyond is at the edge."""
        shares = (self.axes.project(latents) - self.low) / (self.high - self.low).clamp_min(1e-6)
        return shares.clamp(0, 1) * (self.grid - 1)


@dataclass(frozen=True)
class Atlas:
    """Which remembered pictures are shown, and in which cells."""

    ground: Ground
    chosen: Tensor  # (K,), their places among the remembered ones
    cells: Tensor  # (K, 2), column and row of each

    def draw(self, pictures: Tensor, own: Tensor | None = None, place: Tensor | None = None) -> Tensor:
        """The map in colours (3, H, W), uint8, of the chosen pictures (K, C, S, S) in [-1, 1], on white.

        One's ``own`` picture (C, S, S) takes the cell nearest to its ``place`` (2,), framed.
        """
        side = pictures.shape[-1]
        width = max(3, side // FRAME)
        extent = self.ground.grid * side + 2 * width  # with room for a frame
        canvas = torch.ones(3, extent, extent)

        def put(picture: Tensor, cell: Tensor, margin: int = 0) -> None:
            left, top = (int(position) * side + width - margin for position in cell.round())
            canvas[:, top : top + side + 2 * margin, left : left + side + 2 * margin] = picture

        for picture, cell in zip(pictures, self.cells, strict=True):
            put(picture, cell)
        if own is not None and place is not None:
            put(torch.tensor(MAGENTA)[:, None, None], place, margin=width)
            put(own, place)
        return from_unit(canvas)


def lay_out(latents: Tensor, side: int) -> Atlas:
    """A map of remembered latents (M, Z); of those that share a cell, the one nearest to its middle is shown."""
    axes = principal_axes(latents)
    low, high = axes.project(latents).quantile(torch.tensor([BEYOND, 1 - BEYOND]), 0)
    ground = Ground(axes, low, high, max(2, min(MOST, WIDTH // side)))
    places = ground.places(latents)  # (M, 2)
    cells = places.round()
    shown: dict[tuple[float, ...], int] = {}
    for i in (cells - places).norm(dim=1).argsort(stable=True).tolist():
        shown.setdefault(tuple(cells[i].tolist()), i)
    return Atlas(ground, torch.tensor(list(shown.values())), torch.tensor(list(shown)))
