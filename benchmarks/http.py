"""HTTP benchmark: many streaming clients of a worker in a process of its own.

Run with ``python -m benchmarks http``. The clients share the machine with the worker, as the bot does.
"""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import torch

from benchmarks.table import percentile, show
from benchmarks.text import LENGTH, engine_rate, load_network
from benchmarks.worker import running_worker
from worker.engine.hardware import build_decoder, pick_device, set_threads
from worker.engine.text_model import TextModel

CROWD = 32  # clients whose streams long prompts disturb
CLIENTS = (1, CROWD, 64)
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
    network = load_network(home).to(pick_device("auto"))
    model = TextModel("benchmark", build_decoder(network, max(CLIENTS), "auto", torch.get_num_threads(), home))
    rows = []
    with running_worker(home, threads) as address:
        asyncio.run(visit(address, 1))  # the first request of all pays for what is loaded late
        for clients in CLIENTS:
            visits = [(asyncio.run(visit(address, clients)), engine_rate(model, clients)) for _ in range(rounds)]
            rows.append(row(str(clients), visits))
            if clients == CROWD:
                undisturbed = percentile(gaps_of(visits), 0.99)
        visits = [(asyncio.run(visit(address, CROWD, newcomers=8)), engine_rate(model, CROWD)) for _ in range(rounds)]
        moved = percentile(gaps_of(visits), 0.99) / undisturbed
        rows.append(row(f"{CROWD} while 1,000-character prompts arrive (p99 {moved:.1f}x)", visits))
    heads = ["clients", "first p50", "first p95", "between p50", "between p99", "p99/p50", "chars/s", "of the engine"]
    show("Streams over HTTP (milliseconds, between two pieces)", heads, rows)


Visits = list[tuple[tuple[list[Seen], float], float]]  # what the clients saw in so many seconds; the engine's own rate


def gaps_of(visits: Visits) -> list[float]:
    """Seconds between pieces, of all clients."""
    return [gap for (clients, _), _ in visits for seen in clients for gap in seen.gaps]


def row(name: str, visits: Visits) -> list[str]:
    first = [seen.first for (clients, _), _ in visits for seen in clients]
    gaps = gaps_of(visits)
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
