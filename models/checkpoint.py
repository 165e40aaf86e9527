"""Checkpoints: versions of trained weights with their cards, and the pointer to the one that serves.

Layout, under the shipped folder (read-only) and under the data home, which is looked up first::

    <model>/<version>/{model.safetensors, card.json, samples.png or samples.txt}
    <model>/current.json            {"version": "...", "previous": "..."}
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from functools import lru_cache
from glob import escape
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

SHIPPED = Path(__file__).resolve().parent.parent / "checkpoints"
ABSENT = (FileNotFoundError, NotADirectoryError)  # what opening a file raises where there is none
WEIGHTS, CARD, POINTER = "model.safetensors", "card.json", "current.json"
CARD_FIELDS = {  # with the type of each, beside those that are compared or parsed
    "family": str,
    "config": dict,
    "parameters": int,
    "dataset": dict,
    "training": dict,
    "metrics": dict,
}
State = tuple[int, int, int]  # of a file: which it is, when it was written and how long it is
LONGEST = 200  # bytes of a name: file systems take 255, and some is put before and behind it


class CheckpointError(Exception):
    """A version that is missing, damaged or cannot be changed; the message names it and says what to do.

    What people meet has a code besides, for programs that say it in words of their own.
    """

    def __init__(self, message: str, code: str | None = None) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True)
class Card:
    """What a reader asks of a version."""

    model: str
    version: str
    family: str
    config: dict[str, Any]
    parameters: int
    dataset: dict[str, str]  # name, licence
    training: dict[str, Any]  # command, seed, steps, seconds, hardware
    created: str  # ISO 8601
    metrics: dict[str, dict[str, Any]] = field(default_factory=dict)  # name: value, unit, reference, command
    notes: str = ""

    def check(self, model: str, version: str) -> None:
        """ValueError, TypeError or OverflowError unless it is that version's and holds what is asked of cards."""
        if (self.model, self.version) != (model, version):
            raise ValueError(f"it is of {self.model}@{self.version}")
        for name, kind in CARD_FIELDS.items():
            if not isinstance(getattr(self, name), kind):
                raise TypeError(f"its {name} is no {kind.__name__}")
        if not isinstance(self.dataset.get("name"), str) or not isinstance(self.training.get("command", ""), str):
            raise TypeError("its data set or command has no name")
        for name, figure in self.metrics.items():
            if not isinstance(figure, dict) or not isinstance(figure.get("value"), int | float):
                raise TypeError(f"its {name} is no figure")
        datetime.fromisoformat(self.created).timestamp()

    @property
    def quick(self) -> bool:
        """Whether its figures are of a part of the held-out data, so that those of the whole are no match for them."""
        return any("--quick" in figure.get("command", "") for figure in self.metrics.values())

    def measured(self, figures: Mapping[str, Mapping[str, Any]], how: str) -> Card:
        """The card with these figures, each beside the command that measures it again; ``how`` is the command's end."""
        command = f"python -m models evaluate {self.model} {how}"
        return replace(self, metrics={name: {**figure, "command": command} for name, figure in figures.items()})


@dataclass(frozen=True)
class Checkpoint:
    """One version on disk."""

    path: Path
    card: Card

    @property
    def model(self) -> str:
        return self.card.model

    @property
    def version(self) -> str:
        return self.card.version

    @property
    def samples(self) -> Path | None:
        """The sample sheet, a picture or a text; no link, which might show any file of this machine."""
        return next((file for file in sorted(self.path.glob("samples.*")) if not file.is_symlink()), None)

    def tensors(self) -> dict[str, Tensor]:
        """The weights by name, float32; CheckpointError when the file is damaged, missing or cannot be read."""
        place = f"{self.model}/{self.version}/{WEIGHTS}"
        try:
            stored = load_file(self.path / WEIGHTS)
        except SafetensorError as error:
            raise CheckpointError(f"{place} is damaged ({error}); delete the version.") from error
        except OSError as error:  # safetensors does not tell which
            message = f"{place} is missing or cannot be read; see to its rights, or delete the version."
            raise CheckpointError(message) from error
        return {name: t.float() if t.is_floating_point() else t for name, t in stored.items()}


