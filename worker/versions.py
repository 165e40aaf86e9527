"""Versions: what their cards say, as the API tells it, and two of them side by side."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from worker.schemas.training import Figure


def figures(metrics: Mapping[str, Mapping[str, Any]], new: str, old: str | None) -> list[Figure]:
    """The figures of one version beside another's, from the metrics of both by version and name."""
    before = metrics.get(old, {}) if old else {}
    return [
        Figure(
            name=name,
            unit=figure["unit"],
            new=figure["value"],
            serving=before[name]["value"] if name in before else None,
            better=figure["better"],
        )
        for name, figure in metrics.get(new, {}).items()
    ]


def is_better(figures: list[Figure]) -> bool | None:
    """Whether the first figure that has a direction and both sides is better; None when there is none."""
    for figure in figures:
        if figure.better and figure.serving is not None:
            return figure.new > figure.serving if figure.better == "higher" else figure.new < figure.serving
    return None
