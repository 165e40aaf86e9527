"""Speakers under other names: what changes in an excerpt, and what must not."""

from __future__ import annotations

import re

import pytest
import torch

from models.speakers import Speakers

PLAY = """
MIRANDA:
O, father!

KING ALONSO:
My lord Sebastian, hark.

SEBASTIAN:
I hear, my lord.

First Sailor:
Miranda calls; mirandas are no king.

MIRANDA:
"""


def renamed(seed: int) -> str:
    return Speakers(PLAY).renamed(PLAY, torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("seed", range(20))
def test_an_excerpt_keeps_its_length_and_everything_but_names(seed: int) -> None:
    before, after = PLAY.splitlines(), renamed(seed).splitlines()
    assert [len(line) for line in after] == [len(line) for line in before]
    assert after[2] == "O, father!"
    assert after[4].startswith("KING ")
    assert after[10] == "First Sailor:"
    assert after[11].endswith(" calls; mirandas are no king.")


@pytest.mark.parametrize("seed", range(20))
def test_a_speaker_is_called_the_same_wherever_the_name_stands(seed: int) -> None:
    lines = renamed(seed).splitlines()
    assert lines[1] == lines[13]
    assert lines[11].split()[0] == lines[1].rstrip(":").capitalize()
    assert lines[5].split()[2].rstrip(",") == lines[7].rstrip(":").capitalize()


def test_names_are_new_and_of_the_text_s_own_letters() -> None:
    given = {line for seed in range(20) for line in re.findall(r"^[A-Z]+(?=:$)", renamed(seed), re.MULTILINE)}
    assert len(given - {"MIRANDA", "SEBASTIAN"}) > 5
    assert set("".join(given)) <= set("MIRANDAALONSOSEBASTIAN")


def test_the_seed_decides() -> None:
    assert renamed(3) == renamed(3)
    assert renamed(3) != renamed(4)


def test_a_text_without_speakers_stays() -> None:
    prose = "Call me Ishmael:\nSome years ago. SHOUTED: no.\n"
    assert Speakers(PLAY).renamed(prose, torch.Generator()) == prose


def test_a_name_that_only_an_excerpt_shows_as_a_heading_stays_where_there_is_no_other() -> None:
    letter = "JONATHAN:\nCome at once.\n"  # of "Dear JONATHAN:", cut within the line
    assert Speakers("Dear JONATHAN:\nCome at once.\n").renamed(letter, torch.Generator()) == letter


@pytest.mark.parametrize("seed", range(20))
def test_nothing_is_written_in_letters_that_the_text_lacks(seed: int) -> None:
    text = "MAB:\nMab am I.\n\nZED:\nZed am I; Mab is Mab.\n"
    assert set(Speakers(text).renamed(text, torch.Generator().manual_seed(seed))) <= set(text)
