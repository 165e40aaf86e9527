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
import weakref
from array import array
from collections.abc import Iterable, Sequence
from contextlib import suppress
from functools import partial
from itertools import groupby
from pathlib import Path

import torch
from torch import Tensor

from models.decoder import CHUNK, weights_of
from models.gpt import GPT, Config, frequencies

SOURCE = Path(__file__).with_suffix(".c")
FLAGS = ("-O3", "-march=native", "-fno-math-errno", "-std=gnu11", "-shared", "-fPIC", "-pthread", "-w")
PANEL = 64  # columns of a matrix that lie together
LANES = 16  # numbers of the widest vector; as in the source
SPAN = 32  # entries of the cache that are scored together
ROWS = 64  # of one call: enough to use each weight often, few enough to stay in a core's own cache
ALONE = 4  # rows that one thread computes faster than two could share


class NativeError(Exception):
    """The native step cannot be had here; the message says why."""


class NativeDecoder:
    """What :class:`models.decoder.TorchDecoder` does, on a processor."""

    def __init__(self, network: GPT, slots: int, precision: torch.dtype, threads: int) -> None:
        """``precision`` is float32, with matrices in bfloat16, or int8, with the cache in bfloat16.

        With int8 a matrix has a scale for each output and each row that meets it one of its own (Dettmers et al. 2022);
        sums are exact whole numbers. NativeError when the processor or the compiler cannot do it, or the network's
        shape does not suit the vectors.
        """
        if precision not in (torch.float32, torch.int8):
            raise NativeError(f"it knows no {precision}")
        self.config = c = network.config
        self.slots = slots
        self.precision = precision
        self.device = torch.device("cpu")
        if c.head_size % LANES or c.width % LANES or c.hidden % LANES:
            raise NativeError(f"head size, width and hidden size must be multiples of {LANES}")
        self._ring = math.ceil((c.context + CHUNK) / SPAN) * SPAN
        self._letters = math.ceil(len(c.vocabulary) / LANES) * LANES
        step = _opened(library(c, self._ring, precision))
        self._floats, self._matrices = flatten(network, precision)
        cache = c.layers * slots * c.kv_heads * self._ring * c.head_size
        cached = torch.float32 if precision == torch.float32 else torch.bfloat16
        self._keys = torch.zeros(cache, dtype=cached)
        self._values = torch.zeros(cache, dtype=cached)
        self._threads = threads
        step.hire.restype = ctypes.c_void_p
        crew = ctypes.c_void_p(step.hire(threads - 1))
        if not crew:
            raise NativeError("the system grants no more threads")
        weakref.finalize(self, step.dismiss, crew, threads - 1).atexit = False  # the end of the process ends them too
        memory = (self._floats, self._matrices, self._keys, self._values)
        pointers = [ctypes.c_void_p(tensor.data_ptr()) for tensor in memory]
        self._advance = partial(step.advance, crew, threads - 1, *pointers, slots)

    def advance(self, slots: Sequence[int], tokens: Sequence[int], positions: Sequence[int]) -> Tensor:
        """See :meth:`models.decoder.TorchDecoder.advance`."""
        cuts = shares(slots, self._threads)
        numbers = [array("i", row) for row in (slots, tokens, positions, cuts)]
        logits = torch.empty(len(slots), self._letters)  # (N, V and padding)
        slot, token, position, cut = (ctypes.c_void_p(row.buffer_info()[0]) for row in numbers)
        self._advance(slot, token, position, len(cuts) - 1, cut, ctypes.c_void_p(logits.data_ptr()))
        return logits[:, : len(self.config.vocabulary)]

    def clear(self, slot: int) -> None:
        """Forget a slot's text, whose numbers may have been none."""
        c = self.config
        for cache in (self._keys, self._values):
            cache.view(c.layers, self.slots, -1)[:, slot] = 0


