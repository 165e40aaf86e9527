"""Image engine: micro-batching. Every turn computes batches of one function, whoever asked for them.

A request is rows (latents to be drawn, pictures to be looked at) for a function of a model. It is cut into parts of
what a turn computes at most, which wait in line, so that a long walk does not hold up a single picture. A turn takes
the part whose turn it is and fills up with what else waits for the same function. A batch that is not full waits
``GATHER`` seconds for others, since it costs as much as a full one, and for as long as its pictures would only wait for
encoders.
Files are read and written beside the device's thread, several at once; what leads to a computation does not wait behind
the files of those before, or the device would run dry.
"""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TypeVar

import structlog

from models.batched import Batched, Rows, count, cut, join
from models.cores import cores
from worker.engine.device import Device
from worker.engine.line import Line
from worker.engine.stream import Outbox, Queued
from worker.errors import Closing, DeadlineExceeded, ModelFailed, QueueFull, WorkerError

GATHER = 0.004  # seconds; what clients send at the same moment arrives within them, and nobody sees them
TOO_LATE = "The pictures took longer than {:g} s; ask for fewer."

log = structlog.get_logger()

Result = TypeVar("Result")


@dataclass(frozen=True)
class Ticket:
    """Whose a request is, which may take several computations, and who is told of its places in the line."""

    model: str  # "model@version"
    user: str
    deadline: float  # monotonic seconds
    tell: Callable[[Queued], None]


class Order:
    """A computation on its way: the device's thread tells what happens, its reader on the event loop awaits the end."""

    def __init__(self, function: Batched, rows: Rows, ticket: Ticket, outbox: Outbox) -> None:
        self.function, self.ticket = function, ticket
        self.loop = asyncio.get_running_loop()
        self.answer: asyncio.Future[Rows] = self.loop.create_future()
        self._outbox = outbox
        self._position = 0
        self._done: dict[int, Rows] = {}
        self._news: deque[Queued | Rows | WorkerError] = deque()
        most = function.most
        self.parts = [Part(self, i, cut(rows, i, i + most)) for i in range(0, count(rows), most)]

    def place(self, position: int) -> None:
        """Tell the reader its place in the line, once for each change."""
        if position != self._position:
            self._position = position
            self._put(Queued(position))

    def deliver(self, part: Part, answers: Rows) -> None:
        """Take a part's answers; the last part completes the order."""
        self._done[part.begin] = answers
        if len(self._done) == len(self.parts):
            self._put(join([self._done[begin] for begin in sorted(self._done)]))

    def fail(self, error: WorkerError) -> None:
        """End with an error."""
        self._put(error)

    def wake(self) -> None:
        """Let the reader look (event loop)."""
        while self._news and not self.answer.done():  # it is when the reader left, or another part failed before
            news = self._news.popleft()
            if isinstance(news, Queued):
                self.ticket.tell(news)
            elif isinstance(news, WorkerError):
                self.answer.set_exception(news)
            else:
                self.answer.set_result(news)

    def _put(self, news: Queued | Rows | WorkerError) -> None:
        self._news.append(news)
        self._outbox.add(self)


@dataclass(eq=False)
class Part:
    """Some rows of an order, few enough for one turn."""

    order: Order
    begin: int  # of its rows among the order's
    rows: Rows
    gathered: bool = field(default=False, init=False)  # it waited long enough for others to join it

    def __len__(self) -> int:
        return count(self.rows)


