"""Streaming: an answer as server-sent events, and while it waits for its turn, its place in the line as comments.

A place may stay the same for minutes. Since a silent stream is taken for dead, a comment goes out now and then.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import suppress
from typing import TypeVar

import structlog
from aiohttp import web
from pydantic import BaseModel

from worker.engine.stream import Queued
from worker.errors import WorkerError, forget

PULSE = 30.0  # seconds between comments; the bot gives a stream up that says nothing for 120
ENDED = web.RequestKey("ended", int)  # the status of how a stream ended that had begun with 200
LEFT = 499  # of requests whose client left, as web servers log it

log = structlog.get_logger()

Answer = TypeVar("Answer", bound=BaseModel)
Tell = Callable[[Queued], None]  # of a place in the line


async def told(work: Callable[[Tell], Awaitable[Answer]]) -> AsyncGenerator[Queued | Answer, None]:
    """The places in the line that some work is told of, then its answer; closing the iterator ends the work."""
    places: asyncio.Queue[Queued | None] = asyncio.Queue()
    task = asyncio.ensure_future(work(places.put_nowait))
    task.add_done_callback(lambda _: places.put_nowait(None))
    try:
        while place := await places.get():
            yield place
        yield task.result()
    finally:
        task.cancel()


async def stream(request: web.Request, parts: AsyncIterator[Queued | BaseModel]) -> web.StreamResponse:
    """Each part as it comes, ended by ``[DONE]``; an error before anything was sent still gets a status of its own."""
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-cache"})
    pulse = asyncio.create_task(beat(request, response))
    try:
        async for part in parts:
            if not response.prepared:
                await response.prepare(request)
            if isinstance(part, Queued):
                await response.write(b": queued %d\n\n" % part.position)
            else:
                await response.write(b"data: %s\n\n" % part.model_dump_json().encode())
        await response.write(b"data: [DONE]\n\n")
    except ConnectionResetError:  # the client left, which also cancels this handler
        request[ENDED] = LEFT
        return response
    except Exception as error:
        if not response.prepared:
            raise
        if not isinstance(error, WorkerError):  # a fault of ours, logged whole: the answer has begun, so it ends here
            log.exception("stream failed", path=request.path)
        last = error if isinstance(error, WorkerError) else WorkerError.of(error)
        request[ENDED] = last.status
        forget(error)
        await response.write(b"data: %s\n\n" % last.response().model_dump_json().encode())
    finally:
        pulse.cancel()
    await response.write_eof()
    return response


async def beat(request: web.Request, response: web.StreamResponse) -> None:
    """Comments, until this is cancelled or the client has left."""
    with suppress(ConnectionResetError):
        while True:
            await asyncio.sleep(PULSE)
            if not response.prepared:
                await response.prepare(request)
            await response.write(b": waiting\n\n")
