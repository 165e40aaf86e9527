"""The HTTP application: routes, who may ask, and the one place where errors become responses."""

from __future__ import annotations

import hmac
import re
import secrets
from ipaddress import ip_address
from urllib.parse import urlsplit

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler
from structlog.contextvars import bound_contextvars

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
    GALLERY,
    IMAGE_ENGINE,
    JOBS,
    METRICS,
    SETTINGS,
    TEXT_ENGINE,
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
from worker.streaming import ENDED, LEFT

OPEN_PATHS = {"/healthz", "/readyz"}  # asked by supervisors that hold no token
ID_HEADER, ID = "X-Request-Id", web.RequestKey("id", str)
SANE_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")  # nothing that could be mistaken for another line of a log

log = structlog.get_logger()


def create_app(
    settings: Settings,
    text_engine: TextEngine,
    image_engine: ImageEngine,
    gallery: Gallery,
    jobs: Jobs,
    datasets: Datasets,
) -> web.Application:
    """The worker as an aiohttp application.

    Serve it with ``handler_cancellation=True``, so that a closed connection frees its slot.
    """
    app = web.Application(middlewares=[follow, answer_errors, check_sender, check_token])
    app[SETTINGS], app[TEXT_ENGINE], app[IMAGE_ENGINE], app[GALLERY] = settings, text_engine, image_engine, gallery
    app[JOBS], app[DATASETS] = jobs, datasets
    app[METRICS] = Metrics(text_engine, image_engine, jobs)
    app.on_response_prepare.append(name_request)
    for module in (text, tokens, images, vision, codes, latents, models, versions, training, files, health):
        app.add_routes(module.routes)
    return app


@web.middleware
async def follow(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Name the request, by its own id if it has one, in all that is logged of it, and count how it ended."""
    given = request.headers.get(ID_HEADER, "")
    request[ID] = given if SANE_ID.fullmatch(given) else secrets.token_hex(16)
    status = LEFT  # unless there will be an answer
    try:
        with bound_contextvars(request_id=request[ID]):
            response = await handler(request)
        status = request.get(ENDED, response.status)
        return response
    finally:
        request.app[METRICS].count(request, status)


async def name_request(request: web.Request, response: web.StreamResponse) -> None:
    """Say the request's id in the headers of its answer, streamed or not."""
    if ID in request:  # what aiohttp refuses by itself has none
        response.headers[ID_HEADER] = request[ID]


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
