"""Which version of a model serves: promoted, rolled back, deleted, one change at a time, each in the audit log."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import discord

from bot.audit import NONE, Audit, Entry
from bot.errors import Refusal
from bot.live_message import view_of
from bot.markdown import escape
from bot.operators import OperatorButton
from bot.training_api import TrainingAPI
from worker.schemas.training import Switched

if TYPE_CHECKING:
    from bot.client import Bot


class Switching:
    """Changes versions for the operator behind an interaction; what changes one returns the sentence about it."""

    def __init__(self, trainings: TrainingAPI, audit: Audit) -> None:
        self._trainings = trainings
        self._audit = audit
        self._one_at_a_time = asyncio.Lock()
        self._unlogged: dict[tuple[str, str], Switched] = {}  # promotions that could not be logged, by version

    async def serving(self, model: str) -> str | None:
        """The version that serves; None when none does. Raises WorkerError."""
        return next((one.version for one in await self._trainings.versions(model) if one.serving), None)

    async def promote(self, interaction: discord.Interaction[Bot], model: str, version: str) -> str:
        """Lets a version serve. Raises Refusal if it does already, and WorkerError."""
        async with self._one_at_a_time:
            switched = await self._trainings.promote(model, version)
            if switched.before == switched.now:  # unless what is left to do of an earlier try is to log it
                if (model, version) not in self._unlogged:
                    raise Refusal("error.serves_already", model=escape(model), version=escape(version))
                switched = self._unlogged[model, version]
            self._unlogged[model, version] = switched
            said = await self._done(interaction, "promote", model, switched.before, switched.now)
            del self._unlogged[model, version]
            return said

    async def roll_back(self, interaction: discord.Interaction[Bot], model: str, version: str | None = None) -> str:
        """Lets the version serve again that served before the last promotion, or before that of the one named.

        Raises Refusal if ``version`` is named and serves no more, and WorkerError.
        """
        async with self._one_at_a_time:
            if version is not None:
                serving = await self.serving(model)
                if serving != version:
                    raise Refusal("error.serves_no_more", version=version, serving=serving or NONE)
            promotion = await self._audit.promotion(model, version) if version is not None else None
            if promotion is not None and promotion.before is not None:  # others may have come and gone since
                switched = await self._trainings.promote(model, promotion.before)
            else:
                switched = await self._trainings.roll_back(model)
            return await self._done(interaction, "rollback", model, switched.before, switched.now)

    async def keep(self, interaction: discord.Interaction[Bot], model: str, version: str) -> str:
        """Leaves a version as it is, which is a decision, too."""
        return await self._done(interaction, "keep", model, None, version)

    async def discard(self, interaction: discord.Interaction[Bot], model: str, version: str) -> str:
        """Deletes a version that was just made. Raises WorkerError."""
        async with self._one_at_a_time:
            await self._trainings.delete_version(model, version)
            return await self._done(interaction, "discard", model, version, None)

    async def delete(self, interaction: discord.Interaction[Bot], model: str, version: str) -> str:
        """Deletes a version that does not serve. Raises WorkerError."""
        async with self._one_at_a_time:
            await self._trainings.delete_version(model, version)
            return await self._done(interaction, "delete", model, version, None)

    async def _done(
        self, interaction: discord.Interaction[Bot], act: str, model: str, before: str | None, after: str | None
    ) -> str:
        assert interaction.guild_id is not None  # an operator acts in a server
        entry = Entry(interaction.user.id, interaction.guild_id, act, model, before, after)
        await self._audit.write(entry)
        return entry.sentence(interaction.client.guild_settings.locale(interaction))


class RollBack(OperatorButton, action="rollback", label_key="button.rollback", style=discord.ButtonStyle.danger):
    """Takes back the promotion of a version, named "model@version", as long as that one serves."""

    async def press(self, interaction: discord.Interaction[Bot]) -> None:
        model, _, version = self.subject.partition("@")
        await interaction.response.defer()
        said = await interaction.client.switching.roll_back(interaction, model, version)
        await add_line(interaction, said)


async def add_line(interaction: discord.Interaction[Bot], line: str, *buttons: OperatorButton) -> None:
    """Says something more under the message whose button was pressed, and gives it other buttons."""
    assert interaction.message is not None
    await interaction.edit_original_response(content=f"{interaction.message.content}\n{line}", view=view_of(buttons))
