"""The HTTP application: routes, who may ask, and the one place where errors become responses."""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable
from ipaddress import ip_address
from urllib.parse import urlsplit

import structlog
from aiohttp import web

from worker.datasets import Datasets
from worker.engine.images import ImageEngine
from worker.engine.text import TextEngine
from worker.errors import Forbidden, MethodNotAllowed, NotFound, Unauthorized, WorkerError, forget
from worker.gallery import Gallery
from worker.jobs import Jobs
from worker.metrics import Metrics
from worker.replies import reply
from worker.routes import (
    DATASETS,
    ENGINE,
    GALLERY,
    IMAGES,
    JOBS,
    METRICS,
    SETTINGS,
    codes,
    files,
    health,
    images,
    latents,
    models,
    text,
    tokens,
    training,
    versions,
    vision,
)
from worker.settings import Settings

OPEN_PATHS = {"/healthz", "/readyz"}  # asked by supervisors that hold no token

log = structlog.get_logger()
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def create_app(
    settings: Settings, engine: TextEngine, painting: ImageEngine, gallery: Gallery, jobs: Jobs, datasets: Datasets
) -> web.Application:
    """The worker as an aiohttp application.

    Serve it with ``handler_cancellation=True``, so that a closed connection frees its slot.
    """
    app = web.Application(middlewares=[answer_errors, check_sender, check_token])
    app[SETTINGS], app[ENGINE], app[IMAGES], app[GALLERY] = settings, engine, painting, gallery
    app[JOBS], app[DATASETS] = jobs, datasets
    app[METRICS] = Metrics(engine, painting)
    for module in (text, tokens, images, vision, codes, latents, models, versions, training, files, health):
        app.add_routes(module.routes)
    return app


@web.middleware
async def answer_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Every error in OpenAI's shape, naming the field where there is one."""
    try:
        response = await handler(request)
    except WorkerError as error:
        response = error_response(error)
        forget(error)
    except web.HTTPMethodNotAllowed as wrong:
        response = error_response(MethodNotAllowed(request.path, request.method, sorted(wrong.allowed_methods)))
    except web.HTTPNotFound:
        response = error_response(NotFound(f"There is no {request.path} here; GET /openapi.json lists what there is."))
    except Exception as error:  # a fault of ours: logged whole, told in one sentence
        log.exception("request failed", path=request.path)
        response = error_response(WorkerError.of(error))
        forget(error)
    request.app[METRICS].count(request, response.status)
    return response


@web.middleware
async def check_sender(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse web pages: what they send to this machine names an origin.

    A site can also let its own name lead here (DNS rebinding) and then reads what it wants. Without a token, which no
    site has, the worker therefore answers to no name but localhost.
    """
    if "Origin" in request.headers:
        raise Forbidden("The worker takes nothing from web pages; ask it from a program.")
    if not request.app[SETTINGS].worker_token and not names_this_machine(request.host):
        raise Forbidden(f"The worker does not answer to {request.host}; use its IP address, or set a token.")
    return await handler(request)


def names_this_machine(host: str) -> bool:
    """Whether a host, with or without a port, is an IP address or localhost."""
    try:
        name = urlsplit(f"//{host}").hostname or ""
        return name == "localhost" or bool(ip_address(name))
    except ValueError:
        return False


@web.middleware
async def check_token(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Ask for the bearer token, if one is set."""
    token = request.app[SETTINGS].worker_token
    given = request.headers.get("Authorization", "").removeprefix("Bearer ").encode(errors="surrogateescape")
    if token and request.path not in OPEN_PATHS and not hmac.compare_digest(given, token.encode()):
        raise Unauthorized("The token is missing or wrong; send the worker's PROSPERO_WORKER_TOKEN as bearer token.")
    return await handler(request)


def error_response(error: WorkerError) -> web.Response:
    return reply(error.response(), error.status, error.headers)
