"""Text engine: continuous batching. Every turn admits waiting texts, steps the running ones, and delivers.

Texts join and leave between two turns, in which the models that are being written with advance (worker.engine.writing).
Of a prompt the last ``context`` characters are read, which is what the model was trained to see; all of it only where
its own log-probabilities are asked for.
A text's first character goes to its reader at once, what follows in pieces.
"""

from __future__ import annotations

import heapq
import math
import threading
import time
from collections.abc import AsyncGenerator
from dataclasses import dataclass, replace
from itertools import product

from worker.engine.device import Device
from worker.engine.line import CROWD, Line
from worker.engine.sampling import Sampling, choice_seed
from worker.engine.sequence import Sequence, Stops
from worker.engine.stream import Outbox, Piece, Queued, Stream
from worker.engine.text_model import TextModel
from worker.engine.writing import advance, fail
from worker.errors import BadRequest, Closing, DeadlineExceeded, QueueFull

PIECE = 0.03  # seconds' worth of characters that are handed on together: as smooth as film, and cheap for 64 streams
TOO_LATE = "The text took longer than {:g} s; ask for fewer characters."


@dataclass(frozen=True)
class TextRequest:
    """What is to be written: ``n`` choices for each prompt."""

    model: TextModel
    prompts: list[list[int]]  # token ids, none of them empty
    max_tokens: int
    sampling: Sampling
    n: int = 1
    stop: tuple[str, ...] = ()
    logprobs: int | None = None
    score_prompt: bool = False  # with logprobs: those of the prompt as well
    user: str = ""


class TextEngine:
    """Writes texts on a device, as many at once as there are slots; the others wait in line."""

    def __init__(self, device: Device, slots: int, queue: int, deadline: float) -> None:
        """A request is refused when its last text would wait in line at a place beyond ``queue``.

        One that is let in has ``deadline`` seconds from its arrival to its last character.
        """
        self.slots, self.queue, self.deadline = slots, queue, deadline
        self.characters = 0  # written since the start
        self._device = device
        self._models: list[TextModel] = []  # those with running texts
        self._line: Line[tuple[TextModel, Sequence]] = Line()
        self._line_changed = False
        self._lock = threading.Lock()  # guards the line, which both threads use
        self._outbox = Outbox()
        self._handed_on = 0.0  # when, in monotonic seconds
        self._closed = False
        self._seconds = 1.0  # running mean of how long a text holds its slot
        device.add(self)

    @property
    def running(self) -> int:
        """How many texts hold a slot."""
        return sum(len(model.running) for model in self._models)

    @property
    def waiting(self) -> int:
        """How many texts wait for a slot."""
        with self._lock:
            return len(self._line)

    async def complete(self, request: TextRequest) -> AsyncGenerator[Piece | Queued, None]:
        """Write; closing the iterator ends the writing within one step. QueueFull when there is no room to wait.

        Choices are numbered prompt by prompt; the pieces of one come in order, those of different ones interleave.
        """
        stream = Stream(len(request.prompts) * request.n, self._outbox)
        sequences = self._sequences(request, stream)
        self._enqueue(request, sequences)
        try:
            async for event in stream.events():
                yield event
        finally:
            with self._lock:
                for sequence in sequences:
                    sequence.cancelled = True
                    self._line_changed |= self._line.remove(request.user, (request.model, sequence))
            self._device.wake()

    def close(self) -> None:
        """End what is being written or waits, so that its readers leave, and take nothing more."""
        self._closed = True
        self._device.wake()

    def _sequences(self, request: TextRequest, stream: Stream) -> list[Sequence]:
        now = time.monotonic()
        wanted = request.sampling
        scored = request.score_prompt and request.logprobs is not None
        return [
            Sequence(
                stream=stream,
                choice=i,
                user=request.user,
                prompt=prompt if scored else prompt[-request.model.context :],
                max_tokens=request.max_tokens,
                sampling=replace(wanted, seed=choice_seed(wanted.seed, choice)),
                stops=Stops(request.stop),
                logprobs=request.logprobs,
                score_prompt=scored,
                deadline=now + self.deadline,
            )
            for i, (prompt, choice) in enumerate(product(request.prompts, range(request.n)))
        ]

    def _enqueue(self, request: TextRequest, sequences: list[Sequence]) -> None:
        if self._closed:
            raise Closing
        most = self.slots + self.queue
        if len(sequences) > most:
            raise BadRequest(f"The request asks for {len(sequences)} texts; ask for at most {most} at once.", param="n")
        with self._lock:
            room = self.queue + max(0, self.slots - self.running)
            place = self._line.position(request.user, len(sequences))
            if place > room or len(self._line) + len(sequences) > CROWD * room:
                raise QueueFull(place, retry_after=max(1, math.ceil(self._seconds * place / self.slots)))
            for sequence in sequences:
                self._line.append(request.user, (request.model, sequence))
            self._line_changed = True
        self._device.wake()

    # From here on: the device's thread.

    def turn(self) -> bool:
        """Admit, step, deliver; False when there was nothing to write, and so nobody who waits either."""
        self._expire()
        self._release()
        self._admit()
        busy = bool(self._models)
        for model in self._models:
            try:
                self.characters += advance(model)
            except Exception as error:  # of this model alone: the others write on
                fail(model.running, error)
        self._release()  # before those are told whose texts ended, and who may ask again at once
        self._hand_on()
        self._outbox.wake()
        return busy

    def fail(self, error: Exception) -> None:
        """End all running texts with an error."""
        for model in self._models:
            fail(model.running, error)
        self._release()
        self._outbox.wake()

    def _expire(self) -> None:
        """End what is past its deadline, running or waiting; everything when the engine is to close."""
        now = math.inf if self._closed else time.monotonic()
        late = [sequence for model in self._models for sequence in model.running if sequence.deadline < now]
        with self._lock:
            for item in [item for item in self._line if item[1].deadline < now]:
                self._line_changed |= self._line.remove(item[1].user, item)
                late.append(item[1])
        for sequence in late:
            sequence.fail(Closing() if self._closed else DeadlineExceeded(TOO_LATE.format(self.deadline)))

    def _release(self) -> None:
        """Free the slots of texts that ended or that nobody reads any more."""
        for model in self._models:
            gone = [sequence for sequence in model.running if sequence.ended or sequence.cancelled]
            for sequence in gone:
                model.running.remove(sequence)
                heapq.heappush(model.free, sequence.slot)
                self._seconds += 0.1 * (time.monotonic() - sequence.admitted - self._seconds)
        self._models = [model for model in self._models if model.running]

    def _admit(self) -> None:
        """Give free slots to those whose turn it is, and tell the others where they stand."""
        with self._lock:
            while self._line and self.running < self.slots:
                model, sequence = self._line.pop()
                self._line_changed = True
                sequence.slot, sequence.admitted = heapq.heappop(model.free), time.monotonic()
                model.running.append(sequence)
                if model not in self._models:
                    self._models.append(model)
            waiting = list(self._line) if self._line_changed else []
            self._line_changed = False
        places: dict[Stream, int] = {}
        for place, (_, sequence) in enumerate(waiting, 1):
            places.setdefault(sequence.stream, place)
        for stream, place in places.items():
            stream.place(place)

    def _hand_on(self) -> None:
        """Hand on what the running texts wrote, now and then."""
        now = time.monotonic()
        if now - self._handed_on >= PIECE:
            self._handed_on = now
            for model in self._models:
                for sequence in model.running:
                    sequence.hand_on()
