"""``/dataset``: pictures and texts that operators hand in for trainings."""

from __future__ import annotations

from typing import TYPE_CHECKING

import aiohttp
import discord
from discord import app_commands

from bot.audit import Entry
from bot.confirmation import ask
from bot.errors import Refusal
from bot.live_message import Attached
from bot.locale import command_text, translate
from bot.markdown import escape
from bot.operators import OperatorButton, OperatorCog, offered_to_operators
from bot.table import table
from bot.training_message import left_out
from bot.training_options import options
from worker.schemas.training import File

if TYPE_CHECKING:
    from bot.client import Bot

LARGEST = 100 * 2**20  # bytes of a file: what a well-boosted server takes, and what the bot can hold in memory
LONGEST_NAME = 32  # characters, as the worker keeps it
SHOWN = 20  # data sets in a list, so that it fits a message
EXCERPT = 300  # characters of a text


class DeleteDataset(
    OperatorButton, action="delete-dataset", label_key="button.delete_surely", style=discord.ButtonStyle.danger
):
    """Deletes a data set, named by its file, once an operator was asked."""

    async def press(self, interaction: discord.Interaction[Bot]) -> None:
        await interaction.response.defer()
        files = await interaction.client.catalogue.ask_files()
        file = next((file for file in files if file.id == self.subject), None)
        if file is None:
            raise Refusal("error.dataset_gone")
        await interaction.client.trainings.delete_file(file.id)
        said = await _note(interaction, "delete dataset", file.name)
        await interaction.edit_original_response(content=said, view=None)


class Dataset(OperatorCog):
    """Data sets from chat."""

    help_key = "help.dataset"
    help_place = 51

    dataset = offered_to_operators(
        app_commands.Group(
            name=command_text("command.dataset.name"), description=command_text("command.dataset.description")
        )
    )

    @dataset.command(name=command_text("command.add.name"), description=command_text("command.dataset_add.description"))
    @options("file", "name")
    async def add(
        self,
        interaction: discord.Interaction[Bot],
        file: discord.Attachment,
        name: app_commands.Range[str, 1, LONGEST_NAME],
    ) -> None:
        if file.size > LARGEST:
            raise Refusal("error.file_large", size=file.size // 2**20 + 1, largest=LARGEST // 2**20)
        await interaction.response.defer(ephemeral=True, thinking=True)
        kept = await self.bot.trainings.upload(name.strip(), file.filename, await _content(file))
        await _note(interaction, "add dataset", kept.name)
        locale = interaction.locale
        attachments = []
        if kept.found.sheet is not None:
            sheet = await self.bot.trainings.sheet(kept.found.sheet)
            shown = translate(locale, "dataset.shows", name=kept.name)
            if sheet is not None:
                attachments.append(Attached("sheet.png", sheet, shown).file())
        await interaction.edit_original_response(content=_found(kept, locale), attachments=attachments)

    @dataset.command(
        name=command_text("command.list.name"), description=command_text("command.dataset_list.description")
    )
    async def list_them(self, interaction: discord.Interaction[Bot]) -> None:
        await interaction.response.defer(ephemeral=True, thinking=True)
        locale = interaction.locale
        trainable = await self.bot.catalogue.ask_trainable()
        handed_in = {file.name: file for file in await self.bot.catalogue.ask_files()}
        rows = [
            [one.name, _kind(one.kind, locale), str(handed_in[one.name].found.items) if one.name in handed_in else ""]
            for one in trainable.datasets[:SHOWN]
        ]
        head = [translate(locale, key) for key in ("dataset.column_name", "dataset.column_kind", "dataset.column_size")]
        listed = table(head, rows, left=2) if rows else translate(locale, "dataset.none")
        await interaction.edit_original_response(content=listed)

    @dataset.command(
        name=command_text("command.delete.name"), description=command_text("command.dataset_delete.description")
    )
    @options("handed_in")
    async def delete(self, interaction: discord.Interaction[Bot], handed_in: str) -> None:
        await interaction.response.defer(ephemeral=True, thinking=True)
        file = await _handed_in(self.bot, handed_in.strip())
        question = translate(interaction.locale, "confirm.delete_dataset", name=escape(file.name))
        await ask(interaction, question, DeleteDataset(file.id, interaction.locale))


async def _content(file: discord.Attachment) -> bytes:
    """What is in a file that is handed in; raises Refusal if it cannot be had."""
    try:
        return await file.read()
    except (discord.HTTPException, aiohttp.ClientError, TimeoutError) as error:
        raise Refusal("error.file_away") from error


async def _handed_in(bot: Bot, named: str) -> File:
    """The data set with that name; raises Refusal if nobody handed one in."""
    files = await bot.catalogue.ask_files()
    file = next((file for file in files if file.name == named), None)
    if file is None:
        known = ", ".join(file.name for file in files[:SHOWN]) or "–"
        raise Refusal("error.not_handed_in", name=escape(named), known=known)
    return file


async def _note(interaction: discord.Interaction[Bot], act: str, name: str) -> str:
    """Writes into the audit log what was done to a data set; the sentence about it."""
    assert interaction.guild_id is not None  # an operator acts in a server
    entry = Entry(interaction.user.id, interaction.guild_id, act, name)
    await interaction.client.audit.write(entry)
    return entry.sentence(interaction.locale)


def _found(file: File, locale: discord.Locale) -> str:
    """What the check of a data set found, and how to use it."""
    found = file.found
    key = "dataset.has_pictures" if found.kind == "pictures" else "dataset.has_text"
    lines = [translate(locale, key, name=escape(file.name), count=found.items)]
    if found.left_out:
        lines.append(translate(locale, "dataset.left_out", reasons=left_out(found, locale)))
    if found.excerpt:
        lines.append("```\n" + found.excerpt[:EXCERPT].replace("`", "'") + "\n```")
    lines.append(translate(locale, "dataset.use", name=file.name))
    return "\n".join(lines)


def _kind(kind: str, locale: discord.Locale) -> str:
    return translate(locale, "dataset.pictures" if kind == "pictures" else "dataset.text")


async def setup(bot: Bot) -> None:
    bot.add_buttons(DeleteDataset)
    await bot.add_cog(Dataset(bot))
