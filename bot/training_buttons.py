"""The buttons of trainings: to begin one, to cancel it, to go on with it, and to decide on the version it left.

What cannot be undone has two: one asks, and one under the question does it.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import discord

from bot.acknowledgement import defer
from bot.audit import Entry
from bot.confirmation import ask
from bot.draft import view_of
from bot.errors import Refusal
from bot.locale import translate
from bot.operators import OperatorButton
from bot.store import logged_if_unwritten
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
        await defer(interaction)
        await interaction.client.watches.begin(interaction, recipe)
        said = translate(interaction.locale, "training.begun")
        await interaction.edit_original_response(content=said, view=None)


class CancelTraining(
    OperatorButton, action="train-cancel", label_key="button.cancel", style=discord.ButtonStyle.danger
):
    """Asks whether to end a training, named by its job, in the middle."""

    async def press(self, interaction: discord.Interaction[Bot]) -> None:
        await defer(interaction, ephemeral=True, thinking=True)
        await ask_to_cancel(interaction, self.subject)


class CancelSurely(
    OperatorButton, action="train-cancel-surely", label_key="button.cancel_surely", style=discord.ButtonStyle.danger
):
    """Ends it."""

    async def press(self, interaction: discord.Interaction[Bot]) -> None:
        bot = interaction.client
        assert interaction.guild_id is not None  # an operator acts in a server
        await defer(interaction)
        cancelled = await bot.trainings.cancel(self.subject)
        entry = Entry(interaction.user.id, interaction.guild_id, "cancel", cancelled.model)
        await bot.audit.write(entry)
        bot.watches.hurry(self.subject)
        await interaction.edit_original_response(content=entry.sentence(interaction.locale), view=None)


class Resume(OperatorButton, action="train-resume", label_key="button.resume", style=discord.ButtonStyle.primary):
    """Goes on with a training that failed from its last snapshot, in a new live message."""

    async def press(self, interaction: discord.Interaction[Bot]) -> None:
        await defer(interaction)
        await interaction.client.watches.resume(interaction, self.subject)
        await interaction.edit_original_response(view=None)


class Promote(OperatorButton, action="train-promote", label_key="button.promote", style=discord.ButtonStyle.secondary):
    """Lets the version serve that a training left."""

    async def press(self, interaction: discord.Interaction[Bot]) -> None:
        await defer(interaction)
        entry, name = await _decide(interaction, self.subject, "promote")
        await add_line(interaction, entry, RollBack(name, interaction.client.guild_settings.locale(interaction)))


class PromoteBetter(
    Promote, action="train-promote-better", label_key="button.promote", style=discord.ButtonStyle.success
):
    """The same, for a version that measured better."""


class PromoteWorse(
    OperatorButton, action="train-promote-worse", label_key="button.promote", style=discord.ButtonStyle.secondary
):
    """Asks whether to let a version serve that measured worse."""

    async def press(self, interaction: discord.Interaction[Bot]) -> None:
        await _ask_to_decide(interaction, self.subject, "confirm.promote_worse", PromoteSurely)


class PromoteSurely(
    OperatorButton, action="train-promote-surely", label_key="button.promote_surely", style=discord.ButtonStyle.danger
):
    """Lets it serve, and says so in the report; both are named, as "job/message"."""

    async def press(self, interaction: discord.Interaction[Bot]) -> None:
        job, _, report = self.subject.partition("/")
        await defer(interaction)
        entry, name = await _decide(interaction, job, "promote")
        button = RollBack(name, interaction.client.guild_settings.locale(interaction))
        await _tell_report(interaction, int(report), entry, button)


class Keep(OperatorButton, action="train-keep", label_key="button.keep", style=discord.ButtonStyle.secondary):
    """Leaves that version where it is."""

    async def press(self, interaction: discord.Interaction[Bot]) -> None:
        await defer(interaction)
        entry, _ = await _decide(interaction, self.subject, "keep")
        await add_line(interaction, entry)


class Discard(OperatorButton, action="train-discard", label_key="button.discard", style=discord.ButtonStyle.danger):
    """Asks whether to delete that version."""

    async def press(self, interaction: discord.Interaction[Bot]) -> None:
        await _ask_to_decide(interaction, self.subject, "confirm.delete_version", DiscardSurely)


class DiscardSurely(
    OperatorButton, action="train-discard-surely", label_key="button.delete_surely", style=discord.ButtonStyle.danger
):
    """Deletes it, and says so in the report; both are named, as "job/message"."""

    async def press(self, interaction: discord.Interaction[Bot]) -> None:
        job, _, report = self.subject.partition("/")
        await defer(interaction)
        entry, _ = await _decide(interaction, job, "discard")
        await _tell_report(interaction, int(report), entry)


async def ask_to_cancel(interaction: discord.Interaction[Bot], job: str) -> None:
    """Asks whether to end a training as the answer to an interaction that is deferred. Raises WorkerError."""
    asked = await interaction.client.trainings.job(job)
    question = translate(interaction.locale, "confirm.cancel", model=asked.model)
    await ask(interaction, question, CancelSurely(asked.id, interaction.locale))


async def _ask_to_decide(
    interaction: discord.Interaction[Bot], job: str, question_key: str, yes: type[OperatorButton]
) -> None:
    """Asks about the version that a training left, as its report has it; raises Refusal if someone decided already."""
    bot, locale, report = interaction.client, interaction.locale, interaction.message
    assert report is not None
    await defer(interaction, ephemeral=True, thinking=True)
    await _check_undecided(bot, job)
    name = (await bot.trainings.job(job)).fine_tuned_model or ""
    await ask(interaction, translate(locale, question_key, version=name), yes(f"{job}/{report.id}", locale))


async def _tell_report(
    interaction: discord.Interaction[Bot], report: int, entry: Entry, *buttons: OperatorButton
) -> None:
    """Says what was decided where that was asked and in the report, and gives the report other buttons."""
    await interaction.edit_original_response(content=entry.sentence(interaction.locale), view=None)
    channel = interaction.client.get_partial_messageable(interaction.channel_id or 0)
    said = entry.sentence(interaction.client.guild_settings.locale(interaction))
    message = channel.get_partial_message(report)
    with suppress(discord.HTTPException):  # gone or out of reach; whoever presses its buttons is told
        try:
            content = (await message.fetch()).content
        except discord.Forbidden:  # to read what it says; its buttons go all the same
            await message.edit(view=view_of(buttons))
        else:
            await message.edit(content=f"{content}\n{said}", view=view_of(buttons))


async def _check_undecided(bot: Bot, job: str) -> None:
    """Raises Refusal if an operator decided about a training's version already, which tells who that was."""
    watch = await bot.watches.store.read(job)
    if watch.decision is not None:
        if not watch.decider:
            raise Refusal("error.decided_already")
        raise Refusal(DECIDED[watch.decision], who=watch.decider)


async def _decide(interaction: discord.Interaction[Bot], job: str, act: str) -> tuple[Entry, str]:
    """Does what an operator decided, of several at once what the first did; its audit entry, and the version."""
    bot = interaction.client
    async with bot.watches.deciding:
        await _check_undecided(bot, job)
        name = (await bot.trainings.job(job)).fine_tuned_model or ""
        model, _, version = name.partition("@")
        match act:
            case "promote":
                entry = await bot.switching.promote(interaction, model, version)
            case "keep":
                entry = await bot.switching.keep(interaction, model, version)
            case _:
                entry = await bot.switching.discard(interaction, model, version)
        with logged_if_unwritten():  # it is done; not to know it costs a second question
            await bot.watches.store.decide(job, act, interaction.user.id)
    return entry, name


TRAINING_BUTTONS = (
    Begin, CancelTraining, CancelSurely, Resume, Promote, PromoteBetter, PromoteWorse, PromoteSurely, Keep, Discard,
    DiscardSurely,
)  # fmt: skip
