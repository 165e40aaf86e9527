"""Runs: how often they report, whatever their length, and that none goes on as another."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from models.training import Run, TrainingError


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


def test_no_run_goes_on_as_another(tmp_path: Path) -> None:
    def begin(steps: int, seed: int = 3, data: str = "owls") -> Run:
        return Run(tmp_path, torch.device("cpu"), seed=seed, steps=steps, options=(f"--data {data}", "--set rate=0.1"))

    begin(5).report({})
    with pytest.raises(TrainingError, match="is of a training with --seed 3 --data owls; go on with the same, or dele"):
        begin(5, seed=4, data="cats").restore()
    longer = begin(9)
    longer.restore()
    assert longer.step == 1


def test_a_snapshot_that_does_not_tell_of_what_it_is_stays_unused(tmp_path: Path) -> None:
    run = Run(tmp_path, torch.device("cpu"), steps=5)
    torch.save({"step": 1, "seconds": 1.0, "parts": {}}, run.snapshot)
    with pytest.raises(TrainingError, match="delete it and train anew"):
        run.restore()
