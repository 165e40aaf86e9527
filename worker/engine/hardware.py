"""Hardware: which device computes, with how many threads and in which precision."""

from __future__ import annotations

import os
import time

import structlog
import torch

from models.decoder import Decoder, TorchDecoder
from models.gpt import GPT
from models.native import NativeDecoder, NativeError

TRIAL = 8  # texts of the step that is timed to choose a precision: an ordinary evening

log = structlog.get_logger()


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


def build_decoder(network: GPT, slots: int, precision: str, threads: int) -> Decoder:
    """A decoder for the network's device, in the precision of that name or, with ``auto``, in the faster one."""
    if network.head.weight.device.type != "cpu":
        return TorchDecoder(network, slots, torch.bfloat16 if precision == "auto" else getattr(torch, precision))
    if precision != "auto":
        return build_for_processor(network, slots, getattr(torch, precision), threads)
    half, full = (
        seconds_of_a_step(build_for_processor(network, TRIAL, dtype, threads=1))
        for dtype in (torch.bfloat16, torch.float32)
    )
    # Only a clear difference counts, or chance would decide at each start which text a seed writes.
    chosen = torch.float32 if full < 0.8 * half else torch.bfloat16
    return build_for_processor(network, slots, chosen, threads)


def build_for_processor(network: GPT, slots: int, precision: torch.dtype, threads: int) -> Decoder:
    """The native decoder, or where it cannot be had, PyTorch's operations."""
    try:
        return NativeDecoder(network, slots, precision, threads)
    except NativeError as error:
        log.info("no native step", precision=str(precision), reason=str(error))
        return TorchDecoder(network, slots, precision)


def seconds_of_a_step(decoder: Decoder, repeats: int = 15) -> float:
    """The least processor time of several, so that what else the machine does hardly counts."""
    times = []
    for position in range(repeats):
        begin = time.thread_time()
        decoder.advance(range(TRIAL), [0] * TRIAL, [position] * TRIAL)
        times.append(time.thread_time() - begin)
    return min(times)
