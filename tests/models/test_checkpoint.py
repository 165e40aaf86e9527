"""The checkpoint store: versions, the pointer to the one that serves, and damage that is named."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

import pytest
import torch

from models.checkpoint import WEIGHTS, Checkpoint, CheckpointError, Store
from models.configuration import ConfigurationError
from models.gpt import Config
from tests.conftest import Training, keep

MODEL = "gpt-shakespeare"


def test_weights_survive_within_half_precision(tiny_store: Store, verse_training: Training) -> None:
    stored = tiny_store.open(MODEL).tensors()
    for name, trained in verse_training.trained.network.state_dict().items():
        assert torch.allclose(stored[name], trained, rtol=2**-8), name


def test_promotion_and_rollback_move_one_pointer(tiny_store: Store, verse_training: Training) -> None:
    keep(tiny_store, verse_training.trained, "second")
    assert tiny_store.versions(MODEL) == ["second", "tiny"]
    assert tiny_store.current(MODEL) == "tiny"
    tiny_store.promote(MODEL, "second")
    assert tiny_store.open(MODEL).version == "second"
    assert tiny_store.rollback(MODEL) == "tiny"
    assert tiny_store.current(MODEL) == "tiny"


def test_a_version_without_weights_is_not_promoted(tiny_store: Store, verse_training: Training) -> None:
    (keep(tiny_store, verse_training.trained, "second").path / WEIGHTS).unlink()
    with pytest.raises(CheckpointError, match=r"gpt-shakespeare/second/model.safetensors is missing; promote another"):
        tiny_store.promote(MODEL, "second")
    assert tiny_store.current(MODEL) == "tiny"


def test_the_first_version_has_nothing_to_roll_back_to(tiny_store: Store) -> None:
    with pytest.raises(CheckpointError, match="no other version"):
        tiny_store.rollback(MODEL)


def test_the_serving_version_is_not_deleted(tiny_store: Store, verse_training: Training) -> None:
    keep(tiny_store, verse_training.trained, "second")
    with pytest.raises(CheckpointError, match="serves"):
        tiny_store.delete(MODEL, "tiny")
    tiny_store.delete(MODEL, "second")
    assert tiny_store.versions(MODEL) == ["tiny"]


def test_a_shipped_version_is_read_only(tiny_store: Store, verse_training: Training, tmp_path: Path) -> None:
    over = Store(tmp_path / "other", shipped=tiny_store.written)
    keep(over, verse_training.trained, "mine")
    over.promote(MODEL, "mine")
    assert over.current(MODEL) == "mine"
    with pytest.raises(CheckpointError, match="shipped"):
        over.delete(MODEL, "tiny")
    assert tiny_store.current(MODEL) == "tiny"


def test_a_version_is_written_whole_or_not_at_all(tiny_store: Store, verse_training: Training) -> None:
    def sheet(beside: Checkpoint) -> NoReturn:
        assert list(tiny_store.written.glob("**/*.part")) == [beside.path]
        raise OSError("the disk has no room")

    with pytest.raises(CheckpointError, match="already"):
        keep(tiny_store, verse_training.trained, "tiny")
    card = replace(tiny_store.open(MODEL).card, version="second")
    with pytest.raises(OSError, match="no room"):
        tiny_store.save(card, verse_training.trained.network.state_dict(), sheet)
    assert tiny_store.versions(MODEL) == ["tiny"]
    assert not list(tiny_store.written.glob("**/*.part"))


@pytest.mark.parametrize("file", ["model.safetensors", "card.json"])
def test_damage_is_named(tiny_store: Store, file: str) -> None:
    (tiny_store.open(MODEL).path / file).write_bytes(b"\x00 not what it says")
    with pytest.raises(CheckpointError, match=file):
        tiny_store.open(MODEL).tensors()


def test_what_is_missing_is_said(tiny_store: Store, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="python -m models train gan-cats"):
        Store(tmp_path / "empty", tmp_path / "none").open("gan-cats")
    with pytest.raises(CheckpointError, match=f"There is no model 'gan-cats'; train it, or choose from: {MODEL}."):
        tiny_store.open("gan-cats")
    with pytest.raises(CheckpointError, match="there are: tiny"):
        tiny_store.open(MODEL, "lost")


def test_a_misspelt_setting_is_refused_by_name() -> None:
    with pytest.raises(ConfigurationError, match="'layer'"):
        Config.parse({"layer": 3})
    with pytest.raises(ConfigurationError, match="layers must be a int"):
        Config.parse({"layers": "many"})
    assert Config.parse({"layers": "3", "dropout": "0.5"}) == Config(layers=3, dropout=0.5)


@pytest.mark.parametrize("model", ["note.txt", "no\0thing"])
def test_what_is_no_model_is_never_called_damaged(tmp_path: Path, model: str) -> None:
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "note.txt").write_text("not a folder")
    with pytest.raises(CheckpointError, match=r"There is no model|names no model"):
        Store(tmp_path).open(model)


def test_a_model_of_which_no_version_serves_yet_says_so(tmp_path: Path, verse_training: Training) -> None:
    store = Store(tmp_path, tmp_path / "none")
    for version in ("first", "second"):
        keep(store, verse_training.trained, version)
    assert store.serving(MODEL) is None
    with pytest.raises(CheckpointError, match="promote one of them: first, second"):
        store.open(MODEL)
    store.delete(MODEL, "first")
    assert store.versions(MODEL) == ["second"]


def test_a_version_promoted_twice_still_rolls_back_to_the_one_before(
    tiny_store: Store, verse_training: Training
) -> None:
    keep(tiny_store, verse_training.trained, "second")
    for _ in range(2):
        tiny_store.promote(MODEL, "second")
    assert tiny_store.rollback(MODEL) == "tiny"


def test_what_is_shipped_instead_of_what_served_serves_before_what_was_rolled_back(
    tmp_path: Path, verse_training: Training
) -> None:
    def ship(version: str) -> Store:
        shipped = Store(tmp_path / version, tmp_path / "none")
        keep(shipped, verse_training.trained, version)
        shipped.promote(MODEL, version)
        return Store(tmp_path / "home", shipped.written)

    store = ship("v1")
    keep(store, verse_training.trained, "mine")
    store.promote(MODEL, "mine")
    store.rollback(MODEL)
    store = ship("v2")
    assert (store.current(MODEL), store.previous(MODEL), store.versions(MODEL)) == ("v2", None, ["mine", "v2"])
    with pytest.raises(CheckpointError, match="no other version"):
        store.rollback(MODEL)
    store.promote(MODEL, "mine")
    assert (store.current(MODEL), store.rollback(MODEL)) == ("mine", "v2")
    store.delete(MODEL, "mine")


def test_a_damaged_version_still_serves_as_far_as_it_can_beside_a_shipped_one(
    tiny_store: Store, verse_training: Training, tmp_path: Path
) -> None:
    over = Store(tmp_path / "other", shipped=tiny_store.written)
    for version in ("first", "second"):
        keep(over, verse_training.trained, version)
        over.promote(MODEL, version)
    (over.open(MODEL).path / "card.json").write_text("{")
    assert (over.serving(MODEL), over.previous(MODEL)) == ("second", "first")


@pytest.mark.parametrize("file", ["model.safetensors", "card.json"])
def test_what_cannot_be_read_is_not_called_damaged(tiny_store: Store, file: str) -> None:
    path = tiny_store.open(MODEL).path / file
    path.unlink()
    path.mkdir()  # no user may read that, whoever runs this
    with pytest.raises(CheckpointError, match=rf"{MODEL}/tiny/{file} .*cannot be read.*; see to its rights"):
        tiny_store.open(MODEL).tensors()


def test_a_damaged_version_can_be_deleted_as_advised(tiny_store: Store, verse_training: Training) -> None:
    (keep(tiny_store, verse_training.trained, "second").path / "card.json").write_text("{")
    tiny_store.delete(MODEL, "second")
    assert tiny_store.versions(MODEL) == ["tiny"]


@pytest.mark.parametrize("version", ["../tiny", ".hidden", "a/b", "", "v" * 300])
def test_a_version_gets_a_plain_name(tiny_store: Store, verse_training: Training, version: str) -> None:
    with pytest.raises(CheckpointError, match="names no model or version"):
        keep(tiny_store, verse_training.trained, version)
    with pytest.raises(CheckpointError):
        tiny_store.open(version or "..")


def test_no_training_takes_the_name_of_a_shipped_version(tiny_store: Store, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="already"):
        Store(tmp_path / "other", shipped=tiny_store.written).check_new(MODEL, "tiny")


def test_of_promotions_at_once_each_succeeds(tiny_store: Store, verse_training: Training) -> None:
    keep(tiny_store, verse_training.trained, "second")

    def promote(versions: Sequence[str]) -> None:
        for version in versions:
            tiny_store.promote(MODEL, version)
            assert tiny_store.current(MODEL) in ("second", "tiny")

    with ThreadPoolExecutor() as threads:
        for done in [threads.submit(promote, ("second", "tiny") * 25) for _ in range(4)]:
            done.result()
    assert not list(tiny_store.written.glob("**/*.part"))


def test_a_version_that_was_deleted_while_it_was_measured_does_not_come_back(
    tiny_store: Store, verse_training: Training
) -> None:
    version = keep(tiny_store, verse_training.trained, "gone")
    tiny_store.delete(version.model, "gone")
    with pytest.raises(CheckpointError, match="was deleted meanwhile"):
        tiny_store.annotate(version, version.card)
    assert not version.path.exists()


def test_figures_of_a_part_are_told_from_those_of_the_whole(tiny_store: Store) -> None:
    card = tiny_store.open("gpt-shakespeare").card
    figure = {"loss": {"value": 1.0}}
    assert card.measured(figure, "--version 1 --quick").quick
    assert not card.measured(figure, "--version quick").quick
