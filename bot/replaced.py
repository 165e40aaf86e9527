"""Replaced: the characters of a prompt that a model never saw, each of which it read as a space."""

from __future__ import annotations

import discord

from bot import markdown
from bot.locale import translate

SHOWN = 20  # different characters that are named


def sentence(characters: str, locale: discord.Locale) -> str:
    """What people are told of them."""
    return translate(locale, "text.replaced", characters=_named(characters))


def _named(characters: str) -> str:
    """The characters as a reader can tell them apart, those without a shape by their Unicode number."""
    different = list(dict.fromkeys(characters))
    named = [markdown.escape(c) if c.isprintable() and c != " " else f"U+{ord(c):04X}" for c in different]
    return " ".join(named[:SHOWN]) + (" …" if len(named) > SHOWN else "")
