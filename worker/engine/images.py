"""Image engine: micro-batching. Every turn draws one batch of one model, whoever asked for its pictures.

A request is cut into parts of at most a batch, which wait in line, so that a long walk does not hold up a single
picture. A turn takes the part whose turn it is and fills the batch with what else waits for the same model. A batch
that is not full waits ``GATHER`` seconds for others, since it costs as much as a full one. Files are encoded beside
the device's thread, several at once.
"""

from __future__ import annotations

import asyncio
import math
import os
import threading
import time
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import structlog
import torch
from torch import Tensor

from models.painter import Painter, Points
from worker.engine.device import Device
from worker.engine.line import Line
from worker.engine.stream import Queued
from worker.errors import DeadlineExceeded, QueueFull, Unavailable, WorkerError

GATHER = 0.004  # seconds; what clients send at the same moment arrives within them, and nobody sees them
CLOSING = "The worker is ending; try again in a moment."
TOO_LATE = "The pictures took longer than {:g} s; ask for fewer."

log = structlog.get_logger()


@dataclass(frozen=True, eq=False)
class ImageModel:
    """A loaded model that draws; ``name`` is "model@version"."""

    name: str
    painter: Painter


@dataclass(frozen=True)
class ImageRequest:
    """What is to be drawn, and how the pictures (N, C, H, W) in [-1, 1] become files."""

    model: ImageModel
    points: Points
    encode: Callable[[Tensor], list[bytes]]
    user: str = ""


@dataclass(frozen=True)
class Files:
    """The pictures, encoded."""

    contents: list[bytes]


Event = Queued | Tensor | WorkerError


class Order:
    """A request on its way: the device's thread puts in what happens, its reader on the event loop takes it out."""

    def __init__(self, request: ImageRequest, deadline: float) -> None:
        """``deadline`` in monotonic seconds."""
        self.request, self.deadline = request, deadline
        self.events: asyncio.Queue[Event] = asyncio.Queue()
        self._loop = asyncio.get_running_loop()
        self._position = 0
        self._drawn: dict[int, Tensor] = {}
        batch = request.model.painter.batch
        self.parts = [Part(self, i, request.points[i : i + batch]) for i in range(0, len(request.points), batch)]

    def place(self, position: int) -> None:
        """Tell the reader its place in the line, once for each change."""
        if position != self._position:
            self._position = position
            self.put(Queued(position))

    def deliver(self, part: Part, pictures: Tensor) -> None:
        """Take a part's pictures (N, C, H, W); the last part completes the order."""
        self._drawn[part.begin] = pictures
        if len(self._drawn) == len(self.parts):
            self.put(torch.cat([drawn for _, drawn in sorted(self._drawn.items(), key=lambda item: item[0])]))

    def put(self, event: Event) -> None:
        self._loop.call_soon_threadsafe(self.events.put_nowait, event)


@dataclass(eq=False)
class Part:
    """Some points of an order, few enough for one batch."""

    order: Order
    begin: int  # of its points among the order's
    points: Points
    gathered: bool = field(default=False, init=False)  # it waited long enough for others to join it

    @property
    def model(self) -> ImageModel:
        return self.order.request.model


