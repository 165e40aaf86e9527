"""The options of operators' commands: their names and descriptions in every language, and what is suggested."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, TypeVar

import discord
from discord import app_commands

from bot.locale import command_text, translate
from bot.operators import by_operator

if TYPE_CHECKING:
    from bot.client import Bot

MOST_CHOICES = 25  # that Discord shows

NAMES = {
    "model": command_text("option.model.name"),
    "version": command_text("option.version.name"),
    "other": command_text("option.other_version.name"),
}
DESCRIPTIONS = {
    "model": command_text("option.managed_model.description"),
    "version": command_text("option.version.description"),
    "other": command_text("option.other_version.description"),
}

Command = TypeVar("Command", bound=Callable[..., Any])
Choices = list[app_commands.Choice[str]]


def options(*given: str) -> Callable[[Command], Command]:
    """Gives a command's options their names and descriptions in every language, and suggestions where there are any."""

    def decorate(command: Command) -> Command:
        command = app_commands.rename(**{name: NAMES[name] for name in given})(command)
        command = app_commands.describe(**{name: DESCRIPTIONS[name] for name in given})(command)
        suggested = {name: SUGGESTIONS[name] for name in given if name in SUGGESTIONS}
        return app_commands.autocomplete(**suggested)(command)

    return decorate


@app_commands.check(by_operator)
async def suggest_model(interaction: discord.Interaction[Bot], typed: str) -> Choices:
    """The models that there are."""
    return _fitting(((model.id, model.id) for model in interaction.client.catalogue.models), typed)


@app_commands.check(by_operator)
async def suggest_version(interaction: discord.Interaction[Bot], typed: str) -> Choices:
    """The versions of the model that is filled in already, the newest first."""
    named = [model for model in interaction.client.catalogue.models if model.id == interaction.namespace.model]
    serves = translate(interaction.locale, "model.serves")
    versions = [(version, model.version) for model in named for version in reversed(model.versions)]
    return _fitting(((f"{one} ({serves})" if one == serving else one, one) for one, serving in versions), typed)


SUGGESTIONS = {"model": suggest_model, "version": suggest_version, "other": suggest_version}


def _fitting(named: Iterable[tuple[str, str]], typed: str) -> Choices:
    """Choices out of (what is shown, what is meant) that contain what a person typed so far."""
    fitting = [(shown, meant) for shown, meant in named if typed.strip().lower() in meant.lower()]
    return [app_commands.Choice(name=shown, value=meant) for shown, meant in fitting[:MOST_CHOICES]]
