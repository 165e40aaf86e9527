"""Recordings do what their functions do."""

from __future__ import annotations

import pytest
import torch

from models.recording import recorded


def test_without_a_graphics_card_the_function_itself_is_called() -> None:
    assert recorded(float, torch.device("cpu")) is float


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a graphics card")
def test_a_recording_reads_what_was_copied_into_its_tensors() -> None:
    given = torch.zeros(3, device="cuda")
    replay = recorded(lambda: given * 2 + 1, given.device)
    for value in (1.0, 5.0):
        given.fill_(value)
        assert replay().tolist() == [2 * value + 1] * 3
