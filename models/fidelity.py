"""Fidelity: the figures of drawn pictures against real ones, each beside what real held-out pictures reach."""

from __future__ import annotations

import torch
from torch import Tensor

from models.data import DataError
from models.features import Network, features
from models.metrics import NEIGHBOURS, density_coverage, frechet_distance, kernel_distance, nearest
from models.pictures import Pictures, at_most
from models.registry import Metric

MOST = 10_000  # training pictures in distance matrices, which hold the square of it


def compare(judge: Network, drawn: Tensor, data: Pictures, quick: bool = False) -> dict[str, Metric]:
    """Figures of drawn uint8 pictures (N, C, H, W), in groups as large as the held-out set where there are enough.

    Every figure is taken of drawn and of held-out pictures alike against the training pictures; the held-out ones' is
    the floor that nothing can be expected to fall below. DataError when there are too few held-out ones for that.
    """
    if len(data.test) <= NEIGHBOURS:
        raise DataError(f"{data.name} holds out {len(data.test)} pictures; figures need {NEIGHBOURS + 1} at least.")
    real = features(judge, at_most(data.train, MOST) if quick else data.train)
    held_out = features(judge, at_most(data.test, len(drawn)))
    groups = [group for group in torch.split(features(judge, drawn), len(held_out)) if len(group) == len(held_out)]
    shuffled = torch.randperm(len(real), generator=torch.Generator().manual_seed(0))
    others = real[shuffled[: len(held_out)]]  # training pictures, as many as held-out ones

    def mean(values: list[float]) -> float:
        return sum(values) / len(values)

    floor = frechet_distance(held_out, real)
    kernel_floor = kernel_distance(held_out, others)
    floors = density_coverage(held_out, others)
    reached = [density_coverage(held_out, group) for group in groups]
    return {
        "frechet_distance": Metric(
            mean([frechet_distance(group, real) for group in groups]),
            "squared feature units",
            f"real floor {floor:.4g}; <= twice that",
            "lower",
        ),
        "frechet_floor": Metric(floor, "squared feature units", "held-out against training pictures"),
        "kernel_distance": Metric(
            mean([kernel_distance(group, others) for group in groups]),
            "squared discrepancy",
            f"real floor {kernel_floor:.4g}",
            "lower",
        ),
        "density": Metric(mean([d for d, _ in reached]), "share", f"training pictures {floors[0]:.3f}", "higher"),
        "coverage": Metric(mean([c for _, c in reached]), "share", f"training pictures {floors[1]:.3f}", "higher"),
        "distance_to_training": Metric(
            float(torch.cat([nearest(group, real)[0] for group in groups]).median()),
            "feature units, median of the nearest",
            f"held-out pictures {float(nearest(held_out, real)[0].median()):.4g}; far below: learnt by heart",
        ),
    }
