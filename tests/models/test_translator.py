"""The translator on squares: what must be true of any, and that a square's outline is filled again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import pytest
import torch
from PIL import Image

from models import edges, features, gan, shipped, translator
from models.adversarial import discriminator_loss, generator_loss
from models.checkpoint import Card, Store
from models.configuration import ConfigurationError
from models.data import DataError
from models.pictures import load, to_unit
from models.registry import Recipe
from models.training import Run
from tests.conftest import drive, save_version
from tests.models.drawings import write_squares

SMALL = {"base": 16, "widths": "16,8", "blocks": "1,0", "latent": 8, "batch": 6, "rate": 2e-3, "average": 60.0}


@pytest.fixture(scope="module", autouse=True)
def data(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    folder = tmp_path_factory.mktemp("data")
    write_squares(folder / "squares")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PROSPERO_DATA", str(folder))
        yield


def recipe(**config: object) -> Recipe:
    return Recipe("translator-cats", "squares", {**SMALL, **config})


def run(folder: Path, steps: int, report_steps: int) -> Run:
    return Run(folder, torch.device("cpu"), steps=steps, report_steps=report_steps, bfloat16=False)


def test_gradients_reach_every_parameter_of_both_networks() -> None:
    config = translator.Config.parse(SMALL)
    network, judge = translator.UNet(config), translator.discriminator(config)
    for part in network.modules():  # what begins at zero hides what lies behind
        if isinstance(part, torch.nn.Conv2d) and part.bias is None:
            torch.nn.init.normal_(part.weight)
    for part in judge.modules():
        if isinstance(part, torch.nn.Conv2d) and part.bias is None:
            torch.nn.init.normal_(part.weight)
    generator = torch.Generator().manual_seed(0)
    lines = (torch.rand(3, 1, 64, 64, generator=generator) > 0.9).float()
    real = torch.rand(3, 3, 64, 64, generator=generator)
    drawn = network(lines, torch.randn(3, 8, generator=generator))
    same = torch.zeros(3, dtype=torch.long)
    shown, judged = translator.pair(real, lines), translator.pair(drawn, lines)
    assert drawn.shape == (3, 3, 64, 64) and judge(judged, same).shape == (3,)
    generator_loss(judge, shown, judged, same).backward()
    losses = discriminator_loss(judge, shown, judged.detach(), same, gamma=1.0)
    sum(losses.values(), torch.zeros(())).backward()  # type: ignore[no-untyped-call]
    for part in (network, judge):
        for name, parameter in part.named_parameters():
            assert parameter.grad is not None and parameter.grad.abs().sum() > 0, name


def test_a_network_begins_as_its_painter_whatever_the_lines() -> None:
    shape = {**{name: SMALL[name] for name in ("base", "blocks", "latent")}, "widths": "16, 8"}
    network, painter = translator.UNet(translator.Config.parse(SMALL)), gan.Generator(gan.Config.parse(shape))
    for part in painter.modules():  # as after a training: nothing is zero any longer
        if isinstance(part, torch.nn.Conv2d) and part.bias is None:
            torch.nn.init.normal_(part.weight, std=0.1)
    network.begin_as(painter)
    generator = torch.Generator().manual_seed(0)
    latent = torch.randn(3, 8, generator=generator)
    lines = (torch.rand(3, 1, 64, 64, generator=generator) > 0.9).float()
    torch.testing.assert_close(network(lines, latent), painter(latent, torch.zeros(3, dtype=torch.long)))
    with pytest.raises(ConfigurationError, match=r"one class and the same channels, base, widths, blocks and latent"):
        network.begin_as(gan.Generator(gan.Config.parse({**shape, "classes": 2})))
    with pytest.raises(ConfigurationError, match="leave painter empty"):
        network.begin_as(gan.Generator(gan.Config.parse({**shape, "widths": "16,16"})))


def test_the_version_of_the_painter_stays_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shipped, "SHIPPED", tmp_path / "checkpoints")
    store, shape = Store(tmp_path), {name: SMALL[name] for name in ("base", "widths", "blocks", "latent")}
    for version in ("v7", "v8"):
        painter = gan.Generator(gan.Config.parse(shape))
        save_version(store, f"gan-cats@{version}", "gan", painter, asdict(painter.config))
    store.promote("gan-cats", "v7")
    save_version(store, "vae-cats@v1", "vae", painter, asdict(painter.config))
    for name, version in (("gan-cats", "gan-cats@v7"), ("gan-cats@v8", "gan-cats@v8")):
        trained = drive(translator.train(recipe(painter=name), run(tmp_path / name, 1, 9))).trained
        assert trained.config["painter"] == version
    for name in ("vae-cats@v1", "gan-cats@v9", "gan-owls"):
        with pytest.raises(ConfigurationError, match=f"No GAN ships as '{name}'; set painter to one that does, or"):
            next(translator.train(recipe(painter=name), run(tmp_path / name, 1, 1)))


def test_the_painter_that_a_recipe_begins_as_ships_and_fits() -> None:
    config = translator.Config.parse(translator.FAMILY.recipes["translator-cats"].config)
    assert config.painter
    assert isinstance(translator.beginner(config), translator.UNet)


def test_a_judge_learns_which_lines_belong_to_a_picture() -> None:
    torch.manual_seed(0)
    judge = translator.discriminator(translator.Config.parse(SMALL))
    optimizer = torch.optim.Adam(judge.parameters(), lr=2e-3)
    real = to_unit(load("squares").train[:16])
    lines = edges.extract(real)
    fitting, strange, same = (
        translator.pair(real, lines),
        translator.pair(real, lines.roll(1, 0)),
        torch.zeros(16).long(),
    )
    for _ in range(60):
        optimizer.zero_grad()
        discriminator_loss(judge, fitting, strange, same, gamma=0.0)["discriminator"].backward()
        optimizer.step()
    strange = translator.pair(real, lines.roll(5, 0))  # other strangers than it learnt from
    assert (judge(fitting, same) > judge(strange, same)).float().mean() > 0.8


def test_the_lines_leave_something_open(tmp_path: Path) -> None:
    network = drive(translator.train(recipe(), run(tmp_path, 30, 40))).trained.network
    assert isinstance(network, translator.UNet)
    lines = edges.extract(to_unit(load("squares").train[:1])).expand(9, -1, -1, -1)
    drawn = translator.translate(network, lines)
    assert drawn.std(0).mean() > 0.01
    assert torch.equal(drawn[3:], translator.translate(network, lines[3:], first=3))


def test_a_resumed_training_equals_an_uninterrupted_one(tmp_path: Path) -> None:
    whole = drive(translator.train(recipe(), run(tmp_path / "whole", 8, 4)))
    killed = translator.train(recipe(), run(tmp_path / "killed", 8, 4))
    next(killed)
    killed.close()
    resumed = drive(translator.train(recipe(), run(tmp_path / "killed", 8, 4)))
    assert [report.losses for report in resumed.reports] == [report.losses for report in whole.reports[1:]]
    weights = resumed.trained.network.state_dict()
    assert all(torch.equal(weight, weights[name]) for name, weight in whole.trained.network.state_dict().items())


def test_the_baseline_has_no_judge_and_fills_outlines(tmp_path: Path) -> None:
    reports = drive(translator.train(recipe(judged=False, rate=5e-3, average=6.0), run(tmp_path, 60, 10))).reports
    assert set(reports[0].losses) == {"distance"}
    distances = [report.metrics["held-out distance"] for report in reports]
    assert distances == sorted(distances, reverse=True) and distances[-1] < 0.7 * distances[0]


def test_what_decides_between_versions_are_features_since_pixels_favour_what_is_blurred(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    judge = features.Network(features.Config(channels=3, widths="4,8", classes=10)).eval()
    monkeypatch.setattr(features, "frozen", lambda channels, device: judge)
    monkeypatch.setattr(translator, "compare", lambda *_: {})  # of so few pictures nothing could be said
    trained = drive(translator.train(recipe(), run(tmp_path / "run", 1, 1))).trained
    stored = save_version(
        Store(tmp_path), "translator-cats@v1", "translator", trained.network, trained.config, "squares"
    )
    figures = translator.evaluate(stored, torch.device("cpu"), quick=True)
    assert next(iter(figures)).startswith("feature_distance")
    assert 0 <= figures["lines_kept_bold"].value <= 1
    assert next(iter(figures.values())).better == "lower"


def test_a_drawing_gives_the_same_bytes_alone_and_among_others(tmp_path: Path) -> None:
    trained = drive(translator.train(recipe(), run(tmp_path, 2, 5))).trained
    card = Card("translator-cats", "v1", "translator", trained.config, 0, {"name": "squares"}, {}, "2026-01-01")
    stored = Store(tmp_path).save(
        card,
        trained.network.state_dict(),
        lambda beside: translator.sample(beside, beside.path / "samples.png", 8, 0, torch.device("cpu")),
    )
    assert stored.samples is not None
    network = translator.restore(stored, torch.device("cpu"))
    lines = edges.extract(to_unit(load("squares").train[:11]))
    assert torch.equal(translator.translate(network, lines[4:5], first=4), translator.translate(network, lines)[4:5])


def test_sheet_shows_lines_beside_their_translation_and_no_picture_of_the_data_set(tmp_path: Path) -> None:
    network = translator.UNet(translator.Config.parse(SMALL))
    card = Card("translator-cats", "v1", "translator", asdict(network.config), 0, {"name": "squares"}, {}, "2026-01-01")
    stored = Store(tmp_path).save(card, network.state_dict(), lambda beside: None)
    translator.sample(stored, tmp_path / "sheet.png", 12, 0, torch.device("cpu"))
    with Image.open(tmp_path / "sheet.png") as drawn:
        assert drawn.size == (
            2 * (9 * 65 + 1),
            2 * (2 * 65 + 1),
        )  # lines and two translations for each of three strengths
        columns = [drawn.crop((x, 0, x + 128, drawn.height)) for x in range(2, drawn.width, 130)]
    colours = [len(column.getcolors(drawn.width * drawn.height) or ()) for column in columns]
    assert colours[::3] == [2, 2, 2]  # ink and paper
    assert min(colours[1::3] + colours[2::3]) > 2


def test_networks_that_do_not_fit_are_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="training pictures of 3x64x64, not of 3x32x32; set channels, base"):
        next(translator.train(recipe(base=8), run(tmp_path, 1, 1)))
