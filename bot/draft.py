"""What a message shall show: its pages, and the buttons and the file under them."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import discord

Buttons = Sequence[discord.ui.DynamicItem[discord.ui.Button[Any]]]


@dataclass(frozen=True)
class Attached:
    """A file under a message; pictures have a description for those who do not see them."""

    name: str
    content: bytes
    description: str | None = None

    def file(self) -> discord.File:
        """The file as Discord takes it, once."""
        return discord.File(io.BytesIO(self.content), self.name, description=self.description)


@dataclass(frozen=True)
class Draft:
    """What a message shall show: its pages, and under the last one the buttons and perhaps a file."""

    pages: Sequence[str]
    buttons: Buttons = ()
    file: Attached | None = None


def view_of(buttons: Buttons) -> discord.ui.View | None:
    """The buttons as Discord takes them; None when there are none."""
    if not buttons:
        return None
    view = discord.ui.View(timeout=None)
    for button in buttons:
        view.add_item(button)
    return view
