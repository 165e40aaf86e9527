"""The engine's properties: whatever arrives, is cancelled or fails, no slot leaks, nobody starves, no text changes."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from models.decoder import CHUNK, Block, Decoder, Draws, TorchDecoder
from models.native import NativeDecoder, NativeError
from tests.worker.conftest import TINY, tiny_gpt
from worker.engine import text
from worker.engine.device import Device
from worker.engine.line import CROWD
from worker.engine.sampling import Sampler, Sampling
from worker.engine.stream import Piece, Queued, Token
from worker.engine.text import TextEngine, TextRequest
from worker.engine.text_model import TextModel
from worker.errors import DeadlineExceeded, QueueFull, WorkerError

FAULT, POISON = TINY.vocabulary.index("!"), TINY.vocabulary.index("q")


class Around:
    """A decoder that has another do its work."""

    def __init__(self, decoder: Decoder) -> None:
        self.inner = decoder
        self.config, self.slots, self.precision, self.device = (
            decoder.config,
            decoder.slots,
            decoder.precision,
            decoder.device,
        )

    def clear(self, slot: int) -> None:
        self.inner.clear(slot)


class Faulty(Around):
    """A decoder that breaks on texts that begin with one character and gives no numbers for those with another."""

    def advance(self, slots: Sequence[int], tokens: Sequence[int], positions: Sequence[int]) -> torch.Tensor:
        begun = list(zip(tokens, positions, strict=True))
        if (FAULT, 0) in begun:
            raise RuntimeError("out of memory")
        logits = self.inner.advance(slots, tokens, positions).clone()
        logits[[row == (POISON, 0) for row in begun]] = torch.nan
        return logits


class Noting(Faulty):
    """A decoder that notes each text's first character as its reading begins."""

    def __init__(self, decoder: Decoder) -> None:
        super().__init__(decoder)
        self.begun: list[str] = []

    def advance(self, slots: Sequence[int], tokens: Sequence[int], positions: Sequence[int]) -> torch.Tensor:
        self.begun += [TINY.vocabulary[token] for token, place in zip(tokens, positions, strict=True) if place == 0]
        return super().advance(slots, tokens, positions)


class Held(Around):
    """A decoder that begins when it is let, and notes for each step which slots read or wrote how much."""

    def __init__(self, decoder: Decoder) -> None:
        super().__init__(decoder)
        self.open = threading.Event()
        self.steps: list[Counter[int]] = []

    def advance(self, slots: Sequence[int], tokens: Sequence[int], positions: Sequence[int]) -> torch.Tensor:
        self.open.wait(30)
        self.steps.append(Counter(slots))
        return self.inner.advance(slots, tokens, positions)


class InBlocks(Around):
    """A block decoder, as graphics cards have, that takes the steps of another decoder one after the other."""

    steps = 5

    def write(self, slots: Sequence[int], positions: Sequence[int], tokens: NDArray[np.int32], draws: Draws) -> Block:
        rows = zip(draws.heat, draws.top_k, draws.top_p, strict=True)
        sampling = [Sampling(temperature=heat, top_k=int(top_k), top_p=min(top_p, 1.0)) for heat, top_k, top_p in rows]
        sampler = Sampler(sampling, len(self.config.vocabulary), self.device)
        drawn, logits = [[0] * len(slots)], []
        for step, (forced, uniform) in enumerate(zip(tokens.tolist(), draws.uniform, strict=True)):
            read = [new if new >= 0 else max(old, 0) for new, old in zip(forced, drawn[-1], strict=True)]
            logits.append(self.inner.advance(slots, read, [position + step for position in positions]).clone())
            drawn.append(sampler.pick(logits[-1], uniform))
        return Block(np.array(drawn[1:], np.int32), torch.stack(logits))


def make_model(slots: int, faulty: bool = False, in_blocks: bool = False) -> TextModel:
    decoder: Decoder
    try:
        decoder = NativeDecoder(tiny_gpt(), slots, torch.float32, threads=2)
    except NativeError:
        decoder = TorchDecoder(tiny_gpt(), slots)
    if faulty:
        decoder = Faulty(decoder)
    return TextModel("tiny@1", InBlocks(decoder) if in_blocks else decoder)


BY_STEPS_AND_IN_BLOCKS = pytest.mark.parametrize("in_blocks", [False, True], ids=["by steps", "in blocks"])


