"""``/settings``: what the managers of a server choose for it, in a panel that only they see."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

import discord
from discord import app_commands
from discord.ext import commands

from bot.errors import Refusal
from bot.guild_settings import ANYWHERE, Choices
from bot.locale import CATALOGUES, command_text, translate
from bot.views import Lasting

if TYPE_CHECKING:
    from bot.client import Bot

OWN = "own"  # the value of each person's own language
LANGUAGES = ["en-US" if language == "en" else language for language in CATALOGUES]  # as Discord names them

QUOTAS = (0, 5, 10, 20, 40, 100)  # requests an hour; 0 sets no limit
LENGTHS = (100, 200, 400, 800, 1_600, 3_200)  # characters: from a line to two messages
TEMPERATURES = (0.0, 0.3, 0.5, 0.8, 1.0, 1.2)  # hotter ones are hardly words any more
MOST_CHANNELS = 25  # that one of Discord's menus takes

Menu = discord.ui.Select[Any] | discord.ui.ChannelSelect[Any]


class Choose(Lasting[Menu], template="settings:(?P<choice>[a-z]+)"):
    """One menu of the panel: what is chosen there holds at once."""

    def __init__(self, menu: Menu, choice: str) -> None:
        menu.custom_id = f"settings:{choice}"
        super().__init__(menu)
        self.choice = choice

    @classmethod
    async def from_custom_id(
        cls, interaction: discord.Interaction[Any], item: discord.ui.Item[Any], match: re.Match[str], /
    ) -> Self:
        assert isinstance(item, discord.ui.Select | discord.ui.ChannelSelect)
        return cls(item, match["choice"])

    async def press(self, interaction: discord.Interaction[Bot]) -> None:
        guild = _managed(interaction)
        await interaction.client.guild_settings.change(guild, **{self.choice: self._chosen()})
        choices = interaction.client.guild_settings.of(interaction)
        await interaction.response.edit_message(
            content=_summary(choices, interaction.locale), view=_panel(choices, interaction.locale)
        )

    def _chosen(self) -> object:
        if isinstance(self.item, discord.ui.ChannelSelect):
            return tuple(channel.id for channel in self.item.values)
        (value,) = self.item.values
        match self.choice:
            case "language":
                return None if value == OWN else value
            case "temperature":
                return float(value)
            case _:
                return int(value)


class Settings(commands.Cog):
    """What a server's managers choose."""

    help_key = "help.settings"
    help_place = 42

    def __init__(self, bot: Bot) -> None:
        self.bot = bot
        bot.add_buttons(Choose)

    @app_commands.command(
        name=command_text("command.settings.name"),
        description=command_text("command.settings.description"),
        extras=ANYWHERE,
    )
    @app_commands.allowed_contexts(guilds=True, dms=False, private_channels=False)
    @app_commands.allowed_installs(guilds=True, users=False)
    @app_commands.default_permissions(manage_guild=True)
    async def settings(self, interaction: discord.Interaction[Bot]) -> None:
        _managed(interaction)
        choices = self.bot.guild_settings.of(interaction)
        await interaction.response.send_message(
            _summary(choices, interaction.locale), view=_panel(choices, interaction.locale), ephemeral=True
        )


def _managed(interaction: discord.Interaction[Bot]) -> int:
    """The server that the person behind the interaction manages; raises Refusal if they do not."""
    if interaction.guild_id is None or not interaction.permissions.manage_guild:
        raise Refusal("error.managers_only")
    return interaction.guild_id


def _summary(choices: Choices, locale: discord.Locale) -> str:
    if not choices.channels:
        return translate(locale, "settings.everywhere")
    return translate(locale, "settings.only_in", channels=" ".join(f"<#{channel}>" for channel in choices.channels))


def _panel(choices: Choices, locale: discord.Locale) -> discord.ui.View:
    languages = [(OWN, translate(locale, "settings.own_language"))]
    for language in LANGUAGES:
        name = translate(discord.Locale(language), "settings.language_name")
        languages.append((language, translate(locale, "settings.language", name=name)))
    quotas = [(str(quota), translate(locale, "settings.quota", count=quota)) for quota in QUOTAS if quota]
    quotas.insert(0, ("0", translate(locale, "settings.no_quota")))
    lengths = [(str(length), translate(locale, "settings.length", count=length)) for length in LENGTHS]
    temperatures = [(str(heat), translate(locale, "settings.temperature", temperature=heat)) for heat in TEMPERATURES]
    channels: discord.ui.ChannelSelect[Any] = discord.ui.ChannelSelect(
        channel_types=[discord.ChannelType.text, discord.ChannelType.news, discord.ChannelType.forum],
        placeholder=translate(locale, "settings.channels"),
        min_values=0,
        max_values=MOST_CHANNELS,
        default_values=[discord.Object(channel) for channel in choices.channels],
    )
    view = discord.ui.View(timeout=None)
    view.add_item(Choose(_menu(languages, choices.language or OWN), "language"))
    view.add_item(Choose(channels, "channels"))
    view.add_item(Choose(_menu(quotas, str(choices.quota)), "quota"))
    view.add_item(Choose(_menu(lengths, str(choices.length)), "length"))
    view.add_item(Choose(_menu(temperatures, str(choices.temperature)), "temperature"))
    return view


def _menu(options: Sequence[tuple[str, str]], chosen: str) -> discord.ui.Select[Any]:
    """A menu of values with their labels, which say what they are about; the one that holds is shown."""
    return discord.ui.Select(
        options=[discord.SelectOption(value=value, label=label, default=value == chosen) for value, label in options]
    )


async def setup(bot: Bot) -> None:
    await bot.add_cog(Settings(bot))
