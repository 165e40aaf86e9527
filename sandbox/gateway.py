"""Discord's gateway v10: sessions of bots over websockets, kept for a while so that a dropped one can resume."""

import asyncio
import json
import secrets
from collections import deque
from collections.abc import Callable
from typing import Any

from aiohttp import WSCloseCode, WSMessage, WSMsgType, web

from sandbox.account_routes import application_payload, gateway_url
from sandbox.clock import Timer
from sandbox.compression import Stream, Unavailable
from sandbox.errors import JSON
from sandbox.state import State

DISPATCH, HEARTBEAT, IDENTIFY, PRESENCE, VOICE, RESUME, RECONNECT, MEMBERS, INVALID, HELLO, ACK = (
    *range(5),
    *range(6, 12),
)

UNKNOWN_OPCODE, DECODE_ERROR, NOT_AUTHENTICATED, LOGIN_FAILED, ALREADY_AUTHENTICATED = range(4001, 4006)
INVALID_SEQUENCE, TOO_FAST, TIMED_OUT, INVALID_VERSION, INVALID_INTENTS, DISALLOWED_INTENTS = (
    4007,
    4008,
    4009,
    4012,
    4013,
    4014,
)

# A bot's library may note when it sent a heartbeat only after it was sent, in a thread of its own; discord.py does, and
# takes an acknowledgement that overtakes the note for that of the heartbeat before. Over the internet none does.
ACK_SECONDS = 0.1
CLOSE_SECONDS = 0.5  # for a bot to say goodbye
RESUME_SECONDS = 180.0  # how long a session outlives its socket
MOST_KEPT_EVENTS = 1000
MOST_PAYLOAD_BYTES = 4096
SENDS_PER_MINUTE = 120
GUILDS = 1 << 0
ALL_INTENTS = sum(1 << bit for bit in (*range(17), 20, 21, 24, 25))
PRIVILEGED_INTENTS = 1 << 1 | 1 << 8 | 1 << 15  # members, presences, message content: not switched on for this bot


class Session:
    """What one identified bot has been sent, so that it can be sent again; `connection` is None while it is away."""

    def __init__(self, intents: int, connection: "Connection") -> None:
        self.id = secrets.token_hex(16)
        self.intents = intents
        self.connection: Connection | None = connection
        self.sequence = 0
        self.sent: deque[tuple[int, JSON]] = deque(maxlen=MOST_KEPT_EVENTS)
        self.expiry: Timer | None = None

    def dispatch(self, name: str, data: JSON, intent: int) -> None:
        if intent and not self.intents & intent:
            return
        self.sequence += 1
        event = {"op": DISPATCH, "s": self.sequence, "t": name, "d": data}
        self.sent.append((self.sequence, event))
        if self.connection is not None:
            self.connection.send(event)


class Connection:
    """One websocket. Everything to be sent goes through a queue, so events keep their order."""

    def __init__(
        self, socket: web.WebSocketResponse, transport: asyncio.Transport | None, stream: Stream | None
    ) -> None:
        self.socket = socket
        self.transport = transport
        self.session: Session | None = None
        self._stream = stream  # None: plain text
        self._outbox: asyncio.Queue[JSON | int] = asyncio.Queue()

    def send(self, event: JSON) -> None:
        self._outbox.put_nowait(event)

    def close(self, code: int) -> None:
        """Close after everything already queued has gone out."""
        self._outbox.put_nowait(code)

    async def deliver(self) -> None:
        """Send what is queued until told to close or the other side is gone."""
        while not self.socket.closed:
            event = await self._outbox.get()
            if isinstance(event, int):
                await self.socket.close(code=event)
                return
            text = json.dumps(event)
            try:
                if self._stream is None:
                    await self.socket.send_str(text)
                else:
                    await self.socket.send_bytes(self._stream.pack(text))
            except ConnectionResetError:  # the bot is gone; its session waits for it to resume
                return


