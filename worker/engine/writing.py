"""Writing: how a model's running texts advance in a turn, by a step or, on a graphics card, by a block of them.

A newcomer's prompt is read among the steps of those who are already writing, in pieces, so that it does not stall them.
"""

from __future__ import annotations

from typing import cast

import numpy as np
import structlog
from torch import Tensor

from models.decoder import CHUNK, BlockDecoder, Decoder
from worker.engine.sequence import Sequence
from worker.engine.stream import Piece, Token
from worker.engine.text_model import TextModel
from worker.errors import ModelFailed

READ = 64  # characters of prompts in one turn: no dearer than a step of 64 texts, which it thus at most doubles

log = structlog.get_logger()


def advance(model: TextModel) -> int:
    """Let the running texts read and write, and note what they wrote; returns how many characters were drawn."""
    return block(model, model.in_blocks) if model.in_blocks else step(model, cast(Decoder, model.decoder))


def fail(sequences: list[Sequence], error: Exception) -> None:
    """End texts with an error."""
    log.error("texts failed", count=len(sequences), error=repr(error), exc_info=error)
    for sequence in sequences:
        sequence.fail(ModelFailed(error))


def step(model: TextModel, decoder: Decoder) -> int:
    """Each text that writes gets a character, and of prompts some chunks are read."""
    due = [sequence for sequence in model.running if not sequence.reading]
    slots = [sequence.slot for sequence in due]
    tokens = [sequence.newest for sequence in due]
    positions = [sequence.position for sequence in due]
    rows = list(range(len(due)))  # of those who are due
    budget = READ  # for prompts, whose chunks begin at multiples of CHUNK whatever else is going on
    readers: list[tuple[Sequence, slice]] = []  # with their rows
    reading = [sequence for sequence in model.running if sequence.reading]
    # who is nearest to writing comes first, after the one that began first: it would wait for as long as others come
    for sequence in reading[:1] + sorted(reading[1:], key=lambda sequence: sequence.unread):
        if budget > 0:
            chunk = sequence.prompt[sequence.read : sequence.read + CHUNK]
            budget -= len(chunk)
            readers.append((sequence, slice(len(tokens), len(tokens) + len(chunk))))
            slots += [sequence.slot] * len(chunk)
            tokens += chunk
            positions += range(sequence.read, sequence.read + len(chunk))
    logits = decoder.advance(slots, tokens, positions)
    for sequence, chunk_rows in readers:
        read(model, sequence, chunk_rows.stop - chunk_rows.start, logits[chunk_rows])
        if not (sequence.reading or sequence.ended):
            due.append(sequence)
            rows.append(chunk_rows.stop - 1)
    if not due:
        return 0
    logits = logits[rows] if readers else logits  # (B, V)
    drawn = model.sampler(due).draw(logits, [sequence.written for sequence in due])
    for row, (sequence, token) in enumerate(zip(due, drawn, strict=True)):
        if token < 0:
            lose(model, sequence)
        else:
            sequence.newest = token
            sequence.accept(model.tokens(sequence, [token], logits, row))
    return len(due)


def block(model: TextModel, decoder: BlockDecoder) -> int:
    """Each text reads what is left of its prompt and writes what follows, as many characters as a block has steps."""
    running = list(model.running)
    tokens = np.full((decoder.steps, len(running)), -1, np.int32)  # (K, B)
    tokens[0] = [sequence.newest for sequence in running]
    begin = [0] * len(running)  # the step after which a text's own first character of the block is drawn
    for row, sequence in enumerate(running):
        if sequence.reading:
            unread = sequence.prompt[sequence.read : sequence.read + decoder.steps]
            tokens[: len(unread), row] = unread
            begin[row] = sequence.unread - 1
    slots = [sequence.slot for sequence in running]
    positions = [sequence.position for sequence in running]
    counters = [sequence.written - first for sequence, first in zip(running, begin, strict=True)]
    draws = model.sampler(running).draws(counters, decoder.steps)
    found = decoder.write(slots, positions, tokens, draws)
    before = sum(sequence.written for sequence in running)
    for row, (sequence, drawn) in enumerate(zip(running, found.drawn.T.tolist(), strict=True)):
        logits = None if sequence.logprobs is None else found.logits[:, row].cpu()  # (K, V)
        if sequence.reading:
            read(model, sequence, min(decoder.steps, sequence.unread), logits)
        if sequence.reading or sequence.ended:
            continue
        drawn = drawn[begin[row] :]
        if -1 in drawn:
            lose(model, sequence)
        else:
            sequence.newest = drawn[-1]
            sequence.accept(model.tokens(sequence, drawn, logits, begin[row]))
    return sum(sequence.written for sequence in running) - before


def read(model: TextModel, sequence: Sequence, count: int, logits: Tensor | None) -> None:
    """Note that the next characters of a prompt were read, after which there were these logits (T, V)."""
    begin, end = sequence.read, sequence.read + count
    sequence.read = end
    if sequence.score_prompt:
        tokens = model.tokens(sequence, sequence.prompt[begin + 1 : end + 1], logits)
        if begin == 0:  # the first character has nothing before it
            tokens.insert(0, Token(model.vocabulary[sequence.prompt[0]]))
        sequence.stream.put(Piece(sequence.choice, tokens))
    if sequence.max_tokens == 0 and not sequence.reading:
        sequence.finish("length")


def lose(model: TextModel, sequence: Sequence) -> None:
    """End a text whose next character cannot be drawn, and leave nothing in its slot that is no number."""
    model.decoder.clear(sequence.slot)
    fail([sequence], ArithmeticError("its output is not a number"))
