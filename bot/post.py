"""An ordinary message in a channel, brought up to date for as long as it lies there, found again after a restart."""

from __future__ import annotations

import math
import secrets
from collections.abc import Awaitable, Callable
from typing import Any

import discord
import structlog

from bot.delivery import UNKNOWN_CHANNEL, Delivery
from bot.draft import Draft, view_of
from bot.scheduler import Scheduler

Sent = Callable[[int], Awaitable[None]]

THREAD_ARCHIVED, NOT_THE_AUTHOR = 50083, 50005  # Discord's error codes

logger = structlog.get_logger(__name__)


class Post(Delivery):
    """One message of the bot's own accord: no interaction's token, whose life ends after minutes, is needed for it.

    ``render`` gives the newest draft, of one page; ``message`` is the id of one that was sent before, and ``sent`` is
    told the id of one that is sent. ``notified`` is the person whom sending it notifies.
    """

    attempts = math.inf  # what it tells is worth telling after the longest outage

    def __init__(
        self,
        channel: discord.PartialMessageable,
        scheduler: Scheduler,
        render: Callable[[], Draft],
        *,
        sent: Sent | None = None,
        message: int | None = None,
        notified: int | None = None,
    ) -> None:
        super().__init__(channel.id, scheduler)
        self._channel = channel
        self._render = render
        self._sent = sent
        self._message = message
        people = [] if notified is None else [discord.Object(notified)]
        self._mentions = discord.AllowedMentions(everyone=False, roles=False, replied_user=False, users=people)
        self._shown: Draft | None = None
        self._nonce = _new_nonce()
        self._channel_gone = False

    @property
    def owed(self) -> bool:
        """Whether what was refused is worth another try later: its channel is still there."""
        return self.gone and not self._channel_gone

    @property
    def urgent(self) -> bool:
        return super().urgent or self._message is None

    async def send_newest(self) -> bool:
        draft = self._render()
        before, self._shown = self._shown, None  # unknown until Discord answers
        sent_again = self._message is None and self._failures > 0
        if before is None or _state(draft) != _state(before):
            await self._put(draft, before)
        if sent_again:  # it may show what it first did
            return False
        self._shown = draft
        return True

    def take_refusal(self, error: discord.HTTPException) -> None:
        if error.code in (THREAD_ARCHIVED, NOT_THE_AUTHOR) and self._message is not None:
            # a new message reopens the thread, and is of the application that is ours now; no edit is
            self._message, self._nonce, self._shown, self.dirty = None, _new_nonce(), None, True
            return
        if error.status == 403:  # what was taken from the bot may be given back
            if not self._failures:
                logger.error("a message is refused for now", channel=self.channel_id, error=str(error))
            self._try_later(error)
            return
        self._channel_gone = error.code == UNKNOWN_CHANNEL
        super().take_refusal(error)

    async def _put(self, draft: Draft, before: Draft | None) -> None:
        changes: dict[str, Any] = {"content": draft.pages[0], "view": view_of(draft.buttons)}
        if before is None or draft.file != before.file:
            changes["attachments"] = [draft.file.file()] if draft.file is not None else []
        if self._message is not None:
            await self._channel.get_partial_message(self._message).edit(**changes)
            return
        changes["files"] = changes.pop("attachments")
        if changes["view"] is None:
            del changes["view"]
        message = await self._channel.send(nonce=self._nonce, allowed_mentions=self._mentions, **changes)
        self._message = message.id
        if self._sent is not None:
            await self._sent(message.id)


def _new_nonce() -> str:
    """By which Discord knows a message that arrived and was not acknowledged."""
    return secrets.token_hex(12)


def _state(draft: Draft) -> tuple[Any, ...]:
    """What two drafts that look the same have in common."""
    return draft.pages[0], [button.custom_id for button in draft.buttons], draft.file
