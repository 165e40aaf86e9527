"""Projection: points of many dimensions on a two-dimensional map, by their principal axes (Pearson 1901)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Axes:
    """The mean (D,) of a cloud of points and its ``K`` longest axes (D, K), unit vectors, the longest first."""

    mean: Tensor
    axes: Tensor

    def project(self, points: Tensor) -> Tensor:
        """Coordinates (N, K) of points (N, D)."""
        return (points - self.mean) @ self.axes


def principal_axes(points: Tensor, count: int = 2) -> Axes:
    """The axes of points (N, D), each turned so that its largest component is positive: the map is always the same."""
    mean = points.mean(0)
    centred = (points - mean).double()
    _, vectors = torch.linalg.eigh(centred.T @ centred)  # ascending
    axes = vectors.flip(1)[:, :count]  # (D, K)
    largest = axes.abs().argmax(0)
    axes = axes * axes[largest, torch.arange(axes.shape[1])].sign()
    return Axes(mean, axes.to(points.dtype))
