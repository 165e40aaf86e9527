"""Text engine: continuous batching. Every turn admits waiting texts, steps the running ones, and delivers.

Texts join and leave between two steps. A newcomer's prompt is read in chunks, at most ``READ`` characters of prompts
in a turn, so that a long one does not stall those who are already writing. Of a prompt the last ``context`` characters
are read, which is what the model was trained to see; all of it only where its own log-probabilities are asked for.
A text's first character goes to its reader at once, what follows in pieces.
"""

from __future__ import annotations

import heapq
import math
import threading
import time
from collections.abc import AsyncGenerator, Iterable
from dataclasses import dataclass, replace
from itertools import product

import structlog
from torch import Tensor

from models.decoder import CHUNK, Decoder
from worker.engine.device import Device
from worker.engine.line import Line
from worker.engine.sampling import Sampler, Sampling, choice_seed
from worker.engine.sequence import Sequence, Stops
from worker.engine.stream import Outbox, Piece, Queued, Stream, Token
from worker.errors import BadRequest, DeadlineExceeded, QueueFull, Unavailable, WorkerError

READ = 64  # characters of prompts in one turn: no dearer than a step of 64 texts, which it thus at most doubles
PIECE = 0.03  # seconds' worth of characters that are handed on together: as smooth as film, and cheap for 64 streams
CLOSING = "The worker is ending; try again in a moment."
TOO_LATE = "The text took longer than {:g} s; ask for fewer characters."

log = structlog.get_logger()


