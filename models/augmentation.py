"""Augmentation: differentiable changes of a batch of pictures, so that few pictures are not learnt by heart.

The same kinds of change meet real and generated pictures, and gradients pass through them to the generator (Zhao et al.
2020; Karras et al. 2020). Random numbers come from torch's global generator, which a run seeds before every step.

Shapes: B batch, C channels, H height, W width; values in [-1, 1].
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

BRIGHTNESS = 0.4  # largest shift: a fifth of the range of values
CONTRAST = 0.5  # factors 0.5 to 1.5
SHIFT = 0.125  # of the side, as in the cited papers
ERASED = 0.5  # side of the erased square as a share of the picture's


def augment(images: Tensor, probability: float) -> Tensor:
    """Change each picture (B, C, H, W) in each of four ways with the given probability."""
    if probability == 0:
        return images
    for change in (_brighten, _contrast, _shift, _erase):
        images = torch.where(_chosen(images, probability), change(images), images)
    return images


def mirror(images: Tensor) -> Tensor:
    """Mirror every picture left to right with probability one half."""
    return torch.where(_chosen(images, 0.5), images.flip(3), images)


def zoom(images: Tensor, least: float, turn: float) -> Tensor:
    """Cut out a square of ``least`` to 1 of the side anywhere, turned by up to ``turn`` radians, at the full size."""
    side = least + (1 - least) * _uniform(images)  # (B, 1, 1, 1)
    angle = turn * (2 * _uniform(images) - 1)
    centre = [(1 - side) * (2 * _uniform(images) - 1) for _ in range(2)]  # keeps the square inside
    rows = (
        torch.cat((side * angle.cos(), -side * angle.sin(), centre[0]), 3),
        torch.cat((side * angle.sin(), side * angle.cos(), centre[1]), 3),
    )
    maps = torch.cat(rows, 2)[:, 0]  # (B, 2, 3)
    grid = F.affine_grid(maps, list(images.shape), align_corners=False)  # (B, H, W, 2)
    return F.grid_sample(images, grid, padding_mode="border", align_corners=False)


def _chosen(images: Tensor, probability: float) -> Tensor:
    return _uniform(images) < probability  # (B, 1, 1, 1)


def _uniform(images: Tensor) -> Tensor:
    return torch.rand(len(images), 1, 1, 1, device=images.device)


def _brighten(images: Tensor) -> Tensor:
    return images + BRIGHTNESS * (2 * _uniform(images) - 1)


def _contrast(images: Tensor) -> Tensor:
    mean = images.mean((1, 2, 3), keepdim=True)
    return mean + (images - mean) * (1 + CONTRAST * (2 * _uniform(images) - 1))


def _shift(images: Tensor) -> Tensor:
    """Move by up to an eighth of the side; what enters repeats the border."""
    count, _, height, width = images.shape
    pad = round(SHIFT * width)
    padded = F.pad(images, (pad, pad, pad, pad), mode="replicate")
    device = images.device
    down = torch.randint(2 * pad + 1, (count, 1), device=device) + torch.arange(height, device=device)  # (B, H)
    right = torch.randint(2 * pad + 1, (count, 1), device=device) + torch.arange(width, device=device)  # (B, W)
    chosen = torch.arange(count, device=device)[:, None, None]
    moved = padded.permute(0, 2, 3, 1)[chosen, down[:, :, None], right[:, None, :]]  # (B, H, W, C)
    return moved.permute(0, 3, 1, 2)


def _erase(images: Tensor) -> Tensor:
    """Grey out a square whose centre lies anywhere."""
    _, _, height, width = images.shape
    y = torch.arange(height, device=images.device)[:, None] - height * _uniform(images)  # (B, 1, H, 1)
    x = torch.arange(width, device=images.device) - width * _uniform(images)  # (B, 1, 1, W)
    half = ERASED / 2
    return images * ~((y.abs() < half * height) & (x.abs() < half * width))
