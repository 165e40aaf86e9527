"""Feature networks: their objectives, that they learn, and that only the published ones measure."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from models import features, shipped
from models.augmentation import augment, mirror, zoom
from models.checkpoint import Card, CheckpointError, Store
from models.data import DataError
from models.registry import Recipe
from models.training import Run
from tests.conftest import Training, drive
from tests.models.drawings import write_digits, write_squares

CPU = torch.device("cpu")


@pytest.fixture(scope="module", autouse=True)
def data(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    folder = tmp_path_factory.mktemp("data")
    write_digits(folder)
    write_squares(folder / "squares", 40)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PROSPERO_DATA", str(folder))
        yield


def training(model: str, dataset: str, folder: Path, steps: int, **config: object) -> Training:
    recipe = Recipe(model, dataset, {"batch": 32, "warmup": 3, **config})
    return drive(features.train(recipe, Run(folder, CPU, steps=steps, report_steps=steps, bfloat16=False)))


def train(model: str, dataset: str, folder: Path, steps: int, **config: object) -> features.Network:
    network = training(model, dataset, folder, steps, **config).trained.network
    assert isinstance(network, features.Network)
    return network


def test_contrast_of_perfect_pairs() -> None:
    directions = torch.eye(4).repeat(2, 1)  # four pairs at right angles to each other
    expected = math.log(math.exp(2.0) + 6) - 2.0  # the partner at similarity 1 / 0.5, six others at 0
    assert features.contrastive_loss(5 * directions, temperature=0.5).item() == pytest.approx(expected, rel=1e-5)


def test_classes_are_learnt_and_damage_is_told(tmp_path: Path) -> None:
    network = train("features-digits", "digits", tmp_path, 60, channels=1, widths="8,32", classes=10, rate=1e-2)
    data = features.load("digits")
    assert data.test_labels is not None
    assert features.accuracy(network, data.test, data.test_labels) > 0.9
    assert features.features(network, data.test).shape == (60, 32)
    card = Card("features-digits", "v1", "features", features.asdict(network.config), 0, {"name": "digits"}, {}, "2026")
    stored = Store(tmp_path).save(card, network.state_dict(), lambda beside: None)
    figures = features.evaluate(stored, CPU)
    assert figures["accuracy"].value > 0.9
    assert figures["frechet_floor"].value < figures["frechet_blurred_1"].value < figures["frechet_blurred_2"].value


def test_pictures_without_classes_are_told_apart(tmp_path: Path) -> None:
    network = train("features-cats", "squares", tmp_path, 12, widths="8,16", projection=8)
    data = features.load("squares")
    copies = (augment(zoom(features.to_unit(data.train[:16]), 0.9, 0.0), 0.2) for _ in range(2))
    with torch.no_grad():
        loss = features.contrastive_loss(network.head(network(torch.cat(list(copies)))), temperature=0.2)
    assert loss < math.log(31)  # what guessing among the 31 others costs


def test_a_report_tells_what_it_measures(tmp_path: Path) -> None:
    (labelled,) = training("features-digits", "digits", tmp_path / "a", 1, channels=1, widths="4", classes=10).reports
    (bare,) = training("features-cats", "squares", tmp_path / "b", 1, widths="4", projection=4).reports
    assert list(labelled.metrics) == ["held-out accuracy"]
    assert list(bare.metrics) == ["held-out retrieval"]


def test_pictures_that_do_not_fit_are_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="training pictures of 3x64x64, not of 1x64x64; set channels to fit"):
        train("features-digits", "squares", tmp_path, 1, channels=1)
    with pytest.raises(DataError, match="squares have no classes; set classes=0"):
        train("features-cats", "squares", tmp_path, 1, classes=10)
    with pytest.raises(DataError, match="digits are of 10 classes; set classes=10"):
        train("features-digits", "digits", tmp_path, 1, channels=1, classes=3)


def test_only_the_published_weights_measure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    network = features.Network(features.Config(channels=1, widths="4,4", classes=10))
    config = features.asdict(network.config)
    card = Card("features-digits", "v1", "features", config, 0, {"name": "digits"}, {}, "2026-01-01")
    Store(tmp_path).save(card, network.state_dict(), lambda beside: None)
    monkeypatch.setattr(shipped, "SHIPPED", tmp_path / "checkpoints")
    monkeypatch.setitem(features.PUBLISHED, "features-digits", ("v1", "0" * 64))
    features._frozen.cache_clear()
    with pytest.raises(CheckpointError, match="not the published network"):
        features.frozen(1, CPU)


def test_augmentation_changes_pictures_and_passes_gradients() -> None:
    torch.manual_seed(0)
    images = (torch.rand(16, 3, 32, 32) - 0.5).requires_grad_()
    assert augment(images, 0.0) is images
    changed = augment(images, 1.0)
    assert changed.shape == images.shape and not torch.allclose(changed, images)
    changed.sum().backward()
    assert images.grad is not None and (images.grad.abs().sum((1, 2, 3)) > 0).all()
    mirrored = mirror(images.detach())
    kept = (mirrored == images).flatten(1).all(1)
    assert kept.any() and torch.equal(mirrored[~kept], images.detach()[~kept].flip(3)) and not kept.all()


def test_zoom_of_nothing_is_the_picture() -> None:
    images = torch.rand(4, 1, 28, 28) - 0.5
    assert torch.allclose(zoom(images, 1.0, 0.0), images, atol=1e-5)
    half = zoom(torch.ones(4, 1, 28, 28), 0.5, 0.3)
    assert torch.allclose(half, torch.ones_like(half))
