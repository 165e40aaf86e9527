"""The schedule of a channel's edits, where Discord limits what nothing else in the channel is limited by."""

import asyncio
from types import SimpleNamespace
from typing import Any

import aiohttp
import pytest

from bot.scheduler import _Channel
from tests.bot.conftest import Island
from tests.bot.test_training import retrain
from tests.bot.trainer import Trainer
from tests.person import Person


async def test_an_old_message_that_was_edited_too_often_holds_up_no_other(
    ariel: Person, island: Island, trainer: Trainer
) -> None:
    clock = island.sandbox.state.clock
    job, old = await retrain(ariel, trainer)
    trainer.run(job)
    trainer.step(job, 1, 4, loss=1.0)
    await ariel.message(old, lambda message: "25%" in message["content"])
    clock.advance(3601)
    path = f"/api/v10/channels/{ariel.channel}/messages/{old['id']}"
    async with aiohttp.ClientSession(headers={"Authorization": f"Bot {island.sandbox.token}"}) as http:
        for _ in range(3):
            async with http.patch(island.sandbox.url + path, json={"content": "edited"}) as edit:
                assert edit.status == 200
    clock.advance(6)  # of the channel's edits there are all again, of its old messages' none
    trainer.step(job, 2, 4, loss=1.0)
    async with asyncio.timeout(30):
        while ("PATCH", path, 429) not in island.requests:  # noqa: ASYNC110 (nobody is told)
            await asyncio.sleep(0.01)
    other, young = await retrain(ariel, trainer)
    trainer.run(other)
    trainer.step(other, 1, 4, loss=1.0)
    await ariel.message(young, lambda message: "25%" in message["content"])
    assert ariel.seen[old["id"]]["content"] == "edited"


@pytest.fixture
async def channel() -> _Channel:
    """A channel's schedule whose clock stands still."""
    channel = _Channel()
    channel._loop = SimpleNamespace(time=lambda: 100.0)  # type: ignore[assignment]
    return channel


def due(channel: _Channel, urgent: bool) -> float:
    message: Any = SimpleNamespace(bucket=1, urgent=urgent, not_before=0.0)
    return channel._due(message)


def answer(status: int, **headers: str) -> Any:
    return SimpleNamespace(status=status, headers={name.replace("_", "-"): value for name, value in headers.items()})


async def test_after_too_many_edits_all_wait_for_as_long_as_discord_says(channel: _Channel) -> None:
    channel.learn(2, answer(429, Retry_After="7"))
    assert (due(channel, urgent=True), due(channel, urgent=False)) == (107.0, 107.0)


async def test_what_nobody_waits_for_is_spread_over_the_time_that_is_left(channel: _Channel) -> None:
    channel.learn(1, answer(200, X_RateLimit_Remaining="4", X_RateLimit_Reset_After="8"))
    assert (due(channel, urgent=True), due(channel, urgent=False)) == (100.0, 102.0)
    channel.learn(1, answer(200, X_RateLimit_Remaining="0", X_RateLimit_Reset_After="5"))
    assert (due(channel, urgent=True), due(channel, urgent=False)) == (105.0, 105.0)
