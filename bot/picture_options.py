"""The options of picture commands: their names and descriptions in every language, their ranges, suggested models."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import discord
from discord import app_commands

from bot.catalogue import names
from bot.options import Command, named
from bot.picture_models import suited
from bot.picture_recipes import LONGEST_LIST, MOST
from bot.recipes import Recipe, check_range, read_model, read_seed
from bot.suggestions import choices
from worker.schemas.vision import MAX_CODE

if TYPE_CHECKING:
    from bot.client import Bot

LINE_STRENGTH = 0.5  # of a photo's edges: the lines that a person would draw
HIGHEST_LABEL = 999  # which labels a model has, it says itself
HIGHEST_DIMENSION = 999  # the same for the dimensions of its latent space

TEXTS = {  # of each option: its name and its description
    "model": ("option.model.name", "option.model.description"),
    "seed": ("option.seed.name", "option.picture_seed.description"),
    "truncation": ("option.truncation.name", "option.truncation.description"),
    "label": ("option.label.name", "option.label.description"),
    "count": ("option.count.name", "option.count.description"),
    "digits": ("option.digits.name", "option.digits.description"),
    "picture": ("option.picture.name", "option.picture.description"),
    "pictures": ("option.pictures.name", "option.pictures.description"),
    "strength": ("option.strength.name", "option.strength.description"),
    "image": ("option.image.name", "option.image.description"),
    "first": ("option.first.name", "option.first.description"),
    "second": ("option.second.name", "option.second.description"),
    "seeds": ("option.seeds.name", "option.seeds.description"),
    "animated": ("option.animated.name", "option.animated.description"),
    "dimension": ("option.dimension.name", "option.dimension.description"),
    "code": ("option.code.name", "option.code.description"),
    "lines": ("option.lines.name", "option.lines.description"),
    "line_strength": ("option.strength.name", "option.line_strength.description"),
}
RANGES = {  # of options, by the parameters that they give
    "n": ("count", 1, MOST),
    "truncation": ("truncation", 0, 1),
    "strength": ("strength", 0, 1),
    "label": ("label", 0, HIGHEST_LABEL),
    "dimension": ("dimension", 0, HIGHEST_DIMENSION),
}

Count = app_commands.Range[int, 1, MOST]
Share = app_commands.Range[float, 0.0, 1.0]
Label = app_commands.Range[int, 0, HIGHEST_LABEL]
Dimension = app_commands.Range[int, 0, HIGHEST_DIMENSION]
Code = app_commands.Range[str, 1, MAX_CODE]
Trails = app_commands.Range[str, 1, LONGEST_LIST]


def options(*given: str) -> Callable[[Command], Command]:
    """Gives a command's options their names and descriptions in every language, and suggests models for ``model``."""
    return named(TEXTS, {"model": suggest}, *given)


async def suggest(interaction: discord.Interaction[Bot], typed: str) -> list[app_commands.Choice[str]]:
    """Models that can do what the command is about, and their versions; never waits for the network."""
    command = interaction.command
    assert isinstance(command, app_commands.Command)  # only those have options
    models = suited(interaction.client.catalogue.models, command.qualified_name)
    return choices(((name, name) for name in names(models)), typed)


def asked(interaction: discord.Interaction[Bot], model: str = "", seed: str | None = None, **parameters: Any) -> Recipe:
    """The recipe of what a person asks for with a command; Refusal for values that Discord was to keep in range."""
    for parameter, (option, low, high) in RANGES.items():
        if parameters.get(parameter) is not None:
            check_range(option, parameters[parameter], low, high)
    name, version = read_model(model)
    assert interaction.command is not None
    return Recipe(
        owner=interaction.user.id,
        operation=interaction.command.qualified_name,
        model=name,
        version=version,
        parameters=parameters,
        seed=None if seed is None else read_seed(seed),
    )
