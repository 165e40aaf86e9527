"""Sampling: how the next characters are drawn from logits, for a whole batch at once.

Random numbers are a function of (seed, how many characters the text already has), not of a generator's state, so a text
does not depend on what else is in the batch, nor on when its steps happen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

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


def uniform(seeds: Sequence[int], counters: Sequence[int]) -> NDArray[np.float32]:
    """Numbers in [0, 1) keyed by (seed, counter), with the 24 bits that float32 holds."""
    keys = scramble(np.array(seeds, np.uint64) + GOLDEN)
    mixed = scramble(keys + np.array(counters, np.uint64) * GOLDEN)
    return (mixed >> np.uint64(40)).astype(np.float32) * np.float32(2**-24)


def choice_seed(seed: int, choice: int) -> int:
    """The seed of a request's n-th choice: the request's own for the first; asked for alone it writes the same text."""
    if choice == 0:
        return seed
    mixed = scramble(np.array([seed], np.uint64) + np.array([choice], np.uint64) * GOLDEN)
    return int(mixed[0] >> np.uint64(1))  # 63 bits, what a request may carry


class Sampler:
    """Draws one character for each row of logits; built anew when the batch changes."""

    def __init__(self, rows: Sequence[Sampling], device: torch.device) -> None:
        self.seeds = [row.seed for row in rows]
        self.greedy = torch.tensor([row.temperature == 0 for row in rows], device=device)  # (B,)
        heat = [row.temperature or 1.0 for row in rows]
        self.temperature = torch.tensor(heat, device=device)[:, None]  # (B, 1)
        self.top_p = torch.tensor([row.top_p for row in rows], device=device)[:, None]  # (B, 1)
        top_k = [row.top_k or 2**31 for row in rows]
        self.top_k = torch.tensor(top_k, device=device)[:, None]  # (B, 1)

    @torch.inference_mode()
    def draw(self, logits: Tensor, counters: Sequence[int]) -> list[int]:
        """Characters (B,) from logits (B, V); -1 for a row that is not a distribution.

        Characters are ranked, those beyond top-k and then beyond top-p lose their weight, and the uniform number picks
        one of the rest where the cumulative weight reaches it. Equal logits rank by character: greedy is well defined.
        """
        ranked, order = (logits / self.temperature).sort(dim=-1, descending=True, stable=True)  # (B, V) both
        weight = ranked.softmax(-1)
        rank = torch.arange(logits.shape[-1], device=logits.device)
        weight = weight.masked_fill(rank >= self.top_k, 0.0)
        before = weight.cumsum(-1) - weight  # (B, V)
        weight = weight.masked_fill(before >= self.top_p * weight.sum(-1, keepdim=True), 0.0)
        weight[:, 0].clamp_(min=torch.finfo(weight.dtype).tiny)  # the likeliest always stays
        reached = weight.cumsum(-1)
        u = torch.from_numpy(uniform(self.seeds, counters)).to(logits.device)[:, None]  # (B, 1)
        picked = (reached <= u * reached[:, -1:]).sum(-1)  # (B,)
        picked = torch.minimum(picked, (weight > 0).sum(-1) - 1)  # rounding may reach past the last weight
        picked = picked.masked_fill(self.greedy, 0)
        chosen = order.gather(-1, picked[:, None]).squeeze(-1)  # (B,)
        return chosen.masked_fill(~logits.isfinite().all(-1), -1).tolist()
