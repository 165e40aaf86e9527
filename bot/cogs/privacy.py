"""``/privacy``: what is kept and why; ``/forget-me``: everything of one person erased at once."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Self

import discord
from discord import app_commands
from discord.ext import commands

from bot.acknowledgement import defer
from bot.guild_settings import ANYWHERE
from bot.locale import command_text, translate
from bot.views import LastingButton

if TYPE_CHECKING:
    from bot.client import Bot


class Forget(LastingButton, template="forget-me"):
    """Erases everything of the person who presses it; only they see it."""

    def __init__(self, locale: discord.Locale) -> None:
        label = translate(locale, "button.forget")
        super().__init__(discord.ui.Button(label=label, style=discord.ButtonStyle.danger, custom_id="forget-me"))

    @classmethod
    async def from_custom_id(
        cls, interaction: discord.Interaction[Any], item: discord.ui.Item[Any], match: re.Match[str], /
    ) -> Self:
        return cls(interaction.locale)

    async def press(self, interaction: discord.Interaction[Bot]) -> None:
        await defer(interaction)
        for forget in interaction.client.forgetters:
            await forget(interaction.user.id)
        await interaction.client.store.scrub()
        content = translate(interaction.locale, "privacy.forgotten")
        await interaction.edit_original_response(content=content, view=None)


class Keep(LastingButton, template="forget-me-not"):
    """Erases nothing."""

    def __init__(self, locale: discord.Locale) -> None:
        label = translate(locale, "button.forget_nothing")
        super().__init__(discord.ui.Button(label=label, custom_id="forget-me-not"))

    @classmethod
    async def from_custom_id(
        cls, interaction: discord.Interaction[Any], item: discord.ui.Item[Any], match: re.Match[str], /
    ) -> Self:
        return cls(interaction.locale)

    async def press(self, interaction: discord.Interaction[Bot]) -> None:
        content = translate(interaction.locale, "privacy.kept")
        await interaction.response.edit_message(content=content, view=None)


class Privacy(commands.Cog):
    """What is kept about people."""

    help_key = "help.privacy"
    help_place = 41

    def __init__(self, bot: Bot) -> None:
        bot.add_buttons(Forget, Keep)

    @app_commands.command(
        name=command_text("command.privacy.name"),
        description=command_text("command.privacy.description"),
        extras=ANYWHERE,
    )
    async def privacy(self, interaction: discord.Interaction[Bot]) -> None:
        await interaction.response.send_message(translate(interaction.locale, "privacy.kept_data"), ephemeral=True)

    @app_commands.command(
        name=command_text("command.forget_me.name"),
        description=command_text("command.forget_me.description"),
        extras=ANYWHERE,
    )
    async def forget_me(self, interaction: discord.Interaction[Bot]) -> None:
        view = discord.ui.View(timeout=None)
        view.add_item(Forget(interaction.locale)).add_item(Keep(interaction.locale))
        question = translate(interaction.locale, "privacy.sure")
        await interaction.response.send_message(question, view=view, ephemeral=True)


async def setup(bot: Bot) -> None:
    await bot.add_cog(Privacy(bot))
