"""The models' command line, from a training to a rollback, and its sentences about what cannot be done."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from models.__main__ import main
from tests.conftest import TINY

Run = Callable[..., int]
MODEL = "gpt-shakespeare"
SMALL = [word for key, value in TINY.items() for word in ("--set", f"{key}={value}")]


@pytest.fixture
def run(verse_data: Path, tmp_path: Path) -> Run:
    """Runs a command in a home of its own; returns its exit status."""
    return lambda *words: main(["--home", str(tmp_path / "home"), *words])


def test_from_training_to_rollback(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("first", "second"):
        assert run("train", "gpt", "--steps", "2", "--name", name, *SMALL) == 0
        assert run("promote", MODEL, name) == 0
    capsys.readouterr()

    assert run("list") == 0
    listed = capsys.readouterr().out
    assert f"  {MODEL}@first " in listed
    assert f"* {MODEL}@second " in listed
    assert run("rollback", MODEL) == 0
    assert "serves first again" in capsys.readouterr().err

    assert run("evaluate", "gpt", "--quick") == 0
    figures = json.loads(capsys.readouterr().out)
    card = json.loads((tmp_path / "home" / "checkpoints" / MODEL / "first" / "card.json").read_text())
    assert figures["version"] == "first"
    assert card["training"]["steps"] == 2
    assert card["metrics"]["nats_per_character"]["command"] == f"python -m models evaluate {MODEL} --version first"

    assert run("sample", "gpt", "--count", "2", "--seed", "7", "-o", str(tmp_path / "verse.txt")) == 0
    assert len((tmp_path / "verse.txt").read_text().split("\n\n---\n\n")) == 2


def test_an_unfinished_training_is_not_begun_anew(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    snapshot = tmp_path / "home" / "training" / MODEL / "snapshot.pt"
    snapshot.parent.mkdir(parents=True)
    snapshot.write_bytes(b"hours of work")
    assert run("train", "gpt", "--steps", "1", *SMALL) == 1
    assert "--resume" in capsys.readouterr().err
    assert snapshot.read_bytes() == b"hours of work"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["train", "gtp"], "There is no model 'gtp'; choose from"),
        (["train", "gpt", "--set", "layer=2"], "Unknown setting 'layer'"),
        (["promote", MODEL, "lost"], f"{MODEL} has no version 'lost'"),
        (["sample", "gan-cats", "-o", "cats.png"], "python -m models train gan-cats"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_sentence(
    run: Run, words: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*words) == 1
    assert sentence in capsys.readouterr().err
