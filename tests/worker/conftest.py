"""A worker on a real socket, with a GPT so small that a text takes milliseconds."""

from __future__ import annotations

import asyncio
import json
import math
import re
import socket
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest_asyncio
import torch
from aiohttp import web

from models import gpt
from models.checkpoint import Store
from tests.conftest import save_version
from worker.openapi import DOCUMENT
from worker.routes import GALLERY, IMAGE_ENGINE, SETTINGS, TEXT_ENGINE
from worker.service import serve
from worker.settings import Settings
from worker.visit import ignore

TINY = gpt.Config(
    vocabulary="\n !abcdefghijklmnopqrstuvwxyz", layers=2, width=32, heads=2, kv_heads=1, hidden=48, context=24
)


def tiny_gpt(seed: int = 0, config: gpt.Config = TINY) -> gpt.GPT:
    """A random network whose next characters depend on what came before (a fresh GPT predicts uniformly)."""
    generator = torch.Generator().manual_seed(seed)
    network = gpt.GPT(config)
    for parameter in network.parameters():
        if parameter.ndim == 2:
            scale = 2.0 * parameter.shape[1] ** -0.5
            parameter.data = torch.randn(parameter.shape, generator=generator) * scale
    return network.eval()


def write_version(home: Path, version: str = "1", seed: int = 0, model: str = "gpt-shakespeare") -> None:
    """Store a tiny GPT as a version of a model and let it serve."""
    store = Store(home, home / "none")
    save_version(store, f"{model}@{version}", "gpt", tiny_gpt(seed), asdict(TINY), nats_per_character=3.0)
    store.promote(model, version)


class Worker:
    """A running worker as its clients see it, and its inner parts for looking at."""

    def __init__(self, session: aiohttp.ClientSession, app: web.Application, home: Path) -> None:
        self.session, self.app, self.home = session, app, home
        self.engine, self.gallery, self.settings = app[TEXT_ENGINE], app[GALLERY], app[SETTINGS]
        self.held: list[asyncio.Task[None]] = []

    async def complete(self, **fields: Any) -> dict[str, Any]:
        """A whole completion's JSON."""
        async with self.session.post("/v1/completions", json={"prompt": "hello", **fields}) as response:
            assert response.status == 200, await response.text()
            return await response.json()

    async def text(self, **fields: Any) -> str:
        """The first choice's text."""
        return (await self.complete(**fields))["choices"][0]["text"]

    async def error(self, status: int, **fields: Any) -> dict[str, Any]:
        """The error that a completion is refused with."""
        async with self.session.post("/v1/completions", json={"prompt": "hello", **fields}) as response:
            assert response.status == status, await response.text()
            return (await response.json())["error"]

    async def stream(self, **fields: Any) -> AsyncIterator[dict[str, Any] | str]:
        """Chunks of a streamed completion, and its comments as texts; ends with ``[DONE]``."""
        body = {"prompt": "hello", "stream": True, **fields}
        async with self.session.post("/v1/completions", json=body) as response:
            assert response.status == 200, await response.text()
            assert response.content_type == "text/event-stream"
            async for line in response.content:
                if line.startswith(b": "):
                    yield line[2:].decode().strip()
                elif line.startswith(b"data: "):
                    data = line[6:].decode().strip()
                    yield data if data == "[DONE]" else json.loads(data)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for something that must come true."""
        async with asyncio.timeout(20):
            while not condition():  # noqa: ASYNC110 (what is waited for belongs to another thread)
                await asyncio.sleep(0.002)


async def keep_busy(worker: Worker) -> threading.Event:
    """Give every thread that computes pictures something to do until the event is set."""
    engine, release = worker.app[IMAGE_ENGINE], threading.Event()
    every = threading.Barrier(worker.settings.threads + 1)

    def wait() -> None:
        every.wait(30)
        release.wait(30)

    ticket = replace(engine.ticket("", "", ignore), deadline=math.inf)
    for _ in range(worker.settings.threads):
        worker.held.append(asyncio.create_task(engine.prepare(ticket, wait)))
    await asyncio.to_thread(every.wait, 30)
    return release


async def as_described(response: aiohttp.ClientResponse) -> None:
    """AssertionError for an answer of a type that the API's description does not name."""
    for path, operations in DOCUMENT["paths"].items():
        operation = operations.get(response.method.lower())
        if operation and response.status == 200 and re.fullmatch(re.sub("{.*?}", "[^/]+", path), response.url.path):
            assert response.content_type in operation["responses"]["200"]["content"], path


Start = Callable[..., Awaitable[Worker]]


@pytest_asyncio.fixture
async def start(tmp_path: Path) -> AsyncIterator[Start]:
    """Starts workers on free ports; keyword arguments are settings."""
    async with AsyncExitStack() as stack:

        async def begin(version: str | None = "1", **settings: Any) -> Worker:
            home = settings.setdefault("home", tmp_path)
            if version is not None:
                write_version(home, version)
            listener = socket.create_server(("127.0.0.1", 0))
            address = f"http://127.0.0.1:{listener.getsockname()[1]}"
            usual = {
                "shipped": tmp_path / "none",
                "device": "cpu",
                "threads": 1,
            }  # so small a GPT gains nothing from two
            chosen = Settings(**{**usual, **settings}, _env_file=None)
            app = await stack.enter_async_context(serve(chosen, listener))
            session = await stack.enter_async_context(aiohttp.ClientSession(address, raise_for_status=as_described))
            return Worker(session, app, home)

        yield begin


@pytest_asyncio.fixture
async def worker(start: Start) -> Worker:
    """A worker with one tiny model and the default settings."""
    return await start()
