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
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

import structlog

from models.batched import Batched, Rows
from worker.engine.crew import Crew, Errand, Job
from worker.engine.device import Device
from worker.engine.line import Line, Waiting
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

        ``queue`` parts may wait, and as many errands that lead to some; a request has ``deadline`` seconds from its
        arrival to its last file.
        """
        self.queue, self.deadline = queue, deadline
        self.pictures = 0  # drawn or looked at since the start
        self._device = device
        self._loop = asyncio.get_running_loop()
        self._changed = threading.Condition()  # guards the lines, from which other threads take
        self._line: Line[Part] = Line()
        self._leading: Line[Errand] = Line()  # to computations
        self._following: Line[Errand] = Line()
        self._awaited: dict[asyncio.Future[Any], float] = {}  # answers, and when it is too late for them
        self._gathering = self._looking = False  # whether these are to be called
        self._closed = False
        self._seconds = 0.1  # running mean of what a batch takes
        self.roomy = asyncio.Lock()  # of who prepares what takes so much memory that others have to wait
        errands = [partial(self._next_errand, line) for line in (self._leading, self._following)]
        self._kinds: deque[Callable[[], Job | None]] = deque(errands if device else [self._next_batch, *errands])
        self._crew = Crew(threads, self._changed, self._next_job)
        if device:
            device.add(self)

    @property
    def waiting(self) -> int:
        """How many requests wait for their turn, in whatever line."""
        with self._changed:
            return len({part.order for part in self._line}) + len(self._leading) + len(self._following)

    def ticket(self, model: str, user: str, tell: Callable[[Queued], None]) -> Ticket:
        """For a request that has just arrived."""
        return Ticket(model, user, self._loop.time() + self.deadline, tell)

    async def compute(self, ticket: Ticket, function: Batched, rows: Rows) -> Rows:
        """The function's answers to the rows; leaving earlier gives the turns that are left to others.

        QueueFull when there is no room to wait.
        """
        order = Order(function, rows, ticket)
        self._check_room(ticket, self._line, len(order.parts))
        if not self._gathering:
            self._gathering = True
            self._loop.call_later(GATHER, self._gather)
        return await self._wait(ticket, self._line, order.parts, order.answer)

    async def prepare(self, ticket: Ticket, function: Callable[[], Result]) -> Result:
        """What a function returns that needs no device and comes before a computation; QueueFull as for that."""
        self._check_room(ticket, self._leading, 1)
        return await self._run(ticket, self._leading, function)

    async def finish(self, ticket: Ticket, function: Callable[[], Result]) -> Result:
        """What a function returns that needs no device and comes after the computations."""
        return await self._run(ticket, self._following, function)

    def close(self) -> None:
        """Tell everybody who waits to leave, and take nothing more."""
        self._closed = True
        for answer in self._awaited:
            if not answer.done():
                answer.set_exception(Closing())
        self._crew.close()

    def _check_room(self, ticket: Ticket, line: Line[Any], wanted: int) -> None:
        with self._changed:
            if line and len(line) + wanted > self.queue:
                seconds = max(1, math.ceil(self._seconds * (len(line) + 1)))
                raise QueueFull(line.position(ticket.user), retry_after=seconds)

    async def _run(self, ticket: Ticket, line: Line[Errand], function: Callable[[], Result]) -> Result:
        errand = Errand(function)
        return await self._wait(ticket, line, [errand], errand.answer)

    async def _wait(
        self, ticket: Ticket, line: Line[Waiting], items: list[Waiting], answer: asyncio.Future[Result]
    ) -> Result:
        """Stand in line and await the answer; what is left in line then leaves it."""
        if self._closed:
            raise Closing
        with self._changed:
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

    def _account(self, batch: Batch) -> None:
        """Take note of what was computed."""
        self.pictures += sum(len(part) for part in batch.parts if part.error is None)
        self._seconds += 0.1 * (batch.seconds - self._seconds)

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
                return job
        return None

    def _next_batch(self) -> Batch | None:
        """What waits for the function whose turn it is; nothing for as long as its batch may still fill up."""
        if not self._line:
            return None
        waiting = list(self._line)
        same = [part for part in waiting if part.order.function is waiting[0].order.function]
        size = same[0].order.function.size
        if sum(map(len, same)) < size and not self._ready(same):
            return None
        batch = [self._line.pop()]  # whose user's next turn comes after everybody else's
        room = size - len(batch[0])
        for part in same[1:]:
            if len(part) <= room:
                self._line.remove(part.order.ticket.user, part)
                batch.append(part)
                room -= len(part)
        for part in batch:
            part.order.begun = True
        return Batch(batch, self._account)

    def _ready(self, parts: list[Part]) -> bool:
        """Whether parts that do not fill a batch are computed all the same."""
        if self._leading or self._following:
            return time.monotonic() - min(part.asked for part in parts) >= PATIENCE
        return any(part.gathered for part in parts)

    def _next_errand(self, line: Line[Errand]) -> Errand | None:
        errand = line.pop() if line else None
        if self._device and not self._leading and not self._following:
            self._device.wake()  # a batch that is not full waits no longer
        return errand
