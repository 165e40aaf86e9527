"""The trainer's children end when they are told to, however often."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import psutil
import pytest
import torch

from worker import trainer
from worker.trainer import Trainer

DEAF = "import json, os, time; print(json.dumps({'pid': os.getpid()}), flush=True); time.sleep(600)"


async def test_a_child_that_hears_nothing_ends_though_it_is_told_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trainer, "GRACE", 60)  # no test waits for that
    child = Trainer(tmp_path, tmp_path, torch.device("cpu"), 1.0)
    monkeypatch.setattr(child, "_base", [sys.executable, "-c", DEAF])
    said: asyncio.Queue[dict[str, int]] = asyncio.Queue()
    run = asyncio.create_task(child.run([], said.put_nowait, tmp_path / "log.txt"))
    process = psutil.Process((await said.get())["pid"])
    run.cancel()
    await asyncio.sleep(0)  # the first one is on its way
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    assert not process.is_running()
