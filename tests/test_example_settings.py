"""``.env.example`` names every setting of bot, worker and sandbox, each with the default that it claims to be."""

import re
from pathlib import Path

import pytest
from pydantic_settings import BaseSettings

import bot.settings
import sandbox.settings
import worker.settings

EXAMPLE = Path(__file__).resolve().parent.parent / ".env.example"
ROOMS = {room.__name__: room.Settings for room in (bot.settings, worker.settings, sandbox.settings)}


def stated() -> dict[str, str]:
    return dict(re.findall(r"^#([A-Z_]+)=(.*)$", EXAMPLE.read_text(), flags=re.MULTILINE))


def variables(room: type[BaseSettings]) -> set[str]:
    return {str(field.validation_alias or f"PROSPERO_{name.upper()}") for name, field in room.model_fields.items()}


def test_every_setting_is_there_and_no_other() -> None:
    assert set(stated()) == set().union(*map(variables, ROOMS.values()))


def test_none_of_them_is_taken_for_another_misspelt(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for name in [*stated(), "PROSPERO_LEASH"]:
        monkeypatch.setenv(name, "1")
    assert bot.settings.misspelt() == []


@pytest.mark.parametrize("room", ROOMS.values(), ids=ROOMS)
def test_what_stands_there_is_what_holds_without_it(room: type[BaseSettings], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(EXAMPLE.parent)  # shipped versions are named from there
    for name in stated():
        monkeypatch.delenv(name, raising=False)
    without = room(_env_file=None)
    for name, value in stated().items():
        monkeypatch.setenv(name, value)
    stating = room(_env_file=None)
    for name, field in room.model_fields.items():
        if field.default_factory:  # drawn anew in every run
            continue
        expected, found = getattr(without, name), getattr(stating, name)
        if isinstance(expected, Path):
            expected, found = expected.resolve(), found.resolve()
        assert found == expected, name
