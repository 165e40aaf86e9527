"""Sprites: a data set drawn by the project, one white shape per picture, with every factor of variation known.

Shape, size, rotation and position vary independently, each combination once, as in dSprites (Matthey et al. 2017);
here on 32x32 pixels so that a network learns them within minutes. Not every combination is another picture: squares
repeat every 90 degrees and ellipses every 180, so that of the held-out tenth 63 % have a twin among the training
pictures; only hearts have none.
"""

from __future__ import annotations

import math
from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor

SIZE = 32  # pixels a side
SHAPES, SCALES, ROTATIONS, PLACES = 3, 6, 20, 16  # how many values each factor takes; PLACES along x and along y
FACTORS = {"shape": SHAPES, "scale": SCALES, "rotation": ROTATIONS, "x": PLACES, "y": PLACES}
COUNT = math.prod(FACTORS.values())  # 92,160

_PATCH = SIZE - PLACES + 1  # a patch of 17 pixels moves over the picture in whole pixels
_RADII = (4.0, 8.0)  # pixels: of the smallest and the largest shape, half to whole as in dSprites
_FINE = 8  # each pixel is the mean of 8x8 points, so that edges are smooth


def draw(shape: Tensor, scale: Tensor, rotation: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """Pictures (N, 1, 32, 32), uint8, of factors given as indices (N,)."""
    patches = _patches()[shape, scale, rotation]  # (N, 17, 17)
    pictures = torch.zeros(len(shape), SIZE, SIZE, dtype=torch.uint8)
    span = torch.arange(_PATCH)
    rows = (y[:, None] + span)[:, :, None]  # (N, 17, 1)
    columns = (x[:, None] + span)[:, None, :]  # (N, 1, 17)
    pictures[torch.arange(len(shape))[:, None, None], rows, columns] = patches
    return pictures[:, None]  # (N, 1, 32, 32)


def factors() -> Tensor:
    """Every combination of the factors: indices (92160, 5) in the order of ``FACTORS``."""
    return torch.cartesian_prod(*(torch.arange(count) for count in FACTORS.values()))


@cache
def _patches() -> Tensor:
    """Each shape at each scale and rotation: (3, 6, 20, 17, 17), uint8."""
    points = (torch.arange(_PATCH * _FINE) + 0.5) / _FINE - _PATCH / 2  # pixels from the middle
    down, right = torch.meshgrid(points, points, indexing="ij")
    patches = torch.empty(SHAPES, SCALES, ROTATIONS, _PATCH, _PATCH, dtype=torch.uint8)
    for i, radius in enumerate(torch.linspace(*_RADII, SCALES).tolist()):
        for j in range(ROTATIONS):
            angle = 2 * math.pi * j / ROTATIONS
            u = (right * math.cos(angle) + down * math.sin(angle)) / radius
            v = (down * math.cos(angle) - right * math.sin(angle)) / radius
            inside = torch.stack((_square(u, v), _ellipse(u, v), _heart(u, v))).float()  # (3, 136, 136)
            patches[:, i, j] = (F.avg_pool2d(inside, _FINE) * 255).round().to(torch.uint8)
    return patches


def _square(u: Tensor, v: Tensor) -> Tensor:
    return torch.maximum(u.abs(), v.abs()) < math.sqrt(0.5)  # its corners lie on the unit circle


def _ellipse(u: Tensor, v: Tensor) -> Tensor:
    return u.square() + (2 * v).square() < 1


def _heart(u: Tensor, v: Tensor) -> Tensor:
    u, v = 1.25 * u, -1.25 * v + 0.1  # the curve reaches beyond the unit circle by that much
    return (u.square() + v.square() - 1) ** 3 < u.square() * v**3
