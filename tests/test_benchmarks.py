"""The benchmarks: what they compare is comparable, and the one with a whole Prospero in it comes to its end."""

from __future__ import annotations

import pytest

from benchmarks import bot, train
from benchmarks.plain_gpt import PlainGPT
from models import gpt
from models.training import Progress


def test_the_plain_gpt_is_as_large_as_ours() -> None:
    for config in (gpt.Config(), gpt.Config.parse({**train.RECIPE.config, **train.SMALL})):
        assert train.size(PlainGPT(config)) == pytest.approx(train.size(gpt.GPT(config)), rel=0.02)


def test_the_clock_of_a_training_stops_where_its_line_crosses_the_target() -> None:
    figures = [(10.0, 3.0), (20.0, 2.5), (30.0, 2.0), (40.0, 1.5)]
    reports = [Progress(i, 0.0, seconds, 0.0, {}, {"nats": nats}) for i, (seconds, nats) in enumerate(figures, 1)]
    course = train.follow(iter(reports), target=2.1, characters=100)
    assert course.reached == pytest.approx(28.0)
    assert course.best == 2.0  # nothing is trained beyond the target
    assert course.rate == pytest.approx(10.0)
    assert train.follow(iter(reports), target=1.0, characters=100).reached is None


def test_what_the_bot_adds_is_measured_from_the_event_to_what_people_see(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(bot, "SECONDS", 0.5)
    monkeypatch.setattr(bot, "PIECES", 5)
    bot.run(rounds=1, people=[2])
    rows = [line.split("│")[1:-1] for line in capsys.readouterr().out.splitlines() if line.startswith("│")]
    assert [row[0].strip() for row in rows] == ["2", "2 in one instant"]
    assert all(float(figure) > 0 for row in rows for figure in row[1:])
