"""What the managers of servers chose: the language of answers, where they are given, how many, and how texts begin."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from typing import Any, Self

import aiosqlite
import discord
from discord import app_commands

from bot.errors import Refusal
from bot.store import Store, StoreError

USUAL_LENGTH = 400  # characters: a short exchange on the stage
USUAL_TEMPERATURE = 0.8  # livelier than the most likely text, still mostly words

ANYWHERE = {"anywhere": True}  # the extras of a command that answers in every channel: only who asks sees its answer


class Elsewhere(Refusal, app_commands.CheckFailure):
    """The managers of this server want answers in other channels."""


@dataclass(frozen=True)
class Choices:
    """What holds in one server, and in direct messages as it stands here."""

    language: str | None = None  # Discord's name of a locale; None: each person's own
    channels: tuple[int, ...] = ()  # that answers are given in; none named: everywhere
    quota: int = 0  # requests that a person may make in an hour; 0: as many as they like
    length: int = USUAL_LENGTH  # characters of a text whose length nobody gave
    temperature: float = USUAL_TEMPERATURE  # the same for temperature


class GuildSettings:
    """Every server's choices: in the store, and in memory since each interaction asks for them."""

    def __init__(self, store: Store, chosen: dict[int, Choices]) -> None:
        self._store = store
        self._chosen = chosen

    @classmethod
    async def load(cls, store: Store) -> Self:
        """Raises StoreError if what was chosen cannot be read."""
        try:
            rows = await store.rows("SELECT guild, choices FROM guild_settings")
            return cls(store, {guild: _read(choices) for guild, choices in rows})
        except (aiosqlite.Error, ValueError, TypeError, KeyError) as error:
            raise StoreError(
                f"{store.path} is damaged or of a newer Prospero, for what servers chose cannot be read ({error}):"
                " update this one, or move the file away and start again."
            ) from error

    def of(self, interaction: discord.Interaction[Any]) -> Choices:
        """What holds where the interaction is; channels that were deleted since are not named any more."""
        choices = self._chosen.get(interaction.guild_id or 0, Choices())
        guild = interaction.client.get_guild(interaction.guild_id or 0)  # None where the bot itself is no member
        if not choices.channels or guild is None or guild.unavailable:
            return choices  # which channels there are is not known, or not yet
        there = (channel for channel in choices.channels if guild.get_channel(channel))
        return replace(choices, channels=tuple(there))

    def locale(self, interaction: discord.Interaction[Any]) -> discord.Locale:
        """The language of an answer that everyone there sees; one that a single person sees has that person's own."""
        language = self.of(interaction).language
        return interaction.locale if language is None else discord.Locale(language)

    def check_channel(self, interaction: discord.Interaction[Any]) -> None:
        """Raises Elsewhere unless answers may be given where the interaction is; a thread counts as its channel."""
        channels = self.of(interaction).channels
        here = {interaction.channel_id}
        if isinstance(interaction.channel, discord.Thread):
            here.add(interaction.channel.parent_id)
        if channels and here.isdisjoint(channels):
            raise Elsewhere("error.elsewhere", channels=" ".join(f"<#{channel}>" for channel in channels))

    async def change(self, guild: int, **choices: Any) -> None:
        """Keeps the choices that are given; the others stay."""
        self._chosen[guild] = replace(self._chosen.get(guild, Choices()), **choices)
        kept = json.dumps(asdict(self._chosen[guild]))
        await self._store.change("INSERT OR REPLACE INTO guild_settings VALUES (?, ?)", [guild, kept])


def _read(choices: str) -> Choices:
    kept = json.loads(choices)
    return Choices(**kept | {"channels": tuple(kept["channels"])})
