"""``/healthz``, ``/readyz``, ``/metrics`` and ``/openapi.json``."""

from __future__ import annotations

import torch
from aiohttp import web

from worker.openapi import DOCUMENT
from worker.replies import reply
from worker.routes import GALLERY, IMAGE_ENGINE, METRICS, TEXT_ENGINE
from worker.schemas.fingerprint import FINGERPRINT
from worker.schemas.models import Readiness

routes = web.RouteTableDef()


@routes.get("/healthz")
async def alive(request: web.Request) -> web.Response:
    """200 as long as the process answers."""
    return web.json_response({"alive": True})


@routes.get("/readyz")
async def ready(request: web.Request) -> web.Response:
    """200 when models are loaded, 503 before."""
    engine, gallery = request.app[TEXT_ENGINE], request.app[GALLERY]
    state = Readiness(
        ready=gallery.ready,
        device=str(gallery.device),
        precision=gallery.precision,
        threads=torch.get_num_threads(),
        models=gallery.names,
        running=engine.running,
        waiting=engine.waiting,
        slots=engine.slots,
        pictures_waiting=request.app[IMAGE_ENGINE].waiting,
        contract=FINGERPRINT,
    )
    return reply(state, status=200 if state.ready else 503)


@routes.get("/metrics")
async def metrics(request: web.Request) -> web.Response:
    """Prometheus' text format."""
    return web.Response(body=request.app[METRICS].text(), headers={"Content-Type": "text/plain; version=0.0.4"})


@routes.get("/openapi.json")
async def openapi(request: web.Request) -> web.Response:
    """This API, described."""
    return web.json_response(DOCUMENT)
