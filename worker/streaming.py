"""Streaming: an answer as server-sent events, and while it waits for its turn, its place in the line as comments."""

from __future__ import annotations

from collections.abc import AsyncIterator

from aiohttp import web
from pydantic import BaseModel

from worker.engine.stream import Queued
from worker.errors import WorkerError


async def stream(request: web.Request, parts: AsyncIterator[Queued | BaseModel]) -> web.StreamResponse:
    """Each part as it comes, ended by ``[DONE]``; an error before the first one still gets a status of its own."""
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-cache"})
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
        return response
    except WorkerError as error:
        if not response.prepared:
            raise
        await response.write(b"data: %s\n\n" % error.response().model_dump_json().encode())
    await response.write_eof()
    return response
