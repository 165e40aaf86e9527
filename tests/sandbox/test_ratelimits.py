"""Rate limits: the headers of every answer, the 429 beyond them, and discord.py getting over it."""

import asyncio

from sandbox.app import Sandbox, create_app
from sandbox.clock import Clock
from sandbox.ratelimits import Limit, RateLimits
from sandbox.rest import API, LIMITS
from sandbox.settings import Settings
from tests.person import Person
from tests.sandbox.conftest import Api, Troupe


def test_every_limit_is_that_of_a_route() -> None:
    app = create_app(Settings())
    routes = {f"{route.method} {route.resource.canonical}" for route in app.router.routes() if route.resource}
    assert {f"{method} {API}{path}" for method, path in map(str.split, LIMITS)} <= routes


async def test_every_answer_tells_its_bucket(api: Api, sandbox: Sandbox) -> None:
    stage, gallery = list(sandbox.state.guild.channels)[:2]
    first = await api("POST", f"/channels/{stage}/messages", {"content": "1"})
    second = await api("POST", f"/channels/{stage}/messages", {"content": "2"})
    elsewhere = await api("POST", f"/channels/{gallery}/messages", {"content": "3"})
    assert first.headers["X-RateLimit-Limit"] == "5"
    assert [one.headers["X-RateLimit-Remaining"] for one in (first, second, elsewhere)] == ["4", "3", "4"]
    assert 0 < float(first.headers["X-RateLimit-Reset-After"]) <= 5
    assert first.headers["X-RateLimit-Bucket"] == elsewhere.headers["X-RateLimit-Bucket"]
    edit = await api("PATCH", f"/channels/{stage}/messages/{first.body['id']}", {"content": "0"})
    assert edit.headers["X-RateLimit-Bucket"] != first.headers["X-RateLimit-Bucket"]


async def test_the_sixth_message_is_refused_until_the_window_ends(api: Api, sandbox: Sandbox, clock: Clock) -> None:
    path = f"/channels/{next(iter(sandbox.state.guild.channels))}/messages"
    answers = [await api("POST", path, {"content": str(n)}) for n in range(6)]
    assert [one.status for one in answers] == [200] * 5 + [429]
    refused = answers[-1]
    assert refused.body["global"] is False and 0 < refused.body["retry_after"] <= 5.001
    assert refused.headers["Retry-After"] == "5" and refused.headers["Via"]
    assert refused.headers["X-RateLimit-Scope"] == "user" and refused.headers["X-RateLimit-Remaining"] == "0"
    clock.advance(refused.body["retry_after"])
    assert (await api("POST", path, {"content": "now"})).status == 200


async def test_old_messages_have_a_limit_of_their_own(api: Api, sandbox: Sandbox, clock: Clock) -> None:
    path = f"/channels/{next(iter(sandbox.state.guild.channels))}/messages"
    old = (await api("POST", path, {"content": "old"})).body["id"]
    clock.advance(3601)
    young = (await api("POST", path, {"content": "young"})).body["id"]
    answers = [await api("PATCH", f"{path}/{old}", {"content": str(n)}) for n in range(4)]
    assert [one.status for one in answers] == [200] * 3 + [429]
    refused = answers[-1]
    assert refused.code == 30046 and 5 < refused.body["retry_after"] <= 20.001 and not refused.body["global"]
    assert refused.headers["X-RateLimit-Remaining"] == "1" and refused.headers["Via"]  # what the channel has left
    assert (await api("PATCH", f"{path}/{young}", {"content": "still"})).status == 200
    clock.advance(refused.body["retry_after"])
    assert (await api("PATCH", f"{path}/{old}", {"content": "now"})).status == 200


async def test_the_whole_bot_has_a_limit_that_interactions_escape(clock: Clock) -> None:
    limits = RateLimits(clock)
    plenty = Limit(1000, 1.0)
    verdicts = [limits.take("GET /a", str(n), plenty, counts_globally=True) for n in range(51)]
    assert [verdict.body is None for verdict in verdicts] == [True] * 50 + [False]
    refused = verdicts[-1]
    assert refused.body is not None and refused.body["global"] is True
    assert refused.headers["X-RateLimit-Global"] == "true" and refused.headers["X-RateLimit-Scope"] == "global"
    assert limits.take("POST /interactions", "", plenty, counts_globally=False).body is None
    clock.advance(1)
    assert limits.take("GET /a", "", plenty, counts_globally=True).body is None


async def test_discord_py_recovers_from_a_429(bot: Troupe, api: Api, miranda: Person, clock: Clock) -> None:
    channel = bot.guilds[0].text_channels[0]
    await channel.send("0")  # so that discord.py believes four more are left
    for n in range(4):
        await api("POST", f"/channels/{channel.id}/messages", {"content": f"someone else's {n}"})
    sent = asyncio.create_task(channel.send("in the end"))
    await miranda.wait_for(lambda event: event["d"].get("content") == "in the end")
    assert (await sent).content == "in the end"
    assert [message["content"] for message in await miranda.messages()][-1] == "in the end"