@asynccontextmanager
async def running(slots: int, queue: int = 1_000, deadline: float = 60.0) -> AsyncIterator[TextEngine]:
    device = Device()
    try:
        yield TextEngine(device, slots, queue, deadline)
    finally:
        await asyncio.to_thread(device.close)


def request(
    model: TextModel, prompt: str = "hello", length: int = 20, user: str = "", **sampling: float
) -> TextRequest:
    return TextRequest(model, [model.encode(prompt)[0]], length, Sampling(**sampling), user=user)  # type: ignore[arg-type]


async def write(engine: TextEngine, wanted: TextRequest) -> str:
    """A request's first choice."""
    text = ""
    async with aclosing(engine.complete(wanted)) as events:
        async for event in events:
            if isinstance(event, Piece) and event.choice == 0:
                text += "".join(token.text for token in event.tokens)
    return text


async def scored(engine: TextEngine, model: TextModel, prompt: str) -> list[Token]:
    """A prompt's characters with their log-probabilities."""
    wanted = TextRequest(model, [model.encode(prompt)[0]], 0, Sampling(), logprobs=1, score_prompt=True)
    pieces = [event async for event in engine.complete(wanted) if isinstance(event, Piece)]
    return [token for piece in pieces for token in piece.tokens]


async def idle(engine: TextEngine) -> None:
    async with asyncio.timeout(20):
        while engine.running or engine.waiting:  # noqa: ASYNC110 (the device's thread changes them)
            await asyncio.sleep(0.001)


async def alone(prompt: str, length: int, in_blocks: bool, **sampling: float) -> str:
    """What a request writes on an engine of its own."""
    async with running(slots=1) as engine:
        return await write(engine, request(make_model(1, in_blocks=in_blocks), prompt, length, **sampling))


@dataclass(frozen=True)
class Visit:
    """One request of a random crowd."""

    prompt: str
    length: int
    temperature: float
    top_k: int
    top_p: float
    seed: int
    user: str
    leaves_after: int | None  # pieces; None stays to the end


VISITS = st.builds(
    Visit,
    prompt=st.text(st.sampled_from(TINY.vocabulary), min_size=1, max_size=80),
    length=st.integers(1, 60),
    temperature=st.sampled_from([0.0, 0.5, 1.0, 2.0]),
    top_k=st.sampled_from([0, 1, 5]),
    top_p=st.sampled_from([1.0, 0.9, 0.3]),
    seed=st.integers(0, 2**63 - 1),
    user=st.sampled_from("abc"),
    leaves_after=st.none() | st.integers(0, 3),
)


@BY_STEPS_AND_IN_BLOCKS
@settings(deadline=None, max_examples=25)
@given(crowd=st.lists(VISITS, min_size=1, max_size=12), slots=st.integers(1, 5))
def test_in_any_crowd_each_text_is_what_it_is_alone_and_every_slot_comes_back(
    in_blocks: bool, crowd: list[Visit], slots: int
) -> None:
    async def visit(engine: TextEngine, model: TextModel, it: Visit) -> None:
        sampling = {"temperature": it.temperature, "top_k": it.top_k, "top_p": it.top_p, "seed": it.seed}
        wanted = request(model, it.prompt, it.length, it.user, **sampling)
        if it.leaves_after is None:
            assert await write(engine, wanted) == await alone(it.prompt, it.length, in_blocks, **sampling)
            return
        async with aclosing(engine.complete(wanted)) as events:
            pieces = 0
            async for event in events:
                pieces += isinstance(event, Piece)
                if pieces >= it.leaves_after:
                    return

    async def work() -> None:
        model = make_model(slots, in_blocks=in_blocks)
        async with running(slots) as engine:
            await asyncio.gather(*(visit(engine, model, it) for it in crowd))
            await idle(engine)
            assert sorted(model.free) == list(range(slots))

    asyncio.run(work())


