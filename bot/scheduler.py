"""When which message may be edited: one schedule a channel, since Discord counts a channel's edits together."""

import asyncio
from collections.abc import Mapping
from contextvars import ContextVar
from types import SimpleNamespace
from typing import Protocol

import aiohttp

SHORTEST_GAP = 0.25  # seconds between edits that nobody waits for; faster ones would not be seen one by one


class Editable(Protocol):
    """A message that has something newer to show than what Discord has."""

    channel_id: int
    dirty: bool  # Discord's state is behind; cleared by push once it is not
    last_edit: float  # when it was edited last, in the event loop's seconds
    not_before: float  # when it may be tried again, in the event loop's seconds

    @property
    def urgent(self) -> bool:
        """Whether someone waits for this very edit: the first characters, or the final text."""

    async def push(self) -> None:
        """Sends one request that brings Discord's state nearer to the newest; handles its failure."""


class Scheduler:
    """Gives every channel's messages their turns, as fast as the headers of Discord's answers allow."""

    def __init__(self) -> None:
        self._channels: dict[int, _Channel] = {}

    def submit(self, message: Editable) -> None:
        """Lets ``message`` be pushed as soon as it is its turn, until it is no longer dirty."""
        channel = self._channels.get(message.channel_id)
        if channel is None:
            now = asyncio.get_running_loop().time()
            self._channels = {key: channel for key, channel in self._channels.items() if not channel.forgettable(now)}
            channel = self._channels[message.channel_id] = _Channel()
        channel.submit(message)

    @staticmethod
    def trace() -> aiohttp.TraceConfig:
        """What shows the scheduler the headers of every answer, which discord.py keeps to itself."""

        async def on_request_end(
            session: aiohttp.ClientSession, context: SimpleNamespace, params: aiohttp.TraceRequestEndParams
        ) -> None:
            channel = _editing.get()
            if channel is not None:
                channel.learn(params.response.headers)

        trace = aiohttp.TraceConfig()
        trace.on_request_end.append(on_request_end)
        return trace


class _Channel:
    """One channel's messages that wait for an edit, and what is left of its rate limit.

    Two times say when an edit may go. ``free_at`` is when Discord accepts the next one at all, and what someone waits
    for goes then. ``even_at`` spreads what is left evenly over the rest of the window, and all else waits for it, so
    that a burst of growing texts leaves room for the urgent.
    """

    def __init__(self) -> None:
        self._waiting: list[Editable] = []
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._loop = asyncio.get_running_loop()
        self.free_at = 0.0
        self.even_at = 0.0

    def forgettable(self, now: float) -> bool:
        return not self._waiting and max(self.free_at, self.even_at) < now and (self._task is None or self._task.done())

    def submit(self, message: Editable) -> None:
        if message not in self._waiting:
            self._waiting.append(message)
        self._changed.set()
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run(), name=f"edits-{message.channel_id}")

    def learn(self, headers: Mapping[str, str]) -> None:
        """Takes in one answer's rate-limit headers."""
        now = self._loop.time()
        remaining, seconds = headers.get("X-RateLimit-Remaining"), headers.get("X-RateLimit-Reset-After")
        if remaining is None or seconds is None:
            return
        if int(remaining) == 0:
            self.free_at = self.even_at = now + float(seconds)
        else:
            self.even_at = now + max(SHORTEST_GAP, float(seconds) / int(remaining))

    async def _run(self) -> None:
        _editing.set(self)
        while self._waiting:
            self._changed.clear()
            now = self._loop.time()
            ready = [message for message in self._waiting if self._due(message) <= now]
            if not ready:
                delay = min(self._due(message) for message in self._waiting) - now
                await _either(self._changed, delay)
                continue
            message = min(ready, key=lambda message: (not message.urgent, message.last_edit))
            self._waiting.remove(message)
            self.even_at = now + SHORTEST_GAP
            await message.push()
            message.last_edit = self._loop.time()
            if message.dirty and message not in self._waiting:
                self._waiting.append(message)

    def _due(self, message: Editable) -> float:
        return max(self.free_at if message.urgent else self.even_at, message.not_before)


_editing: ContextVar[_Channel | None] = ContextVar("editing", default=None)  # whose edit the current request is


async def _either(event: asyncio.Event, delay: float) -> None:
    """Waits for ``event``, but for ``delay`` seconds at most."""
    try:
        await asyncio.wait_for(event.wait(), delay)
    except TimeoutError:
        return