class Gateway:
    """The gateway's route, and what tests do to connections: `drop`, `ask_to_reconnect`."""

    def __init__(self, state: State) -> None:
        self.heartbeat_seconds = 41.25  # Discord's interval
        self._state = state
        self._sessions: dict[str, Session] = {}
        self._connections: set[Connection] = set()
        state.events.on_bot(self._dispatch)

    def routes(self) -> list[web.RouteDef]:
        return [web.get("/gateway", self.connect), web.get("/gateway/", self.connect)]

    @property
    def online(self) -> bool:
        return any(session.connection is not None for session in self._sessions.values())

    def drop(self) -> None:
        """Cut every bot's connection as a network failure would, without a closing frame."""
        for connection in self._connections:
            if connection.transport is not None:
                connection.transport.abort()

    def ask_to_reconnect(self) -> None:
        """Tell every bot to connect again and resume (op 7), as Discord does before it restarts a server."""
        for connection in self._connections:
            connection.send({"op": RECONNECT, "d": None})

    def forget_sessions(self) -> None:
        """Let every session expire, so that resuming is answered with "invalid session"."""
        for session in list(self._sessions.values()):
            self._end(session)

    async def shutdown(self) -> None:
        for connection in list(self._connections):
            await connection.socket.close(code=WSCloseCode.GOING_AWAY)

    # one connection

    async def connect(self, request: web.Request) -> web.StreamResponse:
        compression = request.query.get("compress")
        try:
            stream = None if compression is None else Stream(compression)
        except Unavailable as reason:
            raise web.HTTPBadRequest(text=str(reason)) from None
        socket = web.WebSocketResponse(timeout=CLOSE_SECONDS, max_msg_size=MOST_PAYLOAD_BYTES * 4, compress=False)
        await socket.prepare(request)
        connection = Connection(socket, request.transport, stream)
        self._connections.add(connection)
        delivery = asyncio.create_task(connection.deliver())
        heartbeat = Heartbeat(self.heartbeat_seconds, lambda: self._timed_out(connection))
        if request.query.get("v", "10") != "10" or request.query.get("encoding", "json") != "json":
            connection.close(INVALID_VERSION)
        connection.send({"op": HELLO, "d": {"heartbeat_interval": round(self.heartbeat_seconds * 1000)}})
        pace = Pace(self._state)
        try:
            async for message in socket:
                if not pace.allows():
                    connection.close(TOO_FAST)
                self._receive(connection, message, heartbeat)
        finally:
            heartbeat.stop()
            delivery.cancel()
            self._connections.discard(connection)
            self._detach(connection)
        return socket

    def _receive(self, connection: Connection, message: WSMessage, heartbeat: "Heartbeat") -> None:
        try:
            event: Any = json.loads(message.data) if message.type is WSMsgType.TEXT else None
            opcode, data = event["op"], event.get("d")
        except (ValueError, TypeError, KeyError):
            connection.close(DECODE_ERROR)
            return
        if len(message.data) > MOST_PAYLOAD_BYTES:
            connection.close(DECODE_ERROR)
        elif opcode == HEARTBEAT:
            heartbeat.stop()
            heartbeat.beat()
            asyncio.get_running_loop().call_later(ACK_SECONDS, connection.send, {"op": ACK})
        elif opcode == IDENTIFY:
            self._identify(connection, data)
        elif opcode == RESUME:
            self._resume(connection, data)
        elif connection.session is None:
            connection.close(NOT_AUTHENTICATED)
        elif opcode == MEMBERS:
            self._send_members(connection.session, data)
        elif opcode not in (PRESENCE, VOICE):  # these two are heard, and nobody is told
            connection.close(UNKNOWN_OPCODE)

    def _identify(self, connection: Connection, data: Any) -> None:
        if connection.session is not None:
            connection.close(ALREADY_AUTHENTICATED)
            return
        if not self._may_log_in(data):
            connection.close(LOGIN_FAILED)
            return
        intents = data.get("intents")
        if not isinstance(intents, int) or intents & ~ALL_INTENTS:
            connection.close(INVALID_INTENTS)
            return
        if intents & PRIVILEGED_INTENTS:
            connection.close(DISALLOWED_INTENTS)
            return
        session = connection.session = Session(intents, connection)
        self._sessions[session.id] = session
        session.dispatch("READY", self._ready(session), 0)
        guild = self._state.guild
        session.dispatch("GUILD_CREATE", guild.create_payload(guild.member(self._state.bot.id)), GUILDS)
        self._announce_presence()

    def _resume(self, connection: Connection, data: Any) -> None:
        if not self._may_log_in(data):
            connection.close(LOGIN_FAILED)
            return
        session = self._sessions.get(str(data.get("session_id")))
        sequence = data.get("seq")
        if session is None:
            connection.send({"op": INVALID, "d": False})
            return
        if not isinstance(sequence, int) or sequence > session.sequence:
            connection.close(INVALID_SEQUENCE)
            return
        if sequence < session.sent[0][0] - 1:  # something between is no longer kept
            connection.send({"op": INVALID, "d": False})
            return
        if session.expiry is not None:
            session.expiry.cancel()
        if session.connection is not None:  # the bot gave it up, however alive it looks from here
            session.connection.close(WSCloseCode.OK)
        session.connection, connection.session = connection, session
        for number, event in session.sent:
            if number > sequence:
                connection.send(event)
        session.dispatch("RESUMED", {"_trace": []}, 0)
        self._announce_presence()

    def _may_log_in(self, data: Any) -> bool:
        return isinstance(data, dict) and str(data.get("token")).removeprefix("Bot ") == self._state.token

    def _ready(self, session: Session) -> JSON:
        application = application_payload(self._state)
        return {
            "v": 10,
            "user": self._state.bot.payload() | {"mfa_enabled": False, "verified": True, "email": None},
            "guilds": [{"id": self._state.guild.id, "unavailable": True}],
            "private_channels": [],
            "session_id": session.id,
            "session_type": "normal",
            "resume_gateway_url": gateway_url(self._state),
            "application": {"id": application["id"], "flags": application["flags"]},
        }

    def _send_members(self, session: Session, data: Any) -> None:
        wanted = data if isinstance(data, dict) else {}
        asked = wanted.get("user_ids") or []
        ids = [asked] if isinstance(asked, str) else [str(one) for one in asked]
        members = self._state.guild.members
        chunk: JSON = {
            "guild_id": self._state.guild.id,
            "members": [members[one].full_payload() for one in ids if one in members],
            "not_found": [one for one in ids if one not in members],
            "chunk_index": 0,
            "chunk_count": 1,
        }
        if "nonce" in wanted:
            chunk["nonce"] = wanted["nonce"]
        session.dispatch("GUILD_MEMBERS_CHUNK", chunk, 0)

    # sessions

    def _dispatch(self, name: str, data: JSON, intent: int) -> None:
        for session in self._sessions.values():
            session.dispatch(name, data, intent)

    def _detach(self, connection: Connection) -> None:
        session = connection.session
        if session is None or session.connection is not connection:
            return
        session.connection = None
        clean = connection.socket.close_code in (WSCloseCode.OK, WSCloseCode.GOING_AWAY)
        if clean:  # a bot that says goodbye so does not come back
            self._end(session)
        else:
            session.expiry = self._state.clock.later(RESUME_SECONDS, lambda: self._end(session))
        self._announce_presence()

    def _end(self, session: Session) -> None:
        self._sessions.pop(session.id, None)

    def _timed_out(self, connection: Connection) -> None:
        session = connection.session
        if session is not None and session.connection is connection:  # and was not resumed by another
            self._end(session)
        connection.close(TIMED_OUT)

    def _announce_presence(self) -> None:
        self._state.events.to_people("PRESENCE", {"online": self.online}, self._state.people)


class Heartbeat:
    """Calls `missed` when a bot has not been heard for one and a half intervals of real time: a connection's life is
    no matter of the sandbox's clock, which may jump."""

    def __init__(self, interval: float, missed: Callable[[], None]) -> None:
        self._patience = interval * 1.5
        self._missed = missed
        self.beat()

    def beat(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(self._patience, self._missed)

    def stop(self) -> None:
        self._timer.cancel()


class Pace:
    """Counts what a bot sends in a minute."""

    def __init__(self, state: State) -> None:
        self._clock = state.clock
        self._times: deque[float] = deque(maxlen=SENDS_PER_MINUTE)

    def allows(self) -> bool:
        now = self._clock.time()
        full = len(self._times) == SENDS_PER_MINUTE and now - self._times[0] < 60.0
        self._times.append(now)
        return not full
