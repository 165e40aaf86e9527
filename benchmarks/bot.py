"""Bot benchmark: what the bot adds to the model's own time, from Discord's event to what people see.

Run with ``python -m benchmarks bot``. The bot is a process of its own, started by its own command; the sandbox is its
Discord. In the worker's place stands a server on a real socket that writes a text at a known pace, so that what is
measured is the bot (and the sandbox, whose time counts as the bot's). Everybody stands in the same channel, which is
where edits get into each other's way. They come within the time that one text takes, so that all texts grow at once,
and then, which no community does, all in one instant.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiohttp import web

from benchmarks.table import percentile, show
from sandbox.app import Sandbox, create_app, serve
from sandbox.guild import Member, User
from sandbox.interactions import COMMAND
from sandbox.settings import Settings
from worker.schemas.completions import Completion, CompletionChoice, CompletionRequest
from worker.schemas.models import ModelList

SECONDS = 3.0  # that a text takes: what one of fifty gets of two cores
PIECES = 60  # of a text, twenty a second
PIECE = "words, "
PATIENCE = 60.0  # seconds for anything here; the bot takes a few to start
STAGE = "the-stage"


@dataclass
class Performance:
    """When what happened to one person's request, in seconds of one clock; 0 before it did."""

    asked: float  # the interaction left for the bot
    thinking: float = 0.0  # people saw that it was heard
    received: float = 0.0  # the worker got the bot's request
    first_written: float = 0.0  # the worker wrote its first characters
    last_written: float = 0.0
    first_seen: float = 0.0  # people saw the first characters
    last_seen: float = 0.0

    @property
    def added(self) -> tuple[float, float, float]:
        """Seconds to the first sign of life, and what the bot added to the first characters and to the whole text."""
        first, last = self.first_written - self.received, self.last_written - self.received
        return self.thinking - self.asked, self.first_seen - self.asked - first, self.last_seen - self.asked - last