class Store:
    """All versions of all models, the data home's before the shipped ones."""

    def __init__(self, home: Path, shipped: Path = SHIPPED) -> None:
        """``home`` is the data home; its versions lie under ``home/checkpoints``."""
        self.written = home / "checkpoints"
        self.folders = (self.written, shipped)

    def models(self) -> list[str]:
        """The names of the models that have a version."""
        return sorted({card.parent.parent.name for card in self._cards("*")})

    def versions(self, model: str) -> list[str]:
        """A model's versions, oldest name first."""
        return sorted({card.parent.name for card in self._cards(escape(model))})

    def _cards(self, models: str) -> Iterator[Path]:
        """Of the versions of models (a pattern) that are whole: those being written or deleted begin with a dot."""
        for folder in self.folders:
            yield from (card for card in folder.glob(f"{models}/*/{CARD}") if not card.parent.name.startswith("."))

    def current(self, model: str) -> str:
        """The version that serves; the data home's pointer wins over the shipped one."""
        return str(self._pointer(model)["version"])

    def _pointer(self, model: str) -> dict[str, str | None]:
        """The first that names a version that is there: one that was shipped goes when another is shipped instead."""
        _check_names(model)
        astray = None
        for folder in self.folders:
            pointer = folder / model / POINTER
            try:
                content = read_json(pointer)
                found = {"version": content["version"], "previous": content["previous"]}
                if self._holds(model, content["version"]):
                    return found
                astray = astray or found
            except ABSENT:
                continue
            except (ValueError, KeyError, TypeError) as error:
                raise CheckpointError(f"{model}/{POINTER} is damaged; promote a version again.") from error
            except OSError as error:
                raise CheckpointError(f"{pointer} cannot be read ({error.strerror}); see to its rights.") from error
        if astray:
            return astray
        if versions := self.versions(model):
            raise CheckpointError(f"No version of {model} serves yet; promote one of them: {', '.join(versions)}.")
        if models := self.models():
            raise CheckpointError(f"There is no model {model!r}; train it, or choose from: {', '.join(models)}.")
        raise CheckpointError(f"There is no model {model!r}; train it with `python -m models train {model}`.")

    def _holds(self, model: str, version: str) -> bool:
        """Whether there is a version of that name, shipped or not, damaged or not."""
        return any((folder / model / version).exists() for folder in self.folders)

    def serving(self, model: str) -> str | None:
        """As :meth:`current`; None before a first promotion, and where the pointer is damaged or cannot be read."""
        try:
            return self.current(model)
        except CheckpointError:
            return None

    def open(self, model: str, version: str | None = None) -> Checkpoint:
        """A version, or the one that serves; CheckpointError when there is none or its card is of no use."""
        version = version or self.current(model)
        _check_names(model, version)
        place = f"{model}/{version}/{CARD}"
        for folder in self.folders:
            path = folder / model / version
            try:
                return Checkpoint(path, _card(path / CARD, _state(path / CARD), model, version))
            except ABSENT:
                continue
            except (ValueError, TypeError, OverflowError) as error:
                raise CheckpointError(f"{place} is damaged ({error}); delete the version.") from error
            except OSError as error:
                raise CheckpointError(f"{place} cannot be read ({error.strerror}); see to its rights.") from error
        known = ", ".join(self.versions(model)) or "none"
        raise CheckpointError(f"{model} has no version {version!r}; there are: {known}.")

    def check_new(self, model: str, version: str) -> None:
        """CheckpointError unless a training may take that name: whoever names a version means one, shipped or not."""
        _check_names(model, version)
        if self._holds(model, version):
            raise CheckpointError(f"{model} already has a version {version!r}; name another.")

    def save(self, card: Card, tensors: Mapping[str, Tensor], sheet: Callable[[Checkpoint], None]) -> Checkpoint:
        """Write a version beside, let ``sheet`` draw its samples, then rename; it does not serve before promotion."""
        _check_names(card.model, card.version)
        final = self.written / card.model / card.version
        if final.exists():
            raise CheckpointError(f"{card.model} already has a version {card.version!r}; name another.")
        beside = self._unfinished(card.model, card.version)
        shutil.rmtree(beside, ignore_errors=True)
        beside.mkdir(parents=True)
        try:
            checkpoint = Checkpoint(beside, card)
            (beside / WEIGHTS).write_bytes(save({name: _for_storage(tensor) for name, tensor in tensors.items()}))
            write_json(beside / CARD, asdict(card))
            sheet(checkpoint)
            for file in beside.iterdir():
                with file.open("rb") as written:
                    os.fsync(written.fileno())
            beside.replace(final)
        except BaseException:  # a full disk, for one: nothing of it stays
            shutil.rmtree(beside, ignore_errors=True)
            raise
        return Checkpoint(final, card)

    def _unfinished(self, model: str, version: str) -> Path:
        """Where a version lies until it is whole."""
        return self.written / model / f".{version}.part"

    def abandon(self, model: str, version: str) -> None:
        """Remove what a training that was ended by force had written of a version."""
        shutil.rmtree(self._unfinished(model, version), ignore_errors=True)

    def annotate(self, checkpoint: Checkpoint, card: Card) -> Checkpoint:
        """Replace a version's card, for example with its measured figures; CheckpointError when it was deleted."""
        if not (checkpoint.path / CARD).exists():
            raise CheckpointError(f"{checkpoint.model}@{checkpoint.version} was deleted meanwhile.")
        write_json(checkpoint.path / CARD, asdict(card))
        return Checkpoint(checkpoint.path, card)

    def promote(self, model: str, version: str) -> None:
        """Let a version serve: one small file, replaced atomically. One that serves already stays as it is."""
        if not (self.open(model, version).path / WEIGHTS).exists():
            raise CheckpointError(f"{model}/{version}/{WEIGHTS} is missing; promote another version.")
        previous = self.serving(model)
        if version != previous:
            write_json(self.written / model / POINTER, {"version": version, "previous": previous})

    def previous(self, model: str) -> str | None:
        """The version that served before the last promotion; None where :meth:`serving` is, and before a second one."""
        try:
            return self._pointer(model)["previous"]
        except CheckpointError:
            return None

    def rollback(self, model: str) -> str:
        """Let the version serve again that served before the last promotion; returns its name."""
        previous = self._pointer(model)["previous"]
        if previous is None:
            raise CheckpointError(f"{model} has had no other version to roll back to.", "no_version_before")
        if previous not in self.versions(model):
            message = f"{model}@{previous}, which served before, was deleted; promote another version."
            raise CheckpointError(message, "previous_gone")
        self.promote(model, previous)
        return previous

    def delete(self, model: str, version: str) -> None:
        """Remove a version that was trained here and does not serve, be it damaged or not."""
        _check_names(model, version)
        if self.serving(model) == version:
            message = f"{model}@{version} serves; promote another version before deleting it."
            raise CheckpointError(message, "version_serves")
        path = self.written / model / version
        if not path.exists():
            self.open(model, version)  # there is none, or else
            message = f"{model}@{version} is shipped with Prospero and cannot be deleted."
            raise CheckpointError(message, "version_shipped")
        doomed = path.with_name(f".{version}.deleted")
        shutil.rmtree(doomed, ignore_errors=True)
        path.rename(doomed)  # at once: nobody finds half of it
        shutil.rmtree(doomed)

    def shipped(self, checkpoint: Checkpoint) -> bool:
        """Whether a version came with Prospero, so that it cannot be deleted."""
        return not checkpoint.path.is_relative_to(self.written)


