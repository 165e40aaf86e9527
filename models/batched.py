"""Batched: functions of networks on rows, always computed for the same number of them.

A kernel for another number of rows rounds differently, by a bit or two. One that is always filled up to the same number
gives a row the same bytes alone and among others, so requests may share batches as they like.

A processor's cores compute a batch each instead of sharing every product of one: they need not wait for each other
after each, which costs most when the machine has other work, and few rows leave cores to others.

Shapes: N rows; whatever follows the first axis is the function's own matter.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cache
from threading import Barrier

import torch
from torch import Tensor

Rows = tuple[Tensor, ...]  # with a common first axis: what belongs together has the same place in each


def count(rows: Rows) -> int:
    """How many there are."""
    return len(rows[0])


def cut(rows: Rows, begin: int, end: int) -> Rows:
    """Those from ``begin`` up to ``end``."""
    return tuple(part[begin:end] for part in rows)


def join(parts: Sequence[Rows]) -> Rows:
    """All of them, in order."""
    return parts[0] if len(parts) == 1 else tuple(torch.cat(same) for same in zip(*parts, strict=True))


@dataclass(frozen=True, eq=False)
class Batched:
    """A function of a network whose every row depends on the same row of what it is given, and on nothing else."""

    size: int  # rows of a batch; fewer are filled up and cost as much
    device: torch.device  # the network's
    function: Callable[..., Rows]  # of ``size`` rows on the device
    threads: int = field(default_factory=torch.get_num_threads)  # of a processor, each of which computes a batch

    def __call__(self, *rows: Tensor) -> Rows:
        """The function's answers (N, ...) for any number of rows (N, ...), on the processor."""
        batches = [cut(rows, i, i + self.size) for i in range(0, count(rows), self.size)]
        if self.device.type == "cpu":
            return join(list(lanes(self.threads).map(self.batch, batches)))
        return join([self.batch(batch) for batch in batches])

    @torch.inference_mode()
    def batch(self, rows: Rows) -> Rows:
        """The answers to ``size`` rows at most; on a processor call it in a lane."""
        answers = self.function(*(self._filled(part) for part in rows))
        return tuple(_fetched(answer[: count(rows)]) for answer in answers)

    def _filled(self, rows: Tensor) -> Tensor:
        """With zeros up to ``size``, always laid out alike in memory."""
        whole = rows.new_zeros(self.size, *rows.shape[1:])
        whole[: len(rows)] = rows
        return whole.to(self.device)


@cache
def lanes(number: int) -> ThreadPoolExecutor:
    """The threads that compute batches side by side."""
    return start_lanes(number)


def start_lanes(number: int) -> ThreadPoolExecutor:
    """New threads, on each of which PyTorch computes alone; RuntimeError when the system grants too few."""
    threads = torch.get_num_threads()
    pool = ThreadPoolExecutor(number, "lane", initializer=_compute_alone)
    all_run = Barrier(number)
    try:
        for _ in pool.map(lambda _: all_run.wait(), range(number)):
            pass
    except RuntimeError:  # the system grants no more: those that run are not to wait for the others
        all_run.abort()
        pool.shutdown(wait=False)
        raise
    torch.set_num_threads(threads)  # they have set it for all threads to come, too
    return pool


def _compute_alone() -> None:
    torch.get_num_threads()  # a new thread's first call overwrites what was set before
    torch.set_num_threads(1)


def _fetched(answer: Tensor) -> Tensor:
    """The answer on the processor; a graphics card writes several times as fast to memory that stays in its place."""
    if answer.device.type != "cuda":
        return answer.cpu()
    fetched = torch.empty(answer.shape, dtype=answer.dtype, pin_memory=True)
    return fetched.copy_(answer)
