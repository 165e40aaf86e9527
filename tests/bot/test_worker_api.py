"""The client of the worker, against a small HTTP server that speaks the contract."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from bot.worker_api import (
    Finished,
    Piece,
    Queued,
    WorkerAPI,
    WorkerBusy,
    WorkerError,
    WorkerFailed,
    WorkerInterrupted,
    WorkerLate,
    WorkerLocked,
    WorkerRefused,
    WorkerUnreachable,
    at,
)
from worker.schemas.completions import Completion, CompletionChoice, CompletionRequest
from worker.schemas.contract import ErrorBody, ErrorResponse

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
REQUEST = CompletionRequest(prompt="ROMEO:")


def chunk(text: str, reason: Any = None) -> bytes:
    choice = CompletionChoice(text=text, index=0, finish_reason=reason, seed=7)
    body = Completion(id="c", created=0, model="gpt", system_fingerprint="gpt@v1", choices=[choice], replaced="é")
    return f"data: {body.model_dump_json()}\n\n".encode()


@asynccontextmanager
async def worker(handler: Handler, token: str | None = None) -> AsyncIterator[WorkerAPI]:
    """A client of a server that answers every request with ``handler``."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler)
    runner = web.AppRunner(app, shutdown_timeout=0.1, handler_cancellation=True)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    async with aiohttp.ClientSession() as session:
        yield WorkerAPI(session, at(f"http://127.0.0.1:{runner.addresses[0][1]}"), token)
    await runner.cleanup()


def streaming(*parts: bytes) -> Handler:
    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for part in parts:
            await response.write(part)
        return response

    return handler


def refusing(status: int, param: str | None = None, **headers: str) -> Handler:
    async def handler(request: web.Request) -> web.StreamResponse:
        error = ErrorBody(message="a sentence", type="server_error", param=param, position=3)
        body = ErrorResponse(error=error).model_dump_json()
        return web.Response(status=status, text=body, content_type="application/json", headers=headers)

    return handler


async def test_events_arrive_in_order() -> None:
    parts = [b": queued 2\n\n", b": queued 1\n\n", chunk("But "), chunk("soft", "length"), b"data: [DONE]\n\n"]
    async with worker(streaming(*parts)) as api:
        events = [event async for event in api.complete(REQUEST)]
    pieces = [Piece(text, seed=7, version="v1", replaced="é") for text in ("But ", "soft")]
    assert events == [Queued(2), Queued(1), *pieces, Finished()]


async def test_the_request_says_what_is_wanted_and_who_asks() -> None:
    seen: dict[str, Any] = {}

    async def handler(request: web.Request) -> web.StreamResponse:
        seen.update(await request.json(), authorization=request.headers["Authorization"], path=request.path)
        return await streaming(chunk("", "length"))(request)

    async with worker(handler, token="secret") as api:
        request = CompletionRequest(prompt="P", max_tokens=9, seed=2**62, user="42")
        async for _ in api.complete(request):
            pass
    assert seen["path"] == "/v1/completions"
    assert seen["authorization"] == "Bearer secret"
    assert (seen["prompt"], seen["max_tokens"], seen["seed"], seen["user"]) == ("P", 9, 2**62, "42")
    assert seen["stream"] is True


@pytest.mark.parametrize("answers", [refusing(500), refusing(401), streaming(chunk("a")), streaming(b"data: {}\n\n")])
async def test_an_error_names_the_request_as_the_worker_was_told_it(answers: Handler) -> None:
    told: list[str] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        told.append(request.headers["X-Request-Id"])
        return await answers(request)

    async with worker(handler) as api:
        for _ in range(2):
            with pytest.raises(WorkerError) as caught:
                [event async for event in api.complete(REQUEST)]
            assert caught.value.request_id == told[-1]
    assert len(set(told)) == 2


async def test_closing_the_generator_closes_the_stream() -> None:
    closed = asyncio.Event()

    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(chunk("a"))
        try:
            await asyncio.Event().wait()
        finally:
            closed.set()
        return response

    async with worker(handler) as api:
        async with aclosing(api.complete(REQUEST)) as events:
            assert isinstance(await anext(events), Piece)
        await asyncio.wait_for(closed.wait(), 10)


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, WorkerRefused),
        (404, WorkerRefused),
        (401, WorkerLocked),
        (429, WorkerBusy),
        (500, WorkerFailed),
        (503, WorkerInterrupted),
        (504, WorkerLate),
    ],
)
async def test_an_error_status_has_its_error(status: int, error: type[WorkerError]) -> None:
    async with worker(refusing(status)) as api:
        with pytest.raises(error, match="a sentence"):
            await anext(api.complete(REQUEST))


