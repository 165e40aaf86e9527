"""Comparisons: why a version cannot be measured is one sentence, whatever its family and whatever goes wrong."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch

from models import features
from models.checkpoint import Checkpoint, Store
from models.comparison import compare_versions, measure
from models.registry import Metric, families
from models.training import NAN, TrainingError
from tests.conftest import DIGITS, keep_gan, save_version
from tests.models.drawings import write_squares
from tests.viewers import keep_autoencoder, keep_translator, keep_vae

CPU = torch.device("cpu")


def keep_features(store: Store, model: str) -> None:
    network = features.Network(features.Config(channels=1, widths="4", classes=10))
    save_version(store, f"{model}@tiny", "features", network, asdict(network.config))


@pytest.mark.parametrize(
    ("model", "keep"),
    [
        ("gan-digits", lambda store, model: keep_gan(store, model, DIGITS)),
        ("vae-digits", keep_vae),
        ("autoencoder-digits", keep_autoencoder),
        ("translator-cats", keep_translator),
        ("features-digits", keep_features),
    ],
)
def test_data_that_does_not_fit_is_told(
    model: str, keep: Callable[[Store, str], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_squares(tmp_path / "squares")
    monkeypatch.setenv("PROSPERO_DATA", str(tmp_path))
    store = Store(tmp_path, tmp_path / "none")
    keep(store, model)
    version = store.open(model, "tiny")
    problems = compare_versions(families()[version.card.family], version, version, CPU, "squares", quick=True).problems
    assert "squares has 21 training pictures of 3x64x64, not of" in problems["tiny"]
    assert problems["tiny"].endswith("or name another data set.")


def test_a_fault_of_ours_is_logged_whole_and_told_plainly(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    def evaluate(version: Checkpoint, device: torch.device, quick: bool) -> dict[str, Metric]:
        raise ZeroDivisionError("division by zero")

    keep_vae(store := Store(tmp_path, tmp_path / "none"))
    version = store.open("vae-digits")
    found = compare_versions(replace(families()["vae"], evaluate=evaluate), version, version, CPU)
    assert found.problems == {"tiny": "Measuring it failed unexpectedly; the log says how."}
    assert "vae-digits@tiny cannot be measured" in caplog.text and "ZeroDivisionError" in caplog.text


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_figure_that_is_no_number_is_a_problem_and_no_figure(tmp_path: Path, value: float) -> None:
    def evaluate(version: Checkpoint, device: torch.device, quick: bool) -> dict[str, Metric]:
        return {"evidence": Metric(-90.0, "nats"), "distance": Metric(value, "")}

    keep_vae(store := Store(tmp_path, tmp_path / "none"))
    family, version = replace(families()["vae"], evaluate=evaluate), store.open("vae-digits")
    with pytest.raises(TrainingError, match=f"distance is {value}; train with a lower") as raised:
        measure(family, version, CPU)
    assert raised.value.code == NAN
    found = compare_versions(family, version, version, CPU)
    assert found.metrics == {}
    assert found.problems == {"tiny": f"distance is {value}; train with a lower learning rate."}
