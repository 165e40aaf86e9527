"""Painter: a loaded network that draws pictures from points of its latent space, and the points that people ask for.

A trail names a point: a seed, and the seeds that it was led towards since, each a ``strength`` of the way.

Shapes: N points, Z latent numbers, K classes (one when there are none), C picture's channels, H height, W width.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

import torch
from torch import Tensor

from models import latents
from models.batched import Batched, Rows

Trail = Sequence[int]


@dataclass(frozen=True)
class Points:
    """Latents (N, Z) and the weights (N, K) of the classes, which sum to 1: a walk may lead from class to class."""

    latent: Tensor
    classes: Tensor

    def __len__(self) -> int:
        return len(self.latent)

    @property
    def rows(self) -> Rows:
        """What a painter draws."""
        return self.latent, self.classes

    def __getitem__(self, some: slice) -> Points:
        return Points(self.latent[some], self.classes[some])

    @staticmethod
    def join(parts: Sequence[Points]) -> Points:
        """All of them, in order."""
        return Points(torch.cat([part.latent for part in parts]), torch.cat([part.classes for part in parts]))


@dataclass(frozen=True)
class Painter:
    """A loaded network, as whoever wants pictures of it sees it: a role (``models/roles.py``)."""

    operations: ClassVar[tuple[str, ...]] = ("generations", "variations", "interpolations")
    deed: ClassVar[str] = "draw pictures"

    latent: int  # numbers that a picture is drawn from
    classes: int  # 1 when there are none
    draw: Batched  # latents (N, Z) and weights (N, K) of the classes to pictures (N, C, H, W), uint8

    def sample(self, seeds: Sequence[int], label: int | None = None, truncation: float = 1.0) -> Points:
        """The points of seeds; truncation below 1 trades variety for typical pictures."""
        return self._points([[seed] for seed in seeds], 0.0, label, truncation)

    def pictures(self, seeds: Sequence[int]) -> Tensor:
        """The pictures (N, C, H, W), uint8, of seeds: each the same alone and among others."""
        return self.draw(*self.sample(seeds).rows)[0]

    def vary(
        self, around: Trail, seeds: Sequence[int], strength: float, label: int | None = None, truncation: float = 1.0
    ) -> Points:
        """Points ``strength`` of the way from a trail's end to each seed: its end at 0, nothing in common at 1."""
        return self._points([[*around, seed] for seed in seeds], strength, label, truncation)

    def number(self, digits: str, seed: int, truncation: float = 1.0) -> Points:
        """A point for each digit, all in the seed's hand; ValueError for what is no number or has no digits."""
        if not digits.isascii() or not digits.isdigit() or self.classes != 10:
            raise ValueError(f"{digits!r} cannot be drawn; write a number of digits 0 to 9 to a model of digits.")
        return Points.join([self.sample([seed], int(digit), truncation) for digit in digits])

    def walk(
        self, stops: Sequence[Trail], between: int, strength: float, label: int | None = None, truncation: float = 1.0
    ) -> Points:
        """Points along the arcs from stop to stop, ``between`` steps for each arc, both ends included."""
        points = self._points(stops, strength, label, truncation)
        shares = [step / between for step in range(between)]
        latent = [latents.spherical(a, b, share) for a, b in pairwise(points.latent) for share in shares]
        classes = [torch.lerp(a, b, share) for a, b in pairwise(points.classes) for share in shares]
        return Points.join([Points(torch.stack(latent), torch.stack(classes)), points[-1:]])

    def _points(self, trails: Sequence[Trail], strength: float, label: int | None, truncation: float) -> Points:
        """The trails' ends; where the class is left open, successive seeds go through all classes."""
        ends = latents.of_seeds([trail[0] for trail in trails], self.latent)
        for i, trail in enumerate(trails):
            for seed in trail[1:]:
                (other,) = latents.of_seeds([seed], self.latent)
                ends[i] = latents.spherical(ends[i], other, strength)
        kinds = [trail[0] % self.classes if label is None else label for trail in trails]
        return Points(truncation * ends, torch.eye(self.classes)[kinds])