@BY_STEPS_AND_IN_BLOCKS
@settings(deadline=None, max_examples=15)
@given(healthy=st.lists(st.integers(0, 2**32), min_size=1, max_size=5), bad=st.integers(1, 4), slots=st.integers(2, 6))
def test_a_text_that_turns_into_no_number_harms_no_other(
    in_blocks: bool, healthy: list[int], bad: int, slots: int
) -> None:
    async def fail(engine: TextEngine, model: TextModel) -> None:
        with pytest.raises(WorkerError, match="not a number"):
            await write(engine, request(model, "q"))

    async def survive(engine: TextEngine, model: TextModel, seed: int) -> None:
        expected = await alone("hello", 30, in_blocks, seed=seed)
        assert await write(engine, request(model, "hello", 30, seed=seed)) == expected

    async def work() -> None:
        model = make_model(slots, faulty=True, in_blocks=in_blocks)
        async with running(slots) as engine:
            jobs = [fail(engine, model) for _ in range(bad)] + [survive(engine, model, seed) for seed in healthy]
            await asyncio.gather(*jobs)
            await idle(engine)
            assert sorted(model.free) == list(range(slots))

    asyncio.run(work())


@BY_STEPS_AND_IN_BLOCKS
async def test_after_a_device_failure_the_engine_writes_on(in_blocks: bool) -> None:
    model = make_model(2, faulty=True, in_blocks=in_blocks)
    async with running(2) as engine:
        with pytest.raises(WorkerError, match="out of memory"):
            await write(engine, request(model, "!"))
        assert len(await write(engine, request(model, "hello", 5))) == 5
        await idle(engine)
        assert sorted(model.free) == [0, 1]


async def test_a_model_that_breaks_harms_no_text_of_another() -> None:
    broken, healthy = make_model(2, faulty=True), make_model(2)
    async with running(2) as engine:
        length = 0
        async with aclosing(engine.complete(request(healthy, "hello", 5_000))) as events:
            async for event in events:
                if not length:  # from now on it is writing
                    with pytest.raises(WorkerError, match="out of memory"):
                        await write(engine, request(broken, "!"))
                length += len(event.tokens) if isinstance(event, Piece) else 0
        assert length == 5_000
        await idle(engine)
        assert sorted(broken.free) == sorted(healthy.free) == [0, 1]


async def test_users_take_turns_so_that_a_flood_starves_nobody() -> None:
    decoder = Noting(make_model(1).decoder)
    model = TextModel("tiny@1", decoder)

    def visit(engine: TextEngine, user: str) -> asyncio.Task[str]:
        return asyncio.create_task(write(engine, request(model, user, length=5, user=user)))

    async with running(1) as engine:
        holder = engine.complete(request(model, "h", length=100_000, user="h"))
        assert isinstance(await anext(holder), Piece)
        flood = [visit(engine, "f") for _ in range(20)]
        await asyncio.sleep(0)  # the flood is in line before the others come
        others = [visit(engine, user) for user in "ab"]
        await asyncio.sleep(0)
        await holder.aclose()
        await asyncio.gather(*flood, *others)
    assert "".join(decoder.begun) == "h" + "fab" + 19 * "f"


async def test_those_in_line_are_told_each_place_and_a_late_one_is_refused() -> None:
    model = make_model(1)
    async with running(1, queue=2) as engine:
        holder = engine.complete(request(model, length=100_000))
        assert isinstance(await anext(holder), Piece)
        second, third = (engine.complete(request(model, length=3)) for _ in range(2))
        assert await anext(second) == Queued(1)
        assert await anext(third) == Queued(2)
        with pytest.raises(QueueFull) as refused:
            await anext(engine.complete(request(model)))
        assert refused.value.position == 3
        await second.aclose()
        assert await anext(third) == Queued(1)
        await holder.aclose()
        pieces = [event async for event in third]
        assert sum(len(event.tokens) for event in pieces if isinstance(event, Piece)) == 3


@BY_STEPS_AND_IN_BLOCKS
async def test_a_deadline_ends_waiting_and_writing_alike(in_blocks: bool) -> None:
    model = make_model(1, in_blocks=in_blocks)
    async with running(1, deadline=0.1) as engine:
        late = [write(engine, request(model, length=100_000)) for _ in range(2)]
        outcomes = await asyncio.gather(*late, return_exceptions=True)
        assert [type(outcome) for outcome in outcomes] == [DeadlineExceeded] * 2
        await idle(engine)


