"""Hardware: which device computes, with how many threads and in which precision."""

from __future__ import annotations

import os
import statistics
import time

import torch
import torch.nn.functional as F

from models.gpt import GPT


class HardwareError(Exception):
    """A device that was asked for and is not there; the message says what to choose."""


def pick_device(wanted: str) -> torch.device:
    """The device of that name; ``auto`` takes the fastest that is there."""
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if wanted == "auto":
        return torch.device(next(name for name, available in there.items() if available))
    if not there[wanted]:
        raise HardwareError(f"There is no {wanted} device here; set PROSPERO_DEVICE to auto or cpu.")
    return torch.device(wanted)


def set_threads(wanted: int) -> int:
    """Use that many threads for an operation, or with 0 one for each core this process may use; returns how many."""
    torch.set_num_threads(wanted or len(os.sched_getaffinity(0)))
    return torch.get_num_threads()


def pick_precision(wanted: str, network: GPT) -> torch.dtype:
    """The precision of that name; ``auto`` is bfloat16, unless a processor multiplies faster in float32."""
    device = network.head.weight.device
    if wanted != "auto":
        return torch.float32 if wanted == "float32" else torch.bfloat16
    if device.type != "cpu":
        return torch.bfloat16
    faster = seconds_of_matrices(network, torch.bfloat16) < seconds_of_matrices(network, torch.float32)
    return torch.bfloat16 if faster else torch.float32


@torch.inference_mode()
def seconds_of_matrices(network: GPT, precision: torch.dtype, rows: int = 4, repeats: int = 15) -> float:
    """Median time of one block's matrices for a few texts, which is what people wait for when few are about."""
    matrices = [p.detach().to(precision) for p in network.blocks[0].parameters() if p.ndim == 2]
    inputs = [torch.ones(rows, matrix.shape[1], dtype=precision) for matrix in matrices]
    times = []
    for _ in range(repeats):
        begin = time.perf_counter()
        for x, matrix in zip(inputs, matrices, strict=True):
            F.linear(x, matrix)
        times.append(time.perf_counter() - begin)
    return statistics.median(times)
