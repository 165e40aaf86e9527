"""Text from people and models inside a Discord message: shown as it is, cut where nothing breaks."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot import markdown

LIVELY = st.text(alphabet="ab *_~`|\\[]<>@#-+.:/1\n", max_size=300)


def unescape(text: str) -> str:
    """What Discord shows of escaped text: a backslash before punctuation disappears."""
    return re.sub(r"\\([^0-9A-Za-z\s])", r"\1", text)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("*bold* _it_ ~~no~~ `code` ||spoiler||", r"\*bold\* \_it\_ \~\~no\~\~ \`code\` \|\|spoiler\|\|"),
        ("@everyone <@1>", r"\@everyone \<\@1>"),
        ("[a](https://x.y)", r"\[a](https\://x.y)"),
        ("# head\n> quote\n-# small\n - item\n1. one", "\\# head\n\\> quote\n\\-# small\n \\- item\n1\\. one"),
        ("ROMEO: but soft - what light?", "ROMEO: but soft - what light?"),
    ],
)
def test_formatting_is_shown_and_not_obeyed(text: str, shown: str) -> None:
    assert markdown.escape(text) == shown


@given(LIVELY)
def test_escaping_keeps_every_character(text: str) -> None:
    assert unescape(markdown.escape(text)) == text


def test_bold_goes_line_by_line_around_the_words() -> None:
    assert markdown.bold("ROMEO:\n\n *soft* \n") == "**ROMEO:**\n\n **\\*soft\\*** \n"


@given(LIVELY, st.integers(1, 60))
def test_what_is_cut_fits_and_says_that_there_was_more(text: str, longest: int) -> None:
    cut = markdown.cut(text, longest)
    assert len(cut) <= longest
    assert cut == text or (cut[-1] == "…" and text.startswith(cut[:-1]))


@given(LIVELY, st.integers(20, 60), st.integers(20, 60))
def test_pages_hold_the_whole_text_and_fit(text: str, first: int, rest: int) -> None:
    pages = markdown.pages(text, first, rest)
    whole = "".join(unescape(page) for page in pages)
    assert text.startswith(whole)
    assert not text[len(whole) :].strip()  # only white space at the very end may wait for more
    assert all(len(page) <= room for page, room in zip(pages, [first] + [rest] * len(pages), strict=False))


@given(LIVELY)
def test_no_page_ends_inside_an_escape(text: str) -> None:
    for page in markdown.pages(text, 30, 30):
        backslashes = len(page) - len(page.rstrip("\\"))
        assert backslashes % 2 == 0


@given(LIVELY)
def test_a_growing_text_keeps_the_pages_it_has(text: str) -> None:
    final = markdown.pages(text, 30, 40)
    for length in range(len(text)):
        grown = markdown.pages(text[:length], 30, 40)
        assert grown[:-1] == final[: len(grown) - 1]


def test_pages_end_after_a_line_where_one_is_near() -> None:
    assert markdown.pages("one two\nthree four five", 12, 12) == ["one two\n", "three four ", "five"]
