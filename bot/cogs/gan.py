"""``/gan``: pictures that never existed, from seeds: sheets of them, numbers, variations and walks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import discord
from discord import app_commands
from discord.ext import commands

from bot.errors import Refusal
from bot.live_message import LiveMessage
from bot.locale import command_text
from bot.picture import Picture
from bot.picture_recipes import LONGEST_LIST, MOST, SHARES, STOPS, STRENGTH, command, kind, read_trails
from bot.recipes import Recipe, check_range, read_seed
from bot.result import perform
from worker.schemas.models import ModelInfo
from worker.schemas.pictures import MAX_DIGITS

if TYPE_CHECKING:
    from bot.client import Bot

FAMILY = "gan"
MOST_CHOICES = 25  # that Discord shows
HIGHEST_LABEL = 999  # which labels a model has, it says itself

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
}

Command = TypeVar("Command", bound=Callable[..., Any])
Share = app_commands.Range[float, 0.0, 1.0]
Label = app_commands.Range[int, 0, HIGHEST_LABEL]


def options(*names: str) -> Callable[[Command], Command]:
    """Gives a command's options their names and descriptions in every language."""

    def decorate(command: Command) -> Command:
        named = app_commands.rename(**{name: NAMES[name] for name in names})(command)
        return app_commands.describe(**{name: DESCRIPTIONS[name] for name in names})(named)

    return decorate


class Gan(commands.Cog):
    """Pictures by generators that were trained against a judge."""

    help_key = "help.gan"

    gan = app_commands.Group(name=command_text("command.gan.name"), description=command_text("command.gan.description"))

    def __init__(self, bot: Bot) -> None:
        self.bot = bot
        for operation in ("sample", "number", "vary", "walk"):
            bot.operations[f"{FAMILY} {operation}"] = self.perform
            bot.commands_of[f"{FAMILY} {operation}"] = command

    @gan.command(
        name=command_text("command.gan_sample.name"), description=command_text("command.gan_sample.description")
    )
    @options("model", "count", "seed", "truncation", "label")
    async def sample(
        self,
        interaction: discord.Interaction[Bot],
        model: str = "",
        count: app_commands.Range[int, 1, MOST] = MOST,
        seed: str | None = None,
        truncation: Share = 1.0,
        label: Label | None = None,
    ) -> None:
        check_range("count", count, 1, MOST)
        parameters = {"n": count, "truncation": truncation, "label": label}
        await self.perform(interaction, _recipe(interaction, "sample", model, seed, parameters))

    @gan.command(
        name=command_text("command.gan_number.name"), description=command_text("command.gan_number.description")
    )
    @options("digits", "model", "seed", "truncation")
    async def number(
        self,
        interaction: discord.Interaction[Bot],
        digits: app_commands.Range[str, 1, MAX_DIGITS],
        model: str = "",
        seed: str | None = None,
        truncation: Share = 1.0,
    ) -> None:
        if not (digits.isascii() and digits.isdigit() and len(digits) <= MAX_DIGITS):
            raise Refusal("error.digits", most=MAX_DIGITS)
        parameters = {"prompt": digits, "truncation": truncation}
        await self.perform(interaction, _recipe(interaction, "number", model, seed, parameters))

    @gan.command(name=command_text("command.gan_vary.name"), description=command_text("command.gan_vary.description"))
    @options("picture", "model", "count", "strength", "seed", "truncation", "label")
    async def vary(
        self,
        interaction: discord.Interaction[Bot],
        picture: app_commands.Range[str, 1, LONGEST_LIST],
        model: str = "",
        count: app_commands.Range[int, 1, MOST] = MOST,
        strength: Share = STRENGTH,
        seed: str | None = None,
        truncation: Share = 1.0,
        label: Label | None = None,
    ) -> None:
        check_range("count", count, 1, MOST)
        around = read_trails(picture)[0]
        parameters = {"around": around, "strength": strength, "n": count, "truncation": truncation, "label": label}
        await self.perform(interaction, _recipe(interaction, "vary", model, seed, parameters))

    @gan.command(name=command_text("command.gan_walk.name"), description=command_text("command.gan_walk.description"))
    @options("model", "pictures", "seed", "strength", "truncation", "label")
    async def walk(
        self,
        interaction: discord.Interaction[Bot],
        model: str = "",
        pictures: app_commands.Range[str, 1, LONGEST_LIST] | None = None,
        seed: str | None = None,
        strength: Share = STRENGTH,
        truncation: Share = 1.0,
        label: Label | None = None,
    ) -> None:
        parameters: dict[str, Any] = {"strength": strength, "truncation": truncation, "label": label}
        if pictures is None:
            parameters["n"] = STOPS
        else:
            parameters["stops"] = read_trails(pictures, least=2)
        await self.perform(interaction, _recipe(interaction, "walk", model, seed, parameters))

    @sample.autocomplete("model")
    @vary.autocomplete("model")
    @walk.autocomplete("model")
    async def suggest(self, interaction: discord.Interaction[Bot], typed: str) -> list[app_commands.Choice[str]]:
        """Models, and versions of the one that is typed."""
        return _choices(self.bot.catalogue.heard(FAMILY), typed)

    @number.autocomplete("model")
    async def suggest_digits(self, interaction: discord.Interaction[Bot], typed: str) -> list[app_commands.Choice[str]]:
        """The same of those that know the ten digits."""
        return _choices(_writers(self.bot.catalogue.heard(FAMILY)), typed)

    async def perform(self, interaction: discord.Interaction[Any], recipe: Recipe) -> None:
        """Answers ``interaction`` with the pictures that ``recipe`` asks for, and keeps what came of it."""
        picture = Picture(recipe, interaction.locale)
        await perform(interaction, picture, partial(self._draw, picture, interaction.filesize_limit))

    async def _draw(self, picture: Picture, max_bytes: int, message: LiveMessage) -> None:
        if not picture.recipe.model:
            picture.recipe = replace(picture.recipe, model=await self._usual_model(kind(picture.recipe)))
        await picture.draw(self.bot.worker, max_bytes, message)

    async def _usual_model(self, operation: str) -> str:
        """The model meant when none is named; raises Refusal when there is none."""
        models = await self.bot.catalogue.ask(FAMILY)
        if operation == "number":
            models = _writers(models)
        if not models:
            raise Refusal("error.no_digits_gan" if operation == "number" else "error.no_gan")
        return models[0].id


def _recipe(
    interaction: discord.Interaction[Bot], operation: str, model: str, seed: str | None, parameters: dict[str, Any]
) -> Recipe:
    for share in SHARES:
        check_range(share, parameters.get(share, 1), 0, 1)
    check_range("label", parameters.get("label") or 0, 0, HIGHEST_LABEL)
    name, _, version = model.strip().partition("@")
    return Recipe(
        owner=interaction.user.id,
        operation=f"{FAMILY} {operation}",
        model=name,
        version=version or None,
        parameters=parameters,
        seed=None if seed is None else read_seed(seed),
    )


def _writers(models: Sequence[ModelInfo]) -> list[ModelInfo]:
    """Those whose classes are the ten digits."""
    return [model for model in models if model.classes == 10]


def _choices(models: Sequence[ModelInfo], typed: str) -> list[app_commands.Choice[str]]:
    names = [model.id for model in models]
    names += [f"{model.id}@{version}" for model in models for version in reversed(model.versions)]
    fitting = [name for name in names if typed.strip().lower() in name.lower()]
    return [app_commands.Choice(name=name, value=name) for name in fitting[:MOST_CHOICES]]


async def setup(bot: Bot) -> None:
    await bot.add_cog(Gan(bot))
