"""Recordings do what their functions do."""

from __future__ import annotations

import pytest
import torch

from models.recording import recorded


def test_without_a_graphics_card_the_function_itself_is_called() -> None:
    assert recorded(torch.sin, torch.zeros(3)) is torch.sin


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a graphics card")
def test_a_recording_answers_each_call_for_itself() -> None:
    replay = recorded(lambda x: x * 2 + 1, torch.zeros(3, device="cuda"))
    for value in (1.0, 5.0):
        assert replay(torch.full((3,), value, device="cuda")).tolist() == [2 * value + 1] * 3
