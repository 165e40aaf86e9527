"""Training benchmark: how soon our GPT's recipe writes as well as a plain one's of the same size.

Run with ``python -m benchmarks train``. Both learn from the first nine tenths of Tiny Shakespeare, in batches of as
many characters and in the same precision, and are measured on the same held-out characters after every so many steps;
the time that this takes counts. The clock stops when the target is reached: 1.88 nats/char is what nanoGPT's README
reaches on a processor, 1.47 its best.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from benchmarks import plain_gpt
from benchmarks.table import show
from models import gpt, texts
from models.training import Progress, Run
from models.verse import FAMILY
from worker.engine.hardware import pick_device, set_threads

RECIPE = FAMILY.recipes["gpt-tiny-shakespeare"]
SMALL = {"layers": 2, "width": 64, "heads": 2, "hidden": 192, "context": 64, "batch": 8}
QUICK_TARGET, QUICK_MINUTES = 2.7, 1.0
MEASURED = 20_000  # held-out characters, as in the reports of every training
EVERY = 20  # steps between two measurements


@dataclass(frozen=True)
class Course:
    """How a training went."""

    reached: float | None  # seconds until the target; None: not within the budget
    rate: float  # characters/s
    best: float  # nats/char


def run(threads: int, target: float, minutes: float, quick: bool) -> None:
    """Print both trainings' speed and their time to the target, and the ratio of these."""
    set_threads(threads)
    recipe = RECIPE
    if quick:
        target, minutes = QUICK_TARGET, QUICK_MINUTES
        recipe = replace(RECIPE, config={**RECIPE.config, **SMALL})
    config = gpt.Config.parse(recipe.config)
    text, held_out = (gpt.encode_part(part, config.vocabulary) for part in texts.split(recipe.dataset))
    trainings: dict[str, Callable[[Run], Iterator[Progress]]] = {
        "ours": partial(gpt.train, recipe),
        "plain": partial(plain_gpt.train, config, text, held_out[:MEASURED]),
    }
    sizes = {"ours": size(gpt.GPT(config)), "plain": size(plain_gpt.PlainGPT(config))}
    courses = {}
    for name, train in trainings.items():
        with tempfile.TemporaryDirectory() as folder:
            budget = Run(Path(folder), pick_device("auto"), minutes=minutes, report_steps=EVERY)
            courses[name] = follow(train(budget), target, config.batch * config.context)
    rows = [
        [name, f"{sizes[name]:,}", f"{course.rate:,.0f}", f"{course.best:.3f}", seconds(course, courses["ours"])]
        for name, course in courses.items()
    ]
    heads = ["recipe", "parameters", "characters/s", "best nats/char", f"seconds to {target:g} nats/char"]
    show(f"Training on Tiny Shakespeare, {minutes:g} minutes at most; in brackets: multiples of ours", heads, rows)


def size(network: gpt.GPT | plain_gpt.PlainGPT) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def follow(training: Iterator[Progress], target: float, characters: int) -> Course:
    """Watch a training, with so many characters in a batch, until it reaches the target or its budget is spent."""
    before, best, rate = (0.0, float("inf")), float("inf"), 0.0
    for progress in training:
        (nats,) = progress.metrics.values()
        best, rate = min(best, nats), progress.step * characters / progress.seconds
        if nats <= target:
            return Course(crossing(before, (progress.seconds, nats), target), rate, best)
        before = progress.seconds, nats
    return Course(None, rate, best)


def crossing(before: tuple[float, float], after: tuple[float, float], target: float) -> float:
    """Seconds at which the target lay on the line between two measurements (seconds, nats)."""
    (began, high), (ended, low) = before, after
    return ended if high == float("inf") else began + (ended - began) * (high - target) / (high - low)


def seconds(course: Course, ours: Course) -> str:
    if course.reached is None:
        return "not reached"
    return f"{course.reached:,.0f}" + (f" ({course.reached / ours.reached:.1f}x)" if ours.reached else "")
