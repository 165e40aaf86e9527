"""``/model``: which models and versions there are, how two compare, and which one serves."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import discord
from discord import app_commands

from bot import figures, sheets
from bot.acknowledgement import defer
from bot.confirmation import ask
from bot.draft import view_of
from bot.errors import Refusal
from bot.locale import command_text, number, translate
from bot.markdown import escape, fitting
from bot.operators import LONGEST_SUBJECT, OperatorButton, OperatorCog, offered_to_operators
from bot.switching import RollBack
from bot.training_options import options
from worker.schemas.models import ModelInfo, ModelList
from worker.schemas.training import VersionInfo

if TYPE_CHECKING:
    from bot.client import Bot

LONGEST_LIST = 1_600  # characters, so that a message has room for what its signs mean


class DeleteVersion(
    OperatorButton, action="delete-version", label_key="button.delete_surely", style=discord.ButtonStyle.danger
):
    """Deletes a version, named "model@version", once an operator was asked."""

    async def press(self, interaction: discord.Interaction[Bot]) -> None:
        model, _, version = self.subject.partition("@")
        await defer(interaction)
        entry = await interaction.client.switching.delete(interaction, model, version)
        await interaction.edit_original_response(content=entry.sentence(interaction.locale), view=None)


class RollBackSurely(
    OperatorButton, action="rollback-surely", label_key="button.rollback", style=discord.ButtonStyle.danger
):
    """Takes a version out of service, named "model@version", once an operator was asked; everyone is told."""

    async def press(self, interaction: discord.Interaction[Bot]) -> None:
        model, _, version = self.subject.partition("@")
        await defer(interaction)
        entry = await interaction.client.switching.roll_back(interaction, model, version)
        await interaction.edit_original_response(content=entry.sentence(interaction.locale), view=None)
        await interaction.followup.send(entry.sentence(interaction.client.guild_settings.locale(interaction)))


class Model(OperatorCog):
    """The versions of the models."""

    help_key = "help.model"
    help_place = 52

    model = offered_to_operators(
        app_commands.Group(
            name=command_text("command.model.name"), description=command_text("command.model.description")
        )
    )

    @model.command(name=command_text("command.list.name"), description=command_text("command.model_list.description"))
    @options("model")
    async def list_them(self, interaction: discord.Interaction[Bot], model: str = "") -> None:
        await defer(interaction, ephemeral=True, thinking=True)
        locale = interaction.locale
        if model.strip():
            listed = _versions((await self.bot.trainings.versions(model.strip())).data, locale)
        else:
            listed = _models(await self.bot.worker.list_models(), locale)
        await interaction.edit_original_response(content=listed)

    @model.command(name=command_text("command.info.name"), description=command_text("command.model_info.description"))
    @options("model", "version")
    async def info(self, interaction: discord.Interaction[Bot], model: str, version: str = "") -> None:
        await defer(interaction, ephemeral=True, thinking=True)
        told = await self.bot.switching.find(model.strip(), version.strip())
        locale = interaction.locale
        name = f"{told.model}@{told.version}"
        state = [translate(locale, "model.serves")] if told.serving else []
        state += [translate(locale, "model.shipped")] if told.shipped else []
        made = translate(
            locale,
            "model.made",
            parameters=number(locale, told.parameters / 1e6, ".2f"),
            dataset=escape(told.dataset),
            when=_when(told),
        )
        lines = [" · ".join([f"**{name}**", *state]), made, f"`{told.command}`"]
        if told.metrics:
            lines += [*figures.lines(told.metrics, told.quick, locale), *_notes([told], locale)]
        samples = await sheets.of_versions(self.bot.trainings, told.model, [(told.version, told.sample)], locale)
        files = [samples.file()] if samples is not None else []
        await interaction.edit_original_response(content="\n".join(lines), attachments=files)

    @model.command(
        name=command_text("command.promote.name"), description=command_text("command.model_promote.description")
    )
    @options("model", "version")
    async def promote(self, interaction: discord.Interaction[Bot], model: str, version: str) -> None:
        await defer(interaction, ephemeral=True, thinking=True)
        chosen = await self.bot.switching.find(model.strip(), version.strip())
        entry = await self.bot.switching.promote(interaction, chosen.model, chosen.version)
        locale = self.bot.guild_settings.locale(interaction)
        subject = f"{chosen.model}@{chosen.version}"
        buttons = [RollBack(subject, locale)] if len(subject) <= LONGEST_SUBJECT else []
        await interaction.edit_original_response(content=entry.sentence(interaction.locale))
        await interaction.followup.send(entry.sentence(locale), view=view_of(buttons) or discord.utils.MISSING)

    @model.command(
        name=command_text("command.rollback.name"), description=command_text("command.model_rollback.description")
    )
    @options("model")
    async def roll_back(self, interaction: discord.Interaction[Bot], model: str) -> None:
        await defer(interaction, ephemeral=True, thinking=True)
        name, locale = model.strip(), interaction.locale
        serving, before = await self.bot.switching.way_back(name)
        subject = f"{name}@{serving}"
        if len(subject) > LONGEST_SUBJECT:
            raise Refusal("error.rollback_name", before=escape(before))
        values = {"model": escape(name), "serving": escape(serving), "before": escape(before)}
        await ask(interaction, translate(locale, "confirm.rollback", **values), RollBackSurely(subject, locale))

    @model.command(
        name=command_text("command.compare.name"), description=command_text("command.model_compare.description")
    )
    @options("model", "version", "other")
    async def compare(self, interaction: discord.Interaction[Bot], model: str, version: str, other: str = "") -> None:
        await defer(interaction, thinking=True)
        find = self.bot.switching.find
        first, second = await find(model.strip(), version.strip()), await find(model.strip(), other.strip())
        if first.version == second.version:
            raise Refusal("error.same_version", version=escape(first.version))
        compared = await self.bot.trainings.compare(first.model, first.version, second.version)
        locale = self.bot.guild_settings.locale(interaction)
        both = [(one.version, one.sample) for one in (first, second)]
        samples = await sheets.of_versions(self.bot.trainings, first.model, both, locale)
        files = [samples.file()] if samples is not None else []
        content = figures.side_by_side(compared.figures, first.version, second.version, locale)
        await interaction.edit_original_response(content=f"**{first.model}**\n{content}", attachments=files)

    @model.command(
        name=command_text("command.delete.name"), description=command_text("command.model_delete.description")
    )
    @options("model", "version")
    async def delete(self, interaction: discord.Interaction[Bot], model: str, version: str) -> None:
        await defer(interaction, ephemeral=True, thinking=True)
        doomed = await self.bot.switching.find(model.strip(), version.strip())
        name = f"{doomed.model}@{doomed.version}"
        if doomed.serving:
            raise Refusal("error.version_serves")
        if doomed.shipped:
            raise Refusal("error.version_shipped")
        if len(name) > LONGEST_SUBJECT:
            raise Refusal("error.version_name")
        question = translate(interaction.locale, "confirm.delete_version", version=name)
        await ask(interaction, question, DeleteVersion(name, interaction.locale))


def _models(models: ModelList, locale: discord.Locale) -> str:
    """A line for each model: which version serves, the figure that decides, and how many versions there are."""
    rows = [
        [f"`{one.id}@{one.version}`", *_deciding(one, locale), *_count(one.versions, locale)] for one in models.data
    ]
    none_serves = translate(locale, "model.none_serves")
    rows += [[f"`{name}`", none_serves, *_count(versions, locale)] for name, versions in models.unserved.items()]
    return _listed(sorted(rows), models.data, locale) if rows else translate(locale, "model.none")


def _versions(versions: Sequence[VersionInfo], locale: discord.Locale) -> str:
    """A line for each version of a model, the newest first."""
    serves = f"**{translate(locale, 'model.serves')}**"
    rows = [
        [f"`{one.version}`", f"<t:{_when(one)}:d>", *_deciding(one, locale), *([serves] if one.serving else [])]
        for one in versions
    ]
    return _listed(rows, versions, locale)


def _listed(rows: Sequence[Sequence[str]], told: Sequence[ModelInfo | VersionInfo], locale: discord.Locale) -> str:
    """As many of the rows as a message holds, and what the signs in them mean."""
    return "\n".join([fitting(map(" · ".join, rows), LONGEST_LIST), *_notes(told, locale)])


def _deciding(measured: ModelInfo | VersionInfo, locale: discord.Locale) -> list[str]:
    """The figure that decides, if there is one."""
    return figures.lines(measured.metrics, measured.quick, locale)[:1]


def _count(versions: Sequence[str], locale: discord.Locale) -> list[str]:
    """How many versions there are, where there are several."""
    return [translate(locale, "model.versions", count=len(versions))] if len(versions) > 1 else []


def _notes(told: Sequence[ModelInfo | VersionInfo], locale: discord.Locale) -> list[str]:
    """What the signs beside figures mean, of those that are there."""
    notes = []
    if any(metric.better for one in told for metric in one.metrics.values()):
        notes.append(translate(locale, "model.signs"))
    if any(one.quick for one in told):
        notes.append(translate(locale, "model.quick"))
    return notes


def _when(version: VersionInfo) -> int:
    """When it was trained, in seconds since the epoch."""
    return int(datetime.fromisoformat(version.created).timestamp())


async def setup(bot: Bot) -> None:
    bot.add_buttons(DeleteVersion, RollBackSurely)
    await bot.add_cog(Model(bot))
