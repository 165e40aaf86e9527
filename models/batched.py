"""Batched: functions of networks on rows, always computed for the same number of them.

A kernel for another number of rows rounds differently, by a bit or two. One that is always filled up to the same number
gives a row the same bytes alone and among others, so requests may share batches as they like.

Shapes: N rows; whatever follows the first axis is the function's own matter.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

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
    return tuple(torch.cat(same) for same in zip(*parts, strict=True))


@dataclass(frozen=True, eq=False)
class Batched:
    """A function of a network whose every row depends on the same row of what it is given, and on nothing else."""

    size: int  # rows always computed at once; fewer are filled up and cost as much
    device: torch.device  # the network's
    function: Callable[..., Rows]  # of ``size`` rows on the device

    def __call__(self, *rows: Tensor) -> Rows:
        """The function's answers (N, ...) for any number of rows (N, ...), on the processor."""
        return join([self._batch(cut(rows, i, i + self.size)) for i in range(0, count(rows), self.size)])

    @torch.inference_mode()
    def _batch(self, rows: Rows) -> Rows:
        answers = self.function(*(self._filled(part) for part in rows))
        return tuple(_fetched(answer[: count(rows)]) for answer in answers)

    def _filled(self, rows: Tensor) -> Tensor:
        """With zeros up to ``size``, always laid out alike in memory."""
        whole = rows.new_zeros(self.size, *rows.shape[1:])
        whole[: len(rows)] = rows
        return whole.to(self.device)


def _fetched(answer: Tensor) -> Tensor:
    """The answer on the processor; a graphics card writes several times as fast to memory that stays in its place."""
    if answer.device.type != "cuda":
        return answer.cpu()
    fetched = torch.empty(answer.shape, dtype=answer.dtype, pin_memory=True)
    return fetched.copy_(answer)
