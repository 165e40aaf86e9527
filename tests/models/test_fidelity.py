"""Fidelity: real pictures reach their own floor, noise and a single picture repeated do not."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from models import features, fidelity
from models.data import DataError
from models.fidelity import compare
from models.pictures import Pictures
from tests.models.drawings import bars


def test_real_pictures_pass_and_bad_ones_fail() -> None:
    torch.manual_seed(0)
    judge = features.Network(features.Config(channels=1, widths="8,16", classes=10)).eval()
    data = Pictures("bars", "MIT", bars(400)[0], bars(80, seed=1)[0])
    real = compare(judge, bars(160, seed=2)[0], data)
    noise = compare(judge, torch.randint(0, 256, (80, 1, 28, 28), dtype=torch.uint8), data)
    collapsed = compare(judge, data.train[:1].repeat(80, 1, 1, 1), data)
    floor = real["frechet_floor"].value
    assert real["frechet_distance"].value < 2 * floor < noise["frechet_distance"].value
    assert abs(real["kernel_distance"].value) < noise["kernel_distance"].value
    assert noise["coverage"].value < real["coverage"].value > collapsed["coverage"].value
    assert collapsed["distance_to_training"].value < 0.5 * real["distance_to_training"].value  # learnt by heart


def test_a_quick_look_sees_every_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fidelity, "MOST", 100)
    torch.manual_seed(0)
    judge = features.Network(features.Config(channels=1, widths="8,16", classes=10)).eval()
    train, test = bars(200)[0], bars(40, seed=1)[0]
    ordered = Pictures("bars", "MIT", torch.cat((train, 255 - train)), torch.cat((test, 255 - test)))
    mixed = replace(ordered, train=ordered.train[torch.randperm(400)])
    floors = [compare(judge, data.test, data, quick=True)["frechet_floor"].value for data in (ordered, mixed)]
    assert floors[0] < 2 * floors[1]


def test_too_few_pictures_are_named() -> None:
    judge = features.Network(features.Config(channels=1, widths="8,16", classes=10)).eval()
    data = Pictures("bars", "MIT", bars(40)[0], bars(5, seed=1)[0])
    with pytest.raises(DataError, match="bars holds out 5 pictures; figures need 6 at least"):
        compare(judge, bars(10, seed=2)[0], data)
