"""The curve of a training as a picture: lines, and axes that say what they are in the reader's language."""

import io
from typing import Any

import discord
import numpy as np
import pytest
from PIL import Image

from bot import curve
from worker.schemas.training import Step


def drawn(locale: discord.Locale, metrics: dict[str, float]) -> Any:
    """The curve of two steps in shades of grey, row by row."""
    steps = [
        Step(step=step, fraction=step / 200, seconds=1, seconds_left=1, losses={"loss": 2 / step}, metrics=metrics)
        for step in (100, 200)
    ]
    return np.asarray(Image.open(io.BytesIO(curve.draw(steps, locale))).convert("L"))


def test_a_single_step_is_seen() -> None:
    step = Step(step=100, fraction=0.5, seconds=1, seconds_left=1, losses={"loss": 2.0}, metrics={})
    picture = np.asarray(Image.open(io.BytesIO(curve.draw([step], discord.Locale("en-US")))).convert("RGB")).astype(int)
    height, width, _ = picture.shape
    middle = picture[height // 3 : 2 * height // 3, width // 3 : 2 * width // 3]  # the legend is in a corner
    assert (middle[..., 2] - middle[..., 0] > 100).any()  # something blue


def test_labels_are_high_enough_to_be_read_at_a_third_of_the_size() -> None:
    shades = drawn(discord.Locale("en-US"), {})
    below = (shades[-60:] < 128).any(axis=1)  # the axis' name, under the numbers
    assert below[-40:].sum() >= 20


@pytest.mark.parametrize("metrics", [{}, {"bits": 2.0}])
def test_the_axis_of_steps_says_so_in_the_readers_language(metrics: dict[str, float]) -> None:
    english, portuguese = (drawn(locale, metrics) for locale in (discord.Locale("en-US"), discord.Locale("pt-BR")))
    lowest = english.shape[0] - 20  # pixels: a line of text
    assert (english[lowest:] < 128).any()
    assert (english[lowest:] != portuguese[lowest:]).any()
