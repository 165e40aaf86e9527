"""A whole Prospero for the bot's tests: a sandbox as Discord, the bot in it, and a worker, real or told what to do."""

from __future__ import annotations

import asyncio
import json
import math
import re
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from bot import watches
from bot.client import Bot
from bot.settings import Settings as BotSettings
from models.checkpoint import Store
from sandbox.app import Sandbox, create_app, serve
from sandbox.rest import reply
from sandbox.settings import Settings as SandboxSettings
from tests.bot.trainer import Trainer
from tests.bot.trainer import serve as serve_trainer
from tests.discord_contract import Contract
from tests.discord_contract import contract as contract  # a fixture
from tests.person import JSON, Person
from worker.schemas.completions import Completion, CompletionChoice, Logprobs
from worker.schemas.contract import Contract as Message
from worker.schemas.contract import ErrorBody, ErrorResponse
from worker.service import serve as serve_worker
from worker.settings import Settings as WorkerSettings


class Stream:
    """One request that reached the told worker, whose answer the test writes."""

    def __init__(self, wanted: dict[str, Any]) -> None:
        self.wanted = wanted
        self.closed = asyncio.Event()  # the bot closed the connection before the end
        self._lines: asyncio.Queue[bytes | None] = asyncio.Queue()

    def queued(self, position: int) -> None:
        self._lines.put_nowait(f": queued {position}\n\n".encode())

    def write(
        self, text: str, reason: str | None = None, replaced: str = "", alternatives: dict[str, float] | None = None
    ) -> None:
        """Some more of the text; ``alternatives`` are shares of letters that could have begun it."""
        logprobs = None
        if alternatives is not None:
            top = {letter: math.log(share) for letter, share in alternatives.items()}
            logprobs = Logprobs(tokens=[text], token_logprobs=[top[text]], top_logprobs=[top], text_offset=[0])
        choice = CompletionChoice(
            text=text, index=0, finish_reason=reason, seed=self.wanted.get("seed", 7), logprobs=logprobs
        )
        chunk = Completion(
            id="c", created=0, model="gpt-shakespeare", system_fingerprint="gpt-shakespeare@told",
            choices=[choice], replaced=replaced,
        )  # fmt: skip
        self._lines.put_nowait(f"data: {chunk.model_dump_json()}\n\n".encode())

    def finish(self, text: str = "") -> None:
        self.write(text, "length")

    def tell(self, answer: Message) -> None:
        """The whole answer at once."""
        self._lines.put_nowait(f"data: {answer.model_dump_json()}\n\n".encode())
        self._lines.put_nowait(b"data: [DONE]\n\n")

    def die(self) -> None:
        """Breaks the connection off."""
        self._lines.put_nowait(None)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        try:
            await response.prepare(request)
            while (line := await self._lines.get()) is not None:
                await response.write(line)
                if b'"finish_reason":"length"' in line or b"[DONE]" in line:
                    return response
        except (asyncio.CancelledError, ConnectionResetError):
            self.closed.set()
            raise
        assert request.transport is not None
        request.transport.abort()
        return response


class ToldWorker:
    """A server that speaks the worker's contract and writes what the test tells it to; it cannot draw."""

    def __init__(self) -> None:
        self.url = ""
        self.refusal: web.Response | None = None  # what completions get instead of a stream
        self.request_id = ""  # of the newest request
        self._streams: asyncio.Queue[Stream] = asyncio.Queue()

    async def stream(self) -> Stream:
        """The next request, as it arrives."""
        return await asyncio.wait_for(self._streams.get(), 30)

    def refuse(self, status: int, message: str, **headers: str) -> None:
        error = ErrorResponse(error=ErrorBody(message=message, type="server_error"))
        self.refusal = web.Response(
            status=status, text=error.model_dump_json(), content_type="application/json", headers=headers
        )

    async def complete(self, request: web.Request) -> web.StreamResponse:
        self.request_id = request.headers["X-Request-Id"]
        if self.refusal is not None:
            refusal, self.refusal = self.refusal, None
            return refusal
        stream = Stream(await request.json())
        self._streams.put_nowait(stream)
        return await stream.answer(request)


class Island:
    """A sandbox, and the bot that is started, stopped and started again in it."""

    def __init__(self, sandbox: Sandbox, home: Path, requests: list[tuple[str, str, int]]) -> None:
        self.sandbox = sandbox
        self.home = home
        self.requests = requests  # method, path and status of everything the bot sent to Discord
        self.edits_to_lose = 0  # how many of the next edits are lost on their way
        self.receipts_to_lose = 0  # how many of the next messages arrive, but their receipts do not
        self.mishaps: list[str] = []  # of the next first responses, all taken: answered with a "fault", or "lost"
        self.archived = False  # whether the channel is a thread that is archived: a new message reopens it, no edit
        self.refuses_messages = False  # whether Discord takes no new messages, for another reason than permissions
        self.refused: asyncio.Queue[str] = asyncio.Queue()  # methods of requests for which permissions were missing
        self.bot: Bot | None = None
        self._running: asyncio.Task[None] | None = None

    async def start_bot(self, worker_url: str, **settings: Any) -> Bot:
        self.bot = Bot(
            BotSettings(
                _env_file=None,
                discord_token=self.sandbox.token,
                discord_url=self.sandbox.url,
                worker_url=worker_url,
                home=self.home,
                **settings,
            )
        )
        self._running = asyncio.create_task(self.bot.start(self.sandbox.token))
        async with self.person() as someone:
            waiting = asyncio.create_task(someone.until_online())
            await asyncio.wait([waiting, self._running], return_when=asyncio.FIRST_COMPLETED)
            if self._running.done():
                waiting.cancel()
                self._running.result()
        return self.bot

    async def stop_bot(self) -> None:
        if self.bot is not None and self._running is not None:
            self._running.cancel()
            await asyncio.wait([self._running])
            await self.bot.close()
            self.bot = None
            self.sandbox.state.clock.advance(60)  # the next one finds no rate limit used up

    def expel_bot(self) -> None:
        """Takes the bot out of the server, where its commands stay."""
        state = self.sandbox.state
        state.events.to_bot("GUILD_DELETE", {"id": state.guild.id}, 1)

    def person(self, name: str = "Miranda") -> Person:
        return Person(self.sandbox.url, name)

    def count(self, method: str, part: str) -> int:
        """How many requests of that kind the bot sent."""
        return sum(sent == method and part in path for sent, path, _ in self.requests)


