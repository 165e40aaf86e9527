"""The GAN on bars: what must be true of any, and that its classes come out where they belong."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import pytest
import torch
from PIL import Image

from models import features, gan
from models.adversarial import discriminator_loss, generator_loss
from models.checkpoint import Card, Checkpoint, Store
from models.configuration import ConfigurationError
from models.data import DataError
from models.duel import Block, Discriminator
from models.failures import explain
from models.pictures import NotANumberError
from models.registry import Recipe
from models.training import Run
from tests.conftest import Training, drive, save_version
from tests.models.drawings import bars, write_digits, write_squares

SMALL = {"channels": 1, "classes": 10, "base": 7, "widths": "32,16", "blocks": "1,0", "latent": 8, "batch": 20}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("data")
    write_digits(folder)
    write_squares(folder / "squares")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PROSPERO_DATA", str(folder))
        yield folder


def recipe(dataset: str = "digits", **config: object) -> Recipe:
    return Recipe("gan-digits", dataset, {**SMALL, **config})


def run(folder: Path, steps: int, report_steps: int = 1_000) -> Run:
    return Run(folder, torch.device("cpu"), steps=steps, report_steps=report_steps, bfloat16=False)


@pytest.fixture(scope="module")
def training(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Training:
    """A short training on bars, enough to tell the classes apart."""
    quick = recipe(rate=2e-3, rate_end=5e-4, gamma=0.2, gamma_end=0.05, average=500.0)
    return drive(gan.train(quick, run(tmp_path_factory.mktemp("run"), 350, 175)))


@pytest.fixture
def network(training: Training) -> gan.Generator:
    assert isinstance(training.trained.network, gan.Generator)
    return training.trained.network


def test_gradients_reach_every_parameter_of_both_networks() -> None:
    config = gan.Config.parse(SMALL)
    generator, discriminator = gan.Generator(config), Discriminator(config, 1, 10)
    for network in (generator, discriminator):  # blocks begin as the identity, behind which nothing would be reached
        for block in network.modules():
            if isinstance(block, Block):
                torch.nn.init.normal_(block.leave.weight)
    classes = torch.arange(20) % 10
    drawn = generator(torch.randn(20, 8, generator=torch.Generator().manual_seed(0)), classes)
    assert drawn.shape == (20, 1, 28, 28)
    generator_loss(discriminator, torch.zeros_like(drawn), drawn, classes).backward()
    losses = discriminator_loss(discriminator, torch.zeros_like(drawn), drawn.detach(), classes, gamma=1.0)
    sum(losses.values(), torch.zeros(())).backward()  # type: ignore[no-untyped-call]
    for network in (generator, discriminator):
        for name, parameter in network.named_parameters():
            assert parameter.grad is not None and parameter.grad.abs().sum() > 0, name


def test_training_draws_every_class_in_its_place(training: Training, network: gan.Generator) -> None:
    drawn = gan.painter(network).pictures(range(100))
    assert training.reports[0].metrics and training.reports[0].sample
    pictures, _ = bars(10)
    prototypes = gan.to_unit(pictures).flatten(1)
    found = torch.cdist(gan.to_unit(drawn).flatten(1), prototypes).argmin(1)
    assert (found == torch.arange(100) % 10).float().mean() > 0.8  # 0.1 by chance


def test_a_seed_gives_the_same_bytes_alone_and_among_others(network: gan.Generator) -> None:
    painter = gan.painter(network)
    together = painter.pictures([9, 8, 7, *range(40)])
    assert torch.equal(painter.pictures([7]), together[2:3])
    assert torch.equal(painter.pictures([39]), together[-1:])


def test_truncation_leads_to_the_typical_picture(network: gan.Generator) -> None:
    role = gan.painter(network)
    drawn = [role.draw(*role.sample(range(20), 3, truncation).rows)[0] for truncation in (0.0, 0.5, 1.0)]
    spread = [pictures.float().std(0).mean() for pictures in drawn]
    assert spread[0] < 1e-6 < spread[1] < spread[2]


def test_a_resumed_training_equals_an_uninterrupted_one(data: Path, tmp_path: Path) -> None:
    whole = drive(gan.train(recipe(), run(tmp_path / "whole", 8, 4)))
    steps = gan.train(recipe(), run(tmp_path / "parts", 8, 4))
    next(steps)  # killed after its first snapshot
    steps.close()
    resumed = drive(gan.train(recipe(), run(tmp_path / "parts", 8, 4)))
    assert [report.losses for report in resumed.reports] == [whole.reports[-1].losses]
    weights = resumed.trained.network.state_dict()
    assert all(torch.equal(weight, weights[name]) for name, weight in whole.trained.network.state_dict().items())


def test_a_training_that_diverges_says_so(data: Path, tmp_path: Path) -> None:
    with pytest.raises(NotANumberError) as diverged:
        drive(gan.train(recipe(rate=1e30, rate_end=1e30), run(tmp_path, 6, 3)))
    failure = explain(diverged.value)
    assert failure is not None
    assert failure.code == "not_a_number"
    assert "lower learning rate" in failure.message


def test_pictures_without_classes_from_any_folder(data: Path, tmp_path: Path) -> None:
    colour = {"channels": 3, "classes": 1, "base": 8, "widths": "16,8,8", "blocks": "1,0,0"}
    trained = drive(gan.train(recipe("squares", **colour, augmentation=0.5, mirrored=True), run(tmp_path, 4))).trained
    card = Card("gan-cats", "v1", "gan", trained.config, 0, {"name": "squares", "licence": "MIT"}, {}, "2026-01-01")
    sheets: list[Path] = []

    def draw_sheet(checkpoint: Checkpoint) -> None:
        sheets.append(checkpoint.path / "samples.png")
        gan.sample(checkpoint, sheets[0], 16, 5, torch.device("cpu"))
        with Image.open(sheets[0]) as picture:
            assert picture.width == 2 * (8 * 65 + 1) and picture.height == 2 * (2 * 65 + 1)

    stored = Store(tmp_path).save(card, trained.network.state_dict(), draw_sheet)
    assert sheets
    again = gan.restore(stored, torch.device("cpu"))
    assert asdict(again.config) == trained.config


def test_the_figures_stand_beside_those_of_real_pictures(
    training: Training, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    judge = features.Network(features.Config(channels=1, widths="4,8", classes=10)).eval()
    monkeypatch.setattr(features, "frozen", lambda channels, device: judge)
    trained = training.trained
    stored = save_version(Store(tmp_path), "gan-digits@v1", "gan", trained.network, trained.config, "digits")
    figures = gan.evaluate(stored, torch.device("cpu"), quick=True)
    assert 0 <= figures["class_agreement"].value <= 1
    assert figures["frechet_distance"].value > figures["frechet_floor"].value
    assert figures == gan.evaluate(stored, torch.device("cpu"), quick=True)


def test_networks_that_do_not_fit_are_refused_by_name(data: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="training pictures of 1x28x28, not of 1x16x16; set channels, base"):
        next(gan.train(recipe(base=4), run(tmp_path, 1)))
    with pytest.raises(DataError, match="squares have no classes; set classes=1"):
        next(gan.train(recipe("squares", channels=3, base=16, classes=3), run(tmp_path, 1)))
    with pytest.raises(DataError, match="sprites have no classes"):
        next(gan.train(recipe("sprites", base=8), run(tmp_path, 1)))
    with pytest.raises(DataError, match="digits are of 10 classes; set classes=10"):
        next(gan.train(recipe(classes=3), run(tmp_path, 1)))
    with pytest.raises(ConfigurationError, match="same number of stages"):
        gan.Config.parse({"widths": "8,8", "blocks": "1"})
