"""Hardware: which device computes, with how many threads and in which precision."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Callable
from pathlib import Path

import structlog
import torch

from models.checkpoint import write_json
from models.cores import cores
from models.decoder import BlockDecoder, Decoder, TorchDecoder
from models.fused import FusedDecoder, FusedError
from models.gpt import GPT
from models.native import NativeDecoder, NativeError, processor

PRECISIONS = {"int8": torch.int8, "bfloat16": torch.bfloat16, "float32": torch.float32}
TRIAL = 8  # texts of the step that is timed to choose a precision: an ordinary evening
REPEATS = 15  # of that step

_measuring = threading.Lock()  # two measurements at once would disturb each other

log = structlog.get_logger()


class HardwareError(Exception):
    """A device that was asked for and is not there; the message says what to choose."""


def pick_device(wanted: str) -> torch.device:
    """The device of that name; ``auto`` takes the fastest that is there."""
    torch.backends.cudnn.deterministic = True  # a card may sum in another order each time, and a seed's picture differ
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if wanted == "auto":
        return torch.device(next(name for name, available in there.items() if available))
    if not there[wanted]:
        raise HardwareError(f"There is no {wanted} device here; set PROSPERO_DEVICE to auto or cpu.")
    return torch.device(wanted)


def set_threads(wanted: int) -> int:
    """Use that many threads for an operation, or with 0 one for each core this process may use; returns how many."""
    torch.set_num_threads(wanted or cores())
    return torch.get_num_threads()


def build_decoder(network: GPT, slots: int, precision: str, threads: int, home: Path) -> Decoder | BlockDecoder:
    """A decoder for the network's device, in the precision of that name or, with ``auto``, in the fastest one."""
    kind = network.head.weight.device.type
    if kind == "cpu":
        chosen = fastest_precision(network, home) if precision == "auto" else PRECISIONS[precision]
        try:
            return NativeDecoder(network, slots, chosen, threads)
        except NativeError as error:
            log.info("no native step", precision=precision, reason=str(error))
    else:
        chosen = torch.bfloat16 if precision == "auto" else PRECISIONS[precision]
    if chosen == torch.int8:
        log.warning("no int8 products here, float32 instead")
        chosen = torch.float32
    if kind == "cuda":
        try:
            return FusedDecoder(network, slots, chosen)
        except FusedError as error:
            log.info("no fused steps", reason=str(error))
    return TorchDecoder(network, slots, chosen)


def fastest_precision(network: GPT, home: Path) -> torch.dtype:
    """The precision in which networks of this shape step fastest on this processor, measured once.

    The data home remembers it: a seed writes the same text after the next start too, however close they are. What
    PyTorch does best is remembered apart: it serves only for as long as there is no native step.
    """
    shape = [tuple(parameter.shape) for parameter in network.parameters()]
    about = f"{processor()}\n{list(PRECISIONS)}\n{shape}\n{network.config.context}"
    key = hashlib.sha256(about.encode()).hexdigest()[:16]
    kinds = (("native", native_decoders), ("torch", torch_decoders))
    with _measuring:
        choices = (choose(decoders, network, home / "precision" / f"{key}-{kind}.json") for kind, decoders in kinds)
        return next(choice for choice in choices if choice)


def choose(decoders: Callable[[GPT], dict[str, Decoder]], network: GPT, note: Path) -> torch.dtype | None:
    """The precision in which the fastest of these decoders steps, as noted or else measured; None if there is none."""
    try:
        return PRECISIONS[json.loads(note.read_text())["precision"]]
    except FileNotFoundError:
        pass
    except (ValueError, KeyError, TypeError) as error:
        log.warning("damaged note of a precision, measured anew", file=str(note), reason=repr(error))
    seconds = {name: seconds_of_a_step(decoder) for name, decoder in decoders(network).items()}
    if not seconds:
        return None
    chosen = min(seconds, key=seconds.__getitem__)
    try:
        write_json(note, {"precision": chosen, "seconds": seconds})
    except OSError as error:
        log.warning("precision not remembered", file=str(note), reason=str(error))
    return PRECISIONS[chosen]


def native_decoders(network: GPT) -> dict[str, Decoder]:
    """The native step in each precision that it has here."""
    decoders: dict[str, Decoder] = {}
    for name in ("int8", "float32"):
        try:
            decoders[name] = NativeDecoder(network, TRIAL, PRECISIONS[name], threads=1)
        except NativeError as error:
            log.info("no native step", precision=name, reason=str(error))
    return decoders


def torch_decoders(network: GPT) -> dict[str, Decoder]:
    """PyTorch's step in each precision that it has."""
    return {name: TorchDecoder(network, TRIAL, PRECISIONS[name]) for name in ("bfloat16", "float32")}


def seconds_of_a_step(decoder: Decoder) -> float:
    """The least processor time of several, so that what else the machine does hardly counts."""
    times = []
    for position in range(REPEATS):
        begin = time.thread_time()
        decoder.advance(range(TRIAL), [0] * TRIAL, [position] * TRIAL)
        times.append(time.thread_time() - begin)
    return min(times)
