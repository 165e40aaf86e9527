"""A result in the making: what texts and pictures have in common, and how one answers an interaction."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import TYPE_CHECKING

import aiohttp
import discord

from bot.acknowledgement import defer
from bot.draft import Draft
from bot.errors import sentence
from bot.live_message import LiveMessage
from bot.locale import ordinal, translate
from bot.performances import Interruption
from bot.recipes import Recipe
from bot.store import logged_if_unwritten
from bot.worker_api import WorkerLocked, WorkerRefused

if TYPE_CHECKING:
    from bot.client import Bot

Work = Callable[[LiveMessage], Coroutine[None, None, None]]  # makes a result, and touches the message when it has news


@dataclass
class Result:
    """One result from its first place in the queue to its end; subclasses say what it is and how it is shown."""

    recipe: Recipe
    locale: discord.Locale
    position: int | None = None  # in the queue; None once it is running
    finished: bool = False
    interruption: Interruption | None = None
    failure: str | None = None  # the sentence about what went wrong
    is_lost: bool = False  # something that the recipe needs is there no more, or it asks for what cannot be done

    @property
    def ended(self) -> bool:
        return self.finished or self.interruption is not None or self.failure is not None

    @property
    def begun(self) -> bool:
        """Whether there is something to show for the request."""
        return self.finished

    @property
    def repeatable(self) -> bool:
        """Whether the recipe has all that another try needs."""
        return not self.is_lost

    def draft(self) -> Draft:
        """What the message shall show now."""
        raise NotImplementedError

    def outcome(self) -> Recipe:
        """The recipe as it is to be kept."""
        return self.recipe

    def news(self) -> list[str]:
        """What there is to say about how it goes, a line each."""
        lines = [self.failure] if self.failure is not None else []
        match self.interruption:
            case Interruption.STOPPED:
                lines.append(translate(self.locale, "text.stopped"))
            case Interruption.EXPIRED:
                lines.append(translate(self.locale, "text.expired"))
            case Interruption.RESTARTING:
                lines.append(translate(self.locale, "text.restarting"))
        if self.position is not None and not self.ended:
            lines.append(translate(self.locale, "text.queued", ordinal=ordinal(self.locale, self.position)))
        return lines


async def perform(interaction: discord.Interaction[Bot], result: Result, work: Work) -> None:
    """Does ``work`` as the answer to ``interaction``, which shows the result as it becomes; keeps its recipe.

    What a server's managers chose holds here for results of every kind: the channels, the language, and the quota,
    which is not used up by a request that failed or was stopped before there was anything to show.
    """
    bot = interaction.client
    bot.guild_settings.check_channel(interaction)
    result.locale = bot.guild_settings.locale(interaction)
    with bot.performances.begin(result.recipe) as performance:
        await bot.quota.take(result.recipe, interaction.guild_id, bot.guild_settings.of(interaction).quota)
        try:
            await defer(interaction, thinking=True)
        except (discord.HTTPException, aiohttp.ClientError, OSError):  # too late, or Discord is out of reach
            await bot.quota.give_back(result.recipe)
            raise
        message = LiveMessage(interaction, bot.scheduler, result.draft)
        expiry = None
        if not message.outlives_token:
            expiry = bot.loop.call_later(message.seconds_of_token, performance.interrupt, Interruption.EXPIRED)
        try:
            await bot.recipes.write(result.recipe)
            await performance.until_interrupted(work(message))
        except Exception as error:  # whatever it is, the message ends with a sentence about it
            result.failure = sentence(error, interaction, result.locale)
            result.is_lost |= isinstance(error, WorkerRefused) and not isinstance(error, WorkerLocked)  # that may pass
        finally:
            if expiry is not None:
                expiry.cancel()
        if not result.finished:
            result.interruption = performance.interruption
        with logged_if_unwritten():
            if result.failure is not None or not result.begun:
                await bot.quota.give_back(result.recipe)
            if not result.repeatable:
                await bot.uploads.release(result.recipe)
            await bot.recipes.update(result.outcome())
        await message.finish()
        if not message.gone:
            with logged_if_unwritten():
                await bot.recipes.show(result.recipe.id, message.channel_id, message.ids)
