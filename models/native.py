"""Native decoder: the step of ``native.c``, compiled for this processor and for the network's shape when first needed.

PyTorch spends most of a small step on calls rather than on arithmetic, and its threads wait for each other after every
operation, which costs a multiple wherever other processes share the cores. Here a step is one call, made without the
interpreter's lock, and each thread takes rows of its own from the first layer to the last.
"""

from __future__ import annotations

import ctypes
import hashlib
import math
import os
import platform
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby
from pathlib import Path

import torch
from torch import Tensor

from models.decoder import CHUNK
from models.gpt import GPT, Config

SOURCE = Path(__file__).with_suffix(".c")
FLAGS = ("-O3", "-march=native", "-fno-math-errno", "-std=gnu11", "-shared", "-fPIC", "-w")
PANEL = 64  # columns; as in the source
LANES = 16  # numbers of the widest vector; as in the source
SPAN = 32  # entries of the cache that are scored together; as in the source
ROWS = 64  # of one call: enough to use each weight often, few enough to stay in a core's own cache
ALONE = 4  # rows that one thread computes faster than two could share


class NativeError(Exception):
    """The native step cannot be had here; the message says why."""


class NativeDecoder:
    """What :class:`models.decoder.TorchDecoder` does, on a processor."""

    def __init__(self, network: GPT, slots: int, precision: torch.dtype, threads: int) -> None:
        """``precision`` is that of the activations that meet a matrix; the cache has it too, matrices are bfloat16.

        NativeError when there is no compiler, or the network's shape does not suit the vectors.
        """
        self.config = c = network.config
        self.slots = slots
        self.precision = precision
        self.device = torch.device("cpu")
        if c.head_size % LANES or c.width % LANES or c.hidden % LANES:
            raise NativeError(f"head size, width and hidden size must be multiples of {LANES}")
        self._ring = math.ceil((c.context + CHUNK) / SPAN) * SPAN
        self._letters = math.ceil(len(c.vocabulary) / LANES) * LANES
        self._advance = ctypes.CDLL(str(library(c, self._ring, precision))).advance
        self._floats, self._matrices = flatten(network)
        cache = c.layers * slots * c.kv_heads * self._ring * c.head_size
        self._keys = torch.zeros(cache, dtype=precision)
        self._values = torch.zeros(cache, dtype=precision)
        self._threads = threads
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="step")

    def advance(self, slots: Sequence[int], tokens: Sequence[int], positions: Sequence[int]) -> Tensor:
        """See :meth:`models.decoder.TorchDecoder.advance`."""
        rows = torch.tensor((slots, tokens, positions), dtype=torch.int32)  # (3, N)
        logits = torch.empty(len(slots), self._letters)  # (N, V and padding)
        first, *others = shares(slots, self._threads)
        waiting = [self._pool.submit(self._call, rows, logits, *share) for share in others]
        self._call(rows, logits, *first)
        for share in waiting:
            share.result()
        return logits[:, : len(self.config.vocabulary)]

    def clear(self, slot: int) -> None:
        """Forget a slot's text, whose numbers may have been none."""
        c = self.config
        for cache in (self._keys, self._values):
            cache.view(c.layers, self.slots, -1)[:, slot] = 0

    def _call(self, rows: Tensor, logits: Tensor, begin: int, end: int) -> None:
        slot, token, position = (row.data_ptr() + 4 * begin for row in rows)
        self._advance(
            ctypes.c_void_p(self._floats.data_ptr()),
            ctypes.c_void_p(self._matrices.data_ptr()),
            ctypes.c_void_p(self._keys.data_ptr()),
            ctypes.c_void_p(self._values.data_ptr()),
            ctypes.c_int(self.slots),
            ctypes.c_int(end - begin),
            ctypes.c_void_p(slot),
            ctypes.c_void_p(token),
            ctypes.c_void_p(position),
            ctypes.c_void_p(logits.data_ptr() + 4 * self._letters * begin),
        )


