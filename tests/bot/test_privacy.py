"""/privacy and /forget-me: what people read about their data, and that it is gone once they say so."""

import asyncio

import pytest

from bot.client import Bot
from bot.recipes import Recipe
from tests.bot.conftest import Island, ToldWorker, finished, verse
from tests.bot.pictures import picture
from tests.bot.test_shakespeare import EPHEMERAL
from tests.person import JSON, Answer, labels

UNKNOWN = "I have no record of how this was made any more"


@pytest.mark.parametrize("channel", ["the-stage", "direct"])
async def test_what_is_kept_in_both_languages(island: Island, bot: Bot, channel: str) -> None:
    async with island.person() as miranda, island.person("Caliban") as caliban:
        for person, beginning, training in (
            (miranda, "**What I keep, and why**", "who asked for which training**. `/forget-me` reaches neither."),
            (caliban, "**O que eu guardo, e por quê**", "quem pediu cada treino**. O `/me-esqueça` não alcança"),
        ):
            person.go(channel)
            told = await (await person.slash("privacy")).message()
            assert told["content"].startswith(beginning)
            assert training in told["content"]
            assert told["flags"] & EPHEMERAL


async def test_everything_of_one_person_is_erased_and_nothing_of_others(
    island: Island, bot: Bot, told_worker: ToldWorker
) -> None:
    async with island.person() as miranda, island.person("Ariel") as ariel:
        hers, his = await verse(miranda, told_worker), await verse(ariel, told_worker)
        asked = await (await miranda.slash("forget-me")).message()
        assert asked["content"].endswith("Erase everything?")
        assert asked["flags"] & EPHEMERAL
        assert labels(asked) == ["Erase everything", "Keep it"]
        await miranda.press(asked, "Erase everything")
        done = await miranda.message(asked, lambda message: message["content"].startswith("Done:"))
        assert labels(done) == []
        for label in ("Continue", "Retry", "Next letters", "Recipe", "Delete"):
            refused = await (await miranda.press(hers, label)).message()
            assert refused["content"].startswith(UNKNOWN)
        told = await (await miranda.press(his, "Recipe")).message()
        assert "/shakespeare prompt:ROMEO:" in told["content"]
    assert await bot.store.rows("SELECT owner FROM recipes") == [(int(ariel.id),)]
    assert len(await bot.store.rows("SELECT id FROM messages")) == 1


async def test_ones_words_are_erased_in_what_others_made_of_them(
    island: Island, bot: Bot, told_worker: ToldWorker
) -> None:
    async with island.person() as miranda, island.person("Caliban") as caliban, island.person("Ariel") as ariel:
        theirs, own = await verse(miranda, told_worker), await verse(caliban, told_worker)
        said = await miranda.say("Full fathom five thy father lies")

        async def made(answer: Answer) -> JSON:
            (await told_worker.stream()).finish(" But")
            return await answer.message(finished)

        retried = await made(await caliban.press(theirs, "Retry"))
        await made(await ariel.press(retried, "Continuar"))
        await made(await caliban.context("Continue as Shakespeare", said))
        chart = await ariel.press(retried, "Próximas letras")
        (await told_worker.stream()).write("B", "length", alternatives={"B": 0.5, "T": 0.25})
        await chart.message(lambda message: message["attachments"])
        await made(await miranda.press(own, "Tentar de novo"))
        asked = await (await miranda.slash("forget-me")).message()
        await miranda.press(asked, "Erase everything")
        await miranda.message(asked, lambda message: message["content"].startswith("Done:"))
    assert await bot.store.rows("SELECT owner, origin FROM recipes") == [(int(caliban.id), None)]
    assert len(await bot.store.rows("SELECT id FROM messages")) == 1


async def test_ones_words_are_erased_in_pictures_of_them_too(island: Island, bot: Bot, told_worker: ToldWorker) -> None:
    async with island.person() as miranda, island.person("Caliban") as caliban, island.person("Ariel") as ariel:
        chart = await caliban.press(await verse(miranda, told_worker), "Next letters")
        (await told_worker.stream()).write("B", "length", alternatives={"B": 0.5, "T": 0.25})
        shown, _ = await picture(caliban, chart)
        async with asyncio.timeout(30):
            while not await bot.recipes.shown_by(int(shown["id"]), int(shown["channel_id"])):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        await (await ariel.context("Reconstruct", shown)).message(finished)  # in vain, but it is kept for another try
        assert len(list((island.home / "uploads").iterdir())) == 1
        asked = await (await miranda.slash("forget-me")).message()
        await miranda.press(asked, "Erase everything")
        await miranda.message(asked, lambda message: message["content"].startswith("Done:"))
    assert list((island.home / "uploads").iterdir()) == []


