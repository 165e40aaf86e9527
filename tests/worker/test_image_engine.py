"""The image engine: whoever asks, leaves or fails, the others get their answers, and nothing stays behind."""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from models.batched import Batched, Rows
from worker.engine.device import Device
from worker.engine.images import ImageEngine
from worker.engine.order import Ticket
from worker.errors import Closing, DeadlineExceeded, ModelFailed, QueueFull
from worker.visit import ignore

CPU = torch.device("cpu")
SIZE = 4  # rows of a batch
FAULT, POISON = 13, 7  # rows that a function breaks on, and that it has no number for


def doubled(rows: Tensor) -> Rows:
    if (rows == FAULT).any():
        raise RuntimeError("thirteen")
    return (torch.where(rows == POISON, torch.nan, 2 * rows),)


def functions(count: int) -> list[Batched]:
    return [Batched(SIZE, CPU, doubled) for _ in range(count)]


BY_A_CREW_AND_A_DEVICE = pytest.mark.parametrize("own", [False, True], ids=["by a crew", "by a device"])


@asynccontextmanager
async def running(
    own: bool = False, threads: int = 2, queue: int = 1_000, deadline: float = 60.0
) -> AsyncIterator[ImageEngine]:
    """An engine; ``own``: with a device of its own, as a graphics card is one."""
    device = Device() if own else None
    engine = ImageEngine(device, threads, queue, deadline)
    try:
        yield engine
    finally:
        engine.close()
        if device:
            await asyncio.to_thread(device.close)


def ticket(engine: ImageEngine, user: str = "") -> Ticket:
    return engine.ticket("tiny@1", user, ignore)


async def compute(engine: ImageEngine, function: Batched, rows: list[float], user: str = "") -> list[float]:
    (answers,) = await engine.compute(ticket(engine, user), function, (torch.tensor(rows),))
    return answers.tolist()


@dataclass(frozen=True)
class Wish:
    """What somebody does: prepares, has rows computed, finishes; and leaves after so many turns of the event loop."""

    user: str
    function: int
    rows: tuple[float, ...]
    prepares: bool
    leaves: int | None


ROWS = st.one_of(st.integers(0, 5), st.sampled_from([FAULT, POISON])).map(float)
WISHES = st.builds(
    Wish,
    user=st.sampled_from("abc"),
    function=st.integers(0, 1),
    rows=st.lists(ROWS, min_size=1, max_size=3 * SIZE).map(tuple),
    prepares=st.booleans(),
    leaves=st.none() | st.integers(0, 30),
)


@BY_A_CREW_AND_A_DEVICE
@settings(max_examples=40, deadline=None)
@given(wishes=st.lists(WISHES, min_size=1, max_size=12), threads=st.integers(1, 3))
def test_whatever_arrives_leaves_and_fails(own: bool, wishes: list[Wish], threads: int) -> None:
    async def fulfil(engine: ImageEngine, both: list[Batched], wish: Wish) -> list[float]:
        rows = list(wish.rows)
        if wish.prepares:
            rows = await engine.prepare(ticket(engine, wish.user), lambda: rows)
        answers = await compute(engine, both[wish.function], rows, wish.user)
        return await engine.finish(ticket(engine, wish.user), lambda: [answer + 1 for answer in answers])

    async def run() -> None:
        async with running(own, threads) as engine:
            both = functions(2)
            tasks = [asyncio.create_task(fulfil(engine, both, wish)) for wish in wishes]
            for turn in range(31):
                await asyncio.sleep(0)
                for task, wish in zip(tasks, wishes, strict=True):
                    if wish.leaves == turn:
                        task.cancel()
            async with asyncio.timeout(30):
                ends = await asyncio.gather(*tasks, return_exceptions=True)
            for wish, end in zip(wishes, ends, strict=True):
                if isinstance(end, asyncio.CancelledError):
                    assert wish.leaves is not None
                elif FAULT in wish.rows or POISON in wish.rows:
                    assert isinstance(end, ModelFailed)
                else:
                    assert end == [2 * row + 1 for row in wish.rows]
            assert engine.waiting == 0

    asyncio.run(run())


async def test_all_parts_of_a_long_order_find_a_thread() -> None:
    together = threading.Barrier(3, timeout=30)

    def meet(rows: Tensor) -> Rows:
        together.wait()  # passed only by three at the same time
        return (rows,)

    async with running(threads=3) as engine:
        rows = [float(i) for i in range(3 * SIZE)]
        assert await compute(engine, Batched(SIZE, CPU, meet), rows) == rows


