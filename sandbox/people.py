"""The side of the sandbox that people use: what the page shows and sends, over JSON and one websocket each."""

import asyncio

from aiohttp import WSCloseCode, web
from aiohttp.typedefs import Handler

from sandbox.drafts import Draft, read_body, read_draft
from sandbox.errors import JSON, DiscordError
from sandbox.gateway import Gateway
from sandbox.guild import DM, Channel
from sandbox.interactions import AUTOCOMPLETE, COMMAND, COMPONENT, MODAL
from sandbox.invocations import Invocations, Refused
from sandbox.messages import DEFAULT, FORWARDS, REPLY, Message
from sandbox.permissions import Permission
from sandbox.rest import number, reply
from sandbox.state import Person, State

CLOSE_SECONDS = 0.5  # for a page to say goodbye when the sandbox ends


@web.middleware
async def refusals(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answers for people: one sentence under `message`, and nothing at all to pages of other origins."""
    if not request.path.startswith("/sandbox/"):
        return await handler(request)
    origin = request.headers.get("Origin")
    if origin is not None and origin.split("://", 1)[-1] != request.host:
        return reply({"message": "Only the sandbox's own page may do this."}, 403)
    try:
        return await handler(request)
    except Refused as refusal:
        return reply({"message": str(refusal)}, 400)
    except DiscordError as error:
        return reply(error.body(), error.status)


class People:
    """The routes under /sandbox, and the open pages."""

    def __init__(self, state: State, gateway: Gateway) -> None:
        self._state = state
        self._gateway = gateway
        self._invocations = Invocations(state)
        self._pages: dict[web.WebSocketResponse, tuple[str, asyncio.Queue[JSON]]] = {}
        state.events.on_people(self._deliver)

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/sandbox/session", self.session),
            web.get("/sandbox/commands", self.commands),
            web.get("/sandbox/channels/{channel_id}/messages", self.history),
            web.post("/sandbox/channels/{channel_id}/messages", self.say),
            web.post("/sandbox/interactions", self.interact),
            web.get("/sandbox/events", self.listen),
        ]

    async def shutdown(self) -> None:
        for socket in list(self._pages):
            await socket.close(code=WSCloseCode.GOING_AWAY)

    async def session(self, request: web.Request) -> web.Response:
        person = self._person(request.query.get("user", self._state.operator.id))
        guild = self._state.guild
        return reply(
            {
                "users": [
                    one.user.payload() | {"role": one.role, "locale": one.user.locale}
                    for one in self._state.people.values()
                ],
                "me": person.user.id,
                "guild": {"id": guild.id, "name": guild.name},
                "channels": [self._described(person, channel) for channel in self._state.channels_of(person)],
                "bot": self._state.bot.payload(),
                "online": self._gateway.online,
            }
        )

    async def commands(self, request: web.Request) -> web.Response:
        person = self._person(request.query.get("user", ""))
        channel = self._channel(person, request.query.get("channel", ""))
        return reply(self._state.commands.usable(person.user, channel))

    async def history(self, request: web.Request) -> web.Response:
        person = self._person(request.query.get("user", ""))
        channel = self._channel(person, request.match_info["channel_id"])
        messages = self._state.messages.in_channel(channel, person.user.id)
        before = number(request, "before", 2**63, 0, 2**63)
        shown = [message for message in messages if int(message.id) < before]
        limit = number(request, "limit", 50, 1, 100)
        return reply([self._state.messages.payload(message) for message in shown[-limit:]])

    async def say(self, request: web.Request) -> web.Response:
        payload, uploads = await read_body(request)
        if not isinstance(payload, dict):
            raise Refused("A message needs an object with user and content.")
        person = self._person(str(payload.get("user")))
        channel = self._channel(person, request.match_info["channel_id"])
        if channel.type != DM and not self._state.guild.permissions(person.user.id, channel) & Permission.SEND_MESSAGES:
            raise Refused("You may not write in this channel.")
        draft, messages = read_draft(payload, uploads, 0), self._state.messages
        reference = draft.fields.get("message_reference", {})
        if reference.get("type") == FORWARDS:
            source = self._channel(person, str(reference.get("channel_id")))
            passed_on = messages.forwarded(self._message(person, source, str(reference.get("message_id"))))
            message = messages.create(channel, person.user, Draft({}), extra=passed_on)
        else:
            reply_to = messages.replied(channel, draft)
            kind = REPLY if reply_to else DEFAULT
            message = messages.create(channel, person.user, draft, kind=kind, reply_to=reply_to)
        return reply(messages.payload(message))

    async def interact(self, request: web.Request) -> web.Response:
        payload, uploads = await read_body(request)
        if not isinstance(payload, dict) or not isinstance(payload.get("data"), dict):
            raise Refused("An interaction needs an object with user, channel, type and data.")
        person = self._person(str(payload.get("user")))
        channel = self._channel(person, str(payload.get("channel")))
        kind, data, nonce = payload.get("type"), payload["data"], str(payload.get("nonce", ""))
        interactions = self._state.interactions
        if kind in (COMMAND, AUTOCOMPLETE):
            read = self._invocations.command(person, channel, data, uploads, typing=kind == AUTOCOMPLETE)
            interaction = interactions.begin(kind, person.user, channel, read, nonce)
        elif kind == COMPONENT:
            message = self._message(person, channel, str(payload.get("message")))
            read = self._invocations.component(person, message, data)
            interaction = interactions.begin(kind, person.user, channel, read, nonce, source=message)
        elif kind == MODAL:
            opener = interactions.opened_modal(person.user, str(data.get("custom_id")))
            if opener is None or opener.modal is None:
                raise Refused("This form is no longer open.")
            read = self._invocations.modal(person, opener.channel, opener.modal, data)
            interaction = interactions.begin(kind, person.user, opener.channel, read, nonce, opener=opener)
        else:
            raise Refused("The type of an interaction is 2 (command), 3 (component), 4 (autocomplete) or 5 (form).")
        return reply({"id": interaction.id})

    async def listen(self, request: web.Request) -> web.StreamResponse:
        person = self._person(request.query.get("user", ""))
        socket = web.WebSocketResponse(
            timeout=CLOSE_SECONDS, heartbeat=30.0
        )  # notices a page that vanished without saying so
        await socket.prepare(request)
        events: asyncio.Queue[JSON] = asyncio.Queue()
        self._pages[socket] = (person.user.id, events)
        delivery = asyncio.create_task(self._send(socket, events))
        try:
            async for _ in socket:  # a page only listens; this waits until it goes
                pass
        finally:
            delivery.cancel()
            del self._pages[socket]
        return socket

    @staticmethod
    async def _send(socket: web.WebSocketResponse, events: asyncio.Queue[JSON]) -> None:
        while not socket.closed:
            event = await events.get()
            try:
                await socket.send_json(event)
            except ConnectionResetError:  # the page is gone
                return

    def _deliver(self, name: str, data: JSON, seen_by: frozenset[str]) -> None:
        for user_id, events in self._pages.values():
            if user_id in seen_by:
                events.put_nowait({"t": name, "d": data})

    def _described(self, person: Person, channel: Channel) -> JSON:
        name = self._state.bot.global_name if channel.type == DM else channel.name
        example = self._state.example(person, channel)
        offered = {"command": example.command, "options": example.options}
        return {"id": channel.id, "name": name, "type": channel.type, "topic": channel.topic, "example": offered}

    def _person(self, user_id: str) -> Person:
        return self._state.person(user_id)

    def _channel(self, person: Person, channel_id: str) -> Channel:
        channel = self._state.channel(channel_id)
        if not self._state.may_view(person.user, channel):
            raise DiscordError("missing_access")
        return channel

    def _message(self, person: Person, channel: Channel, message_id: str) -> Message:
        message = self._state.messages.find(channel, message_id)
        if message.only_for not in (None, person.user.id):
            raise DiscordError("unknown_message")
        return message
