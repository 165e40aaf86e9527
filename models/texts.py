"""Texts: Tiny Shakespeare, the other plays in its layout, and any text file an operator adds."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath

from models import data
from models.data import DataError, locate

TINY = "shakespeare"
VOCABULARY = "\n !$&',-.3:;?ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"  # what Tiny Shakespeare consists of
LEAST = 1_000  # characters of a whole text: from nine tenths of them, excerpts of two contexts are drawn
TRAINING_SHARE = 0.9  # the last tenth is held out, as in nanoGPT's preparation of the same text
HELD_OUT_PLAYS = ("tamingoftheshrew", "tempest")  # they overlap the held-out tenth: never trained on

_STAGE_DIRECTION = re.compile(r"\s*\[[^\]]*\]")
_CAST = re.compile(r"^ACT I\b|^SCENE I\b|^I\.$|^PROLOGUE", re.MULTILINE)  # what follows the list of characters


def split(dataset: str) -> tuple[str, str]:
    """Training and held-out part of a text: the first nine tenths and the last; DataError when it is too short."""
    if PurePosixPath(dataset).name in HELD_OUT_PLAYS:
        raise DataError(f"{dataset} overlaps the held-out part of Tiny Shakespeare; train on another text.")
    text = _read(locate("shakespeare/tinyshakespeare.txt" if dataset == TINY else f"{dataset}.txt"))
    if len(text) < LEAST:
        raise DataError(f"{dataset} has {len(text):,} characters; a text to train on has {LEAST:,} at least.")
    cut = int(TRAINING_SHARE * len(text))
    return text[:cut], text[cut:]


def other_plays() -> str:
    """Shakespeare's other plays and poems in Tiny Shakespeare's layout; DataError when one cannot be had."""
    return "\n\n".join(in_tiny_layout(_read(locate(play.file))) for play in data.PLAYS) + "\n"


def in_tiny_layout(play: str) -> str:
    """Turn ``SPEAKER<tab>line`` into ``Speaker:`` and lines, without cast list, headings and stage directions."""
    begin = _CAST.search(play)
    play = _STAGE_DIRECTION.sub("", play[begin.start() :] if begin else play)
    speeches: list[str] = []
    for line in play.splitlines():
        speaker, tab, words = line.partition("\t")
        if not tab:  # verse without a speaker (the poems), or a heading
            if line and not line.isupper() and not re.fullmatch(r"[IVXLC]+\.", line):
                speeches.append(line.strip())
            elif speeches and speeches[-1]:
                speeches.append("")
        elif re.fullmatch(r"(ACT|SCENE) [IVXLC]+.*|PROLOGUE|EPILOGUE|SCENE", speaker):
            continue
        elif speaker:
            speeches += [*([""] if speeches and speeches[-1] else []), f"{speaker.strip()}:", words.strip()]
        elif words and not words.isupper():  # a play's title is repeated above every scene
            speeches.append(words.strip())
    text = re.sub(r"\n{3,}", "\n\n", "\n".join(speeches)).strip()
    return "".join(character for character in text if character in VOCABULARY)


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise DataError(f"{file.name} is not UTF-8 text (byte {error.start}); save it as UTF-8.") from None
