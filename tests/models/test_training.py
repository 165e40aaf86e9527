"""Runs: how often they report, whatever their length."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from models.training import Run


def reports(run: Run, seconds: int) -> int:
    """How many reports are due in a run of steps that take a second each."""
    count = 0
    for step in range(seconds):
        run.step, run.seconds = step, float(step)
        if run.due():
            run.report({})
            count += 1
    return count


@pytest.mark.parametrize(
    ("every", "seconds", "least", "most"),
    [
        (60.0, 30 * 60, 29, 31),
        (60.0, 24 * 3_600, 100, 200),
        (10.0, 3 * 24 * 3_600, 100, 300),
        (0.0, 500, 500, 500),
    ],
)
def test_reports_grow_rarer_with_the_length_of_a_run(
    tmp_path: Path, every: float, seconds: int, least: int, most: int
) -> None:
    run = Run(tmp_path, torch.device("cpu"), steps=10_000_000, report_every=every)
    assert least <= reports(run, seconds) <= most
