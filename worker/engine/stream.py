"""Stream: how characters travel from the device's thread to the readers on the event loop."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import NamedTuple

from worker.errors import WorkerError
from worker.schemas.completions import FinishReason


class Token(NamedTuple):
    """A character, with its log-probability in nats and the best alternatives where they were asked for."""

    text: str
    logprob: float | None = None
    alternatives: dict[str, float] | None = None


@dataclass
class Piece:
    """The next characters of one choice; the last piece says why it ended."""

    choice: int
    tokens: list[Token]
    finish_reason: FinishReason | None = None


@dataclass(frozen=True)
class Queued:
    """The request waits for a slot at this place, counted from 1."""

    position: int


Event = Piece | Queued | WorkerError


class Stream:
    """The events of one request."""

    def __init__(self, choices: int, outbox: Outbox) -> None:
        self.loop = asyncio.get_running_loop()
        self._outbox = outbox
        self._open = choices
        self._position = 0
        self._events: deque[Event] = deque()
        self._ready = asyncio.Event()

    def put(self, event: Event) -> None:
        """Add an event (device's thread)."""
        self._events.append(event)
        self._outbox.add(self)

    def place(self, position: int) -> None:
        """Tell the reader its place in the line, once for each change (device's thread)."""
        if position != self._position:
            self._position = position
            self.put(Queued(position))

    def wake(self) -> None:
        """Let the reader look (event loop)."""
        self._ready.set()

    async def events(self) -> AsyncIterator[Piece | Queued]:
        """Events until every choice has ended; the characters of a choice that arrived together come as one piece."""
        while self._open:
            await self._ready.wait()
            self._ready.clear()
            for event in self._gathered():
                if isinstance(event, WorkerError):
                    raise event
                if isinstance(event, Piece) and event.finish_reason:
                    self._open -= 1
                yield event

    def _gathered(self) -> list[Event]:
        events: list[Event] = []
        latest: dict[int, Piece] = {}
        while self._events:
            event = self._events.popleft()
            if isinstance(event, Piece):
                if event.choice in latest:
                    latest[event.choice].tokens += event.tokens
                    latest[event.choice].finish_reason = event.finish_reason
                    continue
                latest[event.choice] = event
            events.append(event)
        return events


class Outbox:
    """Streams with news, whose readers are woken together: one call into the event loop instead of one for each."""

    def __init__(self) -> None:
        self._streams: dict[Stream, None] = {}

    def add(self, stream: Stream) -> None:
        self._streams[stream] = None

    def wake(self) -> None:
        """Let all for whom there is news look."""
        awake, self._streams = list(self._streams), {}
        if awake:
            awake[0].loop.call_soon_threadsafe(_wake, awake)


def _wake(streams: list[Stream]) -> None:
    for stream in streams:
        stream.wake()
