"""The options of operators' commands: their names and descriptions in every language, and what is suggested."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import discord
from discord import app_commands

from bot.locale import translate
from bot.operators import by_operator
from bot.options import Command, named
from bot.suggestions import choices
from bot.worker_api import WorkerError
from worker.schemas.training import DatasetInfo, Job

if TYPE_CHECKING:
    from bot.client import Bot

TEXTS = {  # of each option: its name and its description
    "model": ("option.model.name", "option.managed_model.description"),
    "version": ("option.version.name", "option.version.description"),
    "other": ("option.other_version.name", "option.other_version.description"),
    "recipe": ("option.model.name", "option.trained_model.description"),
    "dataset": ("option.dataset.name", "option.dataset.description"),
    "minutes": ("option.minutes.name", "option.minutes.description"),
    "steps": ("option.steps.name", "option.steps.description"),
    "start": ("option.start.name", "option.start.description"),
    "balance": ("option.balance.name", "option.balance.description"),
    "promote": ("option.promote.name", "option.promote.description"),
    "seed": ("option.seed.name", "option.training_seed.description"),
    "settings": ("option.settings.name", "option.settings.description"),
    "job": ("option.job.name", "option.job.description"),
    "file": ("option.file.name", "option.file.description"),
    "name": ("option.dataset_name.name", "option.new_dataset.description"),
    "handed_in": ("option.dataset_name.name", "option.old_dataset.description"),
}

Choices = list[app_commands.Choice[str]]


def options(*given: str) -> Callable[[Command], Command]:
    """Gives a command's options their names and descriptions in every language, and suggestions where there are any."""
    return named(TEXTS, SUGGESTIONS, *given)


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
