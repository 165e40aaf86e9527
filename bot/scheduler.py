"""When which message may be edited: one schedule a channel, so that many growing texts share it without a jam."""

import asyncio
from collections.abc import Hashable
from contextvars import ContextVar
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Protocol

import aiohttp

SHORTEST_GAP = 0.25  # seconds between edits in a channel that nobody waits for; more would not be seen one by one
TOO_MANY_OLD_EDITS = 30046  # Discord's error code: of messages that are older than an hour


class Editable(Protocol):
    """A message that has something newer to show than what Discord has."""

    channel_id: int
    dirty: bool  # Discord's state is behind; push clears it once it is not
    last_edit: float  # when it was edited last, in the event loop's seconds
    not_before: float  # when it may be tried again, in the event loop's seconds

    @property
    def urgent(self) -> bool:
        """Whether someone waits for this very edit: the first characters, or the final text."""

    @property
    def bucket(self) -> Hashable:
        """What Discord counts its edits under: those of one interaction, or of all the channel."""

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
            self._channels = {key: channel for key, channel in self._channels.items() if not channel.idle}
            channel = self._channels[message.channel_id] = _Channel()
        channel.submit(message)

    @staticmethod
    def trace() -> aiohttp.TraceConfig:
        """What shows the scheduler the headers of every answer, which discord.py keeps to itself."""

        async def on_request_end(
            session: aiohttp.ClientSession, context: SimpleNamespace, params: aiohttp.TraceRequestEndParams
        ) -> None:
            edit = _edit.get()
            if edit is not None and not await _concerns_old_messages_alone(params.response):
                channel, bucket = edit
                channel.learn(bucket, params.response)

        trace = aiohttp.TraceConfig()
        trace.on_request_end.append(on_request_end)
        return trace


@dataclass
class _Budget:
    """What one rate limit leaves, as two times in the event loop's seconds.

    What someone waits for goes from ``free_at``, when Discord accepts the next edit at all. All else goes from
    ``even_at``, which spreads what is left over the rest of the window and so keeps one edit for the urgent.
    """

    free_at: float = 0.0
    even_at: float = 0.0


class _Channel:
    """One channel's messages that wait for an edit, and what is known of its rate limits."""

    def __init__(self) -> None:
        self._waiting: list[Editable] = []
        self._pushing: dict[Editable, asyncio.Task[None]] = {}
        self._changed = asyncio.Event()
        self._runner: asyncio.Task[None] | None = None
        self._loop = asyncio.get_running_loop()
        self._budgets: dict[Hashable, _Budget] = {}
        self._next_at = 0.0  # for edits that nobody waits for
        self._held_until = 0.0  # for all, after Discord said that there were too many

    @property
    def idle(self) -> bool:
        """Whether nothing would be lost by forgetting this channel."""
        self._forget_spent_budgets()
        return not (self._waiting or self._pushing or self._budgets or self._held_until > self._loop.time())

    def submit(self, message: Editable) -> None:
        if message in self._pushing:
            return  # it comes back by itself if it is still dirty after this push
        if message not in self._waiting:
            self._waiting.append(message)
        self._changed.set()
        if self._runner is None or self._runner.done():
            self._runner = asyncio.create_task(self._run(), name=f"edits-{message.channel_id}")

    def learn(self, bucket: Hashable, response: aiohttp.ClientResponse) -> None:
        """Takes in the rate-limit headers of the answer to an edit."""
        now = self._loop.time()
        if response.status == 429:
            self._held_until = now + float(response.headers.get("Retry-After", "1"))
        remaining = response.headers.get("X-RateLimit-Remaining")
        seconds = response.headers.get("X-RateLimit-Reset-After")
        if remaining is None or seconds is None:
            return
        self._forget_spent_budgets()
        if int(remaining) == 0:
            self._budgets[bucket] = _Budget(now + float(seconds), now + float(seconds))
        else:
            self._budgets[bucket] = _Budget(now, now + float(seconds) / int(remaining))

    def _forget_spent_budgets(self) -> None:
        now = self._loop.time()
        self._budgets = {bucket: budget for bucket, budget in self._budgets.items() if budget.even_at > now}

    async def _run(self) -> None:
        while self._waiting:
            self._changed.clear()
            now = self._loop.time()
            ready = [message for message in self._waiting if self._due(message) <= now]
            if ready:
                message = min(ready, key=lambda message: (not message.urgent, message.last_edit))
                self._waiting.remove(message)
                self._next_at = now + SHORTEST_GAP
                self._pushing[message] = asyncio.create_task(self._push(message))
            else:
                await _either(self._changed, min(map(self._due, self._waiting)) - now)

    def _due(self, message: Editable) -> float:
        budget = self._budgets.get(message.bucket, _Budget())
        own = budget.free_at if message.urgent else max(budget.even_at, self._next_at)
        return max(own, self._held_until, message.not_before)

    async def _push(self, message: Editable) -> None:
        _edit.set((self, message.bucket))
        await message.push()
        message.last_edit = self._loop.time()
        del self._pushing[message]
        if message.dirty:
            self.submit(message)


_edit: ContextVar[tuple[_Channel, Hashable] | None] = ContextVar("edit", default=None)  # what the request is for


async def _concerns_old_messages_alone(response: aiohttp.ClientResponse) -> bool:
    """Whether this refuses the edit of an old message, which discord.py sends again, and says nothing of any other."""
    if response.status != 429:
        return False
    try:
        refusal = await response.json()  # the response keeps what was read for discord.py
    except (aiohttp.ContentTypeError, ValueError):  # of something in front of Discord
        return False
    return isinstance(refusal, dict) and refusal.get("code") == TOO_MANY_OLD_EDITS


async def _either(event: asyncio.Event, delay: float) -> None:
    """Waits for ``event``, but for ``delay`` seconds at most."""
    try:
        await asyncio.wait_for(event.wait(), delay)
    except TimeoutError:
        return
