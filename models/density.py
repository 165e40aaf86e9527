"""Density: where pictures crowd in a latent space and where they are lonely, by how far their nearest neighbours lie.

The distance to the nearest few estimates a density without any assumption about its shape (Loftsgaarden & Quesenberry
1965). What a model has seen little of shows there, before anyone asks whom it serves badly.

Shapes: M remembered latents, N latents, Z numbers of each.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

NEIGHBOURS = 5  # enough to smooth over twins, few enough to be near
SHARE = 0.1  # of the remembered ones that count as the most crowded, and as the loneliest


@dataclass(frozen=True)
class Density:
    """How lonely each of the remembered latents lies."""

    remembered: Tensor  # (M, Z), each once
    order: Tensor  # (M,), their places among all, the most crowded first
    distances: Tensor  # (M,), ascending: of each in that order the mean distance to its nearest neighbours

    @property
    def some(self) -> int:
        """How many are a share of them."""
        return max(1, round(SHARE * len(self.order)))

    @property
    def ratio(self) -> float:
        """How many times as far the loneliest lie from their neighbours as the most crowded do."""
        crowded, lonely = self.distances[: self.some].mean(), self.distances[-self.some :].mean()
        return float(lonely / crowded.clamp_min(1e-9))

    def crowded(self, count: int) -> Tensor:
        """The places of ``count`` of the most crowded, spread over these."""
        return self.order[torch.linspace(0, self.some - 1, count).long()]

    def lonely(self, count: int) -> Tensor:
        """The places of ``count`` of the loneliest, spread over these, the loneliest last."""
        return self.order[torch.linspace(len(self.order) - self.some, len(self.order) - 1, count).long()]

    def percentile(self, latent: Tensor) -> float:
        """Share of the remembered ones, 0 to 100, that lie in a denser place than another latent (Z,)."""
        distance = _nearest(torch.cdist(latent[None], self.remembered))
        return 100 * int(torch.searchsorted(self.distances, distance)) / len(self.distances)


def measure(remembered: Tensor) -> Density:
    """The density of remembered latents (M, Z), each among the others."""
    places = _once(remembered)
    known = remembered[places]
    between = torch.cdist(known, known).fill_diagonal_(torch.inf)
    distances, order = _nearest(between).sort(stable=True)
    return Density(known, places[order], distances)


def _once(rows: Tensor) -> Tensor:
    """The places of the rows (M, Z) without repetitions: of few pictures some are remembered several times."""
    _, same = rows.unique(dim=0, return_inverse=True)  # type: ignore[no-untyped-call]
    first: dict[int, int] = {}
    for place, number in enumerate(same.tolist()):
        first.setdefault(number, place)
    return torch.tensor(list(first.values()))


def _nearest(distances: Tensor) -> Tensor:
    """The mean (N,) of the few smallest of each row of distances (N, M)."""
    return distances.topk(min(NEIGHBOURS, distances.shape[1] - 1), largest=False).values.mean(1)
