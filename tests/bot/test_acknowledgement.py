"""First responses that Discord took although the bot heard otherwise: a fault of Discord's own, or nothing at all."""

from __future__ import annotations

import asyncio

from bot.client import Bot, Tree
from tests.bot.conftest import Island, ToldWorker, finished, said
from tests.bot.test_training import finished as trained
from tests.bot.trainer import Trainer
from tests.person import Person, labels

EPHEMERAL = 1 << 6


async def settled(island: Island) -> None:
    """Returns once the bot is done with every command."""
    assert island.bot is not None and isinstance(island.bot.tree, Tree)
    await asyncio.gather(*island.bot.tree._running)


async def test_a_text_is_written_after_a_fault(island: Island, bot: Bot, told_worker: ToldWorker) -> None:
    async with island.person() as miranda:
        island.mishaps = ["fault"]
        answer = await miranda.slash("shakespeare", prompt="ROMEO:")
        (await told_worker.stream()).finish("But soft")
        message = await answer.message(finished)
        assert message["content"].startswith("**ROMEO:**But soft…")
        assert len(answer.messages()) == 1


async def test_what_goes_wrong_after_a_fault_is_told(ariel: Person, island: Island) -> None:
    island.mishaps = ["fault"]
    answer = await ariel.slash("model info", model="gan-digits", version="v9")
    refused = await answer.message()
    assert refused["content"].startswith("gan-digits has no version v9;")
    assert len(answer.messages()) == 1  # in the place of "thinking…"


async def test_what_goes_wrong_after_a_press_and_a_fault_leaves_the_message_as_it_is(
    ariel: Person, island: Island, trainer: Trainer
) -> None:
    _, report = await trained(ariel, trainer)
    await said(ariel, "model promote", model="gan-digits", version="v3")
    island.mishaps = ["fault"]
    refused = await (await ariel.press(report, "Keep")).message()
    assert refused["content"] == "gan-digits@v3 serves already; nothing has changed."
    assert refused["flags"] & EPHEMERAL
    assert ariel.seen[report["id"]]["content"] == report["content"]
    assert labels(ariel.seen[report["id"]]) == ["Promote", "Keep", "Discard"]


async def test_an_answer_that_arrived_is_not_followed_by_a_regret(island: Island, bot: Bot) -> None:
    async with island.person() as miranda:
        island.mishaps = ["fault"]
        answer = await miranda.slash("privacy")
        await settled(island)
        await miranda.slash("privacy")  # all that was sent before it is known
        (message,) = answer.messages()
        assert "forget-me" in message["content"]


async def test_a_lost_receipt_leaves_nobody_waiting(island: Island, bot: Bot) -> None:
    async with island.person() as miranda:
        island.mishaps = ["lost"]
        answer = await miranda.slash("shakespeare", prompt="ROMEO:")
        failed = await answer.message()
        assert "that I did not foresee" in failed["content"]
        assert len(answer.messages()) == 1
