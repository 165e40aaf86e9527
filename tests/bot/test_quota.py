"""The quota of a server: taken when a request begins, given back when nothing comes of it, told kindly."""

import asyncio
import re
import time

import pytest

from bot.client import Bot
from bot.recipes import Recipe
from tests.bot.conftest import Island, ToldWorker, finished, footer, verse
from tests.bot.test_guild_settings import choose, panel
from tests.bot.test_shakespeare import EPHEMERAL
from tests.person import JSON, Person, labels


async def limit(island: Island, bot: Bot, quota: int) -> None:
    """Fewer requests an hour than the panel offers, so that tests need not make as many."""
    await bot.guild_settings.change(int(island.sandbox.state.guild.id), quota=quota)


async def refusal(person: Person) -> JSON:
    """What becomes of a request that is one too many."""
    refused = await (await person.slash("shakespeare", prompt="ROMEO:")).message()
    assert refused["flags"] & EPHEMERAL
    return refused


async def test_used_up_told_kindly_and_free_again_after_an_hour(island: Island, told_worker: ToldWorker) -> None:
    bot = await island.start_bot(told_worker.url)
    async with island.person() as miranda, island.person("Caliban") as caliban:
        await limit(island, bot, 2)
        begun = int(time.time())
        text = await verse(miranda, told_worker)
        await miranda.press(text, "Retry")
        (await told_worker.stream()).finish("soft")
        await island.stop_bot()
        bot = await island.start_bot(told_worker.url)
        told = (await refusal(miranda))["content"]
        match = re.fullmatch(
            r"You have made the 2 requests that one person may make in an hour here\. You can go on <t:(\d+):R>\.", told
        )
        assert match and begun + 3600 <= int(match[1]) <= time.time() + 3600
        refused = await (await miranda.press(text, "Continue")).message()
        assert refused["content"].startswith("You have made the 2 requests")
        await verse(caliban, told_worker)
        await verse(caliban, told_worker)
        assert (await refusal(caliban))["content"].startswith("Você já fez os 2 pedidos")
        miranda.go("direct")
        await verse(miranda, told_worker)
        miranda.go("the-stage")
        await bot.store.change("UPDATE quota SET taken = taken - 3600")
        await verse(miranda, told_worker)


async def test_given_back_when_discord_waited_in_vain(
    island: Island, bot: Bot, told_worker: ToldWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    take = bot.quota.take

    async def take_too_long(recipe: Recipe, guild: int | None, limit: int) -> None:
        await take(recipe, guild, limit)
        island.sandbox.state.clock.advance(4)

    async with island.person() as miranda:
        await limit(island, bot, 1)
        with monkeypatch.context() as patch:
            patch.setattr(bot.quota, "take", take_too_long)
            assert (await miranda.slash("shakespeare", prompt="ROMEO:")).failure
            async with asyncio.timeout(30):
                while await bot.store.rows("SELECT * FROM quota"):  # noqa: ASYNC110 (nothing tells when it is gone)
                    await asyncio.sleep(0.01)
        await verse(miranda, told_worker)


async def test_forgotten_after_an_hour_also_where_the_limit_was_lifted(
    island: Island, bot: Bot, told_worker: ToldWorker
) -> None:
    async with island.person() as miranda:
        await limit(island, bot, 1)
        await verse(miranda, told_worker)
        await bot.store.change("UPDATE quota SET taken = taken - 3600")
        await limit(island, bot, 0)
        await verse(miranda, told_worker)
    assert await bot.store.rows("SELECT * FROM quota") == []


async def test_forgotten_though_nobody_asks_for_anything(island: Island, told_worker: ToldWorker) -> None:
    bot = await island.start_bot(told_worker.url)
    async with island.person() as miranda:
        await limit(island, bot, 1)
        await verse(miranda, told_worker)
    await bot.store.change("UPDATE quota SET taken = taken - 3600")
    await island.stop_bot()
    bot = await island.start_bot(told_worker.url)
    async with asyncio.timeout(30):
        while await bot.store.rows("SELECT * FROM quota"):  # noqa: ASYNC110 (nothing tells when it is gone)
            await asyncio.sleep(0.01)


async def test_a_clock_that_was_ahead_locks_nobody_out(island: Island, bot: Bot, told_worker: ToldWorker) -> None:
    async with island.person() as miranda:
        await limit(island, bot, 1)
        await verse(miranda, told_worker)
        await bot.store.change("UPDATE quota SET taken = taken + 86400")
        await verse(miranda, told_worker)
        assert (await refusal(miranda))["content"].startswith("You have made the 1 requests")


async def test_given_back_when_the_worker_dies_or_nothing_was_made(
    island: Island, bot: Bot, told_worker: ToldWorker
) -> None:
    async with island.person() as miranda:
        await limit(island, bot, 1)
        answer = await miranda.slash("shakespeare", prompt="ROMEO:")
        stream = await told_worker.stream()
        stream.write("But")
        await answer.message()
        stream.die()
        await answer.message(finished)
        told_worker.refuse(429, "full", **{"Retry-After": "3"})
        await (await miranda.slash("shakespeare", prompt="ROMEO:")).message(finished)
        answer = await miranda.slash("gan sample")  # of which this worker knows nothing
        await answer.message(lambda message: labels(message) == ["Retry"])
        answer = await miranda.slash("shakespeare", prompt="ROMEO:")
        (await told_worker.stream()).queued(3)
        await miranda.press(await answer.message(), "Stop")
        assert footer(await answer.message(finished)) == "-# Stopped."
        answer = await miranda.slash("shakespeare", prompt="ROMEO:")
        (await told_worker.stream()).write("But")
        await miranda.press(await answer.message(), "Stop")
        await answer.message(finished)
        assert (await refusal(miranda))["content"].startswith("You have made the 1 requests")


async def test_several_requests_at_once_find_one_place(island: Island, bot: Bot, told_worker: ToldWorker) -> None:
    async with island.person() as miranda:
        await limit(island, bot, 1)
        answers = await asyncio.gather(*(miranda.slash("shakespeare", prompt="ROMEO:") for _ in range(3)))
        (await told_worker.stream()).finish("soft")
        contents = [(await answer.message(lambda message: message["content"]))["content"] for answer in answers]
        assert sum(content.startswith("You have made the 1") for content in contents) == 2


async def test_to_be_forgotten_is_no_way_around_it(island: Island, bot: Bot, told_worker: ToldWorker) -> None:
    async with island.person() as miranda:
        await limit(island, bot, 1)
        await verse(miranda, told_worker)
        asked = await (await miranda.slash("forget-me")).message()
        await miranda.press(asked, "Erase everything")
        await miranda.message(asked, lambda message: message["content"].startswith("Done:"))
        assert (await refusal(miranda))["content"].startswith("You have made the 1 requests")


async def test_set_in_the_panel(island: Island, bot: Bot, told_worker: ToldWorker) -> None:
    async with island.person("Ariel") as ariel:
        await choose(ariel, await panel(ariel), "quota", "5")
        for _ in range(5):
            await verse(ariel, told_worker)
        assert (await refusal(ariel))["content"].startswith("You have made the 5 requests")
