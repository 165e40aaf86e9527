"""What all tests share: a few lines of verse, a small GPT that was really trained on them, and GANs that were not."""

from __future__ import annotations

import os
from collections.abc import Generator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import torch

from models import gan, gpt
from models.checkpoint import Card, Checkpoint, Store
from models.registry import Recipe
from models.training import Progress, Run, Trained, finish

VERSE = """MIRANDA:
The island hums tonight; what voice is that,
That turns the tide to letters on the sand?

PROSPERO:
A spirit small enough to live in numbers,
That read too little and forgets no line.

"""

TINY = {"layers": 2, "width": 32, "heads": 2, "hidden": 64, "context": 32, "batch": 8, "plays": 0.0, "warmup": 5}


for variable in [name for name in os.environ if name == "DISCORD_TOKEN" or name.startswith("PROSPERO_")]:
    if variable != "PROSPERO_DATA":
        del os.environ[variable]  # of whoever runs the tests: they are to find what they set themselves
if not torch.cuda.is_available():
    os.environ["TRITON_INTERPRET"] = "1"  # Triton asks for it when it is imported
torch.set_num_threads(1)  # networks this small only wait for each other on more
hypothesis.settings.register_profile("untimed", deadline=None)  # a busy machine is slow, not wrong
hypothesis.settings.load_profile("untimed")


@dataclass
class Training:
    """A finished training and the reports it gave on the way."""

    reports: list[Progress]
    trained: Trained


def drive(steps: Generator[Progress, None, Trained]) -> Training:
    """Run a training to its end."""
    reports: list[Progress] = []
    trained = finish(steps, reports.append)
    return Training(reports, trained)


@pytest.fixture(scope="session")
def verse_data(tmp_path_factory: pytest.TempPathFactory) -> Generator[Path, None, None]:
    """A data folder with Tiny Shakespeare's place taken by a few lines of ours."""
    folder = tmp_path_factory.mktemp("data")
    (folder / "shakespeare").mkdir()
    (folder / "shakespeare" / "tinyshakespeare.txt").write_text(VERSE * 12)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PROSPERO_DATA", str(folder))
        yield folder


def verse_recipe(**config: object) -> Recipe:
    """How the tests' GPT is trained."""
    return Recipe("gpt-shakespeare", "shakespeare", {**TINY, **config})


@pytest.fixture(scope="session")
def verse_training(verse_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Training:
    """A GPT trained for eighty steps on the verse."""
    run = Run(tmp_path_factory.mktemp("run"), torch.device("cpu"), steps=80, report_steps=20, bfloat16=False)
    return drive(gpt.train(verse_recipe(), run))


@pytest.fixture
def tiny_store(verse_training: Training, tmp_path: Path) -> Store:
    """A store whose only model is that GPT, as the serving version ``tiny`` of ``gpt-shakespeare``."""
    store = Store(tmp_path / "home", shipped=tmp_path / "shipped")
    keep(store, verse_training.trained, "tiny")
    store.promote("gpt-shakespeare", "tiny")
    return store


def keep(store: Store, trained: Trained, version: str) -> Checkpoint:
    """Write a trained GPT as a version of ``gpt-shakespeare``."""
    name = f"gpt-shakespeare@{version}"
    return save_version(store, name, "gpt", trained.network, trained.config, "shakespeare", nats_per_character=1.0)


def save_version(
    store: Store,
    name: str,
    family: str,
    network: torch.nn.Module,
    config: dict[str, Any],
    dataset: str = "none",
    **figures: float,
) -> Checkpoint:
    """Write a network as ``name``, "model@version", with what it reached."""
    model, _, version = name.partition("@")
    card = Card(
        model=model,
        version=version,
        family=family,
        config=config,
        parameters=sum(p.numel() for p in network.parameters()),
        dataset={"name": dataset, "licence": "MIT"},
        training={"seed": 0},
        created="2026-01-01T00:00:00+00:00",
        metrics={figure: {"value": value, "unit": "nats/char"} for figure, value in figures.items()},
    )
    return store.save(card, network.state_dict(), lambda beside: None)


DIGITS = {"channels": 1, "classes": 10, "base": 7, "widths": "16,8", "blocks": "1,0", "latent": 8}
CATS = {"channels": 3, "classes": 1, "base": 4, "widths": "16,8", "blocks": "1,0", "latent": 8}


def keep_gan(store: Store, model: str, config: dict[str, object], version: str = "tiny", seed: int = 0) -> None:
    """Let a GAN with random weights serve: its pictures are noise, each seed's and class's another."""
    shape = gan.Config.parse(config)
    network = gan.Generator(shape)
    generator = torch.Generator().manual_seed(seed)
    for parameter in network.parameters():
        scale = 2.0 * max(1, parameter[0].numel()) ** -0.5
        parameter.data = torch.randn(parameter.shape, generator=generator) * scale
    save_version(store, f"{model}@{version}", "gan", network, asdict(shape))
    store.promote(model, version)
