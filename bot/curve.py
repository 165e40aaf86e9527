"""The curve of a training: its losses and held-out figures by step, as a picture that can be read without colour."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import discord

from bot.locale import translate
from worker.schemas.training import Step

SIZE = (7.2, 7.2)  # inches at 100 pixels each: as high as the samples beside it
TYPE = 20  # points: the picture is shown beside another, on a telephone at a third of its size
LINE = 3  # points
TICKS = 4  # of an axis at most, so that their labels have room
POINTS = 400  # of a line; more would not be seen apart
FEW = 20  # points that are marked one by one; of a single one there would be no line
STYLES = ("-", "--", ":", "-.")
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7")  # Okabe and Ito's, which people tell apart who see few colours
MARKS = ("o", "s", "^", "D")  # of held-out figures, which are few


def draw(steps: Sequence[Step], locale: discord.Locale) -> bytes:
    """A PNG of the curves; takes a tenth of a second and is to be called beside the event loop."""
    from matplotlib.figure import Figure  # loading it takes half a second that no start should wait for

    figure = Figure(figsize=SIZE, dpi=100, layout="constrained")
    figures = _lines(steps, [step.metrics for step in steps])
    rows = figure.subplots(2 if figures else 1, 1, sharex=True, squeeze=False)[:, 0]
    for place, (name, (at, values)) in enumerate(_lines(steps, [step.losses for step in steps]).items()):
        every = -(-len(at) // POINTS)
        mark = "o" if len(at) < FEW else ""
        rows[0].plot(at[::every], values[::every], marker=mark, label=name, **_look(place))
    for place, (name, (at, values)) in enumerate(figures.items()):
        rows[1].plot(at, values, marker=MARKS[place % 4], label=name, **_look(place))
    for row in rows:
        row.grid(alpha=0.3)
        row.tick_params(labelsize=TYPE)
        row.locator_params(nbins=TICKS)
        if row.lines:
            row.legend(fontsize=TYPE)
    rows[-1].set_xlabel(translate(locale, "training.axis"), fontsize=TYPE)
    file = io.BytesIO()
    figure.savefig(file, format="png")
    return file.getvalue()


def _look(place: int) -> dict[str, Any]:
    """How the line of that place looks, beside its marks."""
    return {"color": COLOURS[place % 4], "linestyle": STYLES[place % 4], "linewidth": LINE, "markersize": 3 * LINE}


def _lines(steps: Sequence[Step], figures: Sequence[dict[str, float]]) -> dict[str, tuple[list[int], list[float]]]:
    """Each figure by its name: the steps at which it was taken, and its values."""
    lines: dict[str, tuple[list[int], list[float]]] = {}
    for step, taken in zip(steps, figures, strict=True):
        for name, value in taken.items():
            at, values = lines.setdefault(name, ([], []))
            at.append(step.step)
            values.append(value)
    return lines