def shares(slots: Sequence[int], threads: int) -> list[int]:
    """Cut N rows into shares, about equal and at least one for each thread, none of which cuts a text in two.

    Returns where each begins, and the end of the last.
    """
    count = max(1, math.ceil(len(slots) / ROWS), min(threads, len(slots) // ALONE))
    goal = math.ceil(len(slots) / count)
    cuts, end = [0], 0
    for _, group in groupby(slots):
        length = len(list(group))
        if end - cuts[-1] + length > goal and end > cuts[-1]:
            cuts.append(end)
        end += length
    return [*cuts, end]


def flatten(network: GPT, precision: torch.dtype) -> tuple[Tensor, Tensor]:
    """A network's numbers in the order in which the step reads them: float32 ones, and the bytes of the matrices."""
    c = network.config
    embedding, norm, head, layers = weights_of(network, torch.float32)
    norms = [weight for layer in layers for weight in (layer.attention_norm, layer.feed_norm)]
    floats = [embedding, *norms, norm, frequencies(c.head_size, c.rotary_base)]
    matrices = [weight for layer in layers for weight in (layer.qkv, layer.out, layer.gate_up, layer.down)] + [head]
    panels = scaled_panels if precision == torch.int8 else half_panels
    return torch.cat([t.flatten() for t in floats]), torch.cat([panels(matrix) for matrix in matrices])


def half_panels(matrix: Tensor) -> Tensor:
    """A matrix (outer, inner) as panels of 64 columns, each with its pairs of inputs in order, bfloat16: bytes."""
    return words(matrix.to(torch.bfloat16), 2).flatten()


def scaled_panels(matrix: Tensor) -> Tensor:
    """A matrix (outer, inner) as panels of 64 columns, each with its fours of inputs in order, int8: bytes.

    A panel begins with what its columns' sums start from, as whole numbers, and with their scales.
    """
    scales = matrix.abs().amax(1) / 127  # (outer,)
    whole = (matrix / scales.clamp(min=torch.finfo(torch.float32).tiny)[:, None]).round().to(torch.int8)
    starts = -128 * whole.sum(1, dtype=torch.int32)  # the instruction wants inputs from 0, so it gets 128 more
    header = torch.stack((starts, scales.view(torch.int32)), 1)  # (outer, 2)
    return torch.cat((words(header, 1), words(whole, 4)), 1).flatten()


def words(matrix: Tensor, inputs: int) -> Tensor:
    """For each panel of 64 columns of a matrix (outer, inner) its words of so many inputs, column by column: bytes."""
    outer, inner = matrix.shape
    padded = matrix.new_zeros(math.ceil(outer / PANEL) * PANEL, inner)
    padded[:outer] = matrix
    ordered = padded.view(-1, PANEL, inner // inputs, inputs).transpose(1, 2).contiguous()
    return ordered.view(torch.uint8).flatten(1)  # (panels, bytes)


def _opened(made: Path) -> ctypes.CDLL:
    """A compiled step; one that cannot be loaded is removed, so that the next start makes it anew."""
    try:
        return ctypes.CDLL(str(made))
    except OSError as error:
        with suppress(OSError):
            made.unlink()
        raise NativeError(f"the compiled step cannot be loaded ({error})") from error


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
        "SPAN": SPAN,
        "ROWS": ROWS + CHUNK,
        "PANEL": PANEL,
        "INT8": int(precision == torch.int8),
    }
    options = [*FLAGS, *(f"-D{name}={value}" for name, value in shape.items())]
    key = hashlib.sha256("\n".join([SOURCE.read_text(), processor(), *options]).encode()).hexdigest()[:16]
    try:
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "prospero"
        made = cache / f"step-{key}.so"
        there = made.exists()
    except (OSError, RuntimeError) as error:  # a home that cannot be entered, or none at all
        raise NativeError(f"there is no place for the compiled step ({error}); set XDG_CACHE_HOME") from error
    if not there:
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
            with part.open("rb") as written:
                os.fsync(written.fileno())  # half a step, after a power failure, would end every process that loads it
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
