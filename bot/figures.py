"""Figures of versions as people read them: one beside the other, and which is better in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import discord

from bot.locale import number, translate
from bot.table import table
from worker.schemas.training import Figure

NONE = "–"  # stands for a figure that there is not
MOST = 16  # figures shown; with their names they fill half a message
LONGEST_UNIT = 12  # characters, such as "nats/char"; a longer one is an explanation, for which the card has room


def side_by_side(figures: Sequence[Figure], new: str, serving: str, locale: discord.Locale) -> str:
    """A table of two versions' figures, with a word on whether the first version's is better."""
    head = [translate(locale, "training.figure"), new, serving, ""]
    rows = [
        [_named(one), plain(one.new, locale), plain(one.serving, locale), _verdict(one, locale)]
        for one in figures[:MOST]
    ]
    return table(head, rows)


def alone(metrics: Mapping[str, float], version: str, locale: discord.Locale) -> str:
    """A table of one version's figures."""
    rows = [[name, plain(value, locale)] for name, value in list(metrics.items())[:MOST]]
    return table([translate(locale, "training.figure"), version], rows)


def plain(value: float | None, locale: discord.Locale) -> str:
    """A figure alone; a dash where there is none."""
    return NONE if value is None else number(locale, value, ".4g")


def _named(figure: Figure) -> str:
    return f"{figure.name} ({figure.unit})" if 0 < len(figure.unit) <= LONGEST_UNIT else figure.name


def _verdict(figure: Figure, locale: discord.Locale) -> str:
    if figure.improved is None:
        return ""
    if figure.new == figure.serving:
        return translate(locale, "training.same")
    return translate(locale, "training.better" if figure.improved else "training.worse")
