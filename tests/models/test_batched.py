"""Functions of rows on several threads: the same rows, in their order, and nothing changed for other threads."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from models.batched import Batched, lanes, start_lanes

CPU = torch.device("cpu")


@pytest.fixture
def threads() -> Iterator[int]:
    """PyTorch on three threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield 3
    torch.set_num_threads(before)


def test_rows_come_back_in_their_order_whatever_the_threads(threads: int) -> None:
    torch.manual_seed(0)
    network = torch.nn.Linear(6, 5)
    rows = torch.randn(50, 6)
    several = Batched(4, CPU, lambda x: (network(x), x.sum(1)))
    assert several.threads == threads
    alone = Batched(4, CPU, several.function, threads=1)
    for ours, expected in zip(several(rows), alone(rows), strict=True):
        assert torch.equal(ours, expected)


def test_batches_are_computed_side_by_side_on_one_thread_each(threads: int) -> None:
    together = threading.Barrier(threads, timeout=30)  # passed only by as many batches at the same time

    def meet(rows: torch.Tensor) -> tuple[torch.Tensor]:
        together.wait()
        return (torch.full((len(rows),), torch.get_num_threads()),)

    assert Batched(2, CPU, meet)(torch.zeros(6, 1))[0].tolist() == [1] * 6


def test_other_threads_keep_their_number(threads: int) -> None:
    lanes.cache_clear()  # whoever starts them sets a number for all threads to come
    Batched(1, CPU, lambda rows: (rows,))(torch.zeros(2, 1))
    with ThreadPoolExecutor(1) as other:
        assert (torch.get_num_threads(), other.submit(torch.get_num_threads).result()) == (threads, threads)


def test_an_error_reaches_who_asked(threads: int) -> None:
    def fail(rows: torch.Tensor) -> tuple[torch.Tensor]:
        raise ArithmeticError("no number")

    with pytest.raises(ArithmeticError, match="no number"):
        Batched(1, CPU, fail)(torch.zeros(2, 1))


def test_too_few_threads_are_an_error_and_leave_none(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[threading.Thread] = []
    start = threading.Thread.start

    def granted(thread: threading.Thread) -> None:
        if len(started) == 2:
            raise RuntimeError("can't start new thread")
        started.append(thread)
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", granted)
    with pytest.raises(RuntimeError, match="can't start new thread"):
        start_lanes(3)
    for thread in started:
        thread.join(30)
        assert not thread.is_alive()
