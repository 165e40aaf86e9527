"""Decoder: a GPT that writes one character after another for many texts at once, with a KV cache.

The cache is a fixed pool of slots, one per text, each a ring of the last ``context`` keys and values: memory is known
when the decoder is built, and a text that runs past the context overwrites its oldest entry and recomputes nothing.
Keys are stored already rotated, which is right because rotary scores depend on distances alone.

Shapes: B texts of a step, T characters of a prompt's chunk, C width, H query heads, G key/value heads, D head size,
W ring length (= context), V vocabulary, S slots.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from typing import Protocol, runtime_checkable

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from models.gpt import GPT, Config, normalise, rotary, rotate
from models.recording import Replay, recorded


@dataclass(frozen=True)
class Layer:
    """One block's weights in the precision they are multiplied in; norms stay float32."""

    attention_norm: Tensor
    qkv: Tensor
    out: Tensor
    feed_norm: Tensor
    gate_up: Tensor
    down: Tensor


CHUNK = 32  # characters of one text that a step takes at most


class Decoder(Protocol):
    """Advances texts that live in slots; one thread at a time."""

    config: Config
    slots: int
    precision: torch.dtype  # of the numbers that are multiplied
    device: torch.device

    def advance(self, slots: Sequence[int], tokens: Sequence[int], positions: Sequence[int]) -> Tensor:
        """Take the next characters of some texts, N in all.

        Those of one text, at most ``CHUNK``, come one after another; ``positions`` counts the characters before each in
        its text. Returns the logits (N, V), float32, of the characters that follow. They depend on the text alone, not
        on the others; to the bit only if the text is always cut into the same chunks.
        """
        ...

    def clear(self, slot: int) -> None:
        """Empty a slot that may hold what is not a number; otherwise a new text just begins at position 0."""
        ...


@dataclass(frozen=True)
class Draws:
    """How the next characters of B texts are drawn (worker.engine.sampling)."""

    uniform: NDArray[np.float32]  # (K, B): the random number of each step, in [0, 1)
    heat: NDArray[np.float32]  # (B,): temperatures, above 0
    top_k: NDArray[np.float32]  # (B,): whole numbers
    top_p: NDArray[np.float32]  # (B,): infinite where no character is left out


@dataclass(frozen=True)
class Block:
    """What several steps at once found."""

    drawn: NDArray[np.int32]  # (K, B): the character after each step's; -1 where there is no distribution
    logits: Tensor  # (K, B, V) on the device, float32; they hold until the next block


@runtime_checkable
class BlockDecoder(Protocol):
    """Advances texts that live in slots by ``steps`` characters, which it draws itself; one thread at a time."""

    config: Config
    slots: int
    precision: torch.dtype
    device: torch.device
    steps: int  # K

    def write(self, slots: Sequence[int], positions: Sequence[int], tokens: NDArray[np.int32], draws: Draws) -> Block:
        """Take the next characters of B texts.

        ``positions`` counts the characters before them in each text; ``tokens`` (K, B) are the characters themselves,
        -1 for the one that is drawn after the step before. Whatever else is in the block, a text stays the same.
        """
        ...

    def clear(self, slot: int) -> None:
        """See :meth:`Decoder.clear`."""
        ...


def weights_of(network: GPT, precision: torch.dtype) -> tuple[Tensor, Tensor, Tensor, list[Layer]]:
    """A network's embedding, last norm, head and layers: what is multiplied in that precision, the rest float32."""
    weights = {name: p.detach().float() for name, p in network.named_parameters()}
    layers = [
        Layer(
            attention_norm=weights[f"blocks.{i}.attention_norm.weight"],
            qkv=weights[f"blocks.{i}.attention.qkv.weight"].to(precision),
            out=weights[f"blocks.{i}.attention.out.weight"].to(precision),
            feed_norm=weights[f"blocks.{i}.feed_norm.weight"],
            gate_up=weights[f"blocks.{i}.feed.gate_up.weight"].to(precision),
            down=weights[f"blocks.{i}.feed.down.weight"].to(precision),
        )
        for i in range(network.config.layers)
    ]
    return weights["embedding.weight"], weights["norm.weight"], weights["head.weight"].to(precision), layers


