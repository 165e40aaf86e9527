"""The options of operators' commands: their names and descriptions in every language, and what is suggested."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import discord
from discord import app_commands

from bot.locale import command_text, translate
from bot.operators import by_operator
from bot.suggestions import choices
from bot.worker_api import WorkerError
from worker.schemas.training import DatasetInfo, Job

if TYPE_CHECKING:
    from bot.client import Bot

NAMES = {
    "model": command_text("option.model.name"),
    "version": command_text("option.version.name"),
    "other": command_text("option.other_version.name"),
    "recipe": command_text("option.model.name"),
    "dataset": command_text("option.dataset.name"),
    "minutes": command_text("option.minutes.name"),
    "steps": command_text("option.steps.name"),
    "start": command_text("option.start.name"),
    "balance": command_text("option.balance.name"),
    "promote": command_text("option.promote.name"),
    "seed": command_text("option.seed.name"),
    "settings": command_text("option.settings.name"),
    "job": command_text("option.job.name"),
    "file": command_text("option.file.name"),
    "name": command_text("option.dataset_name.name"),
    "handed_in": command_text("option.dataset_name.name"),
}
DESCRIPTIONS = {
    "model": command_text("option.managed_model.description"),
    "version": command_text("option.version.description"),
    "other": command_text("option.other_version.description"),
    "recipe": command_text("option.trained_model.description"),
    "dataset": command_text("option.dataset.description"),
    "minutes": command_text("option.minutes.description"),
    "steps": command_text("option.steps.description"),
    "start": command_text("option.start.description"),
    "balance": command_text("option.balance.description"),
    "promote": command_text("option.promote.description"),
    "seed": command_text("option.training_seed.description"),
    "settings": command_text("option.settings.description"),
    "job": command_text("option.job.description"),
    "file": command_text("option.file.description"),
    "name": command_text("option.new_dataset.description"),
    "handed_in": command_text("option.old_dataset.description"),
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
    catalogue = interaction.client.catalogue
    names = [*(model.id for model in catalogue.models), *catalogue.unserved]
    return choices(((name, name) for name in names), typed)


@app_commands.check(by_operator)
async def suggest_version(interaction: discord.Interaction[Bot], typed: str) -> Choices:
    """The versions of the model that is filled in already, the newest first."""
    catalogue, name = interaction.client.catalogue, interaction.namespace.model
    serves, serving, versions = translate(interaction.locale, "model.serves"), None, catalogue.unserved.get(name, [])
    for model in catalogue.models:
        if model.id == name:
            serving, versions = model.version, model.versions
    named = ((f"{one} ({serves})" if one == serving else one, one) for one in reversed(versions))
    return choices(named, typed)


@app_commands.check(by_operator)
async def suggest_recipe(interaction: discord.Interaction[Bot], typed: str) -> Choices:
    """The models that can be trained, and how long that usually takes."""
    recipes = interaction.client.catalogue.trainable.recipes
    return choices(((f"{one.model} ({one.minutes:g} min, {one.dataset})", one.model) for one in recipes), typed)


@app_commands.check(by_operator)
async def suggest_dataset(interaction: discord.Interaction[Bot], typed: str) -> Choices:
    """The data sets that there are, and of what."""
    datasets, locale = interaction.client.catalogue.trainable.datasets, interaction.locale
    return choices(((_described(one, locale), one.name) for one in datasets), typed)


@app_commands.check(by_operator)
async def suggest_handed_in(interaction: discord.Interaction[Bot], typed: str) -> Choices:
    """The data sets that were handed in."""
    return choices(((file.name, file.name) for file in interaction.client.catalogue.files), typed)


@app_commands.check(by_operator)
async def suggest_job(interaction: discord.Interaction[Bot], typed: str) -> Choices:
    """The trainings that run or wait, then those that failed and may yet go on; none while the worker is away."""
    try:
        jobs = await interaction.client.trainings.jobs()
    except WorkerError:
        return []
    failed = [job for job in jobs if job.status == "failed"]
    jobs = [job for job in jobs if not job.ended] + failed
    return choices(((_in_words(job, interaction.locale), job.id) for job in jobs), typed)


SUGGESTIONS = {
    "model": suggest_model,
    "version": suggest_version,
    "other": suggest_version,
    "recipe": suggest_recipe,
    "dataset": suggest_dataset,
    "job": suggest_job,
    "handed_in": suggest_handed_in,
}


def _described(dataset: DatasetInfo, locale: discord.Locale) -> str:
    """A data set as it is suggested."""
    words = [translate(locale, "dataset.pictures" if dataset.kind == "pictures" else "dataset.text")]
    if dataset.state != "here":
        key = "option.dataset.to_download" if dataset.state == "to_download" else "option.dataset.missing"
        words.append(translate(locale, key))
    return f"{dataset.name} ({', '.join(words)})"


def _in_words(job: Job, locale: discord.Locale) -> str:
    """A training as it is suggested."""
    state = f", {translate(locale, 'option.job.failed')}" if job.status == "failed" else ""
    return f"{job.model} ({job.training_file}{state})"
