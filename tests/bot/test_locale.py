"""The catalogues: whole, used, and within what Discord allows."""

import ast
import json
import re
from pathlib import Path
from string import Formatter

import discord
import pytest
from discord import app_commands

import bot
from bot.locale import (
    CATALOGUES,
    ENGLISH,
    CommandTranslator,
    add,
    check_text,
    command_text,
    number,
    ordinal,
    translate,
)
from models import intake
from worker.routes.training import MOST_QUEUED

SOURCES = list(Path(bot.__file__).parent.rglob("*.py"))
KINDS = "|".join({key.partition(".")[0] for key in ENGLISH})
KEY = re.compile(rf"({KINDS})\.[a-z_.]+")


def literals() -> set[str]:
    """Every string in the bot's code that has the form of a key."""
    trees = (ast.parse(path.read_text()) for path in SOURCES)
    strings = (node.value for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Constant))
    return {string for string in strings if isinstance(string, str) and KEY.fullmatch(string)}


def placeholders(sentence: str) -> set[str | None]:
    return {name for _, name, _, _ in Formatter().parse(sentence) if name is not None}


def test_every_key_in_the_code_has_its_english_and_the_other_way_round() -> None:
    assert literals() == set(ENGLISH)


@pytest.mark.parametrize("language", sorted(CATALOGUES))
def test_no_key_is_in_two_topics(language: str) -> None:
    topics = Path(bot.__file__).parent.joinpath("locale", language).glob("*.json")
    keys = [key for topic in topics for key in json.loads(topic.read_text())]
    assert len(keys) == len(set(keys))


@pytest.mark.parametrize("language", sorted(CATALOGUES))
def test_every_language_says_the_same_with_the_same_values(language: str) -> None:
    catalogue = CATALOGUES[language]
    assert set(catalogue) == set(ENGLISH)
    assert {key: placeholders(catalogue[key]) for key in ENGLISH} == {
        key: placeholders(ENGLISH[key]) for key in ENGLISH
    }


@pytest.mark.parametrize("language", sorted(CATALOGUES))
def test_names_and_descriptions_are_what_discord_takes(language: str) -> None:
    for key, text in CATALOGUES[language].items():
        kind, _, part = key.partition(".")
        if kind in ("command", "option") and part.endswith(".name"):
            assert re.fullmatch(r"[-_\w]{1,32}", text), key
            assert text == text.lower(), key
        if kind in ("command", "option") and part.endswith(".description"):
            assert len(text) <= 100, key
        if kind == "button":
            assert len(text) <= 80, key


@pytest.mark.parametrize("language", sorted(CATALOGUES))
def test_names_of_one_kind_differ(language: str) -> None:
    for kind in ("command", "option"):
        names = [text for key, text in CATALOGUES[language].items() if re.fullmatch(rf"{kind}\..*\.name", key)]
        assert len(names) == len(set(names))


def test_languages_are_ones_that_discord_knows() -> None:
    known = {locale.value for locale in discord.Locale}
    assert set(CATALOGUES) - {"en"} <= known


def test_a_person_reads_their_own_language_or_english() -> None:
    assert translate(discord.Locale.brazil_portuguese, "text.queued", ordinal="3º") == "3º lugar na fila…"
    assert translate(discord.Locale.japanese, "text.queued", ordinal="3rd") == "3rd in line…"


@pytest.mark.parametrize("language", sorted(CATALOGUES))
def test_limits_in_sentences_are_those_that_hold(language: str) -> None:
    limits = {
        "error.too_many_trainings": MOST_QUEUED,
        "error.too_few_pictures": intake.LEAST_PICTURES,
        "error.too_few_held_out": intake.LEAST_HELD_OUT,
        "error.text_too_short": intake.LEAST_TEXT,
        "error.text_too_long": intake.MOST_TEXT // 2**20,
    }
    for key, limit in limits.items():
        assert re.search(rf"\b{limit}\b", re.sub(r"(?<=\d)[,.](?=\d)", "", CATALOGUES[language][key]))


def test_places_in_a_line_are_said_as_people_say_them() -> None:
    english = [ordinal(discord.Locale.american_english, number) for number in (1, 2, 3, 4, 11, 12, 13, 21, 112, 122)]
    assert english == ["1st", "2nd", "3rd", "4th", "11th", "12th", "13th", "21st", "112th", "122nd"]
    assert ordinal(discord.Locale.brazil_portuguese, 2) == "2º"


def test_figures_are_written_as_people_write_them() -> None:
    assert number(discord.Locale.brazil_portuguese, 24.54, ".1f") == "24,5"
    assert number(discord.Locale.american_english, 24.54, ".1f") == "24.5"
    assert number(discord.Locale.brazil_portuguese, 13704.84, ".1f") == "13.704,8"
    assert number(discord.Locale.american_english, 21500) == "21,500"


def test_a_missing_translation_falls_back_to_english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(CATALOGUES["pt-BR"], "button.stop")
    assert translate(discord.Locale.brazil_portuguese, "button.stop") == "Stop"


def test_a_plug_in_says_nothing_otherwise_than_it_is_said_already(tmp_path: Path) -> None:
    (tmp_path / "en").mkdir()
    texts = {"command.sample.name": ENGLISH["command.sample.name"], "command.vary.name": "draw"}
    (tmp_path / "en" / "storm.json").write_text(json.dumps(texts))
    with pytest.raises(ValueError, match=r"en/storm.json has another text for command.vary.name, which is said"):
        add(tmp_path)
    assert ENGLISH["command.vary.name"] == "vary"


def test_a_text_is_checked_in_every_language(monkeypatch: pytest.MonkeyPatch) -> None:
    check_text("help.gan")
    monkeypatch.setitem(CATALOGUES["pt-BR"], "help.gan", "Gatos {demais")
    with pytest.raises(ValueError, match=r"help.gan \(pt-BR\) has braces"):
        check_text("help.gan")


async def test_discord_gets_translations_where_there_are_any() -> None:
    translator = CommandTranslator()
    context = app_commands.TranslationContext(app_commands.TranslationContextLocation.other, data=None)
    name = command_text("command.help.name")
    assert str(name) == "help"
    assert await translator.translate(name, discord.Locale.brazil_portuguese, context) == "ajuda"
    assert await translator.translate(name, discord.Locale.japanese, context) is None
    assert await translator.translate(app_commands.locale_str("x"), discord.Locale.brazil_portuguese, context) is None