def shares(slots: Sequence[int], threads: int) -> list[tuple[int, int]]:
    """Cut N rows into ranges, about equal and at least one for each thread, none of which cuts a text in two."""
    count = max(1, math.ceil(len(slots) / ROWS), min(threads, len(slots) // ALONE))
    goal = math.ceil(len(slots) / count)
    cuts, end = [0], 0
    for _, group in groupby(slots):
        length = len(list(group))
        if end - cuts[-1] + length > goal and end > cuts[-1]:
            cuts.append(end)
        end += length
    return list(zip(cuts, [*cuts[1:], end], strict=True))


def flatten(network: GPT) -> tuple[Tensor, Tensor]:
    """A network's numbers in the order in which the step reads them: float32 ones, and bfloat16 matrices in panels."""
    c = network.config
    weights = {name: p.detach().float().cpu() for name, p in network.named_parameters()}
    norms = [weights[f"blocks.{i}.{norm}.weight"] for i in range(c.layers) for norm in ("attention_norm", "feed_norm")]
    frequencies = c.rotary_base ** (-torch.arange(0, c.head_size, 2) / c.head_size)
    floats = [weights["embedding.weight"], *norms, weights["norm.weight"], frequencies]
    names = ("attention.qkv", "attention.out", "feed.gate_up", "feed.down")
    matrices = [weights[f"blocks.{i}.{name}.weight"] for i in range(c.layers) for name in names]
    matrices.append(weights["head.weight"])
    return torch.cat([t.flatten() for t in floats]), torch.cat([panels(matrix) for matrix in matrices])


def panels(matrix: Tensor) -> Tensor:
    """A matrix (outer, inner) as panels of 64 columns, each with its pairs of inputs in order; bfloat16, flat."""
    outer, inner = matrix.shape
    padded = torch.zeros(math.ceil(outer / PANEL) * PANEL, inner)
    padded[:outer] = matrix
    return padded.view(-1, PANEL, inner // 2, 2).transpose(1, 2).to(torch.bfloat16).flatten()


def library(config: Config, ring: int, precision: torch.dtype) -> Path:
    """The compiled step for a network's shape, made now unless it was made before; NativeError without a compiler."""
    shape = {
        "LAYERS": config.layers,
        "WIDTH": config.width,
        "HEADS": config.heads,
        "KV_HEADS": config.kv_heads,
        "HEAD": config.head_size,
        "HIDDEN": config.hidden,
        "VOCABULARY": len(config.vocabulary),
        "CONTEXT": config.context,
        "RING": ring,
        "ROWS": ROWS + CHUNK,
        "BFLOAT": int(precision == torch.bfloat16),
    }
    options = [*FLAGS, *(f"-D{name}={value}" for name, value in shape.items())]
    key = hashlib.sha256("\n".join([SOURCE.read_text(), processor(), *options]).encode()).hexdigest()[:16]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "prospero"
    made = cache / f"step-{key}.so"
    if not made.exists():
        compile_step(options, made)
    return made


def compile_step(options: Iterable[str], made: Path) -> None:
    compiler = shutil.which(os.environ.get("CC", "cc"))
    if compiler is None:
        raise NativeError("there is no C compiler (cc)")
    try:
        made.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=made.parent) as beside:
            part = Path(beside) / made.name
            subprocess.run([compiler, *options, str(SOURCE), "-o", str(part), "-lm"], check=True, capture_output=True)
            part.replace(made)
    except subprocess.CalledProcessError as error:
        raise NativeError(f"the C compiler failed: {error.stderr.decode(errors='replace').strip()[:500]}") from error
    except OSError as error:
        raise NativeError(f"{made.parent} cannot be written ({error.strerror})") from error


def processor() -> str:
    """What tells this processor from one that lacks its instructions."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return f"{platform.machine()} {platform.processor()}"
    return "\n".join(sorted({line for line in lines if line.startswith(("model name", "flags", "Features"))}))
