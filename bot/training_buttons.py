"""The buttons of trainings: to begin one, to cancel it, to go on with it, and to decide on the version it left."""

from __future__ import annotations

from typing import TYPE_CHECKING

import discord

from bot.audit import Entry
from bot.errors import Refusal
from bot.locale import translate
from bot.operators import OperatorButton
from bot.switching import RollBack, add_line

if TYPE_CHECKING:
    from bot.client import Bot

DECIDED = {
    "promote": "error.promoted_already",
    "keep": "error.kept_already",
    "discard": "error.discarded_already",
}


class Begin(OperatorButton, action="train", label_key="button.begin", style=discord.ButtonStyle.primary):
    """Begins the training that a recipe asks for; pressed twice, it does so once."""

    async def press(self, interaction: discord.Interaction[Bot]) -> None:
        recipe = await interaction.client.recipes.read(self.subject)
        await interaction.response.defer()
        await interaction.client.watches.begin(interaction, recipe)
        said = translate(interaction.locale, "training.begun")
        await interaction.edit_original_response(content=said, view=None)


class Leave(OperatorButton, action="train-not", label_key="button.leave", style=discord.ButtonStyle.secondary):
    """Leaves a training alone that was about to begin."""

    async def press(self, interaction: discord.Interaction[Bot]) -> None:
        said = translate(interaction.locale, "training.left")
        await interaction.response.edit_message(content=said, view=None)


class CancelTraining(
    OperatorButton, action="train-cancel", label_key="button.cancel", style=discord.ButtonStyle.danger
):
    """Ends a training, named by its job, in the middle."""

    async def press(self, interaction: discord.Interaction[Bot]) -> None:
        await interaction.response.defer()
        await cancel(interaction, self.subject)


class Resume(OperatorButton, action="train-resume", label_key="button.resume", style=discord.ButtonStyle.primary):
    """Goes on with a training that failed from its last snapshot, in a new live message."""

    async def press(self, interaction: discord.Interaction[Bot]) -> None:
        await interaction.response.defer()
        await interaction.client.watches.resume(interaction, self.subject)
        await interaction.edit_original_response(view=None)


class Promote(OperatorButton, action="train-promote", label_key="button.promote", style=discord.ButtonStyle.success):
    """Lets the version serve that a training left."""

    async def press(self, interaction: discord.Interaction[Bot]) -> None:
        await _decide(interaction, self.subject, "promote")


class Keep(OperatorButton, action="train-keep", label_key="button.keep", style=discord.ButtonStyle.secondary):
    """Leaves that version where it is."""

    async def press(self, interaction: discord.Interaction[Bot]) -> None:
        await _decide(interaction, self.subject, "keep")


class Discard(OperatorButton, action="train-discard", label_key="button.discard", style=discord.ButtonStyle.danger):
    """Deletes that version."""

    async def press(self, interaction: discord.Interaction[Bot]) -> None:
        await _decide(interaction, self.subject, "discard")


async def cancel(interaction: discord.Interaction[Bot], job: str) -> str:
    """Ends a training; returns the sentence about it. Raises WorkerError."""
    bot = interaction.client
    assert interaction.guild_id is not None  # an operator acts in a server
    cancelled = await bot.trainings.cancel(job)
    entry = Entry(interaction.user.id, interaction.guild_id, "cancel", cancelled.model)
    await bot.audit.write(entry)
    bot.watches.hurry(job)
    return entry.sentence(interaction.locale)


async def _decide(interaction: discord.Interaction[Bot], job: str, act: str) -> None:
    """Does what an operator decided, of several at once what the first did; Refusal tells the others who that was."""
    bot = interaction.client
    await interaction.response.defer()
    async with bot.watches.deciding:
        watch = await bot.watches.store.read(job)
        if watch.decision is not None:
            if not watch.decider:
                raise Refusal("error.decided_already")
            raise Refusal(DECIDED[watch.decision], who=watch.decider)
        name = (await bot.trainings.job(job)).fine_tuned_model or ""
        model, _, version = name.partition("@")
        buttons = []
        match act:
            case "promote":
                said = await bot.switching.promote(interaction, model, version)
                buttons.append(RollBack(name, bot.guild_settings.locale(interaction)))
            case "keep":
                said = await bot.switching.keep(interaction, model, version)
            case _:
                said = await bot.switching.discard(interaction, model, version)
        await bot.watches.store.decide(job, act, interaction.user.id)
    await add_line(interaction, said, *buttons)


TRAINING_BUTTONS = (Begin, Leave, CancelTraining, Resume, Promote, Keep, Discard)
