"""Replies: a message as the whole answer to a request."""

from __future__ import annotations

from collections.abc import Mapping

from aiohttp import web

from worker.schemas.contract import Contract


def reply(message: Contract, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    """The message as JSON."""
    return web.json_response(text=message.model_dump_json(), status=status, headers=headers)
