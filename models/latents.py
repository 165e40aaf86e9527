"""Latents: the random vectors that pictures are drawn from, each the property of its seed, and the ways between them.

Shapes: N vectors, Z numbers in each.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def of_seeds(seeds: Sequence[int], width: int) -> Tensor:
    """Standard normal vectors (N, Z); a seed gives the same vector alone and among others."""
    return torch.stack([torch.randn(width, generator=torch.Generator().manual_seed(seed)) for seed in seeds])


def spherical(first: Tensor, second: Tensor, share: float | Tensor) -> Tensor:
    """The vector (..., Z) that lies ``share`` of the way along the arc; its norm goes evenly from one to the other.

    Normal vectors of many dimensions lie near a sphere, so the straight line between two leaves what the prior covers.
    """
    norms = first.norm(dim=-1, keepdim=True), second.norm(dim=-1, keepdim=True)
    one, other = (end / norm.clamp_min(1e-12) for end, norm in zip((first, second), norms, strict=True))
    angle = (one * other).sum(-1, keepdim=True).clamp(-1 + 1e-6, 1 - 1e-6).acos()
    direction = (((1 - share) * angle).sin() * one + (share * angle).sin() * other) / angle.sin()
    return direction * torch.lerp(*norms, share)  # type: ignore[no-any-return]