async def test_a_full_queue_says_when_to_come_back() -> None:
    async with worker(refusing(429, **{"Retry-After": "12"})) as api:
        with pytest.raises(WorkerBusy) as caught:
            await anext(api.complete(REQUEST))
    assert caught.value.retry_after == 12


async def test_a_wrong_field_is_named() -> None:
    async with worker(refusing(400, param="temperature")) as api:
        with pytest.raises(WorkerRefused) as caught:
            await anext(api.complete(REQUEST))
    assert caught.value.field == "temperature"


@pytest.mark.parametrize(
    ("kind", "code", "error"),
    [
        ("invalid_request_error", "picture_unreadable", WorkerRefused),
        ("not_found_error", "not_found", WorkerRefused),
        ("authentication_error", "invalid_api_key", WorkerLocked),
        ("rate_limit_error", "queue_full", WorkerBusy),
        ("server_error", "unavailable", WorkerInterrupted),
        ("server_error", "deadline_exceeded", WorkerLate),
        ("server_error", None, WorkerFailed),
    ],
)
async def test_an_error_after_places_in_the_queue_is_the_same_as_before_them(
    kind: Any, code: str | None, error: type[WorkerError]
) -> None:
    body = ErrorResponse(error=ErrorBody(message="a sentence", type=kind, code=code))
    part = f"data: {body.model_dump_json()}\n\n".encode()
    async with worker(streaming(b": queued 1\n\n", part)) as api, aclosing(api.complete(REQUEST)) as events:
        assert await anext(events) == Queued(1)
        with pytest.raises(error, match="a sentence"):
            await anext(events)


async def test_nobody_at_the_address() -> None:
    async with aiohttp.ClientSession() as session:
        api = WorkerAPI(session, at("http://127.0.0.1:9"))
        with pytest.raises(WorkerUnreachable) as caught:
            await anext(api.complete(REQUEST))
    assert caught.value.request_id is not None


async def test_a_worker_that_dies_in_the_middle() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(chunk("a"))
        assert request.transport is not None
        request.transport.abort()
        return response

    async with worker(handler) as api:
        with pytest.raises(WorkerInterrupted):
            [event async for event in api.complete(REQUEST)]


async def test_a_stream_that_ends_too_early() -> None:
    async with worker(streaming(chunk("a"))) as api:
        with pytest.raises(WorkerInterrupted):
            [event async for event in api.complete(REQUEST)]


async def test_an_error_in_the_middle_of_a_stream() -> None:
    error = ErrorResponse(error=ErrorBody(message="out of memory", type="server_error")).model_dump_json()
    async with worker(streaming(chunk("a"), f"data: {error}\n\n".encode())) as api:
        with pytest.raises(WorkerFailed, match="out of memory"):
            [event async for event in api.complete(REQUEST)]


@pytest.mark.parametrize("nonsense", [b"data: hello\n\n", b'data: {"x": 1}\n\n', b"data: \xff\n\n"])
async def test_something_else_on_that_port(nonsense: bytes) -> None:
    async with worker(streaming(nonsense)) as api:
        with pytest.raises(WorkerFailed):
            [event async for event in api.complete(REQUEST)]


@pytest.mark.parametrize(
    ("status", "error"),
    [(502, WorkerFailed), (404, WorkerFailed), (400, WorkerFailed), (403, WorkerLocked), (429, WorkerBusy)],
)
async def test_an_error_page_of_something_in_between(status: int, error: type[WorkerError]) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        return web.Response(status=status, text="<html>Not here</html>", content_type="text/html")

    async with worker(handler) as api:
        with pytest.raises(error, match=str(status)):
            await anext(api.complete(REQUEST))


async def test_a_worker_that_is_not_ready_says_so() -> None:
    state = {
        "ready": False, "device": "cpu", "precision": "float32", "threads": 2,
        "models": [], "running": 0, "waiting": 0, "slots": 64,
    }  # fmt: skip

    async def handler(request: web.Request) -> web.StreamResponse:
        return web.json_response(state, status=503)

    async with worker(handler) as api:
        assert (await api.readiness()).ready is False


async def test_what_a_newer_worker_says_besides_is_passed_over() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        model = {
            "id": "gpt", "created": 0, "version": "v1", "versions": ["v1"], "family": "gpt", "parameters": 1,
            "metrics": {}, "colour": "blue",
        }  # fmt: skip
        return web.json_response({"object": "list", "data": [model], "next": None})

    async with worker(handler) as api:
        assert [model.id for model in await api.models()] == ["gpt"]
