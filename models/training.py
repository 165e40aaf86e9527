"""Training: the run of steps that every family shares — its budget, random numbers, snapshots and progress.

Everything random in a step is drawn from (seed, step), so a run that was killed and resumed from its snapshot goes
through the same numbers as one that was not.
"""

from __future__ import annotations

import hashlib
import io
import math
import os
import pickle
import shutil
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeVar

import torch
from torch import Tensor, nn

from models.checkpoint import Checkpoint

NAN = "not_a_number"  # the code of a training that diverged
RARELY = 30  # a pause between reports is this part of the run so far, where that is longer than what was asked for

Network = TypeVar("Network", bound=nn.Module)
Result = TypeVar("Result")


class TrainingError(Exception):
    """A training that cannot go on; the message says why in one sentence, the code to programs."""

    def __init__(self, message: str, code: str = "failed") -> None:
        super().__init__(message)
        self.code = code


class Stateful(Protocol):
    """What can be kept in a snapshot: networks and optimizers."""

    def state_dict(self) -> dict[str, Any]: ...

    def load_state_dict(self, state_dict: dict[str, Any]) -> Any: ...


def wants_memory(error: BaseException) -> bool:
    """Whether an exception says that memory is short, which is no fault of what was to be kept in it."""
    wanting = ("out of memory", "can't allocate memory", "not enough memory")  # in what torch says of memory
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in wanting)


@dataclass(frozen=True)
class Progress:
    """How far a run has come."""

    step: int
    fraction: float  # of the budget, 0 to 1
    seconds: float  # of training so far, interruptions left out
    seconds_left: float  # if it goes on as it went
    losses: dict[str, float]  # means since the last report
    metrics: dict[str, float]  # held-out
    sample: Path | None = None  # a picture of what the network draws now


@dataclass(frozen=True)
class Trained:
    """What a run leaves behind."""

    network: nn.Module
    config: dict[str, Any]

    def check(self) -> None:
        """TrainingError unless every weight is a number."""
        for name, weights in self.network.state_dict().items():
            if not bool(torch.isfinite(weights).all()):
                raise TrainingError(f"The weights {name} are no numbers; train with a lower learning rate.", NAN)


