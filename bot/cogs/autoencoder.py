"""``/autoencoder``: pictures through a narrow code and back: what is lost, how short it gets, what is unusual.

Two of its commands are also in the menu of every message, about the picture in it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import discord
from discord import app_commands
from discord.ext import commands

from bot.examined import examine
from bot.locale import command_text
from bot.picture_options import Code, asked, options
from bot.picture_recipes import command
from bot.uploads import first_picture
from bot.vision_recipes import handed_in

if TYPE_CHECKING:
    from bot.client import Bot

RECONSTRUCT, OUTLIER = "autoencoder reconstruct", "autoencoder outlier"


class Autoencoder(commands.Cog):
    """What autoencoders make of pictures."""

    help_key = "help.autoencoder"
    help_place = 22

    autoencoder = app_commands.Group(
        name=command_text("command.autoencoder.name"), description=command_text("command.autoencoder.description")
    )

    def __init__(self, bot: Bot) -> None:
        self.bot = bot
        self._menus = [
            app_commands.ContextMenu(name=command_text("menu.reconstruct"), callback=_reconstruct_picture_in),
            app_commands.ContextMenu(name=command_text("menu.outlier"), callback=_judge_picture_in),
        ]
        for operation in self.autoencoder.commands:
            bot.operations[operation.qualified_name] = examine
            bot.commands_of[operation.qualified_name] = command

    async def cog_load(self) -> None:
        for menu in self._menus:
            self.bot.tree.add_command(menu)

    @autoencoder.command(
        name=command_text("command.reconstruct.name"),
        description=command_text("command.autoencoder_reconstruct.description"),
    )
    @options("image", "model")
    async def reconstruct(
        self, interaction: discord.Interaction[Bot], image: discord.Attachment, model: str = ""
    ) -> None:
        await examine(interaction, asked(interaction, model), image)

    @autoencoder.command(
        name=command_text("command.compress.name"), description=command_text("command.compress.description")
    )
    @options("image", "model")
    async def compress(self, interaction: discord.Interaction[Bot], image: discord.Attachment, model: str = "") -> None:
        await examine(interaction, asked(interaction, model), image)

    @autoencoder.command(
        name=command_text("command.decompress.name"), description=command_text("command.decompress.description")
    )
    @options("code")
    async def decompress(self, interaction: discord.Interaction[Bot], code: Code) -> None:
        await examine(interaction, asked(interaction, code=code.strip()))

    @autoencoder.command(
        name=command_text("command.outlier.name"), description=command_text("command.outlier.description")
    )
    @options("image", "model")
    async def outlier(self, interaction: discord.Interaction[Bot], image: discord.Attachment, model: str = "") -> None:
        await examine(interaction, asked(interaction, model), image)


async def _reconstruct_picture_in(interaction: discord.Interaction[Bot], message: discord.Message) -> None:
    recipe = replace(asked(interaction), operation=RECONSTRUCT)
    await examine(interaction, recipe, first_picture(message), owner=await _whose(interaction, message))


async def _judge_picture_in(interaction: discord.Interaction[Bot], message: discord.Message) -> None:
    recipe = replace(asked(interaction), operation=OUTLIER)
    await examine(interaction, recipe, first_picture(message), owner=await _whose(interaction, message))


async def _whose(interaction: discord.Interaction[Bot], message: discord.Message) -> int | None:
    """The person whose pictures a message has: of a result, whose pictures or words it shows.

    A bot's of which nothing is known are of whoever uses them, and so are those that a message passes on: Discord does
    not say from whom.
    """
    if message.message_snapshots:
        return None
    if not message.author.bot:
        return message.author.id
    shown = await interaction.client.recipes.shown_by(message.id, message.channel.id)
    if shown is None:
        return None
    return next((picture["owner"] for picture in handed_in(shown)), shown.origin or shown.owner)


async def setup(bot: Bot) -> None:
    await bot.add_cog(Autoencoder(bot))
