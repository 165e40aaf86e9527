"""``/latent``: a model's latent space as a map, and where a picture lies in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import discord
from discord import app_commands
from discord.ext import commands

from bot.examined import examine
from bot.locale import command_text
from bot.picture_options import asked, options
from bot.picture_recipes import command

if TYPE_CHECKING:
    from bot.client import Bot


class Latent(commands.Cog):
    """Maps of latent spaces."""

    help_key = "help.latent"
    help_place = 24

    latent = app_commands.Group(
        name=command_text("command.latent.name"), description=command_text("command.latent.description")
    )

    def __init__(self, bot: Bot) -> None:
        bot.operations["latent map"] = examine
        bot.commands_of["latent map"] = command

    @latent.command(name=command_text("command.map.name"), description=command_text("command.map.description"))
    @options("model", "image")
    async def map(
        self, interaction: discord.Interaction[Bot], model: str = "", image: discord.Attachment | None = None
    ) -> None:
        await examine(interaction, asked(interaction, model), *([] if image is None else [image]))


async def setup(bot: Bot) -> None:
    await bot.add_cog(Latent(bot))
