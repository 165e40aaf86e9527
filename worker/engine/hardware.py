"""Hardware: which device computes, with how many threads and in which precision."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from functools import partial

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
    """A decoder for the network's device, in the precision of that name or with ``auto`` in the fastest."""
    wanted = [getattr(torch, precision)] if precision != "auto" else [torch.bfloat16, torch.float32]
    if network.head.weight.device.type != "cpu":
        return TorchDecoder(network, slots, wanted[0])
    trials: dict[float, Callable[[int], Decoder]] = {}
    for dtype in wanted:
        for kind in (partial(NativeDecoder, threads=threads), TorchDecoder):
            make = partial(kind, network, precision=dtype)
            try:
                trials[seconds_of_a_step(make(TRIAL))] = make
                break  # PyTorch's operations only serve where the native step cannot be had
            except NativeError as error:
                log.info("no native step", precision=str(dtype), reason=str(error))
    return trials[min(trials)](slots)


def seconds_of_a_step(decoder: Decoder, repeats: int = 15) -> float:
    """The least time of several, since only other processes make one longer."""
    times = []
    for position in range(repeats):
        begin = time.perf_counter()
        decoder.advance(range(TRIAL), [0] * TRIAL, [position] * TRIAL)
        times.append(time.perf_counter() - begin)
    return min(times)
