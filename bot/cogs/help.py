"""``/help``: what Prospero can do, with examples; ``/about``: how it is doing."""

from __future__ import annotations

import math
import time
from importlib.metadata import version
from typing import TYPE_CHECKING

import discord
from discord import app_commands
from discord.ext import commands

from bot.locale import command_text, translate
from bot.worker_api import WorkerError

if TYPE_CHECKING:
    from bot.client import Bot

COLOUR = discord.Colour(0x5B4B8A)  # the violet of Prospero's cloak


class Help(commands.Cog):
    """The overview of the commands and the state of bot and worker."""

    help_key = "help.about"

    def __init__(self, bot: Bot) -> None:
        self.bot = bot

    @app_commands.command(name=command_text("command.help.name"), description=command_text("command.help.description"))
    async def help(self, interaction: discord.Interaction[Bot]) -> None:
        locale = interaction.locale
        embed = discord.Embed(
            title=translate(locale, "help.title"), description=translate(locale, "help.introduction"), colour=COLOUR
        )
        for cog in sorted(self.bot.cogs.values(), key=lambda cog: cog is self):  # what this very cog does comes last
            key = getattr(cog, "help_key", None)  # a plug-in's cog may have nothing to say here
            if key is not None:
                title, _, examples = translate(locale, key).partition("\n")
                embed.add_field(name=title, value=examples, inline=False)
        await interaction.response.send_message(embed=embed, ephemeral=True)

    @app_commands.command(
        name=command_text("command.about.name"), description=command_text("command.about.description")
    )
    async def about(self, interaction: discord.Interaction[Bot]) -> None:
        await interaction.response.defer(thinking=True)
        locale = interaction.locale
        embed = discord.Embed(
            title=f"Prospero {version('prospero')}", description=translate(locale, "about.description"), colour=COLOUR
        )
        latency = self.bot.latency  # seconds; not finite until Discord has acknowledged a heartbeat
        embed.add_field(
            name=translate(locale, "about.bot"),
            value=translate(
                locale, "about.bot_state", library=discord.__version__, milliseconds=_milliseconds(latency)
            ),
            inline=False,
        )
        embed.add_field(name=translate(locale, "about.worker"), value=await self._worker_state(locale), inline=False)
        await interaction.edit_original_response(embed=embed)

    async def _worker_state(self, locale: discord.Locale) -> str:
        begun = time.monotonic()
        try:
            state = await self.bot.worker.readiness()
        except WorkerError:
            return translate(locale, "about.worker_away")
        return translate(
            locale,
            "about.worker_state",
            device=state.device,
            precision=state.precision,
            models=", ".join(state.models) or "–",
            running=state.running,
            slots=state.slots,
            waiting=state.waiting,
            milliseconds=_milliseconds(time.monotonic() - begun),
        )


def _milliseconds(seconds: float) -> str:
    return f"{1000 * seconds:.0f}" if math.isfinite(seconds) else "?"


async def setup(bot: Bot) -> None:
    await bot.add_cog(Help(bot))
