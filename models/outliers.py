"""Outliers: how unlike the training pictures a picture is, by what its reconstruction misses and by its neighbours.

The detector remembers codes of training pictures, how they look painted again, and how held-out pictures score, all as
buffers in the checkpoint: it needs no data set to judge. Nothing in it is chosen by looking at outliers.

Shapes: B batch, C picture's channels, S its side, N numbers of a code, M remembered pictures, V numbers of a view.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.pictures import spread

NEIGHBOURS = 3  # enough to smooth over single odd training pictures
BLUR = 5  # pixels: an error is smeared over its surroundings, or every edge would glow
USUAL = math.sqrt(2 / math.pi)  # mean absolute value of a standard normal number
VIEW = 16  # pixels a side, about, at which pictures are compared with remembered ones


@dataclass(frozen=True)
class Outliers:
    """What the detector says of B pictures."""

    score: Tensor  # (B,): two standardised parts added, 0 for an average held-out picture
    percentile: Tensor  # (B,): share of held-out pictures that score lower, 0 to 100
    heat: Tensor  # (B, S, S): error of each place, 1 where it is the usual one there


class Detector(nn.Module):
    """Scores pictures (B, C, S, S) in [-1, 1] with their reconstructions; fitted once after training."""

    codes: Tensor
    views: Tensor
    usual: Tensor
    centre: Tensor
    spread: Tensor
    scores: Tensor

    def __init__(self, code: int, channels: int, side: int, memory: int, centred: bool = False) -> None:
        super().__init__()
        self.centred = centred
        self.shrink = max(1, round(side / VIEW))
        self.register_buffer("codes", torch.zeros(memory, code))
        self.register_buffer("views", torch.zeros(memory, channels * (side // self.shrink) ** 2))
        self.register_buffer("usual", torch.ones(side, side))  # mean error of each place
        self.register_buffer("centre", torch.zeros(2))  # of the two parts of a score, over held-out pictures
        self.register_buffer("spread", torch.ones(2))
        self.register_buffer("scores", torch.zeros(memory))  # of held-out pictures, ascending

    def fit(self, codes: Tensor, painted: Tensor, pictures: Tensor, reconstructions: Tensor) -> None:
        """Remember M codes and the pictures painted of them; calibrate on held-out pictures and reconstructions."""
        self.codes.copy_(codes)
        self.views.copy_(self._views(painted))
        self.usual.copy_(_errors(pictures, reconstructions).mean(0))
        parts = self._parts(pictures, reconstructions)  # (B, 2)
        self.centre.copy_(parts.mean(0))
        self.spread.copy_(parts.std(0).clamp_min(1e-6))
        scores = self._score(parts).sort().values
        self.scores.copy_(spread(scores, len(self.scores)))

    def forward(self, pictures: Tensor, reconstructions: Tensor) -> Outliers:
        score = self._score(self._parts(pictures, reconstructions))
        percentile = 100 * torch.searchsorted(self.scores, score) / len(self.scores)
        floor = self.usual.mean() / 10 + 1e-8  # in corners that are always black specks would count most
        return Outliers(score, percentile, _errors(pictures, reconstructions) / self.usual.clamp_min(floor))

    def _views(self, pictures: Tensor) -> Tensor:
        """Small blurred copies of unit length (B, V): neither a stroke's width nor the light should count."""
        small = F.avg_pool2d(F.avg_pool2d((pictures + 1) / 2, 3, stride=1, padding=1), self.shrink)
        views = small.flatten(1)
        if self.centred:
            views = views - views.mean(1, keepdim=True)
        return F.normalize(views)

    def _parts(self, pictures: Tensor, reconstructions: Tensor) -> Tensor:
        """Logarithms of the distances, between views, to its reconstruction and to its nearest neighbours: (B, 2)."""
        views = self._views(pictures)  # (B, V)
        error = (views - self._views(reconstructions)).norm(dim=1)  # (B,)
        distances = torch.cdist(views, self.views)  # (B, M)
        nearest = distances.topk(NEIGHBOURS, largest=False).values.mean(1)  # (B,)
        return torch.stack((error, nearest), 1).clamp_min(1e-8).log()

    def _score(self, parts: Tensor) -> Tensor:
        """Both parts of each score, standardised and added: (B,)."""
        error, nearest = ((parts - self.centre) / self.spread).unbind(1)
        if self.centred:  # what is rebuilt too well is as odd as what is rebuilt badly: a wall, a clear sky
            error = error.abs() - USUAL
        return error + nearest


def _errors(pictures: Tensor, reconstructions: Tensor) -> Tensor:
    """Blurred squared errors (B, S, S)."""
    errors = (pictures - reconstructions).square().mean(1, keepdim=True)  # (B, 1, S, S)
    return F.avg_pool2d(errors, BLUR, stride=1, padding=BLUR // 2, count_include_pad=False)[:, 0]


def auroc(normal: Tensor, outlying: Tensor) -> float:
    """Probability that an outlier scores higher than a normal picture, ties counting half (Mann & Whitney 1947)."""
    normal, outlying = normal.cpu(), outlying.cpu()  # not every device has numbers as exact
    order = normal.sort().values
    below = torch.searchsorted(order, outlying, right=False).double()
    through = torch.searchsorted(order, outlying, right=True).double()
    return float((below + through).mean() / (2 * len(normal)))