@lru_cache(maxsize=256)  # workers ask with every request
def _check_names(*names: str) -> None:
    """CheckpointError for what people type that names no folder of ours: nothing may lead elsewhere."""
    for name in names:
        plain = Path(name).name == name != "" and not name.startswith(".") and name.isprintable()
        if not plain or len(name.encode()) > LONGEST:
            raise CheckpointError(f"{name!r} names no model or version; `python -m models list` shows those.")


def _for_storage(tensor: Tensor) -> Tensor:
    """Matrices in half the space; vectors (norms, biases) are small and stay as they are."""
    tensor = tensor.detach().cpu().contiguous()
    return tensor.to(torch.bfloat16) if tensor.is_floating_point() and tensor.ndim >= 2 else tensor


def read_json(file: Path) -> Any:
    """The content of a file, parsed anew only after it was written anew: workers ask with every request."""
    return _parse(file, _state(file))


def _state(file: Path) -> State:
    state = file.stat()
    return state.st_ino, state.st_mtime_ns, state.st_size


@lru_cache(maxsize=256)  # versions in use; the file's state is part of the key
def _parse(file: Path, state: State) -> Any:
    return json.loads(file.read_text())


@lru_cache(maxsize=256)
def _card(file: Path, state: State, model: str, version: str) -> Card:
    card = Card(**_parse(file, state))
    card.check(model, version)
    return card


def write_json(file: Path, content: Mapping[str, Any]) -> None:
    """Write beside, sync, then replace; of several processes that do so at once, the last one's content stays."""
    file.parent.mkdir(parents=True, exist_ok=True)
    beside = file.with_name(f".{file.name}.{secrets.token_hex(4)}.part")
    try:
        with beside.open("w", encoding="utf-8") as out:
            json.dump(content, out, indent=2, ensure_ascii=False)
            out.write("\n")
            out.flush()
            os.fsync(out.fileno())
        beside.replace(file)
    finally:
        beside.unlink(missing_ok=True)  # of a full disk: what was there before stays
