"""Comparison: the held-out figures of a version, and those of two on the same data."""

from __future__ import annotations

import logging
import math
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch

from models.checkpoint import Checkpoint
from models.failures import explain
from models.registry import Family
from models.training import NAN, TrainingError

logger = logging.getLogger(__name__)

Figures = dict[str, dict[str, Any]]  # by name, the fields of registry.Metric


@dataclass(frozen=True)
class Comparison:
    """Two versions on the same held-out data."""

    model: str
    dataset: str
    versions: tuple[str, str]
    metrics: dict[str, Figures]  # by version; one that cannot be measured on this data has none
    problems: dict[str, str]  # by version: why it has none


def measure(
    family: Family, version: Checkpoint, device: torch.device, dataset: str | None = None, quick: bool = False
) -> Figures:
    """The figures of a version on a data set, or the one it was trained on; ``quick`` on a part of it.

    TrainingError when one of them is no number.
    """
    if dataset:
        version = replace(version, card=replace(version.card, dataset={"name": dataset, "licence": ""}))
    metrics = family.evaluate(version, device, quick)
    for name, metric in metrics.items():
        if not math.isfinite(metric.value):
            raise TrainingError(f"{name} is {metric.value}; train with a lower learning rate.", NAN)
    return {name: asdict(metric) for name, metric in metrics.items()}


def compare_versions(
    family: Family,
    new: Checkpoint,
    old: Checkpoint,
    device: torch.device,
    dataset: str | None = None,
    quick: bool = False,
) -> Comparison:
    """Both versions' figures on one data set, the one that the new version was trained on when none is named.

    A version may not fit that data at all, so whatever it fails with is its problem in the answer, and no error.
    """
    chosen = dataset or new.card.dataset["name"]
    metrics: dict[str, Figures] = {}
    problems: dict[str, str] = {}
    for version in {new.version: new, old.version: old}.values():
        try:
            metrics[version.version] = measure(family, version, device, chosen, quick)
        except Exception as error:
            problems[version.version] = _told(error, version)
    return Comparison(new.model, chosen, (new.version, old.version), metrics, problems)


def _told(error: Exception, version: Checkpoint) -> str:
    """An error's sentence; of a fault of ours the log has more."""
    if failure := explain(error):
        return failure.message
    logger.error("%s@%s cannot be measured", version.model, version.version, exc_info=error)
    return "Measuring it failed unexpectedly; the log says how."
