"""``/recipe`` and its entry in the menu of every message: how a result was made, as a command to paste."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import discord
from discord import app_commands
from discord.ext import commands

from bot.errors import Refusal
from bot.guild_settings import ANYWHERE
from bot.locale import command_text
from bot.views import show_recipe

if TYPE_CHECKING:
    from bot.client import Bot

ID = "[0-9]{15,19}"
MESSAGE = re.compile(rf"(?:https?://\S+/channels/(?:[0-9]+|@me)/(?P<channel>{ID})/)?(?P<message>{ID})")
LARGEST_ID = 2**63 - 1  # what SQLite takes; Discord's ids stay below it until 2084


class Recipes(commands.Cog):
    """How results were made."""

    help_key = "help.recipe"
    help_place = 40

    def __init__(self, bot: Bot) -> None:
        self.bot = bot

    async def cog_load(self) -> None:
        menu = app_commands.ContextMenu(name=command_text("menu.recipe"), callback=_of_message, extras=ANYWHERE)
        self.bot.tree.add_command(menu)

    @app_commands.command(
        name=command_text("command.recipe.name"),
        description=command_text("command.recipe.description"),
        extras=ANYWHERE,
    )
    @app_commands.rename(message=command_text("option.message.name"))
    @app_commands.describe(message=command_text("option.message.description"))
    async def recipe(self, interaction: discord.Interaction[Bot], message: str) -> None:
        named = MESSAGE.fullmatch(message.strip())
        if named is None or int(named["message"]) > LARGEST_ID:
            raise Refusal("error.message")
        if named["channel"] is not None and int(named["channel"]) != interaction.channel_id:
            raise Refusal("error.message_elsewhere", channel=named["channel"])
        await _show(interaction, int(named["message"]))


async def _of_message(interaction: discord.Interaction[Any], message: discord.Message) -> None:
    await _show(interaction, message.id)


async def _show(interaction: discord.Interaction[Bot], message: int) -> None:
    recipe = await interaction.client.recipes.shown_by(message, interaction.channel_id or 0)
    if recipe is None:
        raise Refusal("error.no_recipe")
    await show_recipe(interaction, recipe)


async def setup(bot: Bot) -> None:
    await bot.add_cog(Recipes(bot))
