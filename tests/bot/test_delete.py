"""Delete under results: by the person who asked and by moderators, whole, in both languages."""

import asyncio

import aiohttp
import discord
import pytest

from bot.client import Bot
from sandbox.permissions import Permission
from tests.bot.conftest import Island, ToldWorker, verse
from tests.bot.test_shakespeare import EPHEMERAL


@pytest.mark.parametrize(("who", "label"), [("Miranda", "Delete"), ("Ariel", "Delete")])
async def test_by_the_person_who_asked_and_by_a_moderator(
    island: Island, bot: Bot, told_worker: ToldWorker, who: str, label: str
) -> None:
    async with island.person() as miranda, island.person(who) as person:
        message = await verse(miranda, told_worker, "But soft, what light\n" * 200)
        assert len(await miranda.messages()) == 3
        await person.press(message, label)
        await miranda.until(lambda: not miranda.seen, 30, "all of it to go")
        assert await miranda.messages() == []
        await until_erased(bot)


async def until_erased(bot: Bot) -> None:
    """Returns once nothing is kept about any result, which happens after its message goes."""
    async with asyncio.timeout(30):
        while await bot.store.row("SELECT id FROM recipes UNION SELECT recipe FROM messages"):  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_of_a_message_that_a_moderator_deletes_at_that_moment(
    island: Island, bot: Bot, told_worker: ToldWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with island.person() as miranda:
        message = await verse(miranda, told_worker, "But soft, what light\n" * 200)
        messages = bot.recipes.messages

        async def look_late(recipe_id: str) -> list[int]:
            island.sandbox.state.delete_message(message["id"])
            return await messages(recipe_id)

        monkeypatch.setattr(bot.recipes, "messages", look_late)
        await miranda.press(message, "Delete")
        await miranda.until(lambda: not miranda.seen, 30, "all of it to go")


async def test_once_more_after_discord_failed(
    island: Island, bot: Bot, told_worker: ToldWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def lose(*_: object) -> None:
        raise aiohttp.ServerDisconnectedError

    async with island.person() as miranda:
        message = await verse(miranda, told_worker, "But soft, what light\n" * 120)
        with monkeypatch.context() as patch:
            patch.setattr(discord.Interaction, "delete_original_response", lose)
            told = await (await miranda.press(message, "Delete")).message(lambda told: told["id"] != message["id"])
        assert told["content"].startswith("Something went wrong that I did not foresee.")
        await miranda.press(message, "Delete")
        await miranda.wait_for(lambda event: event["t"] == "MESSAGE_DELETE" and event["d"]["id"] == message["id"])
        await until_erased(bot)
        assert [one["id"] for one in await miranda.messages()] == [told["id"]]


async def test_not_by_others(island: Island, bot: Bot, told_worker: ToldWorker) -> None:
    async with island.person() as miranda, island.person("Caliban") as caliban:
        message = await verse(miranda, told_worker)
        refused = await (await caliban.press(message, "Delete")).message()
        assert refused["content"] == f"Só <@{miranda.id}>, que fez o pedido, ou a moderação pode apagar isto."
        assert refused["flags"] & EPHEMERAL
        assert message["id"] in [one["id"] for one in await miranda.messages()]
        state = island.sandbox.state
        state.grant(state.named("Caliban").user, Permission.MANAGE_MESSAGES)
        await caliban.press(message, "Delete")
        await miranda.wait_for(lambda event: event["t"] == "MESSAGE_DELETE")


async def test_in_a_direct_message_after_a_restart(island: Island, told_worker: ToldWorker) -> None:
    await island.start_bot(told_worker.url)
    async with island.person("Caliban") as caliban:
        caliban.go("direct")
        message = await verse(caliban, told_worker)
        await island.stop_bot()
        await island.start_bot(told_worker.url)
        await caliban.press(message, "Apagar")
        await caliban.wait_for(lambda event: event["t"] == "MESSAGE_DELETE")
        assert await caliban.messages() == []


async def test_a_part_that_is_gone_already_and_one_out_of_reach(
    island: Island, bot: Bot, told_worker: ToldWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with island.person() as miranda:
        message = await verse(miranda, told_worker, "But soft, what light\n" * 120)
        first, _ = await miranda.messages()
        island.sandbox.state.delete_message(first["id"])
        await miranda.press(message, "Delete")
        await miranda.until(lambda: not miranda.seen, 30, "the rest to go")

        message = await verse(miranda, told_worker, "But soft, what light\n" * 120)
        state = island.sandbox.state
        state.forbid(state.channel(miranda.channel), state.bot, Permission.VIEW_CHANNEL)
        refused = await (await miranda.press(message, "Delete")).message()
        assert refused["content"].startswith("I could delete only the last message of this one")
