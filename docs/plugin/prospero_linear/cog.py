"""``/linear``: a picture through a linear autoencoder, as an example of a plug-in's command."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import discord
from discord import app_commands
from discord.ext import commands

from bot import locale
from bot.examined import examine
from bot.picture_options import asked, options
from bot.picture_recipes import command

if TYPE_CHECKING:
    from bot.client import Bot

locale.add(Path(__file__).parent / "locale")


class Linear(commands.Cog):
    """What linear autoencoders make of pictures."""

    help_key = "help.linear"
    help_place = 25

    linear = app_commands.Group(
        name=locale.command_text("command.linear.name"), description=locale.command_text("command.linear.description")
    )

    def __init__(self, bot: Bot) -> None:
        bot.operations["linear reconstruct"] = examine  # by which its buttons find it again after a restart
        bot.commands_of["linear reconstruct"] = command

    @linear.command(
        name=locale.command_text("command.reconstruct.name"),
        description=locale.command_text("command.linear_reconstruct.description"),
    )
    @options("image", "model")
    async def reconstruct(
        self, interaction: discord.Interaction[Bot], image: discord.Attachment, model: str = ""
    ) -> None:
        await examine(interaction, asked(interaction, model), image)


async def setup(bot: Bot) -> None:
    await bot.add_cog(Linear(bot))