class Stage:
    """The sandbox with the bot in it, and the server that stands for the worker."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.state = sandbox.state
        self.running: dict[str, Performance] = {}  # by user
        self._seen = asyncio.Condition()
        self._channel = next(one for one in self.state.guild.channels.values() if one.name == STAGE)
        self.state.events.on_people(self._see)

    async def perform(self, people: int, within: float) -> list[Performance]:
        """Let people come within so many seconds and ask for a text; how each went, once all texts are seen whole."""
        users = [self._newcomer(number) for number in range(people)]
        command = next(
            one for one in self.state.commands.usable(users[0], self._channel) if one["name"] == "shakespeare"
        )
        data = {key: command[key] for key in ("id", "name", "type")}
        data["options"] = [{"name": "prompt", "type": 3, "value": "MIRANDA:"}]
        self.running = {}
        begin = time.monotonic()
        for number, user in enumerate(users):
            await asyncio.sleep(begin + number * within / people - time.monotonic())
            self.running[user.id] = Performance(asked=time.monotonic())
            self.state.interactions.begin(COMMAND, user, self._channel, data, nonce=str(number))
        async with asyncio.timeout(PATIENCE), self._seen:
            await self._seen.wait_for(lambda: all(one.last_seen for one in self.running.values()))
        for user in users:
            del self.state.guild.members[user.id]
        return list(self.running.values())

    def _newcomer(self, number: int) -> User:
        user = User(self.state.ids.next(), f"visitor{number}", f"Visitor {number}")
        self.state.guild.members[user.id] = Member(user, [], self.state.clock.iso())
        return user

    def _see(self, name: str, data: dict[str, Any], seen_by: frozenset[str]) -> None:
        """Note what people see (called by the sandbox at the moment they do)."""
        if name not in ("MESSAGE_CREATE", "MESSAGE_UPDATE") or "interaction_metadata" not in data:
            return
        one = self.running[data["interaction_metadata"]["user"]["id"]]
        now = time.monotonic()
        one.thinking = one.thinking or now
        if PIECE.strip() in data["content"]:
            one.first_seen = one.first_seen or now
        if any("retry" in button["custom_id"] for row in data["components"] for button in row["components"]):
            one.last_seen = now
            asyncio.get_running_loop().create_task(self._tell())

    async def _tell(self) -> None:
        async with self._seen:
            self._seen.notify_all()

    # in the worker's place

    async def models(self, request: web.Request) -> web.Response:
        return web.json_response(text=ModelList(data=[]).model_dump_json())

    async def complete(self, request: web.Request) -> web.StreamResponse:
        """Write a text at the known pace."""
        wanted = CompletionRequest.model_validate_json(await request.read())
        one = self.running[str(wanted.user)]
        one.received = time.monotonic()
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for number in range(1, PIECES + 1):
            await asyncio.sleep(one.received + number * SECONDS / PIECES - time.monotonic())
            reason = "length" if number == PIECES else None
            choice = CompletionChoice(text=PIECE, index=0, finish_reason=reason, seed=0)
            part = Completion(
                id="cmpl-0", created=0, model=wanted.model, system_fingerprint=f"{wanted.model}@0", choices=[choice]
            )
            await response.write(b"data: %s\n\n" % part.model_dump_json().encode())
            one.last_written = time.monotonic()
            one.first_written = one.first_written or one.last_written
        await response.write(b"data: [DONE]\n\n")
        return response


def run(rounds: int, people: list[int]) -> None:
    """Print the median and the 95th percentile of what the bot adds, for each number of people."""
    asyncio.run(measure(rounds, people))


async def measure(rounds: int, people: list[int]) -> None:
    rows = []
    async with open_stage() as stage:
        await stage.perform(1, within=0)  # the first of all pays for what is loaded late
        for within, when in ((SECONDS, ""), (0.0, " in one instant")):
            for count in people:
                added = [one.added for _ in range(rounds) for one in await stage.perform(count, within)]
                figures = [percentile(list(kind), q) for kind in zip(*added, strict=True) for q in (0.5, 0.95)]
                rows.append([f"{count}{when}", *(f"{1000 * seconds:.0f}" for seconds in figures)])
    kinds = ("answer", "text", "end")
    heads = ["people at once", *(f"{kind} {q}" for kind in kinds for q in ("p50", "p95"))]
    show(
        "What the bot adds to the model's own time: until it is heard, to the first characters, to all (ms)",
        heads,
        rows,
    )


@contextlib.asynccontextmanager
async def open_stage() -> AsyncIterator[Stage]:
    """A sandbox, the bot in it and the server behind it, while the block lasts."""
    async with serve(create_app(Settings(_env_file=None, sandbox_port=0))) as sandbox:
        stage = Stage(sandbox)
        app = web.Application()
        app.router.add_get("/v1/models", stage.models)
        app.router.add_post("/v1/completions", stage.complete)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        try:
            async with running_bot(sandbox, f"http://127.0.0.1:{runner.addresses[0][1]}"):
                yield stage
        finally:
            await runner.cleanup()


@contextlib.asynccontextmanager
async def running_bot(sandbox: Sandbox, worker: str) -> AsyncIterator[None]:
    """``python -m bot`` in the sandbox, with nothing from earlier runs."""
    with tempfile.TemporaryDirectory() as home:
        own = {name: value for name, value in os.environ.items() if not name.startswith("PROSPERO_")}
        environment = own | {
            "DISCORD_TOKEN": sandbox.token,
            "PROSPERO_DISCORD_URL": sandbox.url,
            "PROSPERO_WORKER_URL": worker,
            "PROSPERO_HOME": str(Path(home)),
            "PROSPERO_LOG_LEVEL": "error",
            "PROSPERO_LEASH": "1",
        }
        bot = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "bot", stdin=asyncio.subprocess.PIPE, env=environment
        )
        try:
            async with asyncio.timeout(PATIENCE):
                while not sandbox.gateway.online:  # its commands are registered before it is
                    if bot.returncode is not None:
                        raise SystemExit("The bot did not start; what it said stands above.")
                    await asyncio.sleep(0.05)
            yield
        finally:
            if bot.returncode is None:
                bot.terminate()
            await bot.wait()
