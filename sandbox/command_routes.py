"""The REST routes that register application commands, globally and for a guild."""

from aiohttp import web

from sandbox.commands import Command
from sandbox.drafts import read_body
from sandbox.errors import JSON, DiscordError
from sandbox.rest import API, is_true, no_content, reply
from sandbox.state import State


class CommandRoutes:
    """The routes under /applications/{id}; people's pages are told of every change."""

    def __init__(self, state: State) -> None:
        self._state = state

    def routes(self) -> list[web.RouteDef]:
        application = f"{API}/applications/{{application_id}}"
        return [
            route
            for commands in (f"{application}/commands", f"{application}/guilds/{{guild_id}}/commands")
            for route in (
                web.get(commands, self.list),
                web.put(commands, self.overwrite),
                web.post(commands, self.create),
                web.get(f"{commands}/{{command_id}}", self.command),
                web.patch(f"{commands}/{{command_id}}", self.change),
                web.delete(f"{commands}/{{command_id}}", self.delete),
            )
        ]

    async def list(self, request: web.Request) -> web.Response:
        full = is_true(request.query.get("with_localizations"))
        found = self._state.commands.in_scope(self._scope(request))
        return reply([command.fields if full else _without_localizations(command.fields) for command in found])

    async def overwrite(self, request: web.Request) -> web.Response:
        payloads, _ = await read_body(request)
        kept = self._state.commands.overwrite(self._scope(request), payloads)
        self._announce()
        return reply([command.fields for command in kept])

    async def create(self, request: web.Request) -> web.Response:
        payload, _ = await read_body(request)
        command, new = self._state.commands.create(self._scope(request), payload)
        self._announce()
        return reply(command.fields, 201 if new else 200)

    async def command(self, request: web.Request) -> web.Response:
        return reply(self._find(request).fields)

    async def change(self, request: web.Request) -> web.Response:
        payload, _ = await read_body(request)
        command = self._state.commands.change(self._scope(request), request.match_info["command_id"], payload)
        self._announce()
        return reply(command.fields)

    async def delete(self, request: web.Request) -> web.Response:
        self._state.commands.delete(self._scope(request), request.match_info["command_id"])
        self._announce()
        return no_content()

    def _find(self, request: web.Request) -> Command:
        return self._state.commands.find(self._scope(request), request.match_info["command_id"])

    def _scope(self, request: web.Request) -> str | None:
        if request.match_info["application_id"] != self._state.application_id:
            raise DiscordError("unknown_application")
        guild_id = request.match_info.get("guild_id")
        if guild_id not in (None, self._state.guild.id):
            raise DiscordError("missing_access")
        return guild_id

    def _announce(self) -> None:
        self._state.events.to_people("COMMANDS_UPDATE", {}, self._state.people)


def _without_localizations(fields: JSON) -> JSON:
    short = {key: value for key, value in fields.items() if not key.endswith("_localizations")}
    for key in ("options", "choices"):
        if key in short:
            short[key] = [_without_localizations(item) for item in short[key]]
    return short
