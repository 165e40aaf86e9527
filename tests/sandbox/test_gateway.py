"""The gateway: logging in, staying, coming back after a cut, and being shown the door."""

import asyncio
import json
import sys
import time
import zlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from types import ModuleType
from typing import Any

import aiohttp
import discord
import pytest

from sandbox.app import Sandbox
from sandbox.clock import Clock
from sandbox.compression import Stream
from sandbox.gateway import ACK_SECONDS, MOST_KEPT_EVENTS
from tests.person import Person
from tests.sandbox.conftest import TOKEN, Troupe

INTENTS = 1 << 0 | 1 << 9 | 1 << 12


class Socket:
    """A gateway connection by hand."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket

    async def send(self, op: int, data: Any) -> None:
        await self._socket.send_json({"op": op, "d": data})

    async def send_text(self, text: str) -> None:
        await self._socket.send_str(text)

    async def next(self, name: str | None = None, op: int | None = None) -> dict[str, Any]:
        """The next event, or the next of that name or opcode."""
        while True:
            event = await self._socket.receive_json(timeout=30)
            if (name is None or event["t"] == name) and (op is None or event["op"] == op):
                return event

    async def close_code(self) -> int | None:
        """The code with which the other side closes."""
        while (await self._socket.receive(timeout=30)).type is aiohttp.WSMsgType.TEXT:
            pass
        return self._socket.close_code

    async def identify(self, **more: Any) -> dict[str, Any]:
        await self.send(2, {"token": TOKEN, "intents": INTENTS, "properties": {}} | more)
        return (await self.next("READY"))["d"]

    async def cut(self) -> None:
        await self._socket.close(code=4000)


@asynccontextmanager
async def connected(sandbox: Sandbox, query: str = "?v=10&encoding=json") -> AsyncIterator[Socket]:
    async with aiohttp.ClientSession() as http, http.ws_connect(f"{sandbox.url}/gateway{query}") as socket:
        connection = Socket(socket)
        hello = await connection.next(op=10)
        assert hello["d"]["heartbeat_interval"] == sandbox.gateway.heartbeat_seconds * 1000
        yield connection


async def test_a_bot_logs_in_and_sees_its_guild(bot: Troupe, sandbox: Sandbox) -> None:
    (guild,) = bot.guilds
    assert guild.name == "The Island" and guild.owner_id == int(sandbox.state.operator.id)
    assert [channel.name for channel in guild.text_channels] == ["the-stage", "gallery", "workshop"]
    assert guild.me.guild_permissions.send_messages and not guild.me.guild_permissions.administrator
    assert bot.application_id == bot.user.id and (await bot.application_info()).owner.name == "ariel"


@pytest.mark.parametrize(
    ("opcode", "data", "code"),
    [
        (2, {"token": "wrong", "intents": 1, "properties": {}}, 4004),
        (2, {"token": TOKEN, "properties": {}}, 4013),
        (2, {"token": TOKEN, "intents": 1 << 40, "properties": {}}, 4013),
        (2, {"token": TOKEN, "intents": 1 << 15, "properties": {}}, 4014),
        (3, {"status": "online"}, 4003),
        (6, {"token": "wrong", "session_id": "x", "seq": 1}, 4004),
    ],
)
async def test_a_bad_login_is_turned_away(sandbox: Sandbox, opcode: int, data: dict[str, Any], code: int) -> None:
    async with connected(sandbox) as socket:
        await socket.send(opcode, data)
        assert await socket.close_code() == code


async def test_what_makes_no_sense_ends_the_connection(sandbox: Sandbox) -> None:
    for text, code in (
        ("{", 4002),
        ('"op"', 4002),
        ('{"d": 1}', 4002),
        ('{"op": 99}', 4001),
        ('{"op": 2, "d": 1}', 4005),
    ):
        async with connected(sandbox) as socket:
            await socket.identify()
            await socket.send_text(text)
            assert await socket.close_code() == code, text
    async with aiohttp.ClientSession() as http, http.ws_connect(f"{sandbox.url}/gateway?v=6") as old:
        assert await Socket(old).close_code() == 4012


async def test_discord_py_is_told_of_a_wrong_token(bot: Troupe, sandbox: Sandbox) -> None:
    with pytest.raises(discord.LoginFailure):
        await discord.Client(intents=discord.Intents.none()).login("wrong")


async def test_no_acknowledgement_overtakes_the_note_of_when_a_heartbeat_was_sent(sandbox: Sandbox) -> None:
    async with connected(sandbox) as socket:
        sent = time.monotonic()
        await socket.send(1, None)
        await socket.next(op=11)
        assert time.monotonic() - sent > ACK_SECONDS / 2


async def test_heartbeats_are_acknowledged_and_missing_ones_end_the_session(sandbox: Sandbox) -> None:
    async with connected(sandbox) as socket:
        ready = await socket.identify()
        await socket.send(1, 2)
        await socket.next(op=11)
        await socket.cut()
    sandbox.gateway.heartbeat_seconds = 0.1
    async with connected(sandbox) as socket:
        await socket.send(6, {"token": TOKEN, "session_id": ready["session_id"], "seq": 2})
        await socket.next("RESUMED")
        assert await socket.close_code() == 4009  # not a heartbeat was sent
    async with connected(sandbox) as socket:
        await socket.send(6, {"token": TOKEN, "session_id": ready["session_id"], "seq": 2})
        assert (await socket.next(op=9))["d"] is False


async def test_events_come_compressed_or_plain(sandbox: Sandbox) -> None:
    async with connected(sandbox) as socket:
        assert (await socket.identify())["v"] == 10
    async with aiohttp.ClientSession() as http:
        address = f"{sandbox.url}/gateway?v=10&encoding=json&compress=zlib-stream"
        async with http.ws_connect(address) as packed:
            inflate = zlib.decompressobj()
            hello = json.loads(inflate.decompress(await packed.receive_bytes()))
            await packed.send_json({"op": 2, "d": {"token": TOKEN, "intents": 1, "properties": {}}})
            ready = json.loads(inflate.decompress(await packed.receive_bytes()))  # one context for the whole stream
            assert (hello["op"], ready["t"]) == (10, "READY")
        with pytest.raises(aiohttp.WSServerHandshakeError):
            await http.ws_connect(f"{sandbox.url}/gateway?compress=lzw-stream")


class Python314(ModuleType):
    """Python 3.14's compression.zstd, as far as it is used; it packs with zlib, which every test can unpack."""

    class ZstdCompressor:
        FLUSH_BLOCK = zlib.Z_SYNC_FLUSH

        def __init__(self) -> None:
            stream = zlib.compressobj()
            self.compress, self.flush = stream.compress, stream.flush


