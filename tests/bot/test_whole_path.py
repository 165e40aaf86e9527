"""The whole path with a model that was really trained: sandbox, bot, worker, GPT; also across restarts."""

import asyncio

import aiohttp

from models.checkpoint import Store
from tests.bot.conftest import Island, finished, footer, real_worker


async def test_a_model_writes_and_its_buttons_outlive_bot_and_worker(island: Island, tiny_store: Store) -> None:
    async with island.person() as miranda:
        async with real_worker(tiny_store) as url:
            await island.start_bot(url)
            answer = await miranda.slash("shakespeare", prompt="PROSPERO:\n☃", length=300, seed="11")
            written = await answer.message(finished)
            assert "gpt-shakespeare@tiny · seed 11" in footer(written)
            assert "read each as a space: ☃" in footer(written)
            assert "300 characters in" in footer(written)
            repeated = await miranda.slash("shakespeare", prompt="PROSPERO:\n☃", length=300, seed="11")
            text = written["content"].partition("\n-# ")[0]
            assert (await repeated.message(finished))["content"].partition("\n-# ")[0] == text
            about = await (await miranda.slash("about")).message()
            assert "gpt-shakespeare@tiny" in about["embeds"][0]["fields"][2]["value"]
            await island.stop_bot()
        async with real_worker(tiny_store) as url:
            await island.start_bot(url)
            continued = await (await miranda.press(written, "Continue")).message(finished)
            assert "gpt-shakespeare@tiny" in footer(continued)
            retried = await (await miranda.press(written, "Retry")).message(finished)
            assert "gpt-shakespeare@tiny" in footer(retried)
            assert "seed 11 ·" in footer(written) and "seed 11 ·" not in footer(retried)


async def test_two_people_at_once(island: Island, tiny_store: Store) -> None:
    async with real_worker(tiny_store) as url, island.person() as miranda, island.person("Caliban") as caliban:
        await island.start_bot(url)
        first = await miranda.slash("shakespeare", prompt="MIRANDA:", length=1000)
        second = await caliban.slash("shakespeare", prompt="PROSPERO:", length=1000)
        for answer, prompt in ((first, "MIRANDA:"), (second, "PROSPERO:")):
            message = await answer.message(finished)
            assert message["content"].startswith(f"**{prompt}**")
            assert any(count in footer(message) for count in ("1,000 c", "1.000 c"))  # characters, or caracteres


async def idle(url: str) -> None:
    """Wait until the worker noticed that nobody reads its texts any more."""
    async with asyncio.timeout(20), aiohttp.ClientSession(url) as session:
        while "texts_running 0.0" not in await (await session.get("/metrics")).text():  # noqa: ASYNC110 (it tells nobody)
            await asyncio.sleep(0.01)


async def test_a_full_queue(island: Island, tiny_store: Store) -> None:
    async with real_worker(tiny_store, slots=1, queue=0) as url, island.person() as miranda:
        await island.start_bot(url)
        answers = [await miranda.slash("shakespeare", prompt="PROSPERO:", length=8000) for _ in range(2)]
        refused = await answers[1].message(finished)
        assert "even the queue is full" in refused["content"]
        running = await answers[0].message()
        await miranda.press(running, "Stop")
        await answers[0].message(finished)
        await idle(url)
        again = await miranda.press(refused, "Retry")
        await miranda.press(await again.message(), "Stop")


async def test_a_worker_that_goes_away_in_the_middle(island: Island, tiny_store: Store) -> None:
    async with island.person() as miranda:
        async with real_worker(tiny_store) as url:
            await island.start_bot(url)
            answer = await miranda.slash("shakespeare", prompt="PROSPERO:", length=8000)
            await answer.message()
        failed = await answer.message(finished)
        async with real_worker(tiny_store, port=int(url.rpartition(":")[2])):
            again = await miranda.press(failed, "Retry")
            await miranda.press(await again.message(), "Stop")
            assert "gpt-shakespeare@tiny" in footer(await again.message(finished))
