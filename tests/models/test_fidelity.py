"""Fidelity: real pictures reach their own floor, noise and a single picture repeated do not."""

from __future__ import annotations

import pytest
import torch

from models import features
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


def test_too_few_pictures_are_named() -> None:
    judge = features.Network(features.Config(channels=1, widths="8,16", classes=10)).eval()
    data = Pictures("bars", "MIT", bars(40)[0], bars(5, seed=1)[0])
    with pytest.raises(DataError, match="bars holds out 5 pictures; figures need 6 at least"):
        compare(judge, bars(10, seed=2)[0], data)