@BY_STEPS_AND_IN_BLOCKS
async def test_a_long_prompt_does_not_stall_those_who_write(in_blocks: bool) -> None:
    model = make_model(2, in_blocks=in_blocks)
    async with running(2) as engine:
        writer = engine.complete(request(model, length=100_000))
        await anext(writer)
        before = engine.characters
        scored = TextRequest(model, [model.encode("hello " * 500)[0]], 1, Sampling(), logprobs=0, score_prompt=True)
        await write(engine, scored)
        assert engine.characters - before > 3_000 / 64  # at least one character for each chunk of the prompt
        await writer.aclose()


async def test_a_newcomer_waits_for_no_long_prompt_and_those_stay_what_they_are() -> None:
    decoder = Held(make_model(4).decoder)
    model = TextModel("tiny@1", decoder)
    prompts = [letter + "hello " * 300 for letter in "abc"]
    async with running(4) as engine:
        long = [asyncio.create_task(scored(engine, model, prompt)) for prompt in prompts]
        newcomer = asyncio.create_task(write(engine, request(model, length=1)))
        await asyncio.sleep(0)  # all are in line
        decoder.open.set()
        await newcomer
        found = await asyncio.gather(*long)
        assert found == [await scored(engine, model, prompt) for prompt in prompts]
    begun = next(i for i, slots in enumerate(decoder.steps) if 3 in slots)
    assert begun <= 1  # a step may have begun before it came


async def test_a_long_prompt_is_read_on_however_many_shorter_ones_come() -> None:
    decoder = Held(make_model(5).decoder)
    model = TextModel("tiny@1", decoder)
    long = "hello " * 100
    async with running(5) as engine:
        jobs: list[asyncio.Task[object]] = [asyncio.create_task(scored(engine, model, long))]
        jobs += [asyncio.create_task(write(engine, request(model, "x" * TINY.context, length=1))) for _ in range(200)]
        await asyncio.sleep(0)
        decoder.open.set()
        await asyncio.gather(*jobs)
    needed = -(-len(long) // CHUNK)
    assert sum(slots[0] for slots in decoder.steps[:needed]) == len(long)


async def test_who_fills_the_line_keeps_nobody_else_out() -> None:
    model = make_model(1)
    async with running(1, queue=3) as engine:
        holder = engine.complete(request(model, length=100_000))
        assert isinstance(await anext(holder), Piece)
        flood = [engine.complete(request(model, length=3, user="flood")) for _ in range(3)]
        assert [await anext(one) for one in flood] == [Queued(1), Queued(2), Queued(3)]
        with pytest.raises(QueueFull) as refused:
            await anext(engine.complete(request(model, user="flood")))
        assert refused.value.position == 4
        other = engine.complete(request(model, length=3, user="other"))
        assert await anext(other) == Queued(2)
        two = TextRequest(model, [[0], [0]], 3, Sampling(), user="another")
        with pytest.raises(QueueFull) as refused:
            await anext(engine.complete(two))
        assert refused.value.position == 5  # flood, other, another, flood, another
        await holder.aclose()
        for one in (*flood, other):
            assert [event async for event in one][-1].finish_reason == "length"  # type: ignore[union-attr]


async def test_what_waits_is_bounded_whatever_names_it_comes_under() -> None:
    model = make_model(1)
    async with running(1, queue=64) as engine:
        holder = engine.complete(request(model, length=100_000))
        assert isinstance(await anext(holder), Piece)
        waiting: list[asyncio.Task[str]] = []
        for user in range(64):
            while True:
                one = asyncio.create_task(write(engine, request(model, length=1, user=str(user))))
                await asyncio.sleep(0)
                if one.done():
                    assert isinstance(one.exception(), QueueFull)
                    break
                waiting.append(one)
        assert engine.waiting == CROWD * 64
        for one in waiting:
            one.cancel()
        await asyncio.wait(waiting)
        await holder.aclose()


async def test_writing_goes_on_while_the_event_loop_is_busy_and_what_was_written_comes_as_one_piece(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(text, "PIECE", 0.0)  # every character is handed on at once
    model = make_model(1)
    async with running(1) as engine:
        events = engine.complete(request(model, length=100_000))
        assert isinstance(await anext(events), Piece)
        enough = engine.characters + 500
        while engine.characters < enough:
            time.sleep(0.001)  # noqa: ASYNC251 (nothing else runs on the event loop meanwhile)
        piece = await anext(events)
        assert isinstance(piece, Piece)
        assert len(piece.tokens) >= 499  # the last one may be on its way
        await events.aclose()
