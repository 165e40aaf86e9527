"""Registry: the model families that are installed, built-in ones and plugins alike.

A Python package adds a family with an entry point of the group ``prospero.models`` that names a :class:`Family`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch

from models.checkpoint import Checkpoint, Store
from models.configuration import Configuration, ConfigurationError
from models.painter import Painter
from models.roles import Role, Sight, Writer

if TYPE_CHECKING:
    from models.training import Progress, Run, Trained

Direction = Literal["higher", "lower"]

logger = logging.getLogger(__name__)


class UnknownModelError(LookupError):
    """No installed family knows the model; the message lists those that exist."""


@dataclass(frozen=True)
class Metric:
    """A figure of a card: its value, unit and what it is to be compared with."""

    value: float
    unit: str
    reference: str = ""
    better: Direction | None = None  # neither is better in a figure that only describes

    def __post_init__(self) -> None:
        """ConfigurationError for a value that is no plain number, such as a tensor, which no card can hold."""
        if not isinstance(self.value, int | float):
            raise ConfigurationError(f"A figure is a {type(self.value).__name__}; make it a number, as float() does.")


@dataclass(frozen=True)
class Recipe:
    """How a shipped model is trained: its data set, and what differs from the family's default configuration."""

    model: str
    dataset: str
    config: Mapping[str, Any] = field(default_factory=dict)
    minutes: float = 30.0  # on two CPU cores, unless told otherwise
    gpu_config: Mapping[str, Any] = field(default_factory=dict)  # what differs besides on a graphics card
    gpu_minutes: float | None = None  # there; None: as many
    licence: str = ""  # of data that a plug-in brings; empty: what models.data says

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

    def __post_init__(self) -> None:
        """ConfigurationError for names that do not agree, and for roles without what they need.

        That is restore and, for those that look at pictures, as all do but painters and writers, Sight.
        """
        for name, recipe in self.recipes.items():
            if name != recipe.model:
                raise ConfigurationError(
                    f"The family {self.name} has the recipe {name} of the model {recipe.model}; give both one name."
                )
        if self.default not in self.recipes:
            raise ConfigurationError(
                f"The family {self.name} has no recipe of its default, {self.default}; choose from "
                f"{', '.join(self.recipes)}."
            )
        if self.roles and self.restore is None:
            raise ConfigurationError(f"The family {self.name} has roles; add restore, which loads what takes them.")
        looking = [role.__name__ for role in self.roles if role not in (Painter, Writer)]
        if looking and Sight not in self.roles:
            raise ConfigurationError(
                f"The family {self.name} has the role {looking[0]}, which looks at pictures; add the role Sight, which "
                "says how they must be."
            )

    @property
    def balances(self) -> bool:
        """Whether its training can show rare pictures more often."""
        return any(field.name == "balance" for field in fields(self.config))

    @property
    def operations(self) -> tuple[str, ...]:
        """What can be asked of a version over HTTP: the last words of its addresses."""
        return tuple(operation for role in self.roles for operation in role.operations)

    def begin(
        self, recipe: Recipe, store: Store, start: str, changes: Mapping[str, str], balance: str | None
    ) -> tuple[Recipe, Checkpoint | None]:
        """The recipe as a training changes it, and the version whose weights that begins with; None for random ones.

        ``start`` is "scratch", "current" or a version's name. ConfigurationError names what the family does not have,
        CheckpointError a version that is not there.
        """
        if start != "scratch" and not self.continues:
            raise ConfigurationError(f"{recipe.model} cannot go on from a version; start from scratch.")
        if balance and not self.balances:
            raise ConfigurationError(f"{recipe.model} has no fair sampling; leave balance out.")
        version = None if start == "scratch" else store.open(recipe.model, None if start == "current" else start)
        config = {**(version.card.config if version else recipe.config), **changes}
        if balance:
            config["balance"] = balance
        self.config.parse(config)
        return replace(recipe, config=config), version


@cache
def families() -> dict[str, Family]:
    """The installed families by name; one that cannot be loaded or takes another's name is told and left out."""
    found: dict[str, Family] = {}
    points = entry_points(group="prospero.models")
    for point in sorted(points, key=lambda point: point.value.partition(".")[0] != __package__):  # built-in ones first
        try:
            family = point.load()
            if not isinstance(family, Family):
                raise ConfigurationError(f"It is a {type(family).__name__} and no Family.")
            _check_names(family, found.values())
        except Exception as error:  # whatever is wrong with it, the others are of use
            told = "The models %r (%s) cannot be loaded and are left out; mend or remove them. %s: %s"
            logger.error(told, point.name, point.value, type(error).__name__, error)
        else:
            found[family.name] = family
    return found


def _check_names(family: Family, others: Iterable[Family]) -> None:
    """ConfigurationError when one of the names by which people call for it is another's."""
    for other in others:
        if shared := {family.name, *family.recipes} & {other.name, *other.recipes}:
            raise ConfigurationError(f"The family {other.name} has the name {min(shared)} already; choose another.")


def resolve(name: str) -> tuple[Family, Recipe]:
    """The family and recipe of a model, or of a family's default model."""
    for family in families().values():
        if name == family.name:
            return family, family.recipes[family.default]
        if name in family.recipes:
            return family, family.recipes[name]
    known = sorted(model for family in families().values() for model in family.recipes)
    raise UnknownModelError(f"There is no model {name!r}; choose from {', '.join(known)}.")
