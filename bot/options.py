"""Options: the names and descriptions of a command's options in every language, and what is suggested for them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from discord import app_commands

from bot.locale import command_text

Command = TypeVar("Command", bound=Callable[..., Any])


def named(
    texts: Mapping[str, tuple[str, str]], suggestions: Mapping[str, Any], *given: str
) -> Callable[[Command], Command]:
    """Gives a command's options the texts under these keys (name, description), and suggestions where there are any."""

    def decorate(command: Command) -> Command:
        command = app_commands.rename(**{name: command_text(texts[name][0]) for name in given})(command)
        command = app_commands.describe(**{name: command_text(texts[name][1]) for name in given})(command)
        suggested = {name: suggestions[name] for name in given if name in suggestions}
        return app_commands.autocomplete(**suggested)(command)

    return decorate
