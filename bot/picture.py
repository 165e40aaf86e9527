"""Pictures in the making, and how a message shows them: one file with a description, words, small print, buttons."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import discord

from bot import markdown
from bot.draft import Attached, Draft
from bot.errors import Refusal, is_version_gone
from bot.live_message import LiveMessage
from bot.picture_models import usual
from bot.picture_recipes import kind
from bot.result import Result, perform
from bot.views import RecipeButton, Retry, Stop, TryAgain
from bot.worker_api import Queued, WorkerRefused

if TYPE_CHECKING:
    from bot.client import Bot

LONGEST = 1_900  # characters of what is said under pictures; Discord allows 2,000 in all
ENDINGS = {b"\x89PNG": "png", b"GIF8": "gif", b"RIFF": "webp"}  # of file names, by how the worker's files begin

Answer = TypeVar("Answer")


@dataclass
class Picture(Result, Generic[Answer]):
    """One file from its place in the queue to its message; subclasses say what is asked and what comes of it."""

    content: bytes | None = None

    def ask(self, bot: Bot, max_bytes: int) -> AsyncGenerator[Queued | Answer, None]:
        """Has the worker make it; files are to have at most ``max_bytes``. May raise WorkerError and Refusal."""
        raise NotImplementedError

    def take(self, answer: Answer) -> bytes:
        """Takes in what the worker made; returns the file."""
        raise NotImplementedError

    def description(self) -> str:
        """What a person reads who does not see it."""
        raise NotImplementedError

    def name(self) -> str:
        """Of the file, without its ending."""
        raise NotImplementedError

    def findings(self) -> list[str]:
        """What there is to say about it, above the small print, a line each."""
        return []

    def how_it_was_made(self) -> list[str]:
        """The small print, part by part."""
        raise NotImplementedError

    def buttons(self) -> Sequence[RecipeButton]:
        """What can be done with it once it is there."""
        raise NotImplementedError

    async def make(self, bot: Bot, max_bytes: int, message: LiveMessage) -> None:
        """Has the worker make it; ends early when its message is gone."""
        from_code = kind(self.recipe.operation) == "decompress"  # which names its version
        if not self.recipe.model and not from_code:
            self.recipe = replace(self.recipe, model=await usual(bot.catalogue, self.recipe))
        try:
            await self._take_from(self.ask(bot, max_bytes), message)
        except WorkerRefused as error:
            if from_code and is_version_gone(error):
                self.is_lost = True
                raise Refusal("error.code_version_gone") from error
            raise

    async def _take_from(self, asked: AsyncGenerator[Queued | Answer, None], message: LiveMessage) -> None:
        """Takes in what the worker makes once it is there; ends early when the message is gone."""
        async with aclosing(asked) as events:
            async for event in events:
                if not isinstance(event, Queued):
                    self.content = self.take(event)
                    self.finished = True
                    return
                self.position = event.position
                if message.gone:
                    return
                message.touch()

    def draft(self) -> Draft:
        if self.content is None:
            lines = [markdown.small(line) for line in self.news()]
            return Draft(["\n".join(lines)[:LONGEST]], self._buttons_without_it())
        lines = [*self.findings(), markdown.small(" · ".join(self.how_it_was_made()))]
        file = Attached(f"{self.name()}.{ENDINGS[self.content[:4]]}", self.content, self.description())
        return Draft(["\n".join(lines)[:LONGEST]], self.buttons(), file)

    def _buttons_without_it(self) -> Sequence[RecipeButton]:
        if not self.ended:
            return [Stop(self.recipe.id, self.locale)]
        if not self.repeatable:
            return []
        return [(Retry if self.failure is None else TryAgain)(self.recipe.id, self.locale)]


async def show(interaction: discord.Interaction[Any], picture: Picture[Any]) -> None:
    """Answers ``interaction`` with a picture as it becomes, and keeps its recipe."""
    await perform(interaction, picture, partial(picture.make, interaction.client, interaction.filesize_limit))
