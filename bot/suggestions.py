"""Suggestions: what Discord offers for an option while a person types."""

from __future__ import annotations

from collections.abc import Iterable

from discord import app_commands

MOST = 25  # that Discord shows
LONGEST = 100  # characters


def choices(named: Iterable[tuple[str, str]], typed: str) -> list[app_commands.Choice[str]]:
    """Those of (what is shown, what is meant) that contain what a person typed so far."""
    fitting = [(shown, meant) for shown, meant in named if typed.strip().lower() in shown.lower()]
    return [app_commands.Choice(name=shown[:LONGEST], value=meant) for shown, meant in fitting[:MOST]]
