"""The REST routes of users, guild and application, and the gateway's address."""

from aiohttp import web

from sandbox.drafts import read_body
from sandbox.errors import JSON, DiscordError
from sandbox.guild import Guild
from sandbox.permissions import Permission
from sandbox.rest import API, is_true, reply
from sandbox.state import State


class AccountRoutes:
    """The routes of what a bot asks when it logs in: who it is, where it connects, and who else is there."""

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

    async def gateway(self, _: web.Request) -> web.Response:
        return reply({"url": gateway_url(self._state)})

    async def gateway_bot(self, _: web.Request) -> web.Response:
        starts = {"total": 1000, "remaining": 1000, "reset_after": 0, "max_concurrency": 1}  # Discord's for a small bot
        return reply({"url": gateway_url(self._state), "shards": 1, "session_start_limit": starts})

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


def gateway_url(state: State) -> str:
    return state.files.origin.replace("http", "ws", 1) + "/gateway"


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
        "integration_types_config": {str(kind): {} for kind in state.commands.installs},
    }
