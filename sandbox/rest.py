"""Discord's REST API v10: its frame (login, errors, limits) and what it says of users, guild and application."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from sandbox.drafts import read_body
from sandbox.errors import JSON, DiscordError, Form, is_count
from sandbox.guild import Guild
from sandbox.permissions import Permission
from sandbox.ratelimits import Limit, RateLimits
from sandbox.state import State

API = "/api/v10"
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

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


def guard(state: State) -> Any:
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


class Rest:
    """The routes about users, guild and application."""

    def __init__(self, state: State) -> None:
        self._state = state

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get(f"{API}/gateway", self.gateway),
            web.get(f"{API}/gateway/bot", self.gateway_bot),
            web.get(f"{API}/users/@me", self.me),
            web.get(f"{API}/users/@me/guilds", self.my_guilds),
            web.post(f"{API}/users/@me/channels", self.open_direct),
            web.get(f"{API}/users/{{user_id}}", self.user),
            web.get(f"{API}/oauth2/applications/@me", self.application),
            web.get(f"{API}/applications/@me", self.application),
            web.get(f"{API}/guilds/{{guild_id}}", self.guild),
            web.get(f"{API}/guilds/{{guild_id}}/channels", self.channels),
            web.get(f"{API}/guilds/{{guild_id}}/roles", self.roles),
            web.get(f"{API}/guilds/{{guild_id}}/members/{{user_id}}", self.member),
        ]

    def _gateway_url(self) -> str:
        return self._state.files.origin.replace("http", "ws", 1) + "/gateway"

    async def gateway(self, _: web.Request) -> web.Response:
        return reply({"url": self._gateway_url()})

    async def gateway_bot(self, _: web.Request) -> web.Response:
        starts = {"total": 1000, "remaining": 1000, "reset_after": 0, "max_concurrency": 1}  # Discord's for a small bot
        return reply({"url": self._gateway_url(), "shards": 1, "session_start_limit": starts})

    async def me(self, _: web.Request) -> web.Response:
        account = {"mfa_enabled": False, "locale": "en-US", "premium_type": 0, "email": None, "verified": True}
        return reply(self._state.bot.payload() | account)

    async def my_guilds(self, _: web.Request) -> web.Response:
        guild = self._state.guild
        mine: JSON = {
            "id": guild.id,
            "name": guild.name,
            "icon": None,
            "banner": None,
            "owner": False,
            "permissions": str(guild.permissions(self._state.bot.id)),
            "features": [],
        }
        return reply([mine])

    async def open_direct(self, request: web.Request) -> web.Response:
        body, _ = await read_body(request)
        recipient = str(body.get("recipient_id"))
        if recipient not in self._state.people:
            raise DiscordError("invalid_recipient")
        return reply(self._state.people[recipient].direct.payload())

    async def user(self, request: web.Request) -> web.Response:
        return reply(self._state.user(request.match_info["user_id"]).payload())

    async def application(self, _: web.Request) -> web.Response:
        return reply(application_payload(self._state))

    async def guild(self, request: web.Request) -> web.Response:
        guild = self._guild(request)
        counts = {"approximate_member_count": len(guild.members), "approximate_presence_count": len(guild.members)}
        return reply(guild.payload() | (counts if is_true(request.query.get("with_counts")) else {}))

    async def channels(self, request: web.Request) -> web.Response:
        guild, bot = self._guild(request), self._state.bot.id
        seen = [one for one in guild.channels.values() if guild.permissions(bot, one) & Permission.VIEW_CHANNEL]
        return reply([channel.payload() for channel in seen])

    async def roles(self, request: web.Request) -> web.Response:
        return reply([role.payload() for role in self._guild(request).roles.values()])

    async def member(self, request: web.Request) -> web.Response:
        return reply(self._guild(request).member(request.match_info["user_id"]).full_payload())

    def _guild(self, request: web.Request) -> Guild:
        if request.match_info["guild_id"] != self._state.guild.id:
            raise DiscordError("unknown_guild")
        return self._state.guild


def application_payload(state: State) -> JSON:
    """Discord's application object as its own bot sees it."""
    return {
        "id": state.application_id,
        "name": state.bot.global_name,
        "icon": None,
        "description": "Conjures pictures and verse.",
        "type": None,
        "bot": state.bot.payload(),
        "owner": state.operator.payload(),
        "team": None,
        "bot_public": True,
        "bot_require_code_grant": False,
        "rpc_origins": [],
        "verify_key": "0" * 64,  # only for interactions over HTTP, which the sandbox does not send
        "flags": 0,
        "flags_new": "0",
        "tags": [],
        "redirect_uris": [],
        "interactions_endpoint_url": None,
        "role_connections_verification_url": None,
        "approximate_guild_count": 1,
        "approximate_user_install_count": 0,
        "approximate_user_authorization_count": 0,
        "explicit_content_filter": 0,
        "eligible_oauth2_scopes": [],
        "integration_types_config": {"0": {}},
    }
