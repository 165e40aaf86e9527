"""What the bot says: a folder of JSON catalogues a language, one for each topic; English for whatever one lacks."""

import json
from pathlib import Path

import discord
from discord import app_commands

CATALOGUES: dict[str, dict[str, str]] = {}
NONE = "–"  # stands for a figure, a version or anything else that there is not
SWAPPED = str.maketrans(".,", ",.")


def add(folder: Path) -> None:
    """Say what the catalogues of a folder say, too: those of a plug-in, laid out like the ones here.

    Raises ValueError for a key under which something else is said already.
    """
    for path in sorted(folder.glob("*/*.json")):
        catalogue = CATALOGUES.setdefault(path.parent.name, {})
        for key, text in json.loads(path.read_text(encoding="utf-8")).items():
            if catalogue.setdefault(key, text) != text:
                raise ValueError(f"{path} has another text for {key}, which is said already; choose another key.")


add(Path(__file__).parent)
ENGLISH = CATALOGUES["en"]


def translate(locale: discord.Locale, key: str, **values: object) -> str:
    """The sentence under ``key`` in the language of ``locale``, its placeholders filled with ``values``.

    Raises KeyError for a key that English lacks: a mistake in the code.
    """
    sentence = CATALOGUES.get(locale.value, ENGLISH).get(key) or ENGLISH[key]
    return sentence.format(**values)


def check_text(key: str) -> None:
    """ValueError unless what is said under ``key`` can be said in every language, with no values to fill in."""
    if key not in ENGLISH:
        raise ValueError(f"There is no English text for {key}.")
    for locale in discord.Locale:
        try:
            translate(locale, key)
        except (LookupError, ValueError) as error:
            raise ValueError(f"The text for {key} ({locale.value}) has braces, but nothing to fill in.") from error


def ordinal(locale: discord.Locale, number: int) -> str:
    """A place in a line: 3rd, or 3º."""
    if locale is discord.Locale.brazil_portuguese:
        return f"{number}º"
    teens = number % 100 in (11, 12, 13)
    ending = "th" if teens else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


def number(locale: discord.Locale, value: float, form: str = "") -> str:
    """A figure as people write it: 1,024.5 or 1.024,5; what they type as an option has a point in every language."""
    written = format(value, f",{form}")
    return written.translate(SWAPPED) if locale is discord.Locale.brazil_portuguese else written


def command_text(key: str) -> app_commands.locale_str:
    """A command's or option's name or description: English by default, translated by CommandTranslator."""
    return app_commands.locale_str(ENGLISH[key], key=key)


class CommandTranslator(app_commands.Translator):
    """Gives Discord the commands' names and descriptions in every language there is a catalogue for."""

    async def translate(
        self,
        string: app_commands.locale_str,
        locale: discord.Locale,
        context: app_commands.TranslationContextTypes,
    ) -> str | None:
        """The text for ``locale``; None, which leaves the English default, where there is none."""
        return CATALOGUES.get(locale.value, {}).get(string.extras.get("key", ""))
