"""Image engine: micro-batching. Each batch is of one function, whoever asked for its rows.

A request is rows (latents to be drawn, pictures to be looked at) for a function of a model. It is cut into parts of at
most a batch, which wait in line, so that a long walk does not hold up a single picture. A batch takes the part whose
turn it is and fills up with what else waits for the same function. One that is not full costs as much as a full one: it
waits ``GATHER`` seconds for others, and up to ``PATIENCE`` while the threads have files to read or to write, for which
its pictures would only wait.

On a processor those threads compute the batches as well: a core does one thing to its end, instead of changing between
several whose memory does not fit its cache. Batches, what leads to them and what follows them take turns.
"""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import structlog

from models.batched import Batched, Rows
from worker.engine.crew import Crew, Job
from worker.engine.device import Device
from worker.engine.errands import Errand, Errands
from worker.engine.line import CROWD, Line, Waiting
from worker.engine.order import Batch, Order, Part, Ticket
from worker.engine.stream import Queued
from worker.errors import Closing, DeadlineExceeded, QueueFull

GATHER = 0.004  # seconds; what clients send at the same moment arrives within them, and nobody sees them
PATIENCE = 0.25  # seconds that a batch that is not full waits at most, and who waits before being told of a place
LOOK = 0.02  # seconds after which what is done is handed on at the latest
TOO_LATE = "The pictures took longer than {:g} s; ask for fewer."

log = structlog.get_logger()

Result = TypeVar("Result")