@dataclass
class Run:
    """A budget of steps or minutes, spent step by step; iterating over it yields the step numbers."""

    folder: Path  # for the snapshot
    device: torch.device
    seed: int = 0
    steps: int | None = None
    minutes: float | None = None
    report_every: float = 60.0  # seconds between reports, at least; 0: after each step
    report_steps: int | None = None  # or steps, where a run must not depend on the clock
    start: Checkpoint | None = None  # whose weights the network begins with; None: random ones
    bfloat16: bool = True
    compile: bool = False
    options: tuple[str, ...] = ()  # besides seed and start, that make this training what it is

    step: int = 0
    seconds: float = 0.0
    _began: float = field(default_factory=time.monotonic)  # the step at hand
    _reported: float = 0.0
    _sums: dict[str, Tensor] = field(default_factory=dict)
    _observed: int = 0
    _goes_on: bool = False  # whether another step was to follow this one when last looked at the clock

    def __post_init__(self) -> None:
        if self.steps is None and self.minutes is None:
            raise TrainingError("Say how long to train: give steps or minutes.")

    @property
    def snapshot(self) -> Path:
        return self.folder / "snapshot.pt"

    @property
    def picture(self) -> Path:
        """Where to draw what the network can do now; the folder is made."""
        self.folder.mkdir(parents=True, exist_ok=True)
        return self.folder / "samples.png"

    @property
    def fraction(self) -> float:
        """Share of the budget that is spent: 0 at the start, 1 at the end."""
        return self._share(self.step, self.seconds)

    def _share(self, step: int, seconds: float) -> float:
        by_steps = step / self.steps if self.steps else 0.0
        by_minutes = seconds / 60 / self.minutes if self.minutes else 0.0
        return min(1.0, max(by_steps, by_minutes))

    def build(self, make: Callable[[], Network]) -> Network:
        """A network on the run's device; its first weights are drawn from the run's seed, or those it is to start from.

        TrainingError when those do not fit it.
        """
        torch.manual_seed(self._key("weights"))
        network = make()
        if self.start is not None:
            try:
                network.load_state_dict(self.start.tensors())
            except RuntimeError as error:
                name = f"{self.start.model}@{self.start.version}"
                raise TrainingError(
                    f"The weights of {name} do not fit this configuration; start from scratch."
                ) from error
        return network.to(self.device)

    def __iter__(self) -> Iterator[int]:
        while self.fraction < 1.0 or self._goes_on:  # writing took the time that was left: one more, to report the end
            self._began, self._goes_on = time.monotonic(), False
            torch.manual_seed(self._key("step"))
            yield self.step
            self.step += 1
            self.seconds = self._spent()

    def _spent(self) -> float:
        """Seconds so far, those of the step at hand included."""
        return self.seconds + time.monotonic() - self._began

    def generator(self, purpose: str = "batch") -> torch.Generator:
        """Random numbers for one purpose of the current step, the same in a resumed run."""
        return torch.Generator().manual_seed(self._key(purpose))

    def _key(self, purpose: str) -> int:
        digest = hashlib.blake2b(f"{self.seed}/{self.step}/{purpose}".encode(), digest_size=8).digest()
        return int.from_bytes(digest, "big") >> 1

    def autocast(self) -> AbstractContextManager[Any]:
        """bfloat16 matrix products where the run uses them."""
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.bfloat16)

    def compiled(self, network: nn.Module) -> nn.Module:
        """The network, compiled if the run asks for it; its parameters are the same tensors."""
        return torch.compile(network, dynamic=False) if self.compile else network  # type: ignore[return-value]

    def descend(
        self,
        optimizer: torch.optim.Optimizer,
        loss: Tensor,
        rate: float,
        rate_end: float = 0.0,
        warmup: int = 0,
        longest: float = 0.0,
    ) -> None:
        """One step down a loss; over the run the learning rate falls along a cosine, after ``warmup`` steps up.

        Gradients above ``longest`` are shortened to it, unless it is 0.
        """
        loss.backward()  # type: ignore[no-untyped-call]
        if longest:
            nn.utils.clip_grad_norm_(optimizer.param_groups[0]["params"], longest)
        optimizer.param_groups[0]["lr"] = cosine(rate, rate_end, self.fraction) * warm_up(self.step, warmup)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    def observe(self, **losses: Tensor) -> None:
        """Note the losses of the step; the next report looks whether they are numbers."""
        for name, loss in losses.items():
            value = loss.detach().float()
            self._sums[name] = self._sums[name] + value if name in self._sums else value
        self._observed += 1

    def due(self) -> bool:
        """Whether a report (with a snapshot) should follow this step: the last one, and some before.

        Days would make thousands, so they grow rarer.
        """
        if self.report_steps is not None:
            return (self.step + 1) % self.report_steps == 0
        self._goes_on = self._share(self.step + 1, self._spent()) < 1.0
        if not self._goes_on or not self.report_every:  # 0: each step's was asked for
            return True
        return self.seconds - self._reported >= max(self.report_every, self.seconds / RARELY)

    def report(self, metrics: Mapping[str, float], sample: Path | None = None, **parts: Stateful) -> Progress:
        """Progress of the run up to and with this step; ``parts`` are kept in the snapshot."""
        losses = {name: float(total) / self._observed for name, total in self._sums.items()}
        for name, value in {**losses, **metrics}.items():
            if math.isnan(value) or (name in losses and math.isinf(value)):
                raise TrainingError(f"{name} is {value} at step {self.step}; train with a lower learning rate.", NAN)
        self._sums, self._observed, self._reported = {}, 0, self.seconds
        seconds = self._spent()
        fraction = self._share(self.step + 1, seconds)
        self._goes_on = fraction < 1.0
        self._save(seconds, parts)
        left = seconds * (1 - fraction) / fraction
        return Progress(self.step + 1, fraction, seconds, left, losses, dict(metrics), sample)

    def _save(self, seconds: float, parts: Mapping[str, Stateful]) -> None:
        beside = self.snapshot.with_suffix(".part")
        state = {name: part.state_dict() for name, part in parts.items()}
        content = io.BytesIO()  # torch says nothing of a full disk when it writes to one itself
        torch.save({"step": self.step + 1, "seconds": seconds, "options": self._telling(), "parts": state}, content)
        self.folder.mkdir(parents=True, exist_ok=True)
        try:
            with beside.open("wb") as out:
                out.write(content.getbuffer())
                out.flush()
                os.fsync(out.fileno())
            beside.replace(self.snapshot)
        finally:
            beside.unlink(missing_ok=True)  # of a full disk: the last snapshot stays

    def restore(self, **parts: Stateful) -> None:
        """Go on from the folder's snapshot, if there is one; TrainingError when it is of another training."""
        if not self.snapshot.exists():
            return
        try:
            saved = torch.load(self.snapshot, map_location="cpu", weights_only=True)  # each part has its place
            if others := [option for option in saved["options"] if option not in self._telling()]:
                raise TrainingError(
                    f"The snapshot {self.snapshot} is of a training with {' '.join(others)}; "
                    "go on with the same, or delete it and train anew."
                )
            for name, part in parts.items():
                part.load_state_dict(saved["parts"][name])
        except (RuntimeError, ValueError, TypeError, KeyError, EOFError, pickle.UnpicklingError) as error:
            if wants_memory(error):
                raise
            raise TrainingError(
                f"The snapshot {self.snapshot} is of another configuration or damaged; delete it and train anew."
            ) from error
        self.step, self.seconds = saved["step"], saved["seconds"]
        self._reported = self.seconds

    def _telling(self) -> list[str]:
        """The options by which a snapshot is told from another training's; how long one is may change on the way."""
        start = self.start.version if self.start else "scratch"
        return [f"--seed {self.seed}", f"--start {start}", *self.options]

    def discard(self) -> None:
        """Remove the snapshot: the run is finished."""
        shutil.rmtree(self.folder, ignore_errors=True)


def finish(steps: Generator[Progress, None, Result], report: Callable[[Progress], object] = lambda _: None) -> Result:
    """Go through a training to its end, handing on its reports; returns what it leaves behind."""
    while True:
        try:
            progress = next(steps)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]
        report(progress)


def warm_up(step: int, warmup: int) -> float:
    """Share of the full learning rate at a step, which ``warmup`` of them lead to; 1 at once where none do."""
    return min(1.0, (step + 1) / max(1, warmup))


def cosine(start: float, end: float, fraction: float) -> float:
    """From one value to the other along half a cosine."""
    return end + (start - end) * (1 + math.cos(math.pi * fraction)) / 2


def renewal(step: int, half_life: float) -> float:
    """Share of averaged weights to renew after a step, half of them in ``half_life`` steps.

    It is larger at first, since early weights are worthless.
    """
    return 1 - 0.5 ** (1 / min(half_life, 0.05 * (step + 1)))  # type: ignore[no-any-return]


@torch.no_grad()
def renew(average: nn.Module, network: nn.Module, share: float) -> None:
    """Move the averaged weights by ``share`` towards the network's."""
    for old, new in zip(average.parameters(), network.parameters(), strict=True):
        old.lerp_(new, share)