class ImageEngine:
    """Computes pictures on a device."""

    def __init__(self, device: Device, queue: int, deadline: float) -> None:
        """``queue`` turns may wait; a request has ``deadline`` seconds from its arrival to its last picture."""
        self.queue, self.deadline = queue, deadline
        self.pictures = 0  # drawn or looked at since the start
        self._device = device
        self._line: Line[Part] = Line()
        self._lock = threading.Lock()  # guards the line, which both threads use
        self._computing: list[Part] = []
        self._outbox = Outbox()
        self._cores = cores()
        self._preparers = ThreadPoolExecutor(self._cores, thread_name_prefix="preparer")
        self._finishers = ThreadPoolExecutor(self._cores, thread_name_prefix="finisher")
        self._finishing = 0  # calls that the finishers have or are to have
        self._closed = False
        self._seconds = 0.1  # running mean of what a batch takes
        device.add(self)

    @property
    def waiting(self) -> int:
        """How many requests wait for their turn."""
        with self._lock:
            return len({part.order for part in self._line})

    def ticket(self, model: str, user: str, tell: Callable[[Queued], None]) -> Ticket:
        """For a request that has just arrived."""
        return Ticket(model, user, time.monotonic() + self.deadline, tell)

    async def compute(self, ticket: Ticket, function: Batched, rows: Rows) -> Rows:
        """The function's answers to the rows; leaving earlier gives the turns that are left to others.

        QueueFull when there is no room to wait.
        """
        order = Order(function, rows, ticket, self._outbox)
        self._enqueue(order)
        try:
            return await order.answer
        finally:
            self._withdraw(order)

    async def prepare(self, function: Callable[[], Result]) -> Result:
        """What a function returns that needs no device and comes before a computation."""
        return await self._aside(self._preparers, function)

    async def finish(self, function: Callable[[], Result]) -> Result:
        """What a function returns that needs no device and comes after the computations."""
        self._finishing += 1
        try:
            return await self._aside(self._finishers, function)
        finally:
            self._finishing -= 1
            self._nudge()

    def close(self) -> None:
        """Tell everybody who waits to leave, and take nothing more."""
        self._closed = True
        self._device.wake()
        self._preparers.shutdown(wait=False)
        self._finishers.shutdown(wait=False)

    async def _aside(self, threads: ThreadPoolExecutor, function: Callable[[], Result]) -> Result:
        if self._closed:
            raise Closing
        return await asyncio.get_running_loop().run_in_executor(threads, function)

    def _enqueue(self, order: Order) -> None:
        if self._closed:
            raise Closing
        user = order.ticket.user
        with self._lock:
            if self._line and len(self._line) + len(order.parts) > self.queue:
                seconds = max(1, math.ceil(self._seconds * (len(self._line) + 1)))
                raise QueueFull(self._line.position(user), retry_after=seconds)
            for part in order.parts:
                self._line.append(user, part)
        asyncio.get_running_loop().call_later(GATHER, self._gather, order)
        self._nudge()

    def _gather(self, order: Order) -> None:
        for part in order.parts:
            part.gathered = True
        self._nudge()

    def _nudge(self) -> None:
        """Wake the device's thread when there is a batch for it: waking it in vain costs as much as a small request."""
        with self._lock:
            ready = bool(self._ready())
        if ready:
            self._device.wake()

    def _ready(self) -> list[Part]:
        """What waits for the function whose turn it is; nothing for as long as its batch may still fill up."""
        waiting = list(self._line)
        same = [part for part in waiting if part.order.function is waiting[0].order.function]
        if any(part.gathered for part in same) and self._finishing <= 2 * self._cores:
            return same
        return same if same and sum(map(len, same)) >= same[0].order.function.size else []

    def _withdraw(self, order: Order) -> None:
        with self._lock:
            for part in order.parts:
                self._line.remove(order.ticket.user, part)

    # From here on: the device's thread.

    def turn(self) -> bool:
        """Admit, compute, deliver; False when there is nothing to do."""
        self._expire()
        self._computing = self._admit()
        self._outbox.wake()  # before the computation: it may take a while
        if self._computing:
            begin = time.monotonic()
            self._compute(self._computing)
            self._seconds += 0.1 * (time.monotonic() - begin - self._seconds)
            self._outbox.wake()
        return bool(self._computing)

    def fail(self, error: Exception) -> None:
        """End what is being computed with an error."""
        for part in self._computing:
            self._fail(part, error)
        self._outbox.wake()

    def _admit(self) -> list[Part]:
        """The parts of the next batch, none when it may still fill up; tells the others their places."""
        with self._lock:
            same = self._ready()
            if not same:
                return []
            batch = [self._line.pop()]  # whose user's next turn comes after everybody else's
            room = batch[0].order.function.most - len(batch[0])
            for part in same[1:]:
                if len(part) <= room:
                    self._line.remove(part.order.ticket.user, part)
                    batch.append(part)
                    room -= len(part)
            begun = {part.order for part in batch}
            orders = dict.fromkeys(part.order for part in self._line if part.order not in begun)
        for position, order in enumerate(orders, start=1):
            order.place(position)
        return batch

    def _compute(self, batch: list[Part]) -> None:
        """Compute and deliver; where that fails, each part alone, so that only the one that is to blame fails."""
        try:
            answers = batch[0].order.function(*join([part.rows for part in batch]))
        except Exception as error:
            if len(batch) == 1:
                self._fail(batch[0], error)
            else:
                for part in batch:
                    self._compute([part])
            return
        begin = 0
        for part in batch:
            own = cut(answers, begin, begin + len(part))
            begin += len(part)
            if all(answer.isfinite().all() for answer in own):
                self.pictures += len(part)
                part.order.deliver(part, own)
            else:
                self._fail(part, ArithmeticError("its output is not a number"))

    def _fail(self, part: Part, error: Exception) -> None:
        log.error("picture failed", model=part.order.ticket.model, error=repr(error), exc_info=error)
        part.order.fail(ModelFailed(error))

    def _expire(self) -> None:
        """End what waits past its deadline; everything when the engine is to close."""
        now = math.inf if self._closed else time.monotonic()
        with self._lock:
            late = {part.order for part in self._line if part.order.ticket.deadline < now}
        for order in late:
            self._withdraw(order)
            order.fail(Closing() if self._closed else DeadlineExceeded(TOO_LATE.format(self.deadline)))
