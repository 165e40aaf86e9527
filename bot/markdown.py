"""Text that comes from people and models, made safe to show inside a Discord message and cut into pages."""

import re
from collections.abc import Iterable
from itertools import accumulate

# What Discord would read as formatting: anywhere, in front of an address, or where a line begins.
_SPECIAL = re.compile(r"[\\*_~`|\[<@]|:(?=//)|^(?P<indent>[^\S\n]*\d*)[#>+.-]", re.MULTILINE)


def _escaped(match: re.Match[str]) -> str:
    indent = match["indent"] or ""
    return f"{indent}\\{match[0].removeprefix(indent)}"


def escape(text: str) -> str:
    """``text`` such that Discord shows exactly its characters: no formatting, no mention, no link."""
    return _SPECIAL.sub(_escaped, text)


def bold(text: str) -> str:
    """``text`` in bold, line by line, since emphasis ends at a blank line and does not begin at a space."""
    lines = []
    for line in text.split("\n"):
        core = line.strip()
        lines.append(line.replace(core, f"**{escape(core)}**", 1) if core else line)
    return "\n".join(lines)


def small(line: str) -> str:
    """One line in Discord's small print."""
    return f"-# {line}"


def cut(text: str, longest: int) -> str:
    """``text`` in at most ``longest`` characters; a sign at its end says that there was more."""
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def fitting(lines: Iterable[str], room: int) -> str:
    """As many of the first lines as ``room`` characters hold."""
    lines = list(lines)
    ends = accumulate(len(line) + 1 for line in lines)
    return "\n".join(line for line, end in zip(lines, ends, strict=True) if end <= room + 1)


def pages(text: str, first: int, rest: int) -> list[str]:
    """Cuts ``text`` into escaped pages of at most ``first``, then ``rest`` characters.

    A page ends after a blank line, else a line, else a word, as long as that leaves it at least half full, and never
    inside an escape. Where one page ends depends on the characters up to there alone, so a text that grows keeps the
    pages it already has. A last page of white space only is left out until more follows, since Discord refuses it.
    """
    cut_pages: list[str] = []
    room = first
    while (end := _fitting(text, room)) < len(text):
        end = _good_end(text, end)
        cut_pages.append(escape(text[:end]))
        text, room = text[end:], rest
    if text.strip() or not cut_pages:
        cut_pages.append(escape(text))
    return cut_pages


def _fitting(text: str, room: int) -> int:
    """How many characters of ``text`` fit into ``room`` once escaped."""
    end = min(len(text), room)
    while (excess := len(escape(text[:end])) - room) > 0:
        end -= (excess + 1) // 2  # each character costs at most two, so this never removes one too many
    return end


def _good_end(text: str, end: int) -> int:
    for ending in ("\n\n", "\n", " "):
        place = text.rfind(ending, end // 2, end)
        if place >= 0:
            return place + len(ending)
    return end
