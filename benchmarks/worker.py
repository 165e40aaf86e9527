"""A worker in a process of its own for benchmarks' clients, which share the machine with it as the bot does."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import aiohttp

from benchmarks.text import load_network
from models.checkpoint import Card, Store

PATIENCE = 120  # seconds; a worker takes a few to load everything, more on a busy machine


@contextlib.contextmanager
def running_worker(home: Path, threads: int) -> Iterator[str]:
    """Yield the address of a worker on a free port, with the GPT that serves or a random one."""
    with tempfile.TemporaryDirectory() as folder:
        if "gpt-shakespeare" not in Store(home).models():
            home = Path(folder)
            write_random(home)
        port = free_port()
        command = [sys.executable, "-m", "worker", "--port", str(port), "--home", str(home)]
        environment = {**os.environ, "PROSPERO_THREADS": str(threads), "PROSPERO_LEASH": "1"}
        worker = subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
        try:
            asyncio.run(ready(f"http://127.0.0.1:{port}"))
            yield f"http://127.0.0.1:{port}"
        finally:
            worker.send_signal(signal.SIGINT)
            worker.wait()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


async def ready(address: str) -> None:
    """Wait until the worker has loaded what serves."""
    async with asyncio.timeout(PATIENCE), aiohttp.ClientSession(address) as session:
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