class ImageEngine:
    """Has pictures computed, and files made of them."""

    def __init__(self, device: Device | None, threads: int, queue: int, deadline: float) -> None:
        """Without a device, the threads of the processor compute.

        A request is let in when it and what is served before it are at most ``queue`` parts and errands; it has
        ``deadline`` seconds from its arrival to its last file.
        """
        self.queue, self.deadline = queue, deadline
        self.pictures = 0  # drawn or looked at since the start
        self._device, self._threads = device, threads
        self._loop = asyncio.get_running_loop()
        self._changed = changed = threading.Condition()  # guards the lines, from which other threads take
        self._line: Line[Part] = Line()
        self._leading, self._following = Errands(changed, threads), Errands(changed, threads)  # computations
        self._large = Errands(changed, 1)  # lead to some, and take much memory
        self._long = Errands(changed, max(1, threads - 1))  # follow some, and leave a thread to what takes a moment
        self._errands = (self._leading, self._large, self._following, self._long)
        self._awaited: dict[asyncio.Future[Any], float] = {}  # answers, and when it is too late for them
        self._gathering = self._looking = False  # whether these are to be called
        self._closed = False
        self._seconds = 0.1  # running mean of what a part adds to the wait
        errands = [kind.take for kind in self._errands]
        self._kinds: deque[Callable[[], Job | None]] = deque(errands if device else [self._next_batch, *errands])
        self._crew = Crew(threads, changed, self._next_job)
        if device:
            device.add(self)

    @property
    def waiting(self) -> int:
        """How many requests wait for their turn, in whatever line."""
        with self._changed:
            return requests(self._line) + sum(len(kind.line) for kind in self._errands)

    def ticket(self, model: str, user: str, tell: Callable[[Queued], None]) -> Ticket:
        """For a request that has just arrived."""
        return Ticket(model, user, self._loop.time() + self.deadline, tell)

    async def compute(self, ticket: Ticket, function: Batched, rows: Rows) -> Rows:
        """The function's answers to the rows; leaving earlier gives the turns that are left to others.

        As for all that follows: QueueFull when there is no room for the request to wait.
        """
        order = Order(function, rows, ticket)
        if not self._gathering:
            self._gathering = True
            self._loop.call_later(GATHER, self._gather)
        return await self._wait(ticket, self._line, order.parts, order.answer)

    async def prepare(self, ticket: Ticket, function: Callable[[], Result], large: bool = False) -> Result:
        """What a function returns that needs no device and comes before a computation.

        ``large`` ones take so much memory that they are done one at a time.
        """
        return await self._run(ticket, self._large if large else self._leading, function)

    async def finish(self, ticket: Ticket, function: Callable[[], Result], long: bool = False) -> Result:
        """What a function returns that needs no device and comes after the computations.

        ``long`` ones take seconds and never all threads, where there are several.
        """
        return await self._run(ticket, self._long if long else self._following, function)

    def close(self) -> None:
        """Tell everybody who waits to leave, and take nothing more."""
        self._closed = True
        for answer in self._awaited:
            if not answer.done():
                answer.set_exception(Closing())
        self._crew.close()

    async def _run(self, ticket: Ticket, kind: Errands, function: Callable[[], Result]) -> Result:
        errand = kind.errand(function)
        return await self._wait(ticket, kind.line, [errand], errand.answer)

    async def _wait(
        self, ticket: Ticket, line: Line[Waiting], items: list[Waiting], answer: asyncio.Future[Result]
    ) -> Result:
        """Stand in line and await the answer; what is left in line then leaves it."""
        if self._closed:
            raise Closing
        with self._changed:
            self._admit(ticket, line, len(items))
            for item in items:
                line.append(ticket.user, item)
        self._awaited[answer] = ticket.deadline
        if not self._looking:
            self._looking = True
            self._loop.call_later(LOOK, self._look)
        self._wake(line, len(items))
        try:
            return await answer
        finally:
            del self._awaited[answer]
            with self._changed:
                for item in items:
                    line.remove(ticket.user, item)

    def _admit(self, ticket: Ticket, line: Line[Any], wanted: int) -> None:
        """Let a request in, once and for all it will have to wait for."""
        others: list[Line[Any]] = [self._line, *(kind.line for kind in self._errands)]
        waiting = sum(map(len, others))
        others.remove(line)
        place = line.position(ticket.user, wanted) + sum(other.position(ticket.user) - 1 for other in others)
        full = place > self.queue or waiting + wanted > CROWD * self.queue
        if not ticket.admitted and waiting and full:
            before = list(line)[: line.position(ticket.user) - 1]
            raise QueueFull(1 + requests(before), retry_after=max(1, math.ceil(self._seconds * waiting)))
        ticket.admitted = True

    def _account(self, batch: Batch) -> None:
        """Take note of what was computed."""
        self.pictures += sum(len(part) for part in batch.parts if part.error is None)
        seconds = batch.seconds / len(batch.parts) / (1 if self._device else self._threads)
        self._seconds += 0.1 * (seconds - self._seconds)

    def _look(self) -> None:
        """Hand on what is done, end what is past its deadline and tell places, for as long as somebody waits."""
        self._looking = bool(self._awaited)
        if self._looking:
            self._loop.call_later(LOOK, self._look)
        self._crew.hand_on()
        now = self._loop.time()
        for answer, deadline in self._awaited.items():
            if deadline < now and not answer.done():
                answer.set_exception(DeadlineExceeded(TOO_LATE.format(self.deadline)))
        with self._changed:
            waiting = dict.fromkeys(part.order for part in self._line if not part.order.begun)
        for position, order in enumerate(waiting, start=1):
            if time.monotonic() - order.parts[0].asked >= PATIENCE:  # for less nobody wants to read of a place
                order.place(position)
        self._wake(self._line, len(waiting))  # for a batch that has waited long enough

    def _gather(self) -> None:
        self._gathering = False
        with self._changed:
            for part in self._line:
                part.gathered = True
            ready = len(self._line)
        self._wake(self._line, ready)

    def _wake(self, line: Line[Any], items: int) -> None:
        """Let those look who take from a line, as many as there are items."""
        if self._device and line is self._line:
            self._device.wake()
        else:
            with self._changed:
                self._changed.notify(items)

    # From here on: other threads.

    def turn(self) -> bool:
        """Compute a batch on the device; False when there is none."""
        with self._changed:
            batch = self._next_batch()
        if batch:
            batch.run()
            self._loop.call_soon_threadsafe(batch.end)
        return batch is not None

    def fail(self, error: Exception) -> None:
        """A turn broke off: a fault of ours, since batches keep their own errors."""
        log.error("turn failed", error=repr(error), exc_info=error)

    def _next_job(self) -> Job | None:
        """Of the kind whose turn it is, so that none waits for all of another."""
        for _ in range(len(self._kinds)):
            take = self._kinds[0]
            self._kinds.rotate(-1)
            if (job := take()) is not None:
                if self._device and not self._errands_wait():
                    self._device.wake()  # a batch that is not full waits no longer
                return job
        return None

    def _next_batch(self) -> Batch | None:
        """What waits for the same function, in the order of their turns; not for as long as its batch may fill up."""
        waiting: dict[Batched, list[Part]] = {}
        for part in self._line:
            waiting.setdefault(part.order.function, []).append(part)
        for function, parts in waiting.items():
            if sum(map(len, parts)) >= function.size or self._ready(parts):
                return Batch(self._taken(parts, function.size), self._account)
        return None

    def _taken(self, parts: list[Part], size: int) -> list[Part]:
        """The first of the parts, and as many of the others as fit into its batch."""
        first, *others = parts
        self._line.take(first.order.ticket.user, first)  # whose next turn comes after everybody else's
        batch, room = [first], size - len(first)
        for part in others:
            if len(part) <= room:
                self._line.remove(part.order.ticket.user, part)
                batch.append(part)
                room -= len(part)
        for part in batch:
            part.order.begun = True
        return batch

    def _ready(self, parts: list[Part]) -> bool:
        """Whether parts that do not fill a batch are computed all the same."""
        if self._errands_wait():
            return time.monotonic() - min(part.asked for part in parts) >= PATIENCE
        return any(part.gathered for part in parts)

    def _errands_wait(self) -> bool:
        """Whether any could be done if a thread were free."""
        return any(kind.ready for kind in self._errands)


def requests(waiting: Iterable[Part | Errand]) -> int:
    """How many requests wait for these."""
    return len({one.order if isinstance(one, Part) else one for one in waiting})
