"""Which version of a model serves: promoted, rolled back, deleted, one change at a time, each in the audit log."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import discord

from bot.acknowledgement import defer
from bot.audit import Audit, Entry
from bot.draft import view_of
from bot.errors import Refusal
from bot.locale import NONE
from bot.markdown import escape
from bot.operators import OperatorButton
from bot.training_api import TrainingAPI
from worker.schemas.training import Switched, VersionInfo

if TYPE_CHECKING:
    from bot.client import Bot

NAMED = 20  # versions in a sentence, so that it fits a message


class Switching:
    """Changes versions for the operator behind an interaction; what changes one returns its entry in the audit log."""

    def __init__(self, trainings: TrainingAPI, audit: Audit) -> None:
        self._trainings = trainings
        self._audit = audit
        self._one_at_a_time = asyncio.Lock()
        self._unlogged: dict[tuple[str, str], Switched] = {}  # promotions that could not be logged, by version

    async def serving(self, model: str) -> str | None:
        """The version that serves; None when none does. Raises WorkerError."""
        return (await self._trainings.versions(model)).serving

    async def find(self, model: str, version: str = "") -> VersionInfo:
        """A version, or without a name the one that serves. Raises Refusal when there is none, and WorkerError."""
        versions = await self._trainings.versions(model)
        wanted = version or versions.serving
        for one in versions.data:
            if one.version == wanted:
                return one
        known = ", ".join(one.version for one in versions.data[:NAMED]) or NONE
        if wanted is None:
            raise Refusal("error.none_serves", model=escape(model), known=known)
        raise Refusal("error.no_version", model=escape(model), version=escape(wanted), known=known)

    async def way_back(self, model: str, version: str | None = None) -> tuple[str, str]:
        """The version that serves, and the one that would again if its promotion were taken back.

        Raises Refusal if ``version`` is named and serves no more, or if there is no way back, and WorkerError.
        """
        versions = await self._trainings.versions(model)
        serving = versions.serving
        if version is not None and serving != version:
            raise Refusal("error.serves_no_more", version=escape(version), serving=escape(serving or NONE))
        known = [one.version for one in versions.data]
        if serving is None:
            raise Refusal("error.none_serves", model=escape(model), known=", ".join(known[:NAMED]) or NONE)
        promotion = await self._audit.promotion(model, serving)
        before = promotion.before if promotion is not None else versions.previous  # others may have come and gone since
        if before is None:
            raise Refusal("error.no_version_before")
        if before not in known:
            raise Refusal("error.previous_gone", version=escape(before))
        return serving, before

    async def promote(self, interaction: discord.Interaction[Bot], model: str, version: str) -> Entry:
        """Lets a version serve. Raises Refusal if it does already, and WorkerError."""
        async with self._one_at_a_time:
            switched = await self._trainings.promote(model, version)
            if switched.before == switched.now:  # unless what is left to do of an earlier try is to log it
                if (model, version) not in self._unlogged:
                    raise Refusal("error.serves_already", model=escape(model), version=escape(version))
                switched = self._unlogged[model, version]
            self._unlogged[model, version] = switched
            entry = await self._done(interaction, "promote", model, switched.before, switched.now)
            del self._unlogged[model, version]
            return entry

    async def roll_back(self, interaction: discord.Interaction[Bot], model: str, version: str) -> Entry:
        """Takes a version out of service, for the one before it. Raises Refusal as way_back does, and WorkerError."""
        async with self._one_at_a_time:
            _, before = await self.way_back(model, version)
            switched = await self._trainings.promote(model, before)
            return await self._done(interaction, "rollback", model, switched.before, switched.now)

    async def keep(self, interaction: discord.Interaction[Bot], model: str, version: str) -> Entry:
        """Leaves a version as it is, a decision, too. Raises Refusal if it serves or is gone, and WorkerError."""
        async with self._one_at_a_time:
            if (await self.find(model, version)).serving:
                raise Refusal("error.serves_already", model=escape(model), version=escape(version))
            return await self._done(interaction, "keep", model, None, version)

    async def discard(self, interaction: discord.Interaction[Bot], model: str, version: str) -> Entry:
        """Deletes a version that was just made. Raises WorkerError."""
        async with self._one_at_a_time:
            await self._trainings.delete_version(model, version)
            return await self._done(interaction, "discard", model, version, None)

    async def delete(self, interaction: discord.Interaction[Bot], model: str, version: str) -> Entry:
        """Deletes a version that does not serve. Raises WorkerError."""
        async with self._one_at_a_time:
            await self._trainings.delete_version(model, version)
            return await self._done(interaction, "delete", model, version, None)

    async def _done(
        self, interaction: discord.Interaction[Bot], act: str, model: str, before: str | None, after: str | None
    ) -> Entry:
        assert interaction.guild_id is not None  # an operator acts in a server
        entry = Entry(interaction.user.id, interaction.guild_id, act, model, before, after)
        await self._audit.write(entry)
        return entry


class RollBack(OperatorButton, action="rollback", label_key="button.rollback", style=discord.ButtonStyle.danger):
    """Takes back the promotion of a version, named "model@version", as long as that one serves."""

    async def press(self, interaction: discord.Interaction[Bot]) -> None:
        model, _, version = self.subject.partition("@")
        await defer(interaction)
        await add_line(interaction, await interaction.client.switching.roll_back(interaction, model, version))


async def add_line(interaction: discord.Interaction[Bot], entry: Entry, *buttons: OperatorButton) -> None:
    """Says what was done under the message whose button was pressed, and gives that other buttons."""
    assert interaction.message is not None
    said = entry.sentence(interaction.client.guild_settings.locale(interaction))
    await interaction.edit_original_response(content=f"{interaction.message.content}\n{said}", view=view_of(buttons))
