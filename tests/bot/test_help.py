"""/help and /about: an overview and its topics, what serves and how it is, in both languages."""

import asyncio
import re

import pytest
from discord.ext import commands

import bot.cogs.help
from bot.client import Bot
from bot.locale import ENGLISH
from models.checkpoint import Store
from tests.bot.conftest import Island, ToldWorker, real_worker
from tests.bot.test_shakespeare import EPHEMERAL
from tests.person import JSON, Person, controls


def topics(message: JSON) -> dict[str, str]:
    """The titles in the menu, and the value of each."""
    (menu,) = controls(message)
    return {option["label"]: option["value"] for option in menu["options"]}


async def turned_to(person: Person, message: JSON, title: str) -> JSON:
    await person.select(message, "help", topics(message)[title])
    return await person.message(message, lambda message: message["embeds"][0]["title"] == title)


@pytest.mark.parametrize("channel", ["the-stage", "direct"])
async def test_the_overview_and_a_topic(island: Island, bot: Bot, channel: str) -> None:
    async with island.person() as miranda:
        miranda.go(channel)
        message = await (await miranda.slash("help")).message()
        assert message["flags"] & EPHEMERAL
        (overview,) = message["embeds"]
        shown = {field["name"]: field["value"] for field in overview["fields"]}
        assert shown["Verse"] == "`/shakespeare prompt:ROMEO:` and watch a scene grow"
        assert list(shown) == [
            "Verse", "Cats and digits that never existed", "A space of cats, digits and shapes",
            "Your pictures through a narrow code", "From lines to cats", "Maps",
            "How something was made", "Your data", "For those who manage a server", "How I am doing",
        ]  # fmt: skip
        assert list(topics(message)) == ["Overview", *shown]
        verse = (await turned_to(miranda, message, "Verse"))["embeds"][0]
        assert "**Continue as Shakespeare**" in verse["description"]
        await miranda.select(message, "help", "overview")
        await miranda.message(message, lambda message: message["embeds"] == [overview])


async def test_operators_topics_come_last_where_they_may_act(island: Island, bot: Bot) -> None:
    async with island.person("Ariel") as ariel:
        at_home = topics(await (await ariel.slash("help")).message())
        assert list(at_home)[-4:] == ["How I am doing", "Training", "Data", "Versions"]
        ariel.go("direct")
        assert list(topics(await (await ariel.slash("help")).message()))[-1] == "How I am doing"


async def test_in_portuguese_after_a_restart(island: Island, told_worker: ToldWorker) -> None:
    await island.start_bot(told_worker.url)
    async with island.person("Caliban") as caliban:
        message = await (await caliban.slash("help")).message()
        assert {"Visão geral", "De traços a gatos", "Versos", "Os seus dados", "Como eu estou"} <= set(topics(message))
        await island.stop_bot()
        await island.start_bot(told_worker.url)
        assert "/letras" in (await turned_to(caliban, message, "Versos"))["embeds"][0]["description"]


async def test_a_plug_in_has_its_topic_or_none(
    island: Island, bot: Bot, told_worker: ToldWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Weather(commands.Cog):
        help_key = "help.weather"

    class Oracle(commands.Cog):
        help_key = "help.oracle"
        help_place = 0

    class Silent(commands.Cog):
        pass

    monkeypatch.setitem(ENGLISH, "help.weather", "Weather\n`/weather` conjures a storm")
    monkeypatch.setitem(ENGLISH, "help.oracle", "Oracle")
    await bot.add_cog(Weather())
    await bot.add_cog(Oracle())
    await bot.add_cog(Silent())
    async with island.person() as miranda:
        message = await (await miranda.slash("help")).message()
        assert message["embeds"][0]["fields"][0] == {"name": "Oracle", "value": "–", "inline": False}
        assert list(topics(message).values())[:3] == ["overview", "Oracle", "Shakespeare"]
        names = list(topics(message))
        assert names[names.index("Weather") - 1 :][:3] == ["Maps", "Weather", "How something was made"]
        assert "Silent" not in topics(message).values()
        weather = (await turned_to(miranda, message, "Weather"))["embeds"][0]
    assert weather["description"] == "`/weather` conjures a storm"


async def test_about_with_what_serves(island: Island, tiny_store: Store) -> None:
    async with real_worker(tiny_store) as url:
        prospero = await island.start_bot(url)
        while not (await prospero.worker.readiness()).ready:  # noqa: ASYNC110 (what is waited for is the worker's)
            await asyncio.sleep(0.01)
        async with island.person() as miranda, island.person("Caliban") as caliban:
            message = await (await miranda.slash("about")).message()
            assert message["flags"] & EPHEMERAL
            (about,) = message["embeds"]
            assert about["title"].startswith("Prospero ")
            assert [field["name"] for field in about["fields"]] == [
                "Bot", "Worker", "Models and the versions that serve"
            ]  # fmt: skip
            assert re.match(r"cpu, (int8|b?float\d\d) · 0 of 64 slots in use, 0 waiting", about["fields"][1]["value"])
            assert about["fields"][2]["value"] == "`gpt-shakespeare@tiny` · 0.0 million parameters"
            caliban.go("direct")
            (about,) = (await (await caliban.slash("about")).message())["embeds"]
            assert about["description"].startswith(
                "Eu conjuro versos e imagens no seu canal, com modelos treinados do zero para este bot."
            )
            assert about["fields"][2]["value"] == "`gpt-shakespeare@tiny` · 0,0 mi de parâmetros"
            assert about["fields"][2]["name"] == "Modelos e as versões em serviço"
        await island.stop_bot()


async def test_about_without_a_worker(island: Island) -> None:
    await island.start_bot("http://127.0.0.1:9")
    async with island.person() as miranda:
        (about,) = (await (await miranda.slash("about")).message())["embeds"]
    assert about["fields"][1]["value"].startswith("Away at the moment.")


async def test_about_while_the_worker_starts(island: Island, monkeypatch: pytest.MonkeyPatch) -> None:
    async def starting() -> str:
        return await asyncio.Future()

    monkeypatch.setattr(bot.cogs.help, "PATIENCE", 0.1)
    prospero = await island.start_bot("http://127.0.0.1:9")
    monkeypatch.setattr(prospero.worker, "_address", starting)
    async with island.person() as miranda:
        (about,) = (await (await miranda.slash("about")).message())["embeds"]
    assert about["fields"][1]["value"].startswith("Away at the moment.")
