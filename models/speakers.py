"""Speakers: the names in the headings of a play, and excerpts in which their bearers are called something else.

A network that reads a text often learns its names by heart, and is lost where it meets one that it never saw: on Tiny
Shakespeare, whose held-out tenth has other people, a ninth of the loss lay in the headings. Under a new name in every
excerpt there is nothing to remember but that names return.
"""

from __future__ import annotations

import re

import torch

_HEADING = re.compile(r"^([A-Z][A-Z' -]+):$", re.MULTILINE)  # "First Citizen:" is no name and stays


class Speakers:
    """The people of a text, from whose names new ones are made."""

    def __init__(self, text: str) -> None:
        self.names = sorted(_named(text))
        self._characters = set(text)  # a network knows no others

    def renamed(self, excerpt: str, generator: torch.Generator) -> str:
        """The excerpt, as long as it was, with every speaker called something else wherever the name stands in it."""
        new = {name: self._other(name, generator) for name in sorted(_named(excerpt))}
        inside = {name.capitalize(): other.capitalize() for name, other in new.items()}
        new |= {name: other for name, other in inside.items() if self._characters.issuperset(other)}
        if not new:
            return excerpt
        return re.sub(rf"\b({'|'.join(new)})\b", lambda found: new[found[0]], excerpt)

    def _other(self, name: str, generator: torch.Generator) -> str:
        """A name of as many letters: the first half of one speaker's and the second half of another's."""
        length, front = len(name), len(name) // 2
        enough = [known for known in self.names if len(known) >= length - front]
        if not enough:  # an excerpt may begin within a line, and show a heading where there is none
            return name
        chosen: list[int] = torch.randint(len(enough), (2,), generator=generator).tolist()
        return enough[chosen[0]][:front] + enough[chosen[1]][front - length :]


def _named(text: str) -> set[str]:
    """The longest word of every heading in capitals: the name, whatever the rank beside it."""
    return {max(re.findall(r"[A-Z]+", heading), key=len) for heading in _HEADING.findall(text)}
