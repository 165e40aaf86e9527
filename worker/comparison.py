"""Comparison: two versions of a model measured by the same command on the same data, in a child process."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models.checkpoint import Store
from worker.job_words import compare_words, log_named
from worker.schemas.training import Figure
from worker.trainer import Trainer


@dataclass(frozen=True)
class Measured:
    """What a comparison found."""

    figures: list[Figure]  # of the first version beside the second
    problems: list[str]  # a sentence for each version that could not be measured
    code: str | None = None  # of what went wrong, where it has one

    @property
    def better(self) -> bool | None:
        """Whether the first figure that has a direction and both sides is better; None when there is none."""
        return next((figure.improved for figure in self.figures if figure.improved is not None), None)


class Comparisons:
    """Measures versions, and remembers what it found for as long as this process lives."""

    def __init__(self, home: Path, versions: Store, trainer: Trainer) -> None:
        self._home = home
        self._versions = versions
        self._trainer = trainer
        self._known: dict[tuple[str, ...], Measured] = {}
        self._one = asyncio.Lock()  # comparison at a time: each takes the processor that serving leaves

    async def of(
        self, model: str, first: str, second: str | None, log: Path, annotate: bool = False, holds: Sequence[int] = ()
    ) -> Measured:
        """The figures of ``first`` beside those of ``second`` on the data that the first was trained on.

        ``annotate`` writes the first's figures on its card. CheckpointError when there is no such version.
        """
        cards = [self._versions.open(model, version).card for version in (first, second) if version]
        key = (model, *(f"{card.version} of {card.created}" for card in cards))
        async with self._one:
            if key in self._known:
                return self._known[key]
            answer: dict[str, Any] = {}
            words = compare_words(model, first, second or first, annotate) + self._trainer.machine
            status = await self._trainer.run(words, answer.update, log, holds)
        dataset, metrics = cards[0].dataset["name"], answer.get("metrics", {})
        problems = [
            f"{version} cannot be measured on {dataset}: {problem}"
            for version, problem in answer.get("problems", {}).items()
        ]
        code = "measuring_killed" if status < 0 else None
        if code:
            problems.append("The measuring was killed, as happens when memory is short; compare the versions again.")
        elif status:
            said = answer.get("error", {}).get("message", f"{log_named(log, self._home)} says why.")
            problems.append(f"The versions cannot be measured: {said}")
        measured = Measured(beside(metrics.get(first, {}), metrics.get(second, {})), problems, code)
        if not problems:
            self._known[key] = measured
        return measured


def beside(new: Mapping[str, Mapping[str, Any]], old: Mapping[str, Mapping[str, Any]]) -> list[Figure]:
    """The metrics of one version, by name, beside another's."""
    return [
        Figure(
            name=name,
            unit=metric["unit"],
            new=metric["value"],
            serving=old[name]["value"] if name in old else None,
            better=metric["better"],
        )
        for name, metric in new.items()
    ]
