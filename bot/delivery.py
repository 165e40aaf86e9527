"""What is shown in a channel and brought up to date by requests that may fail: tried again, and always settled."""

import asyncio
from collections.abc import Hashable
from typing import ClassVar

import aiohttp
import discord
import structlog

from bot.scheduler import Scheduler

ATTEMPTS = 12  # tries of an edit that Discord could not take: six minutes, while the text that it shows is kept
LONGEST_PAUSE = 60.0  # seconds between two of them; the first is one second, and each is twice as long as the last
UNKNOWN_CHANNEL, UNKNOWN_MESSAGE = 10003, 10008  # Discord's error codes

logger = structlog.get_logger(__name__)


class Delivery:
    """One thing to show, pushed by its channel's schedule; subclasses say how, in requests of one each."""

    attempts: ClassVar[float] = ATTEMPTS

    def __init__(self, channel_id: int, scheduler: Scheduler) -> None:
        self.channel_id = channel_id
        self.gone = False  # deleted, or no longer ours to edit
        self.dirty = False
        self.last_edit = 0.0
        self.not_before = 0.0
        self._scheduler = scheduler
        self._final = False
        self._settled: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._failures = 0

    @property
    def urgent(self) -> bool:
        """Whether someone waits for this very edit."""
        return self._final

    @property
    def bucket(self) -> Hashable:
        """What Discord counts its edits under."""
        return self.channel_id

    async def send_newest(self) -> bool:
        """Sends the one request that Discord's state needs most, if any; returns whether it has all then."""
        raise NotImplementedError

    def touch(self) -> None:
        """There is something newer to show."""
        if not self.gone:
            self.dirty = True
            self._scheduler.submit(self)

    async def finish(self) -> None:
        """Shows the last state; returns once Discord has it or never will. Raises what went wrong unforeseen."""
        self._final = True
        self.touch()
        await self._settled

    async def push(self) -> None:
        """Sends one request and takes its failure."""
        self.dirty = False
        try:
            try:
                complete = await self.send_newest()
            except discord.HTTPException as error:
                self.take_refusal(error)
            except (aiohttp.ClientError, OSError) as error:
                self._try_later(error)
            else:
                self._failures = 0
                self.dirty |= not complete
                if not self.dirty and self._final and not self._settled.done():
                    self._settled.set_result(None)
        except Exception as error:  # a mistake in here must not stop the channel's other messages: finish() raises it
            self._give_up(error)

    def take_refusal(self, error: discord.HTTPException) -> None:
        """Tries again what may yet succeed, and gives the rest up."""
        if error.status >= 500 or error.status == 429:
            self._try_later(error)
            return
        if error.code != UNKNOWN_MESSAGE:
            logger.error("a live message was refused", channel=self.channel_id, error=str(error))
        self._give_up()

    def _try_later(self, error: Exception) -> None:
        self._failures += 1
        if self._failures >= self.attempts:
            logger.error("a live message cannot be delivered", channel=self.channel_id, error=str(error))
            self._give_up()
        else:
            pause = min(2 ** (self._failures - 1), LONGEST_PAUSE)
            self.not_before = asyncio.get_running_loop().time() + pause
            self.dirty = True

    def _give_up(self, error: Exception | None = None) -> None:
        self.gone = True
        self.dirty = False
        if self._settled.done():
            return
        if error is None:
            self._settled.set_result(None)
        else:
            self._settled.set_exception(error)
