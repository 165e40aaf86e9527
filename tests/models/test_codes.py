"""Codes: every picture's numbers survive as a text, and a text that is no code is told apart."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from models import codes
from models.codes import CodeError


@given(st.data(), st.integers(2, 17), st.integers(1, 700))
def test_numbers_round_trip_as_text(data: st.DataObject, levels: int, count: int) -> None:
    seed = data.draw(st.integers(0, 2**32))
    numbers = torch.randint(levels, (count,), generator=torch.Generator().manual_seed(seed))
    text = codes.write(numbers, levels)
    assert torch.equal(codes.read(text, count, levels), numbers)
    assert len(text) <= (codes.size(count, levels) + codes.CHECKSUM) * 4 / 3 + 1


def test_size_is_what_the_numbers_need() -> None:
    assert codes.size(640, 4) == 160
    assert codes.size(16, 16) == 8
    assert codes.size(5, 3) == 1  # 243 values


def test_wrapped_text_is_read() -> None:
    text = codes.write(torch.arange(16), 16)
    assert torch.equal(codes.read(f" {text[:5]}\n{text[5:]} ", 16, 16), torch.arange(16))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda text: text[:-3], "copy all of it"),
        (lambda text: "hello world!", "is no code"),
        (lambda text: "", "copy all of it"),
        (lambda text: ("B" if text[0] == "A" else "A") + text[1:], "was changed on its way"),
    ],
)
def test_text_that_is_no_code_says_what_to_do(change, said: str) -> None:  # type: ignore[no-untyped-def]
    text = codes.write(torch.arange(16), 16)
    with pytest.raises(CodeError, match=said):
        codes.read(change(text), 16, 16)
