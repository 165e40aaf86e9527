"""Order: rows that somebody wants computed, the parts it is cut into, and the batches that those are computed in."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog

from models.batched import Batched, Rows, count, cut, join
from worker.engine.stream import Queued
from worker.errors import ModelFailed, WorkerError

log = structlog.get_logger()


@dataclass
class Ticket:
    """Whose a request is, which may take several computations, and who is told of its places in the line."""

    model: str  # "model@version"
    user: str
    deadline: float  # of the event loop's time, in seconds
    tell: Callable[[Queued], None]
    admitted: bool = False  # there was room for it to wait: what was begun is not refused halfway


class Order:
    """A computation on its way."""

    def __init__(self, function: Batched, rows: Rows, ticket: Ticket) -> None:
        self.function, self.ticket = function, ticket
        self.answer: asyncio.Future[Rows] = asyncio.get_running_loop().create_future()
        self.begun = False  # with a part
        self._position = 0
        self._answers: Rows = ()  # to all rows, once they are there
        self._done: dict[int, Rows] = {}  # answers by parts
        wanted, size = count(rows), function.size
        pieces = [rows] if wanted <= size else [cut(rows, i, i + size) for i in range(0, wanted, size)]
        self.parts = [Part(self, i, piece) for i, piece in enumerate(pieces)]

    def place(self, position: int) -> None:
        """Tell the reader its place in the line, once for each change."""
        if position != self._position:
            self._position = position
            self.ticket.tell(Queued(position))

    def keep(self, number: int, answers: Rows) -> None:
        """Take a part's answers (the thread that computed them); the last part completes the order."""
        self._done[number] = answers
        if len(self._done) == len(self.parts):
            self._answers = join([self._done[number] for number in range(len(self.parts))])

    def end(self) -> None:
        """Hand over the answers, if they are complete (event loop)."""
        if self._answers and not self.answer.done():  # it is when the reader left
            self.answer.set_result(self._answers)

    def fail(self, error: WorkerError) -> None:
        """End with an error."""
        if not self.answer.done():
            self.answer.set_exception(error)


@dataclass(eq=False)
class Part:
    """Some rows of an order, few enough for one batch."""

    order: Order
    number: int  # among the order's
    rows: Rows
    asked: float = field(default_factory=time.monotonic, init=False)
    gathered: bool = field(default=False, init=False)  # others had time to join it
    error: Exception | None = field(default=None, init=False)

    def __len__(self) -> int:
        return count(self.rows)

    def end(self) -> None:
        """Pass on what came of it (event loop)."""
        if self.error is None:
            self.order.end()
        else:
            log.error("picture failed", model=self.order.ticket.model, error=repr(self.error), exc_info=self.error)
            self.order.fail(ModelFailed(self.error))
            self.error = None  # it holds the frames that it came through, and what they hold


class Batch:
    """Parts that are computed together: a job."""

    def __init__(self, parts: list[Part], told: Callable[[Batch], None]) -> None:
        """``told`` learns of its end before who asked does."""
        self.parts, self.seconds = parts, 0.0  # that it took
        self._told = told

    def run(self) -> None:
        begin = time.monotonic()
        _compute(self.parts)
        self.seconds = time.monotonic() - begin

    def end(self) -> None:
        self._told(self)
        for part in self.parts:
            part.end()


def _compute(parts: list[Part]) -> None:
    """Answer parts together; where that fails, each alone, so that only the one that is to blame fails."""
    try:
        answers = parts[0].order.function.batch(join([part.rows for part in parts]))
        begin = 0
        for part in parts:
            own = cut(answers, begin, begin + len(part))
            begin += len(part)
            if all(answer.isfinite().all() for answer in own):
                part.order.keep(part.number, own)
            else:
                part.error = ArithmeticError("its output is not a number")
    except Exception as error:
        if len(parts) == 1:
            parts[0].error = error
        else:
            for part in parts:
                _compute([part])
