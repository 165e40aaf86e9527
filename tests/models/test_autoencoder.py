"""The autoencoder on sprites: what must be true of any, that it learns, resumes, and that its codes round-trip."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from models import autoencoder, bottleneck, codes, pictures
from models.bottleneck import Autoencoder, Config
from models.checkpoint import Checkpoint, Store
from models.codes import CodeError
from models.configuration import ConfigurationError
from models.data import DataError
from models.registry import Recipe
from models.training import Run
from tests.conftest import Training, drive, save_version

SMALL = {"channels": 1, "side": 32, "width": 8, "stages": 2, "blocks": 1, "whole": True, "code": 8, "levels": 8}
TRAINED = {**SMALL, "memory": 300, "batch": 16, "warmup": 10, "rate": 3e-3}


@pytest.fixture(scope="module")
def sprites() -> Iterator[pictures.Pictures]:
    """A few sprites, in the place of all of them."""
    loaded = pictures.load("sprites")
    few = pictures.Pictures("sprites", "MIT", loaded.train[:600], loaded.test[:120])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(autoencoder, "load", lambda name: few)
        yield few


def run(folder: Path, steps: int, report_steps: int, seed: int = 0) -> Run:
    return Run(folder, torch.device("cpu"), seed=seed, steps=steps, report_steps=report_steps, bfloat16=False)


def recipe(**config: object) -> Recipe:
    return Recipe("autoencoder-sprites", "sprites", {**TRAINED, **config})


@pytest.fixture(scope="module")
def training(sprites: pictures.Pictures, tmp_path_factory: pytest.TempPathFactory) -> Training:
    return drive(autoencoder.train(recipe(), run(tmp_path_factory.mktemp("run"), 120, 40)))


@pytest.fixture
def network(training: Training) -> Autoencoder:
    assert isinstance(training.trained.network, Autoencoder)
    return training.trained.network


@pytest.fixture
def checkpoint(training: Training, tmp_path: Path) -> Checkpoint:
    trained = training.trained
    name, network = "autoencoder-sprites@tiny", trained.network
    return save_version(Store(tmp_path), name, "autoencoder", network, trained.config, "sprites")


@pytest.mark.parametrize("whole", [True, False])
def test_gradients_reach_every_parameter(whole: bool) -> None:
    network = Autoencoder(Config.parse({**SMALL, "whole": whole}))
    for name, parameter in network.named_parameters():
        if name.endswith("second.weight"):  # blocks begin as the identity, behind which nothing would be reached
            torch.nn.init.normal_(parameter, std=0.1)
    shown = torch.rand(4, 1, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1
    autoencoder.reconstruction_loss(network, shown, noise=0.1).backward()  # type: ignore[no-untyped-call]
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().sum() > 0, name


def test_codes_are_levels_and_their_gradient_ignores_the_rounding() -> None:
    network = Autoencoder(Config.parse({**SMALL, "levels": 3}))
    code = torch.tensor([[-1.0, -0.6, -0.4, 0.2, 0.6, 1.0, 0.0, 0.51]], requires_grad=True)
    rounded = network.quantise(code)
    assert rounded.tolist() == [[-1.0, -1.0, 0.0, 0.0, 1.0, 1.0, 0.0, 1.0]]
    rounded.sum().backward()  # type: ignore[no-untyped-call]
    assert code.grad is not None and torch.equal(code.grad, torch.ones_like(code))


def test_loss_falls_and_pictures_come_closer(training: Training) -> None:
    losses = [report.losses["loss"] for report in training.reports]
    closeness = [report.metrics["held-out PSNR"] for report in training.reports]
    assert losses[-1] < losses[0] / 2
    assert closeness[-1] > closeness[0] + 1
    assert training.reports[-1].sample is not None and training.reports[-1].sample.exists()


def test_resumed_training_equals_an_uninterrupted_one(sprites: pictures.Pictures, tmp_path: Path) -> None:
    whole = drive(autoencoder.train(recipe(), run(tmp_path / "whole", 20, 10)))
    broken = autoencoder.train(recipe(), run(tmp_path / "broken", 20, 10))
    next(broken)
    broken.close()
    resumed = drive(autoencoder.train(recipe(), run(tmp_path / "broken", 20, 10)))
    assert [r.step for r in resumed.reports] == [20]
    assert resumed.reports[-1].losses == whole.reports[-1].losses
    for (name, one), other in zip(
        whole.trained.network.state_dict().items(), resumed.trained.network.state_dict().values(), strict=True
    ):
        assert torch.equal(one, other), name


def test_picture_round_trips_through_its_text(network: Autoencoder, sprites: pictures.Pictures) -> None:
    shown = pictures.to_unit(sprites.test[:5])
    coder = bottleneck.coder(network)
    texts = [codes.write(numbers, coder.levels) for numbers in coder.describe(shown)[0]]
    assert all(len(text) <= 7 for text in texts)  # 8 numbers of 3 bits and two bytes of checksum
    (painted,) = coder.paint(torch.stack([codes.read(text, coder.count, coder.levels) for text in texts]))
    assert torch.allclose(painted, bottleneck.reconstruct(network, shown), atol=1e-5)
    with pytest.raises(CodeError):
        codes.read(texts[0][:-2], coder.count, coder.levels)


def test_two_sprites_at_once_are_odder_than_one(network: Autoencoder, sprites: pictures.Pictures) -> None:
    shown = pictures.to_unit(sprites.test)
    odd = bottleneck.judge(network, torch.maximum(shown, shown.flip(2, 3)))
    known = bottleneck.judge(network, shown)
    assert odd.percentile.mean() > known.percentile.mean() + 20
    assert 30 < float(known.percentile.mean()) < 70
    assert known.heat.shape == (120, 32, 32)


def test_stored_network_says_the_same(
    checkpoint: Checkpoint, network: Autoencoder, sprites: pictures.Pictures, tmp_path: Path
) -> None:
    restored = bottleneck.restore(checkpoint, torch.device("cpu"))
    shown = pictures.to_unit(sprites.test[:8])
    assert torch.allclose(bottleneck.reconstruct(restored, shown), bottleneck.reconstruct(network, shown), atol=0.2)


def test_sheet_walks_between_remembered_codes_and_needs_no_data_set(
    checkpoint: Checkpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(autoencoder, "load")
    for name in ("one.png", "two.png"):
        autoencoder.sample(checkpoint, tmp_path / name, 12, 0, torch.device("cpu"))
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()
    with Image.open(tmp_path / "one.png") as drawn:
        assert drawn.size == (2 * (8 * 33 + 1), 2 * (2 * 33 + 1))  # twelve asked for: two whole walks
        small = np.asarray(drawn.resize((8 * 33 + 1, 2 * 33 + 1), Image.Resampling.NEAREST), np.int16)
    walk = [small[1:33, x : x + 32] for x in range(1, 8 * 33, 33)]
    restored = bottleneck.restore(checkpoint, torch.device("cpu"))
    kept = pictures.from_unit(bottleneck.show(restored, restored.detector.codes))[:, 0].numpy()
    for end in (walk[0], walk[-1]):
        assert min(abs(picture - end).max() for picture in kept.astype(np.int16)) <= 1  # rounded in another batch
    assert abs(walk[0] - walk[-1]).mean() > abs(walk[0] - walk[1]).mean()


def test_evaluation_sets_codecs_beside(checkpoint: Checkpoint, sprites: pictures.Pictures) -> None:
    figures = autoencoder.evaluate(checkpoint, torch.device("cpu"), quick=True)
    assert next(iter(figures)) == "psnr"  # what people are shown first
    assert figures["psnr"].better == "higher"
    assert figures["code_bytes"].value == 3
    assert {"psnr", "ssim", "webp_psnr", "webp_ssim", "jpeg_psnr", "jpeg_ssim"} <= set(figures)
    assert figures == autoencoder.evaluate(checkpoint, torch.device("cpu"), quick=True)


def test_what_is_held_out_as_a_whole_can_be_measured_on(
    checkpoint: Checkpoint, sprites: pictures.Pictures, monkeypatch: pytest.MonkeyPatch
) -> None:
    figures = autoencoder.evaluate(checkpoint, torch.device("cpu"))
    monkeypatch.setattr(autoencoder, "load", lambda name: replace(sprites, train=sprites.train[:0]))
    assert autoencoder.evaluate(checkpoint, torch.device("cpu")) == figures


def test_what_the_weights_do_not_change_is_no_quick_figure(
    checkpoint: Checkpoint, sprites: pictures.Pictures, monkeypatch: pytest.MonkeyPatch
) -> None:
    labelled = replace(sprites, train_labels=torch.zeros(600).long(), test_labels=torch.zeros(120).long())
    monkeypatch.setattr(autoencoder, "load", lambda name: labelled)
    monkeypatch.setattr(autoencoder, "_one_vs_rest", lambda *_: {"auroc_one_vs_rest": 1.0})
    cpu = torch.device("cpu")
    assert "auroc_one_vs_rest" not in autoencoder.evaluate(checkpoint, cpu, quick=True)
    assert "auroc_one_vs_rest" in autoencoder.evaluate(checkpoint, cpu)


def test_pictures_in_folders_are_measured_and_remembered_alike(
    checkpoint: Checkpoint, network: Autoencoder, sprites: pictures.Pictures, monkeypatch: pytest.MonkeyPatch
) -> None:
    test = torch.cat((torch.zeros_like(sprites.test[:60]), sprites.test[:60]))
    ordered = replace(sprites, test=test)
    monkeypatch.setattr(autoencoder, "load", lambda name: ordered)
    quick, whole = (autoencoder.evaluate(checkpoint, torch.device("cpu"), quick)["psnr"].value for quick in (1, 0))
    assert quick == pytest.approx(whole, abs=1)

    again = Autoencoder(replace(network.config, memory=30)).eval()
    weights = {name: tensor for name, tensor in network.state_dict().items() if not name.startswith("detector")}
    again.load_state_dict(weights, strict=False)
    autoencoder.remember(again, ordered)
    assert 20 < float(bottleneck.judge(again, pictures.to_unit(test[60:])).percentile.mean()) < 90


def test_settings_that_do_not_fit_are_refused(sprites: pictures.Pictures, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="side must be a multiple of 4"):
        Autoencoder(Config.parse({**SMALL, "side": 30}))
    with pytest.raises(ConfigurationError, match="Unknown setting 'colour'"):
        Config.parse({"colour": 1})
    with pytest.raises(DataError, match="set channels and side to fit"):
        next(autoencoder.train(recipe(channels=3), run(tmp_path, 1, 1)))


def test_shipped_recipes_have_the_codes_that_the_design_asks_for() -> None:
    sizes = {name: Config.parse(recipe.config).bytes for name, recipe in autoencoder.FAMILY.recipes.items()}
    assert sizes == {"autoencoder-digits": 8, "autoencoder-cats": 160}
    assert Config(**asdict(Config())).numbers == 640