class Zstandard(ModuleType):
    """The package zstandard, likewise."""

    COMPRESSOBJ_FLUSH_BLOCK = zlib.Z_SYNC_FLUSH

    class ZstdCompressor:
        compressobj = staticmethod(zlib.compressobj)


@pytest.mark.parametrize(
    ("zstandard", "zstd"), [(Zstandard("zstandard"), None), (None, Python314("compression.zstd")), (None, None)]
)
async def test_zstandard_is_sent_where_it_can_be_imported(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, zstandard: ModuleType | None, zstd: ModuleType | None
) -> None:
    monkeypatch.setitem(sys.modules, "zstandard", zstandard)
    monkeypatch.setitem(sys.modules, "compression.zstd", zstd)
    address = f"{sandbox.url}/gateway?v=10&encoding=json&compress=zstd-stream"
    async with aiohttp.ClientSession() as http:
        if zstandard or zstd:
            async with http.ws_connect(address) as packed:
                assert json.loads(zlib.decompressobj().decompress(await packed.receive_bytes()))["op"] == 10
        else:
            with pytest.raises(aiohttp.WSServerHandshakeError):
                await http.ws_connect(address)


def test_zstandard_itself_unpacks_event_by_event() -> None:
    zstandard = pytest.importorskip("zstandard", reason="zstandard is not installed")
    stream, inflate = Stream("zstd-stream"), zstandard.ZstdDecompressor().decompressobj()
    assert [inflate.decompress(stream.pack(text)).decode() for text in ("Hark", "Ding-dong")] == ["Hark", "Ding-dong"]


async def test_a_cut_connection_resumes_and_misses_nothing(sandbox: Sandbox, miranda: Person) -> None:
    miranda.go("direct")
    async with connected(sandbox) as socket:
        ready = await socket.identify()
        seen = (await socket.next("GUILD_CREATE"))["s"]
        await socket.cut()
    await miranda.wait_for(lambda event: event["t"] == "PRESENCE" and not event["d"]["online"])
    for text in ("first", "second"):
        await miranda.say(text)
    async with connected(sandbox) as socket:
        await socket.send(6, {"token": TOKEN, "session_id": ready["session_id"], "seq": seen})
        first, second, resumed = [await socket.next(op=0) for _ in range(3)]
    assert (first["d"]["content"], second["d"]["content"], resumed["t"]) == ("first", "second", "RESUMED")
    assert [first["s"], second["s"], resumed["s"]] == [seen + 1, seen + 2, seen + 3]