class TorchDecoder:
    """A decoder in PyTorch's operations, for any device."""

    def __init__(self, network: GPT, slots: int, precision: torch.dtype = torch.float32) -> None:
        """``precision`` is that of matrices and cache; the residual stream, norms and softmax stay float32."""
        self.config = c = network.config
        self.slots = slots
        self.precision = precision
        self.device = network.head.weight.device
        self.embedding, self.norm, self.head, self.layers = weights_of(network, precision)
        ring = (c.layers, slots, c.kv_heads, c.context, c.head_size)
        self.keys = torch.zeros(ring, dtype=precision, device=self.device)  # (L, S, G, W, D)
        self.values = torch.zeros(ring, dtype=precision, device=self.device)  # (L, S, G, W, D)
        self.entries = torch.arange(c.context, device=self.device)  # (W,)
        # Kernels for few rows sum in another order than those for many, so steps are filled up: to a multiple of rows,
        # or on a graphics card to few sizes, each of which is recorded.
        self.width = 16 if self.device.type == "cpu" else 64
        # What steps are given, (3, B), and their launch, by the number of rows and whether those are in order.
        self._steps: dict[tuple[int, bool], tuple[Tensor, Replay[Tensor]]] = {}

    @torch.inference_mode()
    def advance(self, slots: Sequence[int], tokens: Sequence[int], positions: Sequence[int]) -> Tensor:
        """See :meth:`Decoder.advance`."""
        groups = [list(group) for _, group in groupby(range(len(slots)), key=slots.__getitem__)]
        single = [group[0] for group in groups if len(group) == 1]
        logits = torch.empty(len(slots), len(self.config.vocabulary), device=self.device)  # (N, V)
        if single:
            logits[single] = self._step(*([values[i] for i in single] for values in (slots, tokens, positions)))
        for rows in groups:
            if len(rows) > 1:
                chunk = [tokens[i] for i in rows]
                logits[rows[0] : rows[-1] + 1] = self._read(slots[rows[0]], chunk, positions[rows[0]])
        return logits

    def clear(self, slot: int) -> None:
        """See :meth:`Decoder.clear`."""
        self.keys[:, slot] = 0
        self.values[:, slot] = 0

    def _step(self, slots: list[int], tokens: list[int], positions: list[int]) -> Tensor:
        """Logits (B, V) of the characters that follow the newest ones of B texts."""
        count = len(slots)
        rows = math.ceil(count / self.width) * self.width
        if self.device.type == "cuda":
            rows = 2 ** math.ceil(math.log2(rows))
        slots, tokens, positions = (row + row[-1:] * (rows - count) for row in (slots, tokens, positions))
        rows_given = torch.tensor((slots, tokens, positions), device=self.device)  # (3, B)
        in_order = slots == list(range(rows))  # then the cache needs no gathering
        if (rows, in_order) not in self._steps:
            given = rows_given.clone()
            self._steps[rows, in_order] = given, recorded(partial(self._advance, given, in_order), self.device)
        given, launch = self._steps[rows, in_order]
        given.copy_(rows_given)
        return launch()[:count]

    def _advance(self, given: Tensor, in_order: bool) -> Tensor:
        """Logits (B, V) of a step whose slots, tokens and positions are given (3, B)."""
        c = self.config
        slot, token, position = given
        ring = position % c.context
        unseen = self.entries > position[:, None]  # (B, W): the ring fills up once, then all of it is seen
        cosine, sine = (t[:, None] for t in rotary(position, c.head_size, c.rotary_base))  # (B, 1, D / 2)
        x = self.embedding[token]  # (B, C)
        for layer, keys, values in zip(self.layers, self.keys, self.values, strict=True):
            q, k, v = self._heads(layer, x, cosine, sine)  # (B, H, D), (B, G, D), (B, G, D)
            keys[slot, :, ring] = k
            values[slot, :, ring] = v
            k, v = (cache[: len(slot)] if in_order else cache[slot] for cache in (keys, values))  # (B, G, W, D)
            y = self._attend(q.view(len(q), c.kv_heads, -1, c.head_size), k, v, unseen[:, None, None])
            x = self._feed(layer, x, y.flatten(1))  # (B, G, H / G, D) to (B, C)
        return self._logits(x)

    def _read(self, slot: int, tokens: list[int], position: int) -> Tensor:
        """Logits (T, V) of a chunk of one text, the first character of which stands at ``position``."""
        c = self.config
        positions = torch.arange(position, position + len(tokens), device=self.device)  # (T,)
        old = position - 1 - (position - 1 - self.entries) % c.context  # (W,): whose entries the ring holds; < 0: none
        distance = positions[:, None] - torch.cat((old, positions))  # (T, W + T)
        unseen = (distance > positions[:, None]) | (distance < 0) | (distance >= c.context)
        cosine, sine = (t[:, None] for t in rotary(positions, c.head_size, c.rotary_base))  # (T, 1, D / 2)
        x = self.embedding[torch.tensor(tokens, device=self.device)]  # (T, C)
        for layer, keys, values in zip(self.layers, self.keys[:, slot], self.values[:, slot], strict=True):
            q, k, v = (t.transpose(0, 1) for t in self._heads(layer, x, cosine, sine))  # (H, T, D), (G, T, D) twice
            y = self._attend(  # (G, H / G, T, D)
                q.reshape(c.kv_heads, -1, len(tokens), c.head_size),
                torch.cat((keys, k), 1)[:, None],  # (G, 1, W + T, D)
                torch.cat((values, v), 1)[:, None],
                unseen,
            )
            keys[:, positions % c.context] = k
            values[:, positions % c.context] = v
            x = self._feed(layer, x, y.flatten(0, 1).transpose(0, 1).flatten(1))
        return self._logits(x)

    def _heads(self, layer: Layer, x: Tensor, cosine: Tensor, sine: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Queries and keys, normalised and rotated, and values of rows (N, C): (N, H or G, D)."""
        c = self.config
        h = (normalise(x) * layer.attention_norm).to(self.precision)
        heads = F.linear(h, layer.qkv).view(len(x), -1, c.head_size)  # (N, H + 2 G, D)
        turned = rotate(normalise(heads[:, : -c.kv_heads]), cosine, sine).to(self.precision)  # (N, H + G, D)
        return turned[:, : c.heads], turned[:, c.heads :], heads[:, -c.kv_heads :]

    def _attend(self, q: Tensor, k: Tensor, v: Tensor, unseen: Tensor) -> Tensor:
        scores = (q @ k.transpose(-1, -2)).float() * self.config.head_size**-0.5
        scores = scores.masked_fill(unseen, -torch.inf)
        return torch.matmul(scores.softmax(-1).to(self.precision), v)

    def _feed(self, layer: Layer, x: Tensor, y: Tensor) -> Tensor:
        """The rest of a block after attention: (N, C)."""
        x = x + F.linear(y, layer.out)
        h = (normalise(x) * layer.feed_norm).to(self.precision)
        gate, up = F.linear(h, layer.gate_up).chunk(2, -1)
        return x + F.linear(F.silu(gate) * up, layer.down)

    def _logits(self, x: Tensor) -> Tensor:
        return F.linear((normalise(x) * self.norm).to(self.precision), self.head).float()
