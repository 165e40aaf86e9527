"""Sequence: one text being written, from its place in the line to its last character."""

from __future__ import annotations

from collections.abc import Sequence as Items
from dataclasses import dataclass, field

from worker.engine.sampling import Sampling
from worker.engine.stream import Piece, Stream, Token
from worker.errors import WorkerError
from worker.schemas.completions import FinishReason


@dataclass(eq=False)
class Sequence:
    """One choice of one request. The device's thread owns it, except ``cancelled``, which the event loop sets."""

    stream: Stream
    choice: int
    user: str  # the key by which turns are kept fair
    prompt: list[int]
    max_tokens: int
    sampling: Sampling
    stops: Stops
    logprobs: int | None  # alternatives wanted for each character; None: no log-probabilities at all
    score_prompt: bool  # whether the prompt's own characters are handed on with their log-probabilities
    deadline: float  # monotonic seconds
    slot: int = -1
    admitted: float = 0.0  # monotonic seconds
    read: int = 0  # characters of the prompt that are in the cache
    written: int = 0  # characters drawn so far
    newest: int = -1  # the last drawn character, not yet in the cache
    cancelled: bool = False
    ended: bool = False
    _held: list[Token] = field(default_factory=list)  # not handed on yet
    _possible: int = 0  # of their last ones, which may become a stop string

    @property
    def unread(self) -> int:
        """How many characters of the prompt are still to be read."""
        return len(self.prompt) - self.read

    @property
    def reading(self) -> bool:
        """Whether part of the prompt is still to be read."""
        return self.unread > 0

    @property
    def position(self) -> int:
        """How many of its characters are in the cache: where the next one that the model reads stands."""
        return self.read if self.reading else len(self.prompt) + self.written - 1

    def accept(self, tokens: list[Token]) -> None:
        """Take drawn characters, without those after the text's end; the first one is handed on at once."""
        first = self.written == 0
        tokens = tokens[: self.max_tokens - self.written]
        if self.stops.strings:
            for token in tokens:
                self.written += 1
                self._held.append(token)
                found, self._possible = self.stops.advance(token.text)
                if found:
                    del self._held[-found:]
                    self.finish("stop")
                    return
        else:
            self.written += len(tokens)
            self._held += tokens
        if self.written == self.max_tokens:
            self.finish("length")
        elif first:
            self.hand_on()

    def hand_on(self) -> None:
        """Hand on what cannot belong to a stop string any more."""
        count = len(self._held) - self._possible
        if count > 0:
            self.stream.put(Piece(self.choice, self._held[:count]))
            del self._held[:count]

    def finish(self, reason: FinishReason) -> None:
        """Hand on what is left and end."""
        self.ended = True
        self.stream.put(Piece(self.choice, self._held, reason))

    def fail(self, error: WorkerError) -> None:
        """End with an error, which ends the whole request."""
        self.ended = True
        self.stream.put(error)


class Stops:
    """Finds the first of several strings in a text that comes one character at a time (Knuth, Morris & Pratt 1977)."""

    def __init__(self, strings: Items[str]) -> None:
        self.strings = [(string, _borders(string)) for string in strings]
        self._matched = [0] * len(strings)

    def advance(self, character: str) -> tuple[int, int]:
        """Take the next character.

        Returns the length of the string that ends here (0: none; the longest, if several do), and how many of the last
        characters may yet become one.
        """
        found = possible = 0
        for i, (string, borders) in enumerate(self.strings):
            matched = self._matched[i]
            while matched and string[matched] != character:
                matched = borders[matched - 1]
            matched += string[matched] == character
            if matched == len(string):
                found, matched = max(found, matched), 0
            self._matched[i] = matched
            possible = max(possible, matched)
        return found, possible


def _borders(string: str) -> list[int]:
    """For each prefix of a string, the length of its longest proper prefix that is also its suffix."""
    borders = [0] * len(string)
    for i in range(1, len(string)):
        length = borders[i - 1]
        while length and string[length] != string[i]:
            length = borders[length - 1]
        borders[i] = length + (string[length] == string[i])
    return borders