async def test_ones_words_are_not_kept_by_a_request_that_just_begins(
    island: Island, bot: Bot, told_worker: ToldWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    take = bot.quota.take

    async def take_meanwhile(recipe: Recipe, guild: int | None, limit: int) -> None:
        await bot.recipes.forget(int(miranda.id))
        await take(recipe, guild, limit)

    async with island.person() as miranda, island.person("Caliban") as caliban:
        hers = await verse(miranda, told_worker)
        with monkeypatch.context() as patch:
            patch.setattr(bot.quota, "take", take_meanwhile)
            retried = await caliban.press(hers, "Retry")
            (await told_worker.stream()).finish(" But")
            await retried.message(finished)
        assert await bot.store.rows("SELECT id FROM recipes") == []
        told = await (await miranda.press(await verse(miranda, told_worker), "Recipe")).message()
        assert "/shakespeare prompt:ROMEO:" in told["content"]  # what they ask for afterwards is


async def test_in_portuguese_in_a_direct_message_after_a_restart(island: Island, told_worker: ToldWorker) -> None:
    await island.start_bot(told_worker.url)
    async with island.person("Caliban") as caliban:
        caliban.go("direct")
        message = await verse(caliban, told_worker)
        asked = await (await caliban.slash("forget-me")).message()
        await island.stop_bot()
        await island.start_bot(told_worker.url)
        await caliban.press(asked, "Apagar tudo")
        await caliban.message(asked, lambda message: message["content"].startswith("Pronto:"))
        refused = await (await caliban.press(message, "Continuar")).message()
        assert refused["content"].startswith("Não tenho mais o registro de como isto foi feito")


async def test_nothing_erased_can_be_read_from_the_disk(island: Island, bot: Bot, told_worker: ToldWorker) -> None:
    async with island.person() as miranda:
        await verse(miranda, told_worker, WORDS)
        await until_written(island, True)
        asked = await (await miranda.slash("forget-me")).message()
        await miranda.press(asked, "Erase everything")
        await miranda.message(asked, lambda message: message["content"].startswith("Done:"))
        assert not written(island)
        message = await verse(miranda, told_worker, WORDS)
        await until_written(island, True)
        await miranda.press(message, "Delete")
        await until_written(island, False)


async def test_nothing_old_can_be_read_from_the_disk(island: Island, bot: Bot, told_worker: ToldWorker) -> None:
    async with island.person() as miranda:
        await verse(miranda, told_worker, WORDS)
        await until_written(island, True)
    await bot.store.change("UPDATE recipes SET created = created - 366 * 86400")
    await island.stop_bot()
    assert written(island)
    await island.start_bot(told_worker.url)
    await until_written(island, False)


WORDS = "Full fathom five thy father lies"


def written(island: Island) -> bool:
    """Whether the files of the bot's store hold the words; the log first, whose content moves into the other."""
    paths = sorted(island.home.glob("prospero.sqlite3*"), reverse=True)
    return any(WORDS.encode() in path.read_bytes() for path in paths)


async def until_written(island: Island, expected: bool) -> None:
    """Returns once the words are written, which is after they are shown, or erased."""
    async with asyncio.timeout(30):
        while written(island) != expected:  # noqa: ASYNC110 (nothing tells when it is)
            await asyncio.sleep(0.01)


async def test_changing_ones_mind(island: Island, bot: Bot, told_worker: ToldWorker) -> None:
    async with island.person() as miranda:
        message = await verse(miranda, told_worker)
        asked = await (await miranda.slash("forget-me")).message()
        await miranda.press(asked, "Keep it")
        kept = await miranda.message(asked, lambda message: message["content"] == "Nothing was erased.")
        assert labels(kept) == []
        told = await (await miranda.press(message, "Recipe")).message()
        assert "ROMEO:" in told["content"]


async def test_what_is_in_the_making_leaves_no_trace(island: Island, bot: Bot, told_worker: ToldWorker) -> None:
    async with island.person() as miranda:
        answer = await miranda.slash("shakespeare", prompt="ROMEO:")
        stream = await told_worker.stream()
        asked = await (await miranda.slash("forget-me")).message()
        await miranda.press(asked, "Erase everything")
        await miranda.message(asked, lambda message: message["content"].startswith("Done:"))
        stream.finish(" But")
        message = await answer.message(finished)
        refused = await (await miranda.press(message, "Continue")).message()
        assert refused["content"].startswith(UNKNOWN)
    assert await bot.store.rows("SELECT id FROM recipes") == []
    assert await bot.store.rows("SELECT id FROM messages") == []