async def test_a_resumed_session_outlives_the_connection_that_it_left(
    sandbox: Sandbox, miranda: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    time_out: list[Callable[[], None]] = []

    class Heartbeat:
        def __init__(self, _: float, missed: Callable[[], None]) -> None:
            time_out.append(missed)

        def stop(self) -> None:
            """There is nothing that runs."""

    monkeypatch.setattr("sandbox.gateway.Heartbeat", Heartbeat)
    async with connected(sandbox) as stale, connected(sandbox) as socket:
        ready = await stale.identify()
        await socket.send(6, {"token": TOKEN, "session_id": ready["session_id"], "seq": 2})
        await socket.next("RESUMED")
        time_out[0]()
        assert await stale.close_code() == 1000
        miranda.go("direct")
        await miranda.say("still there?")
        assert (await socket.next("MESSAGE_CREATE"))["d"]["content"] == "still there?"


async def test_a_session_that_missed_more_than_is_kept_is_over(sandbox: Sandbox, miranda: Person) -> None:
    async with connected(sandbox) as socket:
        ready = await socket.identify()
        await socket.next("GUILD_CREATE")
        await socket.cut()
    await miranda.wait_for(lambda event: event["t"] == "PRESENCE" and not event["d"]["online"])
    for _ in range(MOST_KEPT_EVENTS):
        sandbox.state.events.to_bot("TYPING_START", {}, 0)
    async with connected(sandbox) as socket:
        await socket.send(6, {"token": TOKEN, "session_id": ready["session_id"], "seq": 1})
        assert (await socket.next(op=9))["d"] is False
        await socket.send(6, {"token": TOKEN, "session_id": ready["session_id"], "seq": 2})
        assert (await socket.next(op=0))["s"] == 3


async def test_a_session_waits_three_minutes(sandbox: Sandbox, miranda: Person, clock: Clock) -> None:
    async with connected(sandbox) as socket:
        ready = await socket.identify()
        await socket.cut()
    await miranda.wait_for(lambda event: event["t"] == "PRESENCE" and not event["d"]["online"])
    async with connected(sandbox) as socket:
        await socket.send(6, {"token": TOKEN, "session_id": ready["session_id"], "seq": 999})
        assert await socket.close_code() == 4007
    clock.advance(181)
    async with connected(sandbox) as socket:
        await socket.send(6, {"token": TOKEN, "session_id": ready["session_id"], "seq": 1})
        assert (await socket.next(op=9))["d"] is False


async def test_discord_py_resumes_after_a_dropped_socket(bot: Troupe, sandbox: Sandbox, miranda: Person) -> None:
    sandbox.gateway.drop()
    await miranda.wait_for(lambda event: event["t"] == "PRESENCE" and not event["d"]["online"])
    answer = asyncio.create_task(miranda.slash("quick"))  # while the bot is away
    await asyncio.wait_for(bot.resumed.wait(), 30)
    assert (await answer).failure is None
    assert bot.connections == 1


async def test_discord_py_reconnects_when_asked(bot: Troupe, sandbox: Sandbox, miranda: Person) -> None:
    sandbox.gateway.ask_to_reconnect()
    await asyncio.wait_for(bot.resumed.wait(), 30)
    assert (await miranda.slash("quick")).failure is None
    assert bot.connections == 1


async def test_discord_py_logs_in_anew_when_its_session_is_gone(bot: Troupe, sandbox: Sandbox, miranda: Person) -> None:
    bot.connected.clear()
    sandbox.gateway.ask_to_reconnect()
    sandbox.gateway.forget_sessions()
    await asyncio.wait_for(bot.connected.wait(), 30)
    assert (await miranda.slash("quick")).failure is None


async def test_only_what_the_intents_name_arrives(sandbox: Sandbox, miranda: Person) -> None:
    async with connected(sandbox) as socket:
        await socket.identify(intents=1 << 0 | 1 << 9)
        miranda.go("direct")
        await miranda.say("in private")
        miranda.go("the-stage")
        await miranda.say("in public")
        message = (await socket.next("MESSAGE_CREATE"))["d"]
        assert message["channel_id"] == miranda.channel
        assert message["content"] == ""  # the message content intent is not switched on
        await miranda.say(f"<@{sandbox.state.bot.id}> listen")
        assert (await socket.next("MESSAGE_CREATE"))["d"]["content"].endswith("listen")


async def test_a_deleted_message_and_typing_are_announced(bot: Troupe, sandbox: Sandbox, miranda: Person) -> None:
    channel = bot.guilds[0].text_channels[0]
    async with channel.typing():
        await miranda.wait_for(lambda event: event["t"] == "TYPING_START" and event["d"]["user_id"] == str(bot.user.id))
    message = await channel.send("soon gone")
    gone = asyncio.create_task(bot.wait_for("message_delete", timeout=30))
    await miranda.wait_for(lambda event: event["d"].get("content") == "soon gone")
    await message.delete()
    assert (await gone).id == message.id
    await miranda.wait_for(lambda event: event["t"] == "MESSAGE_DELETE" and event["d"]["id"] == str(message.id))
