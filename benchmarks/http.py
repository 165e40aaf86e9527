"""HTTP benchmark: many streaming clients of a worker in a process of its own.

Run with ``python -m benchmarks http``. The clients share the machine with the worker, as the bot does.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

import aiohttp
import torch

from benchmarks.table import percentile, show
from benchmarks.text import LENGTH, engine_rate, load_network
from models.checkpoint import Card, Store
from worker.engine.hardware import build_decoder, set_threads
from worker.engine.text import TextModel

CLIENTS = (1, 32, 64)
PROMPT = "MIRANDA:\n"
LONG_PROMPT = PROMPT * 111  # a thousand characters


@dataclass
class Seen:
    """What one client saw: seconds to the first character, and between pieces; and how many characters in all."""

    first: float = 0.0
    gaps: list[float] = field(default_factory=list)
    characters: int = 0


def run(home: Path, rounds: int, threads: int) -> None:
    """Print what clients see, and how much of the engine's own speed reaches them."""
    set_threads(threads)
    network = load_network(home)
    model = TextModel("benchmark", build_decoder(network, max(CLIENTS), "auto", torch.get_num_threads()))
    rows = []
    with running_worker(home, threads) as address:
        asyncio.run(visit(address, 1))  # the first request of all pays for what is loaded late
        for clients in CLIENTS:
            visits = [(asyncio.run(visit(address, clients)), engine_rate(model, clients)) for _ in range(rounds)]
            rows.append(row(str(clients), visits))
        visits = [(asyncio.run(visit(address, 32, newcomers=8)), engine_rate(model, 32)) for _ in range(rounds)]
        rows.append(row("32 while 1,000-character prompts arrive", visits))
    heads = ["clients", "first p50", "first p95", "between p50", "between p99", "p99/p50", "chars/s", "of the engine"]
    show("Streams over HTTP (milliseconds, between two pieces)", heads, rows)


def row(name: str, visits: list[tuple[tuple[list[Seen], float], float]]) -> list[str]:
    first = [seen.first for (clients, _), _ in visits for seen in clients]
    gaps = [gap for (clients, _), _ in visits for seen in clients for gap in seen.gaps]
    rate = sorted(sum(seen.characters for seen in clients) / seconds for (clients, seconds), _ in visits)
    shares = sorted(
        sum(seen.characters for seen in clients) / seconds / engine for (clients, seconds), engine in visits
    )
    p50, p99 = percentile(gaps, 0.5), percentile(gaps, 0.99)
    times = [percentile(first, 0.5), percentile(first, 0.95), p50, p99]
    middle = len(visits) // 2
    return [
        name,
        *(f"{1000 * t:.1f}" for t in times),
        f"{p99 / p50:.1f}",
        f"{rate[middle]:,.0f}",
        f"{shares[middle]:.0%}",
    ]


async def visit(address: str, clients: int, newcomers: int = 0) -> tuple[list[Seen], float]:
    """Let clients stream at once, with newcomers' long prompts arriving meanwhile; what they saw, and the seconds."""
    async with aiohttp.ClientSession(address, connector=aiohttp.TCPConnector(limit=0)) as session:
        begin = time.perf_counter()
        streaming = [asyncio.create_task(stream(session, PROMPT, LENGTH)) for _ in range(clients)]
        for _ in range(newcomers):
            await stream(session, LONG_PROMPT, 1)
        seen = await asyncio.gather(*streaming)
        return list(seen), time.perf_counter() - begin


async def stream(session: aiohttp.ClientSession, prompt: str, length: int) -> Seen:
    """One streamed completion."""
    body = {"prompt": prompt, "max_tokens": length, "temperature": 0.8, "top_k": 40, "stream": True}
    seen = Seen()
    begin = last = time.perf_counter()
    async with session.post("/v1/completions", json=body) as response:
        response.raise_for_status()
        async for line in response.content:
            if line.startswith(b'data: {"id"'):
                now = time.perf_counter()
                if seen.first:
                    seen.gaps.append(now - last)
                else:
                    seen.first = now - begin
                last, final = now, line
    seen.characters = json.loads(final[6:])["usage"]["completion_tokens"]
    return seen


@contextlib.contextmanager
def running_worker(home: Path, threads: int) -> Iterator[str]:
    """A worker of its own on a free port, with the GPT that serves or a random one."""
    with tempfile.TemporaryDirectory() as folder:
        if "gpt-shakespeare" not in Store(home).models():
            home = Path(folder)
            write_random(home)
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = probe.getsockname()[1]
        command = [sys.executable, "-m", "worker", "--port", str(port), "--home", str(home)]
        environment = {**os.environ, "PROSPERO_THREADS": str(threads)}
        worker = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
        try:
            asyncio.run(ready(f"http://127.0.0.1:{port}"))
            yield f"http://127.0.0.1:{port}"
        finally:
            worker.send_signal(signal.SIGINT)
            worker.wait()


async def ready(address: str) -> None:
    """Wait until the worker can write."""
    async with asyncio.timeout(60), aiohttp.ClientSession(address) as session:
        while True:
            with contextlib.suppress(aiohttp.ClientError):
                if (await session.get("/readyz")).status == 200:
                    return
            await asyncio.sleep(0.1)


def write_random(home: Path) -> None:
    """A version of random weights in the GPT's shape."""
    network = load_network(home)
    card = Card(
        model="gpt-shakespeare",
        version="random",
        family="gpt",
        config=asdict(network.config),
        parameters=sum(p.numel() for p in network.parameters()),
        dataset={},
        training={},
        created="2026-01-01T00:00:00+00:00",
    )
    store = Store(home)
    store.save(card, network.state_dict(), lambda checkpoint: None)
    store.promote(card.model, card.version)
