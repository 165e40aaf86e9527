"""Sampling: how the next characters are drawn from logits, for a whole batch at once.

Random numbers are a function of (seed, how many characters the text already has), not of a generator's state, so a text
does not depend on what else is in the batch, nor on when its steps happen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.decoder import Draws

COLDEST = 1e-4  # a temperature at which the likeliest character is as good as certain, and logits stay finite
GOLDEN = np.uint64(0x9E3779B97F4A7C15)  # 2**64 / golden ratio: the increment of SplitMix64


@dataclass(frozen=True)
class Sampling:
    """How one text is drawn."""

    temperature: float = 1.0  # 0 takes the likeliest character
    top_k: int = 0  # 0 keeps every character
    top_p: float = 1.0
    seed: int = 0


def scramble(x: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """SplitMix64's finaliser (Steele, Lea & Flood 2014): a bijection of 64-bit integers that looks random."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def choice_seed(seed: int, choice: int) -> int:
    """The seed of a request's n-th choice: the request's own for the first; asked for alone it writes the same text."""
    if choice == 0:
        return seed
    mixed = scramble(np.array([seed], np.uint64) + np.array([choice], np.uint64) * GOLDEN)
    return int(mixed[0] >> np.uint64(1))  # 63 bits, what a request may carry


class Sampler:
    """Draws one character for each row of logits; built anew when the batch changes."""

    def __init__(self, rows: Sequence[Sampling], letters: int, device: torch.device) -> None:
        """``letters`` is the size of the vocabulary, V."""
        self._keys = scramble(np.array([row.seed for row in rows], np.uint64) + GOLDEN)  # (B,)
        self._drawn = np.array([row.temperature > 0 for row in rows], np.float32)  # (B,): 0 for greedy ones
        heat = [max(row.temperature, COLDEST) if row.temperature else 1.0 for row in rows]
        self._heat = np.array(heat, np.float32)  # (B,)
        self._top_k = np.array([min(row.top_k or letters, letters) for row in rows], np.float32)  # (B,)
        self._top_p = np.array([row.top_p if row.top_p < 1 else np.inf for row in rows], np.float32)  # (B,)
        self._letters, self._device = letters, device

    def draws(self, counters: Sequence[int], steps: int) -> Draws:
        """What a block of steps, beginning at these counters (B,), needs to draw as :meth:`draw` does."""
        count = np.arange(steps)[:, None] + np.array(counters)  # (K, B)
        return Draws(self.uniform(count), self._heat, self._top_k, self._top_p)

    def uniform(self, counters: Sequence[int] | NDArray[np.int64]) -> NDArray[np.float32]:
        """Numbers (..., B) in [0, 1) keyed by (seed, counter), with float32's 24 bits; 0 for greedy rows."""
        mixed = scramble(self._keys + np.asarray(counters, np.int64).astype(np.uint64) * GOLDEN)
        return (mixed >> np.uint64(40)).astype(np.float32) * np.float32(2**-24) * self._drawn

    def draw(self, logits: Tensor, counters: Sequence[int]) -> list[int]:
        """Characters (B,) from logits (B, V) with the uniform numbers of these counters: see :meth:`pick`."""
        return self.pick(logits, self.uniform(counters))

    @torch.inference_mode()
    def pick(self, logits: Tensor, uniform: NDArray[np.float32]) -> list[int]:
        """Characters (B,) from logits (B, V) and numbers (B,) in [0, 1); -1 for a row that is not a distribution.

        Characters are ranked, those beyond top-k and then beyond top-p lose their weight, and the first is taken at
        which the cumulative weight reaches the uniform number's share of the whole: the likeliest, if that number is 0.
        """
        ranked, order = (logits / self._heated).sort(dim=-1, descending=True, stable=True)  # (B, V) both
        weight = ranked.softmax(-1)
        if self._beyond_k is not None:
            weight = weight.masked_fill(self._beyond_k, 0.0)
        reached = weight.cumsum(-1)  # (B, V)
        if self._most is not None:
            beyond = reached - weight >= self._most * reached[:, -1:]
            reached = weight.masked_fill(beyond, 0.0).cumsum(-1)
        total = reached[:, -1:]  # (B, 1)
        goal = torch.from_numpy(uniform).to(logits.device)[:, None] * total
        picked = (reached < goal).sum(-1, keepdim=True)  # (B, 1)
        return order.gather(-1, picked).masked_fill(total.isnan(), -1).squeeze(-1).tolist()

    @cached_property
    def _heated(self) -> Tensor:
        return torch.from_numpy(self._heat).to(self._device)[:, None]  # (B, 1)

    @cached_property
    def _beyond_k(self) -> Tensor | None:
        """(B, V), by rank; None where no row leaves any out."""
        if (self._top_k == self._letters).all():
            return None
        return (
            torch.arange(self._letters, device=self._device) >= torch.from_numpy(self._top_k).to(self._device)[:, None]
        )

    @cached_property
    def _most(self) -> Tensor | None:
        """The top-p (B, 1) of rows; None where no row has any."""
        return torch.from_numpy(self._top_p).to(self._device)[:, None] if np.isfinite(self._top_p).any() else None
