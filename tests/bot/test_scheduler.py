"""The schedule of a channel's edits, where Discord limits what nothing else in the channel is limited by."""

import asyncio

import aiohttp

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