@asynccontextmanager
async def real_worker(store: Store, port: int = 0, **settings: Any) -> AsyncIterator[str]:
    """The project's own worker with the models in ``store``; yields its address."""
    home, shipped = store.written.parent, store.folders[1]
    chosen = WorkerSettings(_env_file=None, home=home, shipped=shipped, device="cpu", threads=1, **settings)
    listener = socket.create_server(("127.0.0.1", port))
    async with serve_worker(chosen, listener):
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


@pytest.fixture
async def trainer(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Trainer]:
    """A worker whose trainings go as the test says, and are asked about all the time."""
    monkeypatch.setattr(watches, "POLL", 0.02)
    trainer = Trainer()
    async with serve_trainer(trainer):
        yield trainer


@pytest.fixture
async def ariel(island: Island, trainer: Trainer) -> AsyncIterator[Person]:
    """The operator, with a bot whose worker is the trainer."""
    await island.start_bot(trainer.url)
    async with island.person("Ariel") as ariel:
        yield ariel
    await island.stop_bot()


@pytest.fixture
async def told_worker() -> AsyncIterator[ToldWorker]:
    worker = ToldWorker()
    app = web.Application()
    app.router.add_post("/v1/completions", worker.complete)
    app.router.add_post("/v1/{kind:images|codes|latents}/{operation}", worker.complete)
    runner = web.AppRunner(app, shutdown_timeout=0.1, handler_cancellation=True)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    worker.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield worker
    await runner.cleanup()


@pytest.fixture
async def island(tmp_path: Path, contract: Contract) -> AsyncIterator[Island]:
    """A sandbox without a bot; a bot that a test starts is stopped at the end."""
    requests: list[tuple[str, str, int]] = []

    @web.middleware
    async def record(request: web.Request, handler: Any) -> web.StreamResponse:
        if request.method == "PATCH" and island.edits_to_lose:
            island.edits_to_lose -= 1
            assert request.transport is not None
            request.transport.abort()
            return web.Response(status=500)
        if request.method == "PATCH" and "/messages/" in request.path and island.archived:
            return reply({"message": "Thread is archived", "code": 50083}, 400)
        if request.method == "POST" and re.fullmatch("/api/.*/messages", request.path) and island.refuses_messages:
            return reply({"message": "Message was blocked by automatic moderation", "code": 200000}, 400)
        response: web.StreamResponse = await handler(request)
        if request.path.startswith("/api/"):
            if response.status == 403:
                island.refused.put_nowait(request.method)
            if request.method == "POST" and request.path.endswith("/messages"):
                island.archived = False
            requests.append((request.method, request.path, response.status))
            mishap = island.mishaps.pop(0) if request.path.endswith("/callback") and island.mishaps else ""
            if mishap == "fault":
                return reply({"message": "500: Internal Server Error", "code": 0}, 500)
            lost = request.method == "POST" and request.path.endswith("/messages") and island.receipts_to_lose > 0
            island.receipts_to_lose -= lost
            if lost or mishap == "lost":
                assert request.transport is not None
                request.transport.abort()
        return response

    app = create_app(SandboxSettings(_env_file=None, sandbox_token="token"), middlewares=[record, contract.middleware])
    contract.watch(app)
    async with serve(app) as sandbox:
        island = Island(sandbox, tmp_path / "bot", requests)
        yield island
        await island.stop_bot()


@pytest.fixture
async def bot(island: Island, told_worker: ToldWorker) -> Bot:
    """The bot, connected, with the told worker behind it."""
    return await island.start_bot(told_worker.url)


async def verse(person: Person, told_worker: ToldWorker, written: str = " But") -> dict[str, Any]:
    """The last message of a finished text that a person asked for, with ``ROMEO:`` as its prompt."""
    answer = await person.slash("shakespeare", prompt="ROMEO:")
    (await told_worker.stream()).finish(written)
    return await answer.message(finished)


async def said(person: Person, command: str, **options: object) -> JSON:
    """What a command is answered with at first."""
    return await (await person.slash(command, **options)).message()


def footer(message: dict[str, Any]) -> str:
    """The small print of a message."""
    return "\n".join(line for line in message["content"].split("\n") if line.startswith("-# "))


def finished(message: dict[str, Any]) -> bool:
    """Whether a message has the buttons of a result."""
    buttons = json.dumps(message["components"])
    return '"retry:' in buttons or '"again:' in buttons
