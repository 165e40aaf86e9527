"""Service: a running worker, from an open socket to its end."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing

from aiohttp import web

from models.checkpoint import Store
from models.data import look_in
from worker.app import create_app
from worker.datasets import Datasets
from worker.engine.device import Device
from worker.engine.hardware import pick_device, set_threads
from worker.engine.images import ImageEngine
from worker.engine.text import TextEngine
from worker.gallery import Gallery
from worker.job_store import JobStore
from worker.jobs import Jobs
from worker.settings import Settings
from worker.trainer import Trainer

GRACE = 0.5  # seconds that open connections get at the end; all is to be gone within two


@asynccontextmanager
async def serve(settings: Settings, listener: socket.socket) -> AsyncIterator[web.Application]:
    """Answer on an open socket while the context lasts; models load meanwhile. HardwareError: no such device."""
    torch_device = pick_device(settings.device)
    threads = set_threads(settings.threads)
    device = Device()
    text_engine = TextEngine(device, settings.slots, settings.queue, settings.deadline)
    card = None if torch_device.type == "cpu" else device
    # closed whatever happens before it serves: its threads would keep this process from ending
    with closing(ImageEngine(card, threads, settings.queue, settings.deadline)) as image_engine:
        store = Store(settings.home, settings.shipped)
        gallery = Gallery(settings, store, torch_device)
        look_in(settings.home, settings.data)
        records = JobStore(settings.home / "jobs.sqlite")
        trainer = Trainer(settings.home, settings.shipped, torch_device, settings.training_memory)
        jobs = Jobs(settings, records, store, trainer)
        datasets = Datasets(settings.home, trainer)
        app = create_app(settings, text_engine, image_engine, gallery, jobs, datasets)
        runner = web.AppRunner(app, handler_cancellation=True, access_log=None, shutdown_timeout=GRACE)
        await runner.setup()
        await web.SockSite(runner, listener).start()
        opening = asyncio.create_task(gallery.open())
        training = asyncio.create_task(jobs.run())
        try:
            yield app
        finally:
            opening.cancel()
            training.cancel()
            text_engine.close()
            image_engine.close()
            await runner.cleanup()
            await asyncio.wait([training])
            records.close()
            await asyncio.to_thread(device.close)
