"""Outliers: how unlike the training pictures a picture is, by its reconstruction's error and its code's neighbours.

The detector remembers some codes of training pictures and how held-out ones score, as buffers in the checkpoint, so
that it needs no data set to judge. Nothing in it is chosen by looking at outliers.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

NEIGHBOURS = 5  # enough to smooth over single odd training pictures
BLUR = 5  # pixels: an error is smeared over its surroundings, or every edge would glow


@dataclass(frozen=True)
class Outliers:
    """What the detector says of B pictures."""

    score: Tensor  # (B,): two standardised parts added, 0 for an average held-out picture
    percentile: Tensor  # (B,): share of held-out pictures that score lower, 0 to 100
    heat: Tensor  # (B, S, S): error of each place, 1 where it is the usual one there


class Detector(nn.Module):
    """Scores pictures (B, C, S, S) with their reconstructions and codes (B, N); fitted once after training."""

    codes: Tensor
    usual: Tensor
    centre: Tensor
    spread: Tensor
    scores: Tensor

    def __init__(self, code: int, size: int, memory: int) -> None:
        super().__init__()
        self.register_buffer("codes", torch.zeros(memory, code))
        self.register_buffer("usual", torch.ones(size, size))  # mean error of each place
        self.register_buffer("centre", torch.zeros(2))  # of the two parts of a score, over held-out pictures
        self.register_buffer("spread", torch.ones(2))
        self.register_buffer("scores", torch.zeros(memory))  # of held-out pictures, ascending

    def fit(self, train_codes: Tensor, pictures: Tensor, reconstructions: Tensor, codes: Tensor) -> None:
        """Remember codes of training pictures; calibrate on held-out pictures, their reconstructions and codes."""
        memory = len(self.codes)
        self.codes.copy_(train_codes[torch.linspace(0, len(train_codes) - 1, memory).long()])
        self.usual.copy_(self._errors(pictures, reconstructions).mean(0))
        parts = self._parts(pictures, reconstructions, codes)  # (B, 2)
        self.centre.copy_(parts.mean(0))
        self.spread.copy_(parts.std(0).clamp_min(1e-6))
        scores = ((parts - self.centre) / self.spread).sum(1).sort().values
        self.scores.copy_(scores[torch.linspace(0, len(scores) - 1, memory).long()])

    def forward(self, pictures: Tensor, reconstructions: Tensor, codes: Tensor) -> Outliers:
        score = ((self._parts(pictures, reconstructions, codes) - self.centre) / self.spread).sum(1)
        percentile = 100 * torch.searchsorted(self.scores, score) / len(self.scores)
        heat = self._errors(pictures, reconstructions) / self._floor()
        return Outliers(score, percentile, heat)

    def _errors(self, pictures: Tensor, reconstructions: Tensor) -> Tensor:
        """Blurred squared errors (B, S, S)."""
        errors = (pictures - reconstructions).square().mean(1, keepdim=True)  # (B, 1, S, S)
        return F.avg_pool2d(errors, BLUR, stride=1, padding=BLUR // 2, count_include_pad=False)[:, 0]

    def _floor(self) -> Tensor:
        """The usual error, at least a tenth of its mean: in corners that are always black specks would count most."""
        return self.usual.clamp_min(self.usual.mean() / 10 + 1e-8)

    def _parts(self, pictures: Tensor, reconstructions: Tensor, codes: Tensor) -> Tensor:
        """Logarithms of the normalised error and of the distance to the nearest remembered codes: (B, 2)."""
        error = (self._errors(pictures, reconstructions) / self._floor()).mean((1, 2))  # (B,)
        nearest = torch.cdist(codes, self.codes).topk(NEIGHBOURS, largest=False).values.mean(1)  # (B,)
        return torch.stack((error, nearest), 1).clamp_min(1e-8).log()


def auroc(normal: Tensor, outlying: Tensor) -> float:
    """Probability that an outlier scores higher than a normal picture, ties counting half (Mann & Whitney 1947)."""
    order = normal.sort().values
    below = torch.searchsorted(order, outlying, right=False).double()
    through = torch.searchsorted(order, outlying, right=True).double()
    return float((below + through).mean() / (2 * len(normal)))
