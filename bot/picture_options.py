"""The options of picture commands: their names and descriptions in every language, their ranges, suggested models."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import discord
from discord import app_commands

from bot.catalogue import names
from bot.locale import command_text
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

NAMES = {
    "model": command_text("option.model.name"),
    "seed": command_text("option.seed.name"),
    "truncation": command_text("option.truncation.name"),
    "label": command_text("option.label.name"),
    "count": command_text("option.count.name"),
    "digits": command_text("option.digits.name"),
    "picture": command_text("option.picture.name"),
    "pictures": command_text("option.pictures.name"),
    "strength": command_text("option.strength.name"),
    "image": command_text("option.image.name"),
    "first": command_text("option.first.name"),
    "second": command_text("option.second.name"),
    "seeds": command_text("option.seeds.name"),
    "animated": command_text("option.animated.name"),
    "dimension": command_text("option.dimension.name"),
    "code": command_text("option.code.name"),
    "lines": command_text("option.lines.name"),
    "line_strength": command_text("option.strength.name"),
}
DESCRIPTIONS = {
    "model": command_text("option.model.description"),
    "seed": command_text("option.picture_seed.description"),
    "truncation": command_text("option.truncation.description"),
    "label": command_text("option.label.description"),
    "count": command_text("option.count.description"),
    "digits": command_text("option.digits.description"),
    "picture": command_text("option.picture.description"),
    "pictures": command_text("option.pictures.description"),
    "strength": command_text("option.strength.description"),
    "image": command_text("option.image.description"),
    "first": command_text("option.first.description"),
    "second": command_text("option.second.description"),
    "seeds": command_text("option.seeds.description"),
    "animated": command_text("option.animated.description"),
    "dimension": command_text("option.dimension.description"),
    "code": command_text("option.code.description"),
    "lines": command_text("option.lines.description"),
    "line_strength": command_text("option.line_strength.description"),
}
RANGES = {  # of options, by the parameters that they give
    "n": ("count", 1, MOST),
    "truncation": ("truncation", 0, 1),
    "strength": ("strength", 0, 1),
    "label": ("label", 0, HIGHEST_LABEL),
    "dimension": ("dimension", 0, HIGHEST_DIMENSION),
}

Command = TypeVar("Command", bound=Callable[..., Any])
Count = app_commands.Range[int, 1, MOST]
Share = app_commands.Range[float, 0.0, 1.0]
Label = app_commands.Range[int, 0, HIGHEST_LABEL]
Dimension = app_commands.Range[int, 0, HIGHEST_DIMENSION]
Code = app_commands.Range[str, 1, MAX_CODE]
Trails = app_commands.Range[str, 1, LONGEST_LIST]


def options(*given: str) -> Callable[[Command], Command]:
    """Gives a command's options their names and descriptions in every language, and suggests models for ``model``."""

    def decorate(command: Command) -> Command:
        command = app_commands.rename(**{name: NAMES[name] for name in given})(command)
        command = app_commands.describe(**{name: DESCRIPTIONS[name] for name in given})(command)
        return app_commands.autocomplete(model=suggest)(command) if "model" in given else command

    return decorate


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
