"""Disentanglement: whether each latent stands for one factor, as a loss to train with and as a figure to report.

Shapes: B batch, Z latents, N pictures, K factors.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

BINS = 20  # values that a latent is cut into, as in Locatello et al. 2019


def total_correlation(z: Tensor, mean: Tensor, log_variance: Tensor, dataset: int) -> Tensor:
    """KL between q(z) and the product of its parts q(z_j), estimated on a batch (Chen et al. 2018, stratified).

    ``z`` (B, Z) are samples of the posteriors given by ``mean`` and ``log_variance``; ``dataset`` is the number of
    training pictures, of which the batch is a part.
    """
    batch = len(z)
    squares = (z[:, None] - mean[None]).square() * (-log_variance).exp()[None]  # (B, B, Z): sample, posterior
    each = -0.5 * (squares + log_variance[None] + math.log(2 * math.pi))  # ln q(z_j | x)
    others = (dataset - 1) / dataset / (batch - 1)  # every other picture of the batch stands for many
    weights = torch.full((batch, batch), math.log(others), device=z.device)
    weights.fill_diagonal_(-math.log(dataset))
    joint = (each.sum(2) + weights).logsumexp(1)  # (B,): ln q(z)
    parts = (each + weights[:, :, None]).logsumexp(1).sum(1)  # (B,): sum of ln q(z_j)
    return (joint - parts).mean()


def mutual_information_gap(latents: Tensor, factors: Tensor) -> tuple[float, Tensor]:
    """How much more one latent tells of a factor than any other does, per entropy of the factor: mean and each (K,).

    ``latents`` (N, Z) are posterior means, ``factors`` (N, K) whole numbers. Chen et al. 2018 on histograms of 20 bins,
    as Locatello et al. 2019 compute it.
    """
    binned = torch.stack([_bins(column) for column in latents.T.contiguous()])  # (Z, N)
    gaps = []
    for factor in factors.T.contiguous():
        informations = torch.stack([_information(column, factor) for column in binned])  # (Z,)
        best, second = informations.topk(2).values
        gaps.append((best - second) / _entropy(torch.bincount(factor)))
    each = torch.stack(gaps)
    return float(each.mean()), each


def _bins(column: Tensor) -> Tensor:
    edges = torch.linspace(float(column.min()), float(column.max()), BINS + 1)[1:-1].to(column.device)
    return torch.bucketize(column, edges)


def _information(first: Tensor, second: Tensor) -> Tensor:
    """Mutual information in nats of two columns of whole numbers."""
    values = int(second.max()) + 1
    together = torch.bincount(first * values + second, minlength=BINS * values).reshape(-1, values)
    return _entropy(together.sum(0)) + _entropy(together.sum(1)) - _entropy(together.flatten())


def _entropy(counts: Tensor) -> Tensor:
    shares = counts[counts > 0].double() / counts.sum()
    return -(shares * shares.log()).sum()
