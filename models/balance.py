"""Balance: fairer sampling of the training pictures, by showing those more often whose latents are rare.

The debiased VAE (Amini et al. 2019): the density of each latent is a histogram over the training set, and a picture's
chance the inverse density of the latent in which it is rarest, evened out so that no picture is shown all the time.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

BINS = 10  # of each latent's histogram, as in the paper
EVENNESS = 0.1  # added to each density of at most 1: the higher, the closer to showing all alike
MOST = 10.0  # times the mean chance: what a picture's chance is cut at


class Balance(nn.Module):
    """The chances of N training pictures, kept in a training's snapshot."""

    chances: Tensor

    def __init__(self, count: int) -> None:
        super().__init__()
        self.register_buffer("chances", torch.ones(count))

    def renew(self, latents: Tensor) -> None:
        """Chances from the posterior means (N, Z) of all training pictures."""
        rarity = torch.zeros(len(latents))
        for column in latents.cpu().T.contiguous():
            edges = torch.linspace(float(column.min()), float(column.max()), BINS + 1)[1:-1]
            bins = torch.bucketize(column, edges)
            density = torch.bincount(bins, minlength=BINS) / len(column)
            rarity = torch.maximum(rarity, 1 / (density[bins] + EVENNESS))  # the latent in which it is rarest
        self.chances.copy_((rarity / rarity.mean()).clamp_max(MOST))

    def draw(self, count: int, generator: torch.Generator) -> Tensor:
        """Indices (count,) of pictures for a batch."""
        return torch.multinomial(self.chances, count, replacement=True, generator=generator)
