"""The frame of Discord's REST API v10, in which the modules of routes stand: login, errors, limits."""

import json
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from sandbox.errors import DiscordError, Form, is_count
from sandbox.ratelimits import Limit, RateLimits
from sandbox.state import State

API = "/api/v10"

DEFAULT_LIMIT = Limit(10, 1.0)
LIMITS = {  # what people measured of Discord's own, which it does not publish
    "POST /channels/{channel_id}/messages": Limit(5, 5.0),
    "PATCH /channels/{channel_id}/messages/{message_id}": Limit(5, 5.0),
    "DELETE /channels/{channel_id}/messages/{message_id}": Limit(5, 1.0),
    "GET /channels/{channel_id}/messages": Limit(5, 5.0),
    "GET /channels/{channel_id}/messages/{message_id}": Limit(5, 5.0),
    "POST /channels/{channel_id}/typing": Limit(5, 5.0),
    "POST /webhooks/{webhook_id}/{webhook_token}": Limit(5, 2.0),
    "PATCH /webhooks/{webhook_id}/{webhook_token}/messages/{message_id}": Limit(5, 5.0),
    "PUT /applications/{application_id}/commands": Limit(2, 20.0),
    "PUT /applications/{application_id}/guilds/{guild_id}/commands": Limit(2, 20.0),
}
OPEN = ("/interactions/", "/webhooks/")  # paths that carry their own token and stand outside the global limit


def reply(body: Any, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    """A JSON answer whose content type is exactly `application/json`, as clients compare it."""
    types = {"Content-Type": "application/json"}
    return web.Response(body=json.dumps(body).encode(), status=status, headers=types | (headers or {}))


def no_content() -> web.Response:
    return web.Response(status=204)


def is_true(value: str | None) -> bool:
    """A boolean of the query string."""
    return value in ("1", "true", "True")


def number(request: web.Request, name: str, default: int, lowest: int, highest: int) -> int:
    """An integer of the query string within bounds, or a form fault."""
    text = request.query.get(name, str(default))
    form = Form()
    if not is_count(text):
        form.fault((name,), "NUMBER_TYPE_COERCE", f'Value "{text}" is not int.')
    elif not lowest <= int(text) <= highest:
        form.fault((name,), "NUMBER_TYPE_RANGE", f"int value should be between {lowest} and {highest}.")
    form.check()
    return int(text)


def guard(state: State) -> Middleware:
    """The middleware around every API route: rate limit, login, and errors in Discord's form."""
    limits = RateLimits(state.clock)

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        if not request.path.startswith(API):
            return await handler(request)
        path = request.path.removeprefix(API)
        own_token = path.startswith(OPEN)
        headers: dict[str, str] = {}
        try:
            if not own_token and path != "/gateway" and request.headers.get("Authorization") != f"Bot {state.token}":
                raise DiscordError("unauthorized")
            route = _route(request)
            if route is not None:
                major = "+".join(value for key, value in request.match_info.items() if key in _MAJOR)
                limit = LIMITS.get(route, DEFAULT_LIMIT)
                verdict = limits.take(route, major, limit, counts_globally=not own_token)
                headers = verdict.headers
                if verdict.body is not None:
                    return reply(verdict.body, 429, headers)
            response = await handler(request)
        except DiscordError as error:
            return reply(error.body(), error.status, headers)
        except (web.HTTPNotFound, web.HTTPMethodNotAllowed) as error:
            name = "not_found" if error.status == 404 else "method_not_allowed"
            return reply(DiscordError(name).body(), error.status)
        response.headers.update(headers)
        return response

    return middleware


_MAJOR = ("channel_id", "guild_id", "webhook_id", "webhook_token", "interaction_id")


def _route(request: web.Request) -> str | None:
    resource = request.match_info.route.resource
    return None if resource is None else f"{request.method} {resource.canonical.removeprefix(API)}"