class ImageEngine:
    """Draws pictures on a device."""

    def __init__(self, device: Device, queue: int, deadline: float) -> None:
        """``queue`` batches may wait; a request has ``deadline`` seconds from its arrival to its last picture."""
        self.queue, self.deadline = queue, deadline
        self.pictures = 0  # drawn since the start
        self._device = device
        self._line: Line[Part] = Line()
        self._lock = threading.Lock()  # guards the line, which both threads use
        self._drawing: list[Part] = []
        self._encoders = ThreadPoolExecutor(len(os.sched_getaffinity(0)), thread_name_prefix="encoder")
        self._closed = False
        self._seconds = 0.1  # running mean of what a batch takes
        device.add(self)

    @property
    def waiting(self) -> int:
        """How many requests wait for their turn."""
        with self._lock:
            return len({part.order for part in self._line})

    async def paint(self, request: ImageRequest) -> AsyncGenerator[Queued | Files, None]:
        """Draw: places in the line, then the files. Closing the iterator gives the turns that are left to others.

        QueueFull when there is no room to wait.
        """
        order = Order(request, time.monotonic() + self.deadline)
        self._enqueue(order)
        try:
            while isinstance(event := await order.events.get(), Queued):
                yield event
        finally:
            self._withdraw(order)
        if isinstance(event, WorkerError):
            raise event
        if self._closed:
            raise Unavailable(CLOSING)
        contents = await asyncio.get_running_loop().run_in_executor(self._encoders, request.encode, event)
        yield Files(contents)

    def close(self) -> None:
        """Tell everybody who waits to leave, and take nothing more."""
        self._closed = True
        self._device.wake()
        self._encoders.shutdown(wait=False)

    def _enqueue(self, order: Order) -> None:
        if self._closed:
            raise Unavailable(CLOSING)
        user = order.request.user
        with self._lock:
            if self._line and len(self._line) + len(order.parts) > self.queue:
                seconds = max(1, math.ceil(self._seconds * (len(self._line) + 1)))
                raise QueueFull(self._line.position(user), retry_after=seconds)
            for part in order.parts:
                self._line.append(user, part)
        asyncio.get_running_loop().call_later(GATHER, self._gather, order)
        self._device.wake()

    def _gather(self, order: Order) -> None:
        for part in order.parts:
            part.gathered = True
        self._device.wake()

    def _withdraw(self, order: Order) -> None:
        with self._lock:
            for part in order.parts:
                self._line.remove(order.request.user, part)

    # From here on: the device's thread.

    def turn(self) -> bool:
        """Admit, draw, deliver; False when there is nothing to draw."""
        self._expire()
        self._drawing = self._admit()
        if self._drawing:
            begin = time.monotonic()
            self._draw(self._drawing)
            self._seconds += 0.1 * (time.monotonic() - begin - self._seconds)
        return bool(self._drawing)

    def fail(self, error: Exception) -> None:
        """End what is being drawn with an error."""
        for part in self._drawing:
            self._fail(part, error)

    def _admit(self) -> list[Part]:
        """The parts of the next batch, none when it may still fill up; tells the others their places."""
        with self._lock:
            waiting = list(self._line)
            if not waiting:
                return []
            same = [part for part in waiting if part.model is waiting[0].model]
            room = same[0].model.painter.batch
            if not any(part.gathered for part in same) and sum(len(part.points) for part in same) < room:
                return []
            batch = [self._line.pop()]  # whose user's next turn comes after everybody else's
            room -= len(batch[0].points)
            for part in same[1:]:
                if len(part.points) <= room:
                    self._line.remove(part.order.request.user, part)
                    batch.append(part)
                    room -= len(part.points)
            begun = {part.order for part in batch}
            orders = dict.fromkeys(part.order for part in self._line if part.order not in begun)
        for position, order in enumerate(orders, start=1):
            order.place(position)
        return batch

    def _draw(self, batch: list[Part]) -> None:
        """Draw and deliver; where that fails, each part alone, so that only the one that is to blame fails."""
        try:
            pictures = batch[0].model.painter.draw(Points.join([part.points for part in batch]))
        except Exception as error:
            if len(batch) == 1:
                self._fail(batch[0], error)
            else:
                for part in batch:
                    self._draw([part])
            return
        for part, own in zip(batch, torch.split(pictures, [len(part.points) for part in batch]), strict=True):
            if own.isfinite().all():
                self.pictures += len(own)
                part.order.deliver(part, own)
            else:
                self._fail(part, ArithmeticError("its output is not a number"))

    def _fail(self, part: Part, error: Exception) -> None:
        log.error("picture failed", model=part.model.name, error=repr(error), exc_info=error)
        part.order.put(WorkerError(f"The model failed: {error}; try again, and read the worker's log if it recurs."))

    def _expire(self) -> None:
        """End what waits past its deadline; everything when the engine is to close."""
        now = math.inf if self._closed else time.monotonic()
        with self._lock:
            late = {part.order for part in self._line if part.order.deadline < now}
        for order in late:
            self._withdraw(order)
            order.put(Unavailable(CLOSING) if self._closed else DeadlineExceeded(TOO_LATE.format(self.deadline)))
