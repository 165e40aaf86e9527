"""Flow: a prior that learns where the latents lie, by bending them into a standard normal distribution.

Affine coupling layers (Dinh et al. 2017): one half of the numbers decides how the other is scaled and shifted, so the
way back and the change of volume are exact. As prior of a VAE it closes the gaps between posterior and N(0, 1), from
which plain samples come out broken. Without layers it is the standard normal itself.

Shapes: B batch, Z numbers of a latent.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

STEEPEST = 2.0  # of the logarithm of a layer's scale: more makes the way back blow up


class Coupling(nn.Module):
    """Scale and shift the second half by what the first says; starts as the identity."""

    def __init__(self, latent: int, width: int) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(latent // 2, width), nn.Linear(width, width)
        self.third = nn.Linear(width, latent)
        nn.init.zeros_(self.third.weight)
        nn.init.zeros_(self.third.bias)

    def forward(self, half: Tensor) -> tuple[Tensor, Tensor]:
        """Logarithm of the scale, and the shift: (B, Z / 2) each."""
        hidden = F.silu(self.second(F.silu(self.first(half))))
        scale, shift = self.third(hidden).float().chunk(2, -1)
        return STEEPEST * torch.tanh(scale), shift


class Flow(nn.Module):
    """Density of latents (B, Z), even Z, and the bending to base (standard normal) and back."""

    def __init__(self, latent: int, layers: int, width: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(Coupling(latent, width) for _ in range(layers))

    def to_base(self, latents: Tensor) -> tuple[Tensor, Tensor]:
        """Base vectors (B, Z) and the logarithms (B,) of how much the volume grew on the way."""
        growth = latents.new_zeros(len(latents))
        for layer in self.layers:
            kept, changed = latents.chunk(2, -1)
            scale, shift = layer(kept)
            latents = torch.cat((changed * scale.exp() + shift, kept), -1)  # the halves change places each time
            growth = growth + scale.sum(-1)
        return latents, growth

    def from_base(self, base: Tensor) -> Tensor:
        """Latents (B, Z) of base vectors."""
        for layer in reversed(self.layers):
            changed, kept = base.chunk(2, -1)
            scale, shift = layer(kept)
            base = torch.cat((kept, (changed - shift) * (-scale).exp()), -1)
        return base

    def log_density(self, latents: Tensor) -> Tensor:
        """ln p(z) (B,)."""
        base, growth = self.to_base(latents)
        return normal_log_density(base, torch.zeros_like(base), torch.zeros_like(base)) + growth


def normal_log_density(x: Tensor, mean: Tensor, log_variance: Tensor) -> Tensor:
    """ln N(x; mean, variance), summed over the last axis."""
    squares = (x - mean).square() * (-log_variance).exp()
    return -0.5 * (squares + log_variance + math.log(2 * math.pi)).sum(-1)