@BY_A_CREW_AND_A_DEVICE
async def test_users_take_turns(own: bool) -> None:
    done: list[float] = []

    def noting(rows: Tensor) -> Rows:
        done.append(float(rows[0]))
        return (rows,)

    held, release = threading.Event(), threading.Event()

    def hold(rows: Tensor) -> Rows:
        held.set()
        release.wait(30)
        return (rows,)

    async with running(own, threads=1) as engine:
        function = Batched(SIZE, CPU, noting)
        holding = asyncio.create_task(compute(engine, Batched(1, CPU, hold), [0.0]))
        await asyncio.to_thread(held.wait, 30)
        many = asyncio.create_task(compute(engine, function, [1.0] * 3 * SIZE, "many"))
        await asyncio.sleep(0)
        few = asyncio.create_task(compute(engine, function, [2.0] * SIZE, "few"))
        await asyncio.sleep(0)
        release.set()
        await asyncio.gather(holding, many, few)
    assert done == [1.0, 2.0, 1.0, 1.0]


async def test_batches_and_what_leads_to_and_follows_them_take_turns() -> None:
    done: list[str] = []

    def noting(rows: Tensor) -> Rows:
        done.append("batch")
        return (rows,)

    held, release = threading.Event(), threading.Event()

    def hold() -> None:
        held.set()
        release.wait(30)

    async with running(threads=1) as engine:
        tasks = [asyncio.create_task(engine.prepare(ticket(engine), hold))]
        await asyncio.to_thread(held.wait, 30)
        tasks.append(asyncio.create_task(compute(engine, Batched(SIZE, CPU, noting), [1.0] * 4 * SIZE)))
        for errand, name in ((engine.prepare, "leading"), (engine.finish, "following")):
            tasks += [asyncio.create_task(errand(ticket(engine), lambda name=name: done.append(name))) for _ in "ab"]
        await asyncio.sleep(0)
        release.set()
        await asyncio.gather(*tasks)
    assert done == ["following", "batch", "leading"] * 2 + ["batch"] * 2


@pytest.mark.parametrize("rows", [1, SIZE])
async def test_a_device_does_not_wait_for_files(rows: int) -> None:
    release = threading.Event()
    async with running(own=True, threads=1) as engine:
        files = [asyncio.create_task(engine.finish(ticket(engine), lambda: release.wait(30))) for _ in range(2)]
        assert await compute(engine, functions(1)[0], [1.0] * rows) == [2.0] * rows
        release.set()
        assert await asyncio.gather(*files) == [True, True]


async def test_a_long_errand_does_not_keep_back_what_is_done() -> None:
    release = threading.Event()
    async with running(threads=2) as engine:
        quick = [asyncio.create_task(engine.finish(ticket(engine), lambda i=i: i)) for i in range(3)]
        slow = [asyncio.create_task(engine.finish(ticket(engine), lambda: release.wait(30))) for _ in range(2)]
        assert await asyncio.gather(*quick) == [0, 1, 2]
        release.set()
        assert await asyncio.gather(*slow) == [True, True]


class Gate:
    """A function that keeps its thread until it is let go, and counts how many are kept."""

    def __init__(self) -> None:
        self.kept = self.most = 0
        self.open = threading.Event()
        self._lock = threading.Lock()

    def __call__(self) -> None:
        with self._lock:
            self.kept += 1
            self.most = max(self.most, self.kept)
        self.open.wait(30)
        with self._lock:
            self.kept -= 1

    async def holds(self, number: int) -> None:
        async with asyncio.timeout(30):
            while self.kept < number:  # noqa: ASYNC110 (what is waited for belongs to another thread)
                await asyncio.sleep(0.002)


async def test_what_takes_much_memory_is_prepared_one_at_a_time_even_where_readers_leave() -> None:
    gate = Gate()
    async with running(threads=3) as engine:
        left = asyncio.create_task(engine.prepare(ticket(engine), gate, large=True))
        await gate.holds(1)
        left.cancel()
        others = [asyncio.create_task(engine.prepare(ticket(engine), gate, large=True)) for _ in range(3)]
        assert await engine.prepare(ticket(engine), lambda: "small") == "small"
        assert engine.waiting == 3  # none of the others was begun meanwhile
        gate.open.set()
        await asyncio.gather(*others)
        assert gate.most == 1


