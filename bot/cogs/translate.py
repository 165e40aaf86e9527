"""``/translate``: pictures painted over lines, from a sketch or from the edges of a photo."""

from __future__ import annotations

from typing import TYPE_CHECKING

import discord
from discord import app_commands
from discord.ext import commands

from bot.examined import examine
from bot.locale import command_text
from bot.picture_options import LINE_STRENGTH, Share, asked, options
from bot.picture_recipes import command

if TYPE_CHECKING:
    from bot.client import Bot

LINES = [
    app_commands.Choice(name=command_text("choice.auto"), value="auto"),
    app_commands.Choice(name=command_text("choice.sketch"), value="sketch"),
    app_commands.Choice(name=command_text("choice.photo"), value="photo"),
]


class Translate(commands.Cog):
    """Pictures painted over lines."""

    help_key = "help.translate"
    help_place = 23

    def __init__(self, bot: Bot) -> None:
        bot.operations["translate"] = examine
        bot.commands_of["translate"] = command

    @app_commands.command(
        name=command_text("command.translate.name"), description=command_text("command.translate.description")
    )
    @options("image", "lines", "line_strength", "seed", "model")
    @app_commands.choices(lines=LINES)
    async def translate(
        self,
        interaction: discord.Interaction[Bot],
        image: discord.Attachment,
        lines: str = "auto",
        line_strength: Share = LINE_STRENGTH,
        seed: str | None = None,
        model: str = "",
    ) -> None:
        await examine(interaction, asked(interaction, model, seed, lines=lines, strength=line_strength), image)


async def setup(bot: Bot) -> None:
    await bot.add_cog(Translate(bot))
