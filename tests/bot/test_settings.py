"""Settings: read from the environment, and one sentence for what is wrong with them."""

from pathlib import Path
from types import ModuleType

import pytest

import bot.settings
import sandbox.settings
from bot.settings import SettingsError, load, misspelt


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("DISCORD_TOKEN", "PROSPERO_DISCORD_URL", "PROSPERO_WORKER_URL", "PROSPERO_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)  # away from any .env


def test_nothing_set_means_a_sandbox_and_a_worker_of_its_own() -> None:
    settings = load()
    assert settings.discord_token is None
    assert settings.worker_url is None


def test_the_environment_comes_before_the_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("DISCORD_TOKEN=file\nPROSPERO_HOME=there\nOTHER=1\n")
    monkeypatch.setenv("DISCORD_TOKEN", "environment")
    settings = load()
    assert settings.discord_token is not None
    assert settings.discord_token.get_secret_value() == "environment"
    assert settings.home == Path("there")
    assert "environment" not in repr(settings)


@pytest.mark.parametrize(
    ("variable", "value", "advice"),
    [
        ("PROSPERO_REQUESTS_PER_PERSON", "0", "a whole number from 1 to 100"),
        ("PROSPERO_UPLOADS_MIB", "2", "how many MiB of pictures .*, a whole number from 20"),
        ("PROSPERO_WORKER_URL", "localhost:8100", "the worker's address"),
        ("PROSPERO_LOG_LEVEL", "loud", "debug, info, warning or error"),
    ],
)
def test_a_wrong_value_is_named_with_what_to_write(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, advice: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsError, match=f"{variable} is '{value}': write {advice}"):
        load()


def test_names_that_are_no_settings_but_close_to_one_are_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("PROSPERO_HOMEGUILD=1\nPROSPERO_KEEP_DAYS=3\nPROSPERO_PLUGIN=1\n")
    monkeypatch.setenv("PROSPERO_OPERATOR", "5")
    assert misspelt() == [
        "PROSPERO_HOMEGUILD is no setting; did you mean PROSPERO_HOME_GUILD?",
        "PROSPERO_OPERATOR is no setting; did you mean PROSPERO_OPERATORS?",
    ]


@pytest.mark.parametrize("room", [bot.settings, sandbox.settings])
def test_a_file_that_is_no_text_is_named(tmp_path: Path, room: ModuleType) -> None:
    (tmp_path / ".env").write_text("DISCORD_TOKEN=file", encoding="utf-16")
    with pytest.raises(room.SettingsError, match=r"^\.env is not UTF-8 text; save it as such\.$"):
        room.load()
