"""``/help``: what Prospero can do, with examples, by topic; ``/about``: what it is, what serves, how it is doing."""

from __future__ import annotations

import asyncio
import math
import re
import time
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Self

import discord
from discord import app_commands
from discord.ext import commands

from bot.acknowledgement import defer
from bot.guild_settings import ANYWHERE
from bot.locale import NONE, command_text, number, translate
from bot.markdown import fitting
from bot.operators import OperatorCog
from bot.views import Lasting
from bot.worker_api import WorkerError
from worker.schemas.models import ModelInfo, Readiness

if TYPE_CHECKING:
    from bot.client import Bot

COLOUR = discord.Colour(0x5B4B8A)  # the violet of Prospero's cloak
OVERVIEW = "overview"
ANY_PLACE = 30  # of a topic whose cog does not say: after verse (10) and pictures (20), before what people keep (40)
MOST_TOPICS = 24  # beside the overview: Discord's menus take 25 options
PATIENCE = 5.0  # seconds; a worker that takes longer to say how it is doing, or is still starting, is not doing well
LONGEST_FIELD = 1_024  # characters that Discord allows


class Topics(Lasting[discord.ui.Select[Any]], template="help"):
    """The menu under the help: shows the examples of one topic, or the overview again."""

    def __init__(self, interaction: discord.Interaction[Bot], chosen: str) -> None:
        titles = {OVERVIEW: translate(interaction.locale, "help.overview")}
        titles |= {name: title for name, (title, _) in _topics(interaction).items()}
        options = [
            discord.SelectOption(value=name, label=title, default=name == chosen) for name, title in titles.items()
        ]
        super().__init__(discord.ui.Select(custom_id="help", options=options))

    @classmethod
    async def from_custom_id(
        cls, interaction: discord.Interaction[Any], item: discord.ui.Item[Any], match: re.Match[str], /
    ) -> Self:
        return cls(interaction, OVERVIEW)

    async def press(self, interaction: discord.Interaction[Bot]) -> None:
        embed, view = _page(interaction, self.item.values[0])
        await interaction.response.edit_message(embed=embed, view=view)


class Help(commands.Cog):
    """The overview of the commands and the state of bot and worker."""

    help_key = "help.about"
    help_place = 43

    def __init__(self, bot: Bot) -> None:
        self.bot = bot
        bot.add_buttons(Topics)

    @app_commands.command(
        name=command_text("command.help.name"), description=command_text("command.help.description"), extras=ANYWHERE
    )
    async def help(self, interaction: discord.Interaction[Bot]) -> None:
        embed, view = _page(interaction, OVERVIEW)
        await interaction.response.send_message(embed=embed, view=view, ephemeral=True)

    @app_commands.command(
        name=command_text("command.about.name"), description=command_text("command.about.description"), extras=ANYWHERE
    )
    async def about(self, interaction: discord.Interaction[Bot]) -> None:
        await defer(interaction, ephemeral=True, thinking=True)
        locale = interaction.locale
        embed = discord.Embed(
            title=f"Prospero {version('prospero')}", description=translate(locale, "about.description"), colour=COLOUR
        )
        latency = _milliseconds(self.bot.latency)  # not finite until Discord has acknowledged a heartbeat
        state = translate(locale, "about.bot_state", library=discord.__version__, milliseconds=latency)
        embed.add_field(name=translate(locale, "about.bot"), value=state, inline=False)
        begun = time.monotonic()
        try:
            async with asyncio.timeout(PATIENCE):
                readiness = await self.bot.worker.readiness()
                models = await self.bot.worker.models()
        except (WorkerError, TimeoutError):
            state = translate(locale, "about.worker_away")
            embed.add_field(name=translate(locale, "about.worker"), value=state, inline=False)
        else:
            state = _worker_state(readiness, (time.monotonic() - begun) / 2, locale)
            embed.add_field(name=translate(locale, "about.worker"), value=state, inline=False)
            embed.add_field(name=translate(locale, "about.models"), value=_serving(models, locale), inline=False)
        await interaction.edit_original_response(embed=embed)


def _topics(interaction: discord.Interaction[Bot]) -> dict[str, tuple[str, str]]:
    """Each topic's title and examples, by the name of the cog that says them as its ``help_key``, a plug-in's too.

    They stand in the order of their cogs' ``help_place``; operators' are for those who may use them.
    """
    helpful = [(name, cog) for name, cog in interaction.client.cogs.items() if hasattr(cog, "help_key")]
    helpful.sort(key=lambda named: getattr(named[1], "help_place", ANY_PLACE))
    topics = {}
    for name, cog in helpful:
        if not isinstance(cog, OperatorCog) or interaction.client.operators.accept(interaction):
            title, _, examples = translate(interaction.locale, cog.help_key).partition("\n")
            topics[name] = (title, examples)
    return dict(list(topics.items())[:MOST_TOPICS])


def _page(interaction: discord.Interaction[Bot], chosen: str) -> tuple[discord.Embed, discord.ui.View]:
    """A topic with all its examples, or the overview with the first of each."""
    locale = interaction.locale
    topics = _topics(interaction)
    if chosen in topics:
        title, examples = topics[chosen]
        embed = discord.Embed(title=title, description=examples, colour=COLOUR)
    else:
        introduction = translate(locale, "help.introduction")
        embed = discord.Embed(title=translate(locale, "help.title"), description=introduction, colour=COLOUR)
        for title, examples in topics.values():
            embed.add_field(name=title, value=examples.partition("\n")[0] or NONE, inline=False)
    view = discord.ui.View(timeout=None)
    view.add_item(Topics(interaction, chosen))
    return embed, view


def _worker_state(state: Readiness, seconds: float, locale: discord.Locale) -> str:
    return translate(
        locale,
        "about.worker_state",
        device=state.device,
        precision=state.precision,
        running=state.running,
        slots=state.slots,
        waiting=state.waiting + state.pictures_waiting,
        milliseconds=_milliseconds(seconds),
    )


def _serving(models: list[ModelInfo], locale: discord.Locale) -> str:
    """A line for each model with the version that serves, as many as fit."""
    lines = []
    for one in models:
        millions = number(locale, one.parameters / 1e6, ".1f")
        lines.append(translate(locale, "about.model", model=f"{one.id}@{one.version}", millions=millions))
    return fitting(lines, LONGEST_FIELD) or NONE


def _milliseconds(seconds: float) -> str:
    return f"{1000 * seconds:.0f}" if math.isfinite(seconds) else "?"


async def setup(bot: Bot) -> None:
    await bot.add_cog(Help(bot))
