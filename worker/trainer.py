"""Trainer: ``python -m models`` as a supervised child process, which tells what it does in JSON lines.

It runs in a session of its own, last in line for the processor, and on a leash: it ends when this process does, however
that comes about.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch

GRACE = 0.4  # seconds that a child gets to end by itself; all is to be gone within two
LINE = 2**20  # bytes of the longest message

Hear = Callable[[dict[str, Any]], None]


class Trainer:
    """Runs commands of the models' command line on one device."""

    def __init__(self, home: Path, shipped: Path, device: torch.device, memory_share: float) -> None:
        self._base = [sys.executable, "-m", "models", "--home", str(home), "--shipped", str(shipped)]
        self.device = device
        self.machine = ["--device", device.type, "--memory-share", str(memory_share)]  # for commands that compute

    async def run(self, words: Sequence[str], hear: Hear, log: Path, holds: Sequence[int] = ()) -> int:
        """Run a command to its end, or to the end of this call; returns its exit status, negative for a signal.

        ``hear`` gets each message, ``log`` what is written to standard error; the child keeps the open files ``holds``.
        """
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as errors:
            child = await asyncio.create_subprocess_exec(
                *self._base,
                *words,
                "--background",
                stdin=asyncio.subprocess.PIPE,  # the leash
                stdout=asyncio.subprocess.PIPE,
                stderr=errors,
                env=os.environ | {"PROSPERO_LEASH": "1"},
                start_new_session=True,
                pass_fds=holds,
                limit=LINE,
            )
        try:
            assert child.stdout is not None
            async for line in child.stdout:
                hear(json.loads(line))
            return await child.wait()
        finally:
            if child.returncode is None:
                await _end(child)


async def _end(child: asyncio.subprocess.Process) -> None:
    """End a child: by the end of its input, then by force; at once when this is cancelled in turn."""
    assert child.stdin is not None
    child.stdin.close()
    try:
        with suppress(TimeoutError):
            await asyncio.wait_for(child.wait(), GRACE)
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