@pytest.mark.parametrize(("threads", "most"), [(1, 1), (2, 1), (3, 2)])
async def test_what_takes_long_leaves_a_thread_to_others_where_there_are_several(threads: int, most: int) -> None:
    gate = Gate()
    async with running(threads=threads) as engine:
        long = [asyncio.create_task(engine.finish(ticket(engine), gate, long=True)) for _ in range(4)]
        await gate.holds(most)
        if threads > 1:
            assert await compute(engine, functions(1)[0], [1.0] * SIZE) == [2.0] * SIZE
        gate.open.set()
        await asyncio.gather(*long)
        assert gate.most == most


async def test_files_count_as_waiting_and_what_was_let_in_is_not_refused_halfway() -> None:
    gate = Gate()
    async with running(threads=1, queue=2) as engine:
        first = ticket(engine, "first")
        holding = asyncio.create_task(engine.prepare(first, gate))
        await gate.holds(1)
        files = [asyncio.create_task(engine.finish(ticket(engine), lambda: None)) for _ in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(QueueFull):
            await compute(engine, functions(1)[0], [1.0])
        after = asyncio.create_task(engine.compute(first, functions(1)[0], (torch.ones(3 * SIZE),)))
        await asyncio.sleep(0)
        gate.open.set()
        await asyncio.gather(holding, *files)
        assert (await after)[0].tolist() == [2.0] * 3 * SIZE


async def test_who_is_refused_is_told_to_wait_for_as_long_as_batches_took_lately(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seconds = itertools.count()
    monkeypatch.setattr("worker.engine.order.time", SimpleNamespace(monotonic=lambda: next(seconds)))  # one a batch
    gate = Gate()
    async with running(threads=1, queue=1) as engine:
        for _ in range(30):
            await compute(engine, functions(1)[0], [1.0] * SIZE)
        waiting = [asyncio.create_task(engine.finish(ticket(engine), gate))]
        await gate.holds(1)
        waiting.append(asyncio.create_task(engine.finish(ticket(engine), gate)))
        await asyncio.sleep(0)
        with pytest.raises(QueueFull) as refused:
            await compute(engine, functions(1)[0], [1.0])
        gate.open.set()
        await asyncio.gather(*waiting)
    assert refused.value.retry_after == 1


async def test_a_full_batch_does_not_wait_behind_one_that_is_not() -> None:
    done: list[str] = []
    gate = Gate()

    def noting(name: str) -> Batched:
        def note(rows: Tensor) -> Rows:
            done.append(name)
            return (rows,)

        return Batched(SIZE, CPU, note)

    async with running(threads=1) as engine:
        holding = asyncio.create_task(engine.prepare(ticket(engine), gate))
        await gate.holds(1)
        single = asyncio.create_task(compute(engine, noting("single"), [1.0], "a"))
        await asyncio.sleep(0)
        full = asyncio.create_task(compute(engine, noting("full"), [1.0] * SIZE, "b"))
        files = [asyncio.create_task(engine.finish(ticket(engine), lambda: done.append("file"))) for _ in range(2)]
        await asyncio.sleep(0)
        gate.open.set()
        await asyncio.gather(holding, single, full, *files)
    assert done == ["file", "full", "file", "single"]


async def test_an_errand_that_fails_tells_its_error() -> None:
    async with running() as engine:
        with pytest.raises(ZeroDivisionError):
            await engine.prepare(ticket(engine), lambda: 1 // 0)
        assert await engine.finish(ticket(engine), lambda: "fine") == "fine"


@BY_A_CREW_AND_A_DEVICE
async def test_what_waits_is_bounded_ends_in_time_and_with_the_engine(own: bool) -> None:
    held, release = threading.Event(), threading.Event()

    def hold(rows: Tensor) -> Rows:
        held.set()
        release.wait(30)
        return (rows,)

    async with running(own, threads=1, queue=2, deadline=0.2) as engine:
        function = Batched(1, CPU, hold)
        late = [asyncio.create_task(compute(engine, function, [1.0]))]
        await asyncio.to_thread(held.wait, 30)
        late += [asyncio.create_task(compute(engine, function, [1.0])) for _ in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(QueueFull):
            await compute(engine, function, [1.0])
        for end in await asyncio.gather(*late, return_exceptions=True):
            assert isinstance(end, DeadlineExceeded)
        last = asyncio.create_task(compute(engine, function, [1.0]))
        await asyncio.sleep(0)
        engine.close()
        with pytest.raises(Closing):
            await last
        with pytest.raises(Closing):
            await engine.finish(ticket(engine), lambda: None)
        release.set()