class TextModel:
    """A loaded GPT: its decoder, what its token ids mean, and who holds the slots of its cache."""

    def __init__(self, name: str, decoder: Decoder) -> None:
        """``name`` is "model@version"."""
        self.name = name
        self.decoder = decoder
        self.vocabulary = decoder.config.vocabulary
        self.context = decoder.config.context
        self.running: list[Sequence] = []  # in the order of their admission
        self.free = list(range(decoder.slots))  # a heap: low slots first keeps the steps compact
        self._ids = {character: i for i, character in enumerate(self.vocabulary)}
        self._blank = self._ids.get(" ", 0)
        self._tokens = [Token(character) for character in self.vocabulary]
        self._sampled: list[Sequence] = []
        self._sampler: Sampler | None = None

    def encode(self, text: str) -> tuple[list[int], str]:
        """Token ids of a text, and the characters the model never saw, each of which is read as a space."""
        ids = [self._ids.get(character, self._blank) for character in text]
        return ids, "".join(dict.fromkeys(character for character in text if character not in self._ids))

    def decode(self, tokens: Iterable[int]) -> str:
        """The text of token ids."""
        return "".join(self.vocabulary[token] for token in tokens)

    def check(self, tokens: Iterable[int], param: str) -> None:
        """BadRequest, naming the field, unless all token ids are the model's."""
        for token in tokens:
            if not 0 <= token < len(self.vocabulary):
                last = len(self.vocabulary) - 1
                raise BadRequest(f"{param} holds {token}, but {self.name} has the token ids 0 to {last}.", param=param)

    def sampler(self, rows: list[Sequence]) -> Sampler:
        """The sampler of these texts, kept for as long as they stay the same."""
        if self._sampler is None or self._sampled != rows:
            self._sampled = rows
            sampling = [sequence.sampling for sequence in rows]
            self._sampler = Sampler(sampling, len(self.vocabulary), self.decoder.device)
        return self._sampler

    def token(self, sequence: Sequence, token: int, logits: Tensor, row: int) -> Token:
        """A character with what was asked for about it.

        Log-probabilities are the model's own, before temperature; ``logits`` (B, V) hold them in that row.
        """
        if sequence.logprobs is None:
            return self._tokens[token]
        character = self.vocabulary[token]
        logprobs = logits[row].log_softmax(-1)  # (V,)
        best = logprobs.topk(min(sequence.logprobs, len(self.vocabulary)))
        alternatives = {self.vocabulary[i]: p for i, p in zip(best.indices.tolist(), best.values.tolist(), strict=True)}
        logprob = logprobs[token].item()
        return Token(character, logprob, {**alternatives, character: logprob})


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
        """``queue`` texts may wait; a request has ``deadline`` seconds from its arrival to its last character."""
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
            raise Unavailable(CLOSING)
        most = self.slots + self.queue
        if len(sequences) > most:
            raise BadRequest(f"The request asks for {len(sequences)} texts; ask for at most {most} at once.", param="n")
        with self._lock:
            room = self.queue + max(0, self.slots - self.running) - len(self._line)
            if len(sequences) > room:
                seconds = self._seconds * (len(self._line) + 1) / self.slots
                raise QueueFull(self._line.position(request.user), retry_after=max(1, math.ceil(seconds)))
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
            rows, logits = self._step(model)
            if rows:
                self._deliver(model, rows, logits)
        self._release()  # before those are told whose texts ended, and who may ask again at once
        self._hand_on()
        self._outbox.wake()
        return busy

    def fail(self, error: Exception) -> None:
        """End all running texts with an error."""
        for model in self._models:
            self._fail(model.running, error)
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
            sequence.fail(Unavailable(CLOSING) if self._closed else DeadlineExceeded(TOO_LATE.format(self.deadline)))

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

    def _step(self, model: TextModel) -> tuple[list[Sequence], Tensor]:
        """Advance texts by a character or a chunk of prompt; returns who is due a character, and logits (B, V)."""
        due = [sequence for sequence in model.running if not sequence.reading]
        slots = [sequence.slot for sequence in due]
        tokens = [sequence.newest for sequence in due]
        positions = [sequence.position for sequence in due]
        rows = list(range(len(due)))  # of those who are due
        budget = READ  # for prompts, whose chunks begin at multiples of CHUNK whatever else is going on
        readers: list[tuple[Sequence, slice]] = []  # with their rows
        for sequence in model.running:
            if sequence.reading and budget > 0:
                chunk = sequence.prompt[sequence.read : sequence.read + CHUNK]
                budget -= len(chunk)
                readers.append((sequence, slice(len(tokens), len(tokens) + len(chunk))))
                slots += [sequence.slot] * len(chunk)
                tokens += chunk
                positions += range(sequence.read, sequence.read + len(chunk))
        logits = model.decoder.advance(slots, tokens, positions)
        for sequence, chunk_rows in readers:
            self._read(model, sequence, logits[chunk_rows])
            if not (sequence.reading or sequence.ended):
                due.append(sequence)
                rows.append(chunk_rows.stop - 1)
        return due, logits[rows] if readers else logits

    def _read(self, model: TextModel, sequence: Sequence, logits: Tensor) -> None:
        """Note that a chunk of the prompt was read, with these logits (T, V)."""
        begin, end = sequence.read, sequence.read + len(logits)
        sequence.read = end
        if sequence.score_prompt:
            following = sequence.prompt[begin + 1 : end + 1]
            tokens = [model.token(sequence, token, logits, row) for row, token in enumerate(following)]
            if begin == 0:  # the first character has nothing before it
                tokens.insert(0, Token(model.vocabulary[sequence.prompt[0]]))
            sequence.stream.put(Piece(sequence.choice, tokens))
        if sequence.max_tokens == 0 and not sequence.reading:
            sequence.finish("length")

    def _deliver(self, model: TextModel, rows: list[Sequence], logits: Tensor) -> None:
        """Draw each text's next character and hand it on."""
        drawn = model.sampler(rows).draw(logits, [sequence.written for sequence in rows])
        for row, (sequence, token) in enumerate(zip(rows, drawn, strict=True)):
            if token < 0:
                model.decoder.clear(sequence.slot)
                self._fail([sequence], ArithmeticError("its output is not a number"))
            else:
                sequence.newest = token
                sequence.accept(model.token(sequence, token, logits, row))
        self.characters += len(rows)

    def _hand_on(self) -> None:
        """Hand on what the running texts wrote, now and then."""
        now = time.monotonic()
        if now - self._handed_on >= PIECE:
            self._handed_on = now
            for model in self._models:
                for sequence in model.running:
                    sequence.hand_on()

    def _fail(self, sequences: list[Sequence], error: Exception) -> None:
        log.error("texts failed", count=len(sequences), error=repr(error), exc_info=error)
        for sequence in sequences:
            sequence.fail(WorkerError(f"The model failed: {error}; try again, and read the worker's log if it recurs."))
