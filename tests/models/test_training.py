"""Runs: how often they report, whatever their length, and that none goes on as another."""

from __future__ import annotations

import math
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from models.checkpoint import Store
from models.training import Progress, Run, TrainingError
from tests.conftest import save_version

CPU = torch.device("cpu")


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


@pytest.mark.parametrize("every", [0.0, 4.0, 6.0, 60.0])
@pytest.mark.parametrize(
    "length", [{"steps": 9}, *({"minutes": n / 60} for n in range(10, 20)), {"steps": 9, "minutes": 0.2}]
)
def test_the_end_of_a_run_is_reported_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, length: dict[str, Any], every: float
) -> None:
    monkeypatch.setattr("models.training.time", SimpleNamespace(monotonic=count().__next__))  # each look takes a second

    def go_on(reports: int) -> list[Progress]:
        run, told = Run(tmp_path, CPU, report_every=every, **length), []
        run.restore()
        for _ in run:
            if run.due():
                told.append(run.report({}))
                if len(told) == reports:
                    break  # it is killed
        return told

    told = go_on(1)
    assert told
    told += go_on(100)
    assert [progress.fraction for progress in told].index(1.0) == len(told) - 1
    assert len({progress.step for progress in told}) == len(told)
    assert go_on(100) == []  # the snapshot is of the end


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


def test_the_seed_decides_the_first_weights(tmp_path: Path) -> None:
    def weights(seed: int) -> Tensor:
        return Run(tmp_path, CPU, seed=seed, steps=1).build(lambda: nn.Linear(3, 3)).weight

    assert torch.equal(weights(1), weights(1))
    assert not torch.equal(weights(1), weights(2))


def test_weights_that_do_not_fit_are_named(tmp_path: Path) -> None:
    start = save_version(Store(tmp_path), "linear@v1", "linear", nn.Linear(3, 3, bias=False), {})
    with pytest.raises(TrainingError, match="The weights of linear@v1 do not fit this configuration"):
        Run(tmp_path, CPU, steps=1, start=start).build(lambda: nn.Linear(3, 3))


def test_minutes_that_were_spent_stay_spent(tmp_path: Path) -> None:
    Run(tmp_path, CPU, minutes=1, seconds=30).report({})
    again = Run(tmp_path, CPU, minutes=1)
    again.restore()
    assert again.fraction >= 0.5


def test_losses_are_means_since_the_last_report(tmp_path: Path) -> None:
    run, losses = Run(tmp_path, CPU, steps=4, report_steps=2), []
    for step in run:
        run.observe(loss=torch.tensor(float(step)))
        if run.due():
            losses.append(run.report({}).losses["loss"])
    assert losses == [0.5, 2.5]


def test_what_is_left_is_told_from_what_was_spent(tmp_path: Path) -> None:
    progress = Run(tmp_path, CPU, steps=4, seconds=5).report({})
    assert progress.seconds_left == pytest.approx(3 * progress.seconds)


@pytest.mark.parametrize(("longest", "length"), [(0.0, 5.0), (1.0, 1.0), (9.0, 5.0)])
def test_gradients_are_shortened_to_the_longest_that_is_allowed(tmp_path: Path, longest: float, length: float) -> None:
    weights = nn.Parameter(torch.zeros(2))
    slope = (torch.tensor([3.0, 4.0]) * weights).sum()
    Run(tmp_path, CPU, steps=1).descend(torch.optim.SGD([weights]), slope, rate=1.0, longest=longest)
    assert float(weights.detach().norm()) == pytest.approx(length, rel=1e-4)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_loss_that_is_no_number_ends_the_run(tmp_path: Path, value: float) -> None:
    run = Run(tmp_path, CPU, steps=1)
    run.observe(loss=torch.tensor(value))
    with pytest.raises(TrainingError, match=f"loss is {value} at step 0; train with a lower learning rate"):
        run.report({})
