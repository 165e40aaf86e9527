"""Figures of versions as people read them: one beside the other, and which is better in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import discord

from bot.locale import NONE, number, translate
from bot.markdown import escape
from bot.table import table
from worker.schemas.models import Metric
from worker.schemas.training import Figure

MOST = 16  # figures shown; with their names they fill half a message
LONGEST_UNIT = 14  # characters: "nats a picture"; a longer one is an explanation, for which the card has room
LARGE = 9_999.5  # what has more than four digits before its point is shown with all of them
SIGNS = {"higher": "↑", "lower": "↓", None: ""}  # which way is better


def side_by_side(figures: Sequence[Figure], new: str, serving: str, locale: discord.Locale) -> str:
    """A table of two versions' figures, with a word on whether the first version's is better.

    The worker measures both on a part of the held-out data, which is told.
    """
    head = [translate(locale, "training.figure"), new, serving, ""]
    rows = [
        [_named(one), _value(one.new, True, locale), _value(one.serving, True, locale), _verdict(one, locale)]
        for one in figures[:MOST]
    ]
    return f"{table(head, rows)}\n{translate(locale, 'training.quick')}"


def lines(metrics: Mapping[str, Metric], quick: bool, locale: discord.Locale) -> list[str]:
    """One version's figures, a line each: its name, which way is better, its value, its unit if that is short.

    ``quick`` ones are of a part of the held-out data.
    """
    told = []
    for name, metric in list(metrics.items())[:MOST]:
        unit = metric.unit if len(metric.unit) <= LONGEST_UNIT else ""
        words = (escape(name), SIGNS[metric.better], _value(metric.value, quick, locale), escape(unit))
        told.append(" ".join(filter(None, words)))
    return told


def plain(value: float | None, locale: discord.Locale) -> str:
    """A figure alone; a dash where there is none."""
    return NONE if value is None else number(locale, value, ".0f" if abs(value) >= LARGE else ".4g")


def _value(value: float | None, quick: bool, locale: discord.Locale) -> str:
    return f"≈ {plain(value, locale)}" if quick and value is not None else plain(value, locale)


def _named(figure: Figure) -> str:
    unit = f"({figure.unit})" if 0 < len(figure.unit) <= LONGEST_UNIT else ""
    return " ".join(filter(None, (figure.name, unit, SIGNS[figure.better])))


def _verdict(figure: Figure, locale: discord.Locale) -> str:
    if figure.improved is None:
        return ""
    if figure.new == figure.serving:
        return translate(locale, "training.same")
    return translate(locale, "training.better" if figure.improved else "training.worse")
