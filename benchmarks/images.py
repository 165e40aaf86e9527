"""Pictures benchmark: many clients of a worker beside the bare forward pass and encoding of the same pictures.

Run with ``python -m benchmarks images``. Every GAN that serves is measured. Each client asks for one file after the
other: a single picture, or a sheet of as many as ``/gan sample`` shows. Bare means full batches drawn one after the
other, whose files are then encoded by a thread for each core. At last a text is written, alone
and while all clients ask for sheets, since neither is to starve the other.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path

import aiohttp
import torch

from benchmarks.http import PROMPT, stream
from benchmarks.table import percentile, show
from benchmarks.text import LENGTH
from benchmarks.worker import running_worker
from bot.picture_recipes import MOST
from models.checkpoint import Checkpoint, Store
from models.cores import cores
from models.painter import Painter
from models.registry import families
from worker.engine.encoding import grid
from worker.engine.hardware import pick_device, set_threads

CLIENTS = 32
EACH = 24  # files that a client asks for, one after the other: so many that beginning and end count for little
SHEETS = (1, MOST)  # pictures in a file


@dataclass(frozen=True)
class Visit:
    """What all clients saw: seconds until the last had its last file, and those that each request took."""

    seconds: float
    waits: list[float]


@dataclass(frozen=True)
class Bare:
    """Files/s without HTTP: of the forward pass with encoding, and of the forward pass alone."""

    whole: float
    forward: float


def run(home: Path, rounds: int, threads: int) -> None:
    """Print files per second over HTTP and bare, and how long a client waits for one."""
    set_threads(threads)
    rows, texts = [], []
    with running_worker(home, threads) as address:
        for checkpoint in serving(home):
            painter = load(checkpoint)
            model = checkpoint.model
            for sheet in SHEETS:
                asyncio.run(visit(address, model, sheet))  # the first requests of all pay for what is loaded late
                draw_bare(painter, sheet)
                visits = [(asyncio.run(visit(address, model, sheet)), draw_bare(painter, sheet)) for _ in range(rounds)]
                rows.append(row(f"{model} in batches of {painter.draw.size}", sheet, visits))
            asyncio.run(write(address))
            alone, beside = zip(*(asyncio.run(write_beside(address, model)) for _ in range(rounds)), strict=True)
            texts.append([model, *(f"{statistics.median(rates):,.0f}" for rates in (alone, beside))])
    heads = ["model", "pictures", "over HTTP", "bare", "HTTP/bare", "forward pass alone", "wait p50", "wait p95"]
    show(f"Files/s, {CLIENTS} clients, by the pictures in each file (waits in milliseconds)", heads, rows)
    show(f"Characters/s of a text beside {CLIENTS} clients' sheets", ["sheets of", "alone", "beside"], texts)


def row(name: str, sheet: int, visits: list[tuple[Visit, Bare]]) -> list[str]:
    over_http = [CLIENTS * EACH / visit.seconds for visit, _ in visits]
    waits = [wait for visit, _ in visits for wait in visit.waits]
    share = statistics.median(rate / bare.whole for rate, (_, bare) in zip(over_http, visits, strict=True))
    return [
        name,
        str(sheet),
        f"{statistics.median(over_http):,.0f}",
        f"{statistics.median(bare.whole for _, bare in visits):,.0f}",
        f"{share:.0%}",
        f"{statistics.median(bare.forward for _, bare in visits):,.0f}",
        *(f"{1000 * percentile(waits, q):.0f}" for q in (0.5, 0.95)),
    ]


def serving(home: Path) -> list[Checkpoint]:
    """The versions of GANs that serve."""
    store = Store(home)
    serving = [store.open(model) for model in store.models() if store.serving(model)]
    return [version for version in serving if version.card.family == "gan"]


def load(checkpoint: Checkpoint) -> Painter:
    family = families()[checkpoint.card.family]
    assert family.restore is not None
    painter = family.roles[Painter](family.restore(checkpoint, pick_device("auto")))
    assert isinstance(painter, Painter)
    return painter


async def visit(address: str, model: str, sheet: int) -> Visit:
    """Let all clients ask at once, each time for ``sheet`` pictures."""

    async def client(session: aiohttp.ClientSession, number: int) -> list[float]:
        return [await ask(session, model, sheet, number, i) for i in range(EACH)]

    async with aiohttp.ClientSession(address, connector=aiohttp.TCPConnector(limit=0)) as session:
        begin = time.perf_counter()
        waits = await asyncio.gather(*(client(session, number) for number in range(CLIENTS)))
        return Visit(time.perf_counter() - begin, [wait for own in waits for wait in own])


async def ask(session: aiohttp.ClientSession, model: str, sheet: int, number: int, i: int) -> float:
    """The ``i``-th file of a client of that number; returns the seconds that it took."""
    asked = time.perf_counter()
    body = {"model": model, "seed": sheet * (EACH * number + i), "n": sheet, "layout": "sheet", "user": str(number)}
    async with session.post("/v1/images/generations", json=body) as response:
        response.raise_for_status()
        await response.read()
    return time.perf_counter() - asked


async def write(address: str) -> float:
    """Characters/s of a text."""
    async with aiohttp.ClientSession(address) as session:
        begin = time.perf_counter()
        return (await stream(session, PROMPT, LENGTH)).characters / (time.perf_counter() - begin)


async def write_beside(address: str, model: str) -> tuple[float, float]:
    """Characters/s of a text alone, and of one while all clients ask for sheets."""

    async def client(session: aiohttp.ClientSession, number: int) -> None:
        for i in count():
            await ask(session, model, MOST, number, i)

    alone = await write(address)
    async with aiohttp.ClientSession(address, connector=aiohttp.TCPConnector(limit=0)) as session:
        clients = [asyncio.create_task(client(session, number)) for number in range(CLIENTS)]
        await asyncio.gather(*(ask(session, model, MOST, number, EACH) for number in range(CLIENTS)))
        beside = await write(address)
        for one in clients:
            one.cancel()
        await asyncio.gather(*clients, return_exceptions=True)
    return alone, beside


def draw_bare(painter: Painter, sheet: int) -> Bare:
    """As many files of ``sheet`` pictures as all clients ask for."""
    files = CLIENTS * EACH
    points = painter.sample(range(files * sheet))
    encode = partial(grid, scale=None, most=None)
    with ThreadPoolExecutor(cores()) as encoders:
        begin = time.perf_counter()
        (pictures,) = painter.draw(*points.rows)
        drawn = time.perf_counter()
        for _ in encoders.map(encode, torch.split(pictures, sheet)):  # each (sheet, C, H, W)
            pass
        done = time.perf_counter()
    return Bare(files / (done - begin), files / (drawn - begin))
