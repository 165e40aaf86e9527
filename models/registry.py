"""Registry: the model families that are installed, built-in ones and plugins alike.

A Python package adds a family with an entry point of the group ``prospero.models`` that names a :class:`Family`.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch

from models.checkpoint import Checkpoint
from models.configuration import Configuration
from models.roles import Role

if TYPE_CHECKING:
    from models.training import Progress, Run, Trained


Direction = Literal["higher", "lower"]


class UnknownModelError(LookupError):
    """No installed family knows the model; the message lists those that exist."""


@dataclass(frozen=True)
class Metric:
    """A figure of a card: its value, unit and what it is to be compared with."""

    value: float
    unit: str
    reference: str = ""
    better: Direction | None = None  # neither is better in a figure that only describes


@dataclass(frozen=True)
class Recipe:
    """How a shipped model is trained: family, data set, and what differs from the family's default configuration."""

    model: str
    family: str
    dataset: str
    licence: str  # of the data set
    config: Mapping[str, Any] = field(default_factory=dict)
    minutes: float = 30.0  # on two CPU cores, unless told otherwise
    gpu_config: Mapping[str, Any] = field(default_factory=dict)  # what differs besides on a graphics card
    gpu_minutes: float | None = None  # there; None: as many

    def on(self, device: torch.device) -> Recipe:
        """The recipe as it is trained on a device."""
        if device.type != "cuda":
            return self
        config = {**self.config, **self.gpu_config}
        return replace(self, config=config, minutes=self.gpu_minutes or self.minutes, gpu_config={}, gpu_minutes=None)


@dataclass(frozen=True)
class Family:
    """What the command line and the worker need of a family of models."""

    name: str
    default: str  # the model meant when only the family is named
    recipes: Mapping[str, Recipe]
    config: type[Configuration]
    train: Callable[[Recipe, Run], Generator[Progress, None, Trained]]
    evaluate: Callable[[Checkpoint, torch.device, bool], dict[str, Metric]]
    # checkpoint, file, count, seed, device; a family that makes nothing to look at has none, and no sheet
    sample: Callable[[Checkpoint, Path, int, int, torch.device], None] | None = None
    sheet: str = "samples.png"  # the file that shows a version's samples beside its weights
    sheet_count: int = 64  # of them
    continues: bool = False  # whether a training can begin from a version's weights
    restore: Callable[[Checkpoint, torch.device], Any] | None = None  # loads the network that takes the roles
    roles: Mapping[type[Role], Callable[[Any], Role]] = field(default_factory=dict)  # what it can be asked for

    @property
    def balances(self) -> bool:
        """Whether its training can show rare pictures more often."""
        return any(field.name == "balance" for field in fields(self.config))

    @property
    def operations(self) -> tuple[str, ...]:
        """What can be asked of a version over HTTP: the last words of its addresses."""
        return tuple(operation for role in self.roles for operation in role.operations)


@cache
def families() -> dict[str, Family]:
    """The installed families by name."""
    found = [point.load() for point in entry_points(group="prospero.models")]
    return {family.name: family for family in found}


def resolve(name: str) -> tuple[Family, Recipe]:
    """The family and recipe of a model, or of a family's default model."""
    for family in families().values():
        if name == family.name:
            return family, family.recipes[family.default]
        if name in family.recipes:
            return family, family.recipes[name]
    known = sorted(model for family in families().values() for model in family.recipes)
    raise UnknownModelError(f"There is no model {name!r}; choose from {', '.join(known)}.")
