"""Fused: a decoder for graphics cards, which writes several characters of many texts in one launch.

A step of a small GPT is hundreds of operations that take less time than their launch, and each costs a round trip to
the processor. Here a layer is five kernels (models.kernels), the next character is drawn on the card, and the launches
of a whole block of steps are recorded together (a CUDA graph). Prompts are read by the same steps, so that a text is
the same to the bit however it is cut. The cache is that of models.decoder.

Shapes: B texts, K steps of a block, V vocabulary; others as in models.kernels.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.decoder import Block, Draws, weights_of
from models.gpt import GPT, frequencies
from models.recording import Replay, recorded

ROWS = 16  # texts that a program computes together: as few as matrix units take
COLUMNS = 32  # of a matrix in one program: few, so that a single text keeps many of the card's processors busy
BLOCK = 64  # numbers of a sum that are loaded at once
STEPS = 8  # of a block: a text's reader hardly waits for the last one, and the processor has time for the block before
AMPERE = (8, 0)  # compute capability: the first to multiply bfloat16
LETTERS = 256  # most characters of a vocabulary: each is compared with every other one


class FusedError(Exception):
    """The kernels cannot be had; the message says why."""


@dataclass(eq=False)
class Recording:
    """What is prepared for a number of texts: where the card finds its numbers, and the launch of a block."""

    host: Tensor  # (2 + 2K + 3, B) int32: see models.kernels
    given: Tensor  # the same on the card
    drawn: Tensor  # (K, B) int32
    logits: Tensor  # (K, B, V)
    launch: Replay[None]


class FusedDecoder:
    """A decoder that advances texts by ``steps`` characters at once; one thread at a time."""

    steps = STEPS

    def __init__(self, network: GPT, slots: int, precision: torch.dtype = torch.bfloat16) -> None:
        """``precision`` is that of matrices and cache; FusedError when the kernels cannot compute the network."""
        self.config = c = network.config
        if importlib.util.find_spec("triton") is None:
            raise FusedError("Triton is not installed")
        self.device = network.head.weight.device
        if self.device.type == "cuda" and torch.cuda.get_device_capability(self.device) < AMPERE:
            raise FusedError("the graphics card is older than Ampere")
        if c.head_size < 32 or c.head_size & (c.head_size - 1) or len(c.vocabulary) > LETTERS:
            raise FusedError(f"heads of {c.head_size} numbers or {len(c.vocabulary)} characters are not provided for")
        from models import kernels  # where there is no Triton there are none

        self._kernels: Any = kernels
        self.slots = slots
        self.precision = precision
        self.embedding, self.norm, self.head, self.layers = weights_of(network, precision)
        ring = (c.layers, slots + 1, c.kv_heads, c.context, c.head_size)  # the last one belongs to rows left over
        self.keys = torch.zeros(ring, dtype=precision, device=self.device)  # (L, S + 1, G, W, D)
        self.values = torch.zeros(ring, dtype=precision, device=self.device)  # (L, S + 1, G, W, D)
        self._frequencies = frequencies(c.head_size, c.rotary_base, self.device)  # (D / 2,)
        self._recordings: dict[int, Recording] = {}
        try:
            self._recording(1)  # compiles the kernels, now rather than when the first text waits
        except torch.OutOfMemoryError:  # nothing else would need less
            raise
        except Exception as error:  # Triton needs a C compiler, and raises whatever its own parts raise
            raise FusedError(f"the kernels cannot be compiled: {error}") from error

    def write(self, slots: Sequence[int], positions: Sequence[int], tokens: NDArray[np.int32], draws: Draws) -> Block:
        """See :meth:`models.decoder.BlockDecoder.write`."""
        count = len(slots)
        recording = self._recording(count)
        host = recording.host.numpy()
        host[0] = self.slots
        host[0, :count] = slots
        host[1, :count] = positions
        host[2 : 2 + self.steps, :count] = tokens
        numbers = host.view(np.float32)
        numbers[2 + self.steps : 2 + 2 * self.steps, :count] = draws.uniform
        numbers[-3:, :count] = draws.heat, draws.top_k, draws.top_p
        recording.given.copy_(recording.host, non_blocking=True)
        recording.launch()
        return Block(recording.drawn.cpu().numpy()[:, :count], recording.logits[:, :count])

    def clear(self, slot: int) -> None:
        """See :meth:`models.decoder.Decoder.clear`."""
        self.keys[:, slot] = 0
        self.values[:, slot] = 0

    def _recording(self, count: int) -> Recording:
        """That of the next power of two."""
        rows = max(ROWS, power(count))
        if rows not in self._recordings:
            on_card = self.device.type == "cuda"
            host = torch.zeros(2 + 2 * self.steps + 3, rows, dtype=torch.int32, pin_memory=on_card)
            host[0] = self.slots
            host[-3:].view(torch.float32).fill_(1.0)
            given = host.to(self.device)
            drawn = torch.zeros(self.steps, rows, dtype=torch.int32, device=self.device)
            logits = torch.zeros(self.steps, rows, len(self.config.vocabulary), device=self.device)
            if on_card:
                self._block(given, drawn, logits)  # an error of the kernels is none of the recording
            launch = recorded(lambda: self._block(given, drawn, logits), self.device)
            self._recordings[rows] = Recording(host, given, drawn, logits, launch)
        return self._recordings[rows]

    def _block(self, given: Tensor, drawn: Tensor, logits: Tensor) -> None:
        """Launch the kernels of all steps."""
        c, k, rows = self.config, self._kernels, drawn.shape[1]
        vocabulary, groups = len(c.vocabulary), rows // ROWS
        x = torch.empty(rows, c.width, device=self.device)  # (B, C)
        queries, gathered = (torch.empty(rows, c.width, dtype=self.precision, device=self.device) for _ in range(2))
        hidden = torch.empty(rows, c.hidden, dtype=self.precision, device=self.device)  # (B, M)
        numbers = given.view(torch.float32)
        exact = "ieee" if self.precision == torch.float32 else "tf32"
        wide = {"C": c.width, "BLOCK_C": power(c.width)}
        sums = {"BLOCK": BLOCK, "EXACT": exact}
        columns = {"COLUMNS": COLUMNS, **sums}
        heads = {"H": c.heads, "G": c.kv_heads, "W": c.context}
        for step in range(self.steps):
            k.begin[(rows,)](given, drawn, self.embedding, x, step, rows, **wide)
            for layer, keys, values in zip(self.layers, self.keys, self.values, strict=True):
                k.project[(groups, c.heads + 2 * c.kv_heads)](
                    given, x, layer.attention_norm, layer.qkv, self._frequencies, queries, keys, values, step, rows,
                    HALF=c.head_size // 2, **wide, **heads, **sums,
                )  # fmt: skip
                k.attend[(rows, c.kv_heads)](
                    given, queries, keys, values, gathered, step, rows,
                    D=c.head_size, PER=max(ROWS, power(c.heads // c.kv_heads)), **heads, **sums,
                )  # fmt: skip
                k.add_product[(groups, shares(c.width))](x, gathered, layer.out, c.width, c.width, **columns)
                k.gate[(groups, shares(c.hidden))](
                    x, layer.feed_norm, layer.gate_up, hidden, M=c.hidden, **wide, **columns
                )
                k.add_product[(groups, shares(c.width))](x, hidden, layer.down, c.width, c.hidden, **columns)
            k.predict[(groups, shares(vocabulary))](
                x, self.norm, self.head, logits, step, rows, V=vocabulary, **wide, **columns
            )
            k.choose[(rows,)](
                given, numbers, logits, drawn, step, rows, K=self.steps, V=vocabulary, BLOCK_V=power(vocabulary),
                num_warps=8,
            )  # fmt: skip


def power(number: int) -> int:
    """The next power of two."""
    return 1 << (number - 1).bit_length()


def shares(number: int) -> int:
    """Programs that compute so many columns."""
    return -(-number // COLUMNS)
