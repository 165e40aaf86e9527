"""Three seconds to answer, once; fifteen minutes to follow up. The clock jumps, nobody waits."""

import asyncio

import aiohttp
import discord
import pytest

from sandbox.app import Sandbox
from sandbox.clock import Clock
from tests.person import File, Person
from tests.sandbox.conftest import Api, Troupe


async def interaction_of(sandbox: Sandbox, miranda: Person) -> tuple[str, str]:
    """Id and token of an interaction that no bot is there to answer."""
    user = sandbox.state.person(miranda.id).user
    data = {"id": "1", "name": "verse", "type": 1}
    interaction = sandbox.state.interactions.begin(2, user, sandbox.state.channel(miranda.channel), data, "")
    return interaction.id, interaction.token


async def test_an_unanswered_interaction_fails_after_three_seconds(bot: Troupe, miranda: Person, clock: Clock) -> None:
    heard = asyncio.create_task(bot.wait_for("interaction", timeout=30))
    waiting = asyncio.create_task(miranda.slash("silent"))
    interaction = await heard
    clock.advance(1)
    await miranda.say("a second later")
    await miranda.wait_for(lambda event: event["d"].get("content") == "a second later")
    assert "INTERACTION_FAILURE" not in [event["t"] for event in miranda.events]
    clock.advance(2)
    assert (await waiting).failure == "The application did not respond"
    with pytest.raises(discord.NotFound) as refused:
        await interaction.response.send_message("too late")
    assert refused.value.code == 10062


async def test_an_interaction_is_answered_once(api: Api, sandbox: Sandbox, miranda: Person) -> None:
    id, token = await interaction_of(sandbox, miranda)
    path = f"/interactions/{id}/{token}/callback"
    assert (await api("POST", path, {"type": 5})).status == 204
    again = await api("POST", path, {"type": 4, "data": {"content": "again"}})
    assert (again.status, again.code) == (400, 40060)
    stranger = await api("POST", f"/interactions/{id}/guess/callback", {"type": 5})
    assert (stranger.status, stranger.code) == (404, 10062)


async def test_a_refused_answer_leaves_the_interaction_open(api: Api, sandbox: Sandbox, miranda: Person) -> None:
    id, token = await interaction_of(sandbox, miranda)
    path = f"/interactions/{id}/{token}/callback"
    refused = await api("POST", path, {"type": 4, "data": {"content": ""}})
    assert (refused.status, refused.code) == (400, 50006)
    unfit = await api("POST", path, {"type": 7, "data": {"content": "there is no message to update"}})
    assert (unfit.status, unfit.code) == (400, 50035)
    assert (await api("POST", path, {"type": 4, "data": {"content": "now"}})).status == 204


async def test_nothing_follows_up_before_the_answer(api: Api, sandbox: Sandbox, miranda: Person) -> None:
    _, token = await interaction_of(sandbox, miranda)
    early = await api("POST", f"/webhooks/{sandbox.state.application_id}/{token}", {"content": "early"})
    assert (early.status, early.code) == (404, 10015)


async def test_a_token_lives_for_fifteen_minutes(bot: Troupe, miranda: Person, clock: Clock) -> None:
    message = await (await miranda.slash("quick")).message()
    interaction = bot.interactions[0]
    clock.advance(14 * 60 + 50)
    await interaction.edit_original_response(content="still in time")
    await interaction.followup.send("and so is this")
    clock.advance(11)
    for late in (interaction.edit_original_response(content="late"), interaction.followup.send("late")):
        with pytest.raises(discord.HTTPException) as refused:
            await late
        assert (refused.value.status, refused.value.code) == (401, 50027)
    assert (await miranda.message(message, lambda one: one["edited_timestamp"]))["content"] == "still in time"


async def test_the_first_follow_up_takes_the_place_of_thinking(api: Api, sandbox: Sandbox, miranda: Person) -> None:
    id, token = await interaction_of(sandbox, miranda)
    callback = await api(
        "POST", f"/interactions/{id}/{token}/callback?with_response=true", {"type": 5, "data": {"flags": 64}}
    )
    thinking = callback.body["interaction"]
    assert thinking["response_message_loading"] and thinking["response_message_ephemeral"]
    webhook = f"/webhooks/{sandbox.state.application_id}/{token}"
    first = await api("POST", webhook, {"content": "first"})
    assert first.body["id"] == thinking["response_message_id"] and first.body["flags"] == 64
    second = await api("POST", webhook, {"content": "second", "flags": 0})
    assert second.body["id"] != first.body["id"] and second.body["flags"] == 0
    assert (await api("GET", f"{webhook}/messages/@original")).body["content"] == "first"
    assert (await api("DELETE", f"{webhook}/messages/@original")).status == 204
    assert (await api("GET", f"{webhook}/messages/@original")).code == 10008


async def test_a_deleted_thinking_message_stays_away(api: Api, sandbox: Sandbox, miranda: Person) -> None:
    id, token = await interaction_of(sandbox, miranda)
    await api("POST", f"/interactions/{id}/{token}/callback", {"type": 5})
    webhook = f"/webhooks/{sandbox.state.application_id}/{token}"
    (thinking,) = await miranda.messages()
    assert (await api("DELETE", f"{webhook}/messages/@original")).status == 204
    first = await api("POST", webhook, {"content": "first"})
    assert first.body["id"] != thinking["id"]
    assert [one["content"] for one in await miranda.messages()] == ["first"]


async def test_a_form_that_the_bot_missed_can_be_sent_again(
    api: Api, sandbox: Sandbox, miranda: Person, clock: Clock
) -> None:
    id, token = await interaction_of(sandbox, miranda)
    spirit = {
        "type": 3,
        "custom_id": "spirit",
        "required": False,
        "options": [{"label": "Ariel", "value": "ariel"}],
    }
    form = {"custom_id": "f", "title": "A form", "components": [{"type": 18, "label": "Spirit", "component": spirit}]}
    assert (await api("POST", f"/interactions/{id}/{token}/callback", {"type": 9, "data": form})).status == 204
    modal = (await miranda.wait_for(lambda event: event["t"] == "INTERACTION_MODAL_CREATE"))["d"]

    async def submit_in_vain(*spirits: str) -> str | None:
        miranda.events.clear()
        submission = asyncio.create_task(miranda.submit_modal(modal, spirit=spirits))
        await miranda.wait_for(lambda event: event["t"] == "INTERACTION_CREATE")
        clock.advance(3)
        return (await submission).failure

    assert await submit_in_vain("ariel") == "The application did not respond"
    assert await submit_in_vain() == "The application did not respond"


async def test_what_interactions_left_behind_goes(bot: Troupe, api: Api, miranda: Person, clock: Clock) -> None:
    answer = await miranda.slash("show", picture=File("cat.png", b"cat"))
    await answer.message(lambda one: one["content"] == "swapped")
    given = {"url": bot.interactions[0].namespace.picture.url}
    clock.advance(14 * 60 + 50)
    assert await miranda.fetch(given) == b"cat"
    clock.advance(11)
    with pytest.raises(aiohttp.ClientResponseError, match="404"):
        await miranda.fetch(given)
    await miranda.autocomplete("choose", "model", model="gp")
    settled = bot.interactions[-1]
    again = await api("POST", f"/interactions/{settled.id}/{settled.token}/callback", {"type": 8})
    assert again.code == 10062
