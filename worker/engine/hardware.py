"""Hardware: which device computes, with how many threads and in which precision."""

from __future__ import annotations

import hashlib
import json
import os
import threading
import time
from pathlib import Path

import structlog
import torch

from models.checkpoint import write_json
from models.decoder import Decoder, TorchDecoder
from models.gpt import GPT
from models.native import NativeDecoder, NativeError, processor

TRIAL = 8  # texts of the step that is timed to choose a precision: an ordinary evening

_measuring = threading.Lock()  # two measurements at once would disturb each other

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


def build_decoder(network: GPT, slots: int, precision: str, threads: int, home: Path) -> Decoder:
    """A decoder for the network's device, in the precision of that name or, with ``auto``, in the faster one."""
    if network.head.weight.device.type != "cpu":
        return TorchDecoder(network, slots, torch.bfloat16 if precision == "auto" else getattr(torch, precision))
    chosen = faster_precision(network, home) if precision == "auto" else getattr(torch, precision)
    return build_for_processor(network, slots, chosen, threads)


def faster_precision(network: GPT, home: Path) -> torch.dtype:
    """The precision in which networks of this shape step faster on this processor, measured once.

    The data home remembers it: a seed writes the same text after the next start too, however close the two are.
    """
    shape = [tuple(parameter.shape) for parameter in network.parameters()]
    key = hashlib.sha256(f"{processor()}\n{shape}\n{network.config.context}".encode()).hexdigest()[:16]
    note = home / "precision" / f"{key}.json"
    with _measuring:
        try:
            return {"float32": torch.float32, "bfloat16": torch.bfloat16}[json.loads(note.read_text())["precision"]]
        except FileNotFoundError:
            pass
        except (ValueError, KeyError, TypeError) as error:
            log.warning("damaged note of a precision, measured anew", file=str(note), reason=repr(error))
        half, full = (
            seconds_of_a_step(build_for_processor(network, TRIAL, dtype, threads=1))
            for dtype in (torch.bfloat16, torch.float32)
        )
        chosen = torch.float32 if full < half else torch.bfloat16
        try:
            name = str(chosen).removeprefix("torch.")
            write_json(note, {"precision": name, "bfloat16 seconds": half, "float32 seconds": full})
        except OSError as error:
            log.warning("precision not remembered", file=str(note), reason=str(error))
        return chosen


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
