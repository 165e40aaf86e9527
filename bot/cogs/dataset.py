"""``/dataset``: pictures and texts that operators hand in for trainings."""

from __future__ import annotations

from typing import TYPE_CHECKING

import aiohttp
import discord
from discord import app_commands

from bot.acknowledgement import defer
from bot.audit import Entry
from bot.confirmation import ask
from bot.draft import Attached
from bot.errors import Refusal
from bot.locale import command_text, number, translate
from bot.markdown import escape
from bot.operators import OperatorButton, OperatorCog, offered_to_operators
from bot.training_options import options
from worker.schemas.training import File, Found

if TYPE_CHECKING:
    from bot.client import Bot

LARGEST = 100 * 2**20  # bytes of a file: what a well-boosted server takes, and what the bot can hold in memory
LONGEST_NAME = 32  # characters, as the worker keeps it
SHOWN = 20  # data sets in a list, so that it fits a message
EXCERPT = 300  # characters of a text
LEFT_OUT = {  # why something of what was handed in is left out, by the worker's codes
    "damaged": "dataset.damaged",
    "duplicate": "dataset.duplicate",
    "no_picture": "dataset.no_picture",
    "too_large": "dataset.too_large",
    "unreadable": "dataset.unreadable",
}


class DeleteDataset(
    OperatorButton, action="delete-dataset", label_key="button.delete_surely", style=discord.ButtonStyle.danger
):
    """Deletes a data set, named by its file, once an operator was asked."""

    async def press(self, interaction: discord.Interaction[Bot]) -> None:
        await defer(interaction)
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
        await defer(interaction, ephemeral=True, thinking=True)
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
        await defer(interaction, ephemeral=True, thinking=True)
        locale = interaction.locale
        trainable = await self.bot.catalogue.ask_trainable()
        handed_in = {file.name: file for file in await self.bot.catalogue.ask_files()}
        lines = [
            f"`{one.name}` · {_what(one.kind, handed_in.get(one.name), locale)}" for one in trainable.datasets[:SHOWN]
        ]
        await interaction.edit_original_response(content="\n".join(lines) or translate(locale, "dataset.none"))

    @dataset.command(
        name=command_text("command.delete.name"), description=command_text("command.dataset_delete.description")
    )
    @options("handed_in")
    async def delete(self, interaction: discord.Interaction[Bot], handed_in: str) -> None:
        await defer(interaction, ephemeral=True, thinking=True)
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
    if file is None and files:
        known = ", ".join(file.name for file in files[:SHOWN])
        raise Refusal("error.not_handed_in", name=escape(named), known=known)
    if file is None:
        raise Refusal("error.none_handed_in", name=escape(named))
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
    lines = [translate(locale, key, name=escape(file.name), count=number(locale, found.items))]
    if found.left_out:
        lines.append(translate(locale, "dataset.left_out", reasons=_left_out(found, locale)))
    if found.excerpt:
        lines.append("```\n" + found.excerpt[:EXCERPT].replace("`", "'") + "\n```")
    lines.append(translate(locale, "dataset.use", name=file.name))
    return "\n".join(lines)


def _left_out(found: Found, locale: discord.Locale) -> str:
    """How many of a data set's files are left out, and why."""
    return ", ".join(
        f"{count} × {translate(locale, LEFT_OUT[reason]) if reason in LEFT_OUT else escape(reason)}"
        for reason, count in found.left_out.items()
    )


def _what(kind: str, file: File | None, locale: discord.Locale) -> str:
    """What a data set is made of, and how much of it there is in one that was handed in."""
    pictures = kind == "pictures"
    if file is None:
        return translate(locale, "dataset.pictures" if pictures else "dataset.text")
    key = "dataset.count_pictures" if pictures else "dataset.count_characters"
    return translate(locale, key, count=number(locale, file.found.items))


async def setup(bot: Bot) -> None:
    bot.add_buttons(DeleteDataset)
    await bot.add_cog(Dataset(bot))
