"""Likelihood: how probable pictures are under a VAE, bounded from below ever more tightly.

Shapes: B pictures, K samples of the posterior for each.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

AT_ONCE = 5_000  # posterior samples decoded in one pass


@dataclass(frozen=True)
class Bounds:
    """Lower bounds of ln p(x) of each picture, in nats."""

    elbo: Tensor  # (B,): mean over samples of ln p(x, z) - ln q(z | x)
    importance_weighted: Tensor  # (B,): ln of the mean of the weights (Burda et al. 2016), never below the ELBO


def bounds(weigh: Callable[[Tensor], Tensor], pictures: Tensor, samples: int) -> Bounds:
    """Both bounds from the same samples; ``weigh`` draws one log weight (B,) for the pictures it is given."""
    group = max(1, AT_ONCE // samples)
    weights = [
        torch.cat(
            [
                weigh(part.repeat_interleave(count, 0)).view(len(part), count)
                for count in _portions(samples, max(1, AT_ONCE // len(part)))
            ],
            1,
        )  # (b, K)
        for part in torch.split(pictures, group)
    ]
    w = torch.cat(weights).cpu().double()  # (B, K); not every device has numbers as exact
    return Bounds(w.mean(1), w.logsumexp(1) - math.log(samples))


def _portions(total: int, most: int) -> list[int]:
    return [most] * (total // most) + ([total % most] if total % most else [])
