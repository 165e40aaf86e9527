"""Neighbours: what is learnt by heart stands beside itself, and the pictures of all who draw stand at the left."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from models import features, gan, neighbours, vae, variational
from models.batched import Batched
from models.checkpoint import Card, Checkpoint, Store
from models.painter import Painter
from models.pictures import load
from models.registry import Family
from tests.models.drawings import write_digits

CPU = torch.device("cpu")
GAN = gan.Config.parse({"channels": 1, "classes": 10, "base": 7, "widths": "8,8", "blocks": "0,0", "latent": 4})
VAE = variational.Config.parse({**vae.DIGITS, "width": 8, "blocks": 1, "latent": 4})


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Bars in the place of digits, and features that were not trained."""
    write_digits(tmp_path / "data")
    monkeypatch.setenv("PROSPERO_DATA", str(tmp_path / "data"))
    torch.manual_seed(0)
    judge = features.Network(features.Config(channels=1, widths="8,16", classes=10)).eval()
    monkeypatch.setattr(neighbours, "frozen", lambda channels, device: judge)
    yield


def card(family: str, config: dict[str, object]) -> Card:
    return Card(f"{family}-digits", "v1", family, config, 0, {"name": "digits"}, {}, "2026-01-01")


def cells(file: Path) -> Tensor:
    """The pictures (rows, columns, 28, 28) of a sheet."""
    with Image.open(file) as drawn:
        small = np.array(drawn.resize((drawn.width // 2, drawn.height // 2), Image.Resampling.NEAREST))
    rows, columns = (length // 29 for length in small.shape)
    return torch.from_numpy(small[1:, 1:]).reshape(rows, 29, columns, 29)[:, :28, :, :28].transpose(1, 2)


def test_what_is_learnt_by_heart_stands_beside_itself_and_comes_first(tmp_path: Path) -> None:
    train = load("digits").train
    new = torch.randint(256, (2, 1, 28, 28), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    known = train[[50, 7]]
    painter = Painter(4, 1, Batched(4, CPU, lambda latent, classes: (torch.cat((new, known)),)))
    forger = replace(gan.FAMILY, restore=lambda version, device: None, roles={Painter: lambda network: painter})
    neighbours.show(forger, Checkpoint(tmp_path, card("gan", {})), tmp_path / "sheet.png", 4, 0, CPU)
    shown = cells(tmp_path / "sheet.png")
    assert shown.shape == (4, 8, 28, 28)
    assert torch.equal(shown[:2, 0], shown[:2, 1])
    assert {tuple(picture.flatten().tolist()) for picture in shown[:2, 0]} == {
        tuple(picture.flatten().tolist()) for picture in train[[50, 7]]
    }
    everything = {tuple(picture.flatten().tolist()) for picture in train}
    assert all(tuple(picture.flatten().tolist()) in everything for picture in shown[:, 1:].flatten(0, 1))


@pytest.mark.parametrize("family", [gan.FAMILY, vae.FAMILY])
def test_families_that_draw_have_the_seeds_pictures_at_the_left(family: Family, tmp_path: Path) -> None:
    network = gan.Generator(GAN) if family is gan.FAMILY else variational.VAE(VAE)
    config = asdict(GAN if family is gan.FAMILY else VAE)
    stored = Store(tmp_path).save(card(family.name, config), network.state_dict(), lambda beside: None)
    neighbours.show(family, stored, tmp_path / "sheet.png", 3, 5, CPU)
    restored = family.restore(stored, CPU)  # type: ignore[misc]
    painter = family.roles[Painter](restored)
    assert isinstance(painter, Painter)
    own = painter.pictures(range(5, 8))
    apart = cells(tmp_path / "sheet.png")[:, :1].int() - own[:, 0].int()  # (3 rows, 3 seeds, 28, 28)
    assert sorted(apart.abs().amax((2, 3)).argmin(1).tolist()) == [0, 1, 2]
    assert int(apart.abs().amax((2, 3)).amin(1).max()) == 0
