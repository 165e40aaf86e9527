"""A person in the sandbox, for tests: says things, runs commands, presses buttons, and waits for what comes of it.

async with Person(sandbox.url, "Miranda") as miranda:
    answer = await miranda.slash("shakespeare", prompt="O brave new world")
    message = await answer.message(lambda message: message["components"])
    await miranda.press(message, "Continue")
"""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import aiohttp

JSON = dict[str, Any]
T = TypeVar("T")
Predicate = Callable[[JSON], object]

PATIENCE = 30.0  # seconds; far more than anything here takes, so that only a real fault runs into it
LOADING = 1 << 7


@dataclass
class File:
    """A file to hand in."""

    name: str
    content: bytes

    @classmethod
    def of(cls, path: Path) -> File:
        return cls(path.name, path.read_bytes())


@dataclass
class Answer:
    """What came of an interaction: `failure` is Discord's sentence, `modal` the form that opened, `choices` the
    suggestions of an autocomplete."""

    person: Person
    id: str
    failure: str | None = None
    modal: JSON | None = None
    choices: list[JSON] = field(default_factory=list)

    def messages(self) -> list[JSON]:
        """The messages written through this interaction so far, oldest first, as they are now."""
        seen = self.person.seen.values()
        return [one for one in seen if one.get("interaction_metadata", {}).get("id") == self.id]

    async def message(self, predicate: Predicate = lambda _: True, patience: float = PATIENCE) -> JSON:
        """The first of its messages that is no longer "thinking…" and satisfies the predicate, once there is one."""

        def found() -> JSON | None:
            ready = (one for one in self.messages() if not one["flags"] & LOADING)
            return next((one for one in ready if predicate(one)), None)

        return await self.person.until(found, patience, f"a message of interaction {self.id}")


class Person:
    """One of the sandbox's people, by display name, standing in a channel (at first the-stage)."""

    def __init__(self, url: str, name: str = "Ariel") -> None:
        self.url = url
        self.name = name
        self.id = ""
        self.channel = ""
        self.channels: dict[str, str] = {}  # name -> id; "direct" is the conversation with the bot
        self.online = False
        self.events: list[JSON] = []
        self.seen: dict[str, JSON] = {}  # messages by id, as they are now
        self._nonces = itertools.count(1)
        self._arrived = asyncio.Condition()

    async def __aenter__(self) -> Person:
        self._http = aiohttp.ClientSession()
        session = await self._get("/sandbox/session")
        self.id = next(user["id"] for user in session["users"] if user["global_name"] == self.name)
        session = await self._get("/sandbox/session", user=self.id)
        self.channels = {"direct" if one["type"] == 1 else one["name"]: one["id"] for one in session["channels"]}
        self.channel = session["channels"][0]["id"]
        self.online = session["online"]
        self._socket = await self._http.ws_connect(f"{self.url}/sandbox/events", params={"user": self.id})
        self._listener = asyncio.create_task(self._listen())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._listener.cancel()
        await self._socket.close()
        await self._http.close()

    # doing

    def go(self, channel: str) -> None:
        """Stand in another channel, by name; "direct" is the conversation with the bot."""
        self.channel = self.channels[channel]

    async def say(self, content: str, files: Sequence[File] = (), **more: Any) -> JSON:
        """Write a message; returns it."""
        payload = {"user": self.id, "content": content, **more}
        message: JSON = await self._post(f"/sandbox/channels/{self.channel}/messages", payload, files)
        return message

    async def forward(self, message: JSON) -> JSON:
        """Pass a message on into this channel, from wherever it was written; returns what it became."""
        reference = {"type": 1, "channel_id": message["channel_id"], "message_id": message["id"]}
        return await self.say("", message_reference=reference)

    async def slash(self, name: str, /, **options: Any) -> Answer:
        """Run a chat command, such as `slash("gan sample", seed=3)`. A `File` is the value of an attachment option."""
        command, files = await self._command(name, 1), list[File]()
        data = self._filled_in(command, name, options, files)
        return await self._interact(2, data, files)

    async def autocomplete(self, name: str, focused: str, /, **options: Any) -> list[JSON]:
        """What the bot suggests while the option `focused` is typed; the other options are as filled in so far."""
        command, files = await self._command(name, 1), list[File]()
        data = self._filled_in(command, name, options, files, focused)
        return (await self._interact(4, data, files)).choices

    async def context(self, name: str, target: JSON) -> Answer:
        """Run a context menu command on a message, or on a user."""
        command = await self._command(name, 3 if "channel_id" in target else 2)
        return await self._interact(2, _named(command) | {"target_id": target["id"]})

    async def press(self, message: JSON, label_or_custom_id: str) -> Answer:
        """Press a button of a message."""
        button = _control(self.seen.get(message["id"], message), label_or_custom_id)
        return await self._use(message, button, {})

    async def select(self, message: JSON, custom_id: str, *values: str) -> Answer:
        """Choose from a select menu of a message, named by its custom id or placeholder."""
        select = _control(self.seen.get(message["id"], message), custom_id)
        return await self._use(message, select, {"values": list(values)})

    async def submit_modal(self, modal: JSON, **values: Any) -> Answer:
        """Send the form in, with values by custom id or caption (spaces as underscores); others stay as proposed."""
        rows = []
        for control, caption in _inputs(modal["components"]):
            named = values.get(control["custom_id"], values.get((caption or "").replace(" ", "_")))
            value = control.get("value", "") if named is None else named
            answer = {"values": list(value)} if isinstance(value, (list, tuple)) else {"value": value}
            rows.append(
                {"type": 1, "components": [{"type": control["type"], "custom_id": control["custom_id"]} | answer]}
            )
        return await self._interact(5, {"custom_id": modal["custom_id"], "components": rows})

    # seeing

    async def commands(self) -> list[JSON]:
        """The commands offered to this person in this channel."""
        offered: list[JSON] = await self._get("/sandbox/commands", user=self.id, channel=self.channel)
        return offered

    async def messages(self, channel: str | None = None) -> list[JSON]:
        """The channel's messages as this person sees them, oldest first."""
        channel_id = self.channels[channel] if channel else self.channel
        history: list[JSON] = await self._get(f"/sandbox/channels/{channel_id}/messages", user=self.id, limit=100)
        return history

    async def message(self, message: JSON, predicate: Predicate, patience: float = PATIENCE) -> JSON:
        """The message as it is once it satisfies the predicate."""

        def found() -> JSON | None:
            current = self.seen.get(message["id"])
            return current if current is not None and predicate(current) else None

        return await self.until(found, patience, f"message {message['id']} to change")

    async def fetch(self, attachment: JSON) -> bytes:
        """The content of an attachment."""
        async with self._http.get(attachment["url"]) as response:
            response.raise_for_status()
            return await response.read()

    # waiting

    async def wait_for(self, predicate: Predicate, patience: float = PATIENCE) -> JSON:
        """The first event `{"t": ..., "d": ...}`, of those so far or to come, that satisfies the predicate."""
        return await self.until(
            lambda: next((one for one in self.events if predicate(one)), None), patience, "an event"
        )

    async def until(self, condition: Callable[[], T | None], patience: float, what: str) -> T:
        """The condition's value once it is true; it is asked again after every event."""
        try:
            async with asyncio.timeout(patience), self._arrived:
                while not (value := condition()):
                    await self._arrived.wait()
                return value
        except TimeoutError:
            raise AssertionError(f"{self.name} waited for {what} in vain. What did arrive:\n{self._log()}") from None

    async def until_online(self, patience: float = PATIENCE) -> None:
        """Wait for the bot to be connected."""
        await self.until(lambda: self.online, patience, "the bot to come online")

    async def until_command(self, name: str, patience: float = PATIENCE) -> None:
        """Wait for the bot to have registered a command."""
        while True:
            updates = self._updates()
            if name.split()[0] in [command["name"] for command in await self.commands()]:
                return
            await self.until(partial(self._updated_since, updates), patience, f"the command {name}")

    # how

    def _updates(self) -> int:
        return sum(event["t"] == "COMMANDS_UPDATE" for event in self.events)

    def _updated_since(self, updates: int) -> bool:
        return self._updates() > updates

    async def _listen(self) -> None:
        async for packet in self._socket:
            event = packet.json()
            name, data = event["t"], event["d"]
            async with self._arrived:
                self.events.append(event)
                if name in ("MESSAGE_CREATE", "MESSAGE_UPDATE"):
                    self.seen[data["id"]] = data
                elif name == "MESSAGE_DELETE":
                    self.seen.pop(data["id"], None)
                elif name == "PRESENCE":
                    self.online = data["online"]
                self._arrived.notify_all()

    async def _use(self, message: JSON, control: JSON, more: JSON) -> Answer:
        data = {"custom_id": control["custom_id"], "component_type": control["type"]} | more
        return await self._interact(3, data, message=message["id"], channel=message["channel_id"])

    async def _interact(self, kind: int, data: JSON, files: Sequence[File] = (), **more: Any) -> Answer:
        nonce = str(next(self._nonces))
        payload = {"user": self.id, "channel": self.channel, "type": kind, "nonce": nonce, "data": data} | more
        answer = Answer(self, (await self._post("/sandbox/interactions", payload, files))["id"])

        def outcome() -> JSON | None:
            mine = [event for event in self.events if event["d"].get("id") == answer.id]
            for event in mine:
                if event["t"] == "INTERACTION_MODAL_CREATE":
                    answer.modal = event["d"]
                elif event["t"] == "INTERACTION_AUTOCOMPLETE":
                    answer.choices = event["d"]["choices"]
                elif event["t"] == "INTERACTION_FAILURE":
                    answer.failure = event["d"]["message"]
            return next((one for one in mine if one["t"] in ("INTERACTION_SUCCESS", "INTERACTION_FAILURE")), None)

        await self.until(outcome, PATIENCE, f"interaction {answer.id} to be answered")
        return answer

    async def _command(self, name: str, kind: int) -> JSON:
        root = name.split()[0] if kind == 1 else name
        offered = await self.commands()
        for command in offered:
            if command["name"] == root and command["type"] == kind:
                return command
        names = [command["name"] for command in offered]
        raise AssertionError(f"{self.name} is not offered the command {name!r}, only {names}")

    def _filled_in(self, command: JSON, path: str, values: JSON, files: list[File], focused: str | None = None) -> JSON:
        """The data of a chat command with its options filled in; files are appended to `files`."""
        level, nesting = command, []
        for name in path.split()[1:]:
            level = next(one for one in level["options"] if one["name"] == name)
            nesting.append(level)
        options: list[JSON] = []
        known = {option["name"]: option for option in level.get("options", [])}
        for name, value in values.items():
            given: JSON = {"name": name, "type": known[name]["type"] if name in known else 3, "value": value}
            if isinstance(value, File):
                given["value"] = len(files)
                files.append(value)
            if name == focused:
                given["focused"] = True
            options.append(given)
        for inner in reversed(nesting):
            options = [{"name": inner["name"], "type": inner["type"], "options": options}]
        return _named(command) | {"options": options}

    async def _get(self, path: str, **query: Any) -> Any:
        async with self._http.get(self.url + path, params=query) as response:
            return await self._read(response)

    async def _post(self, path: str, payload: JSON, files: Sequence[File] = ()) -> Any:
        form = aiohttp.FormData(quote_fields=False)
        form.add_field("payload_json", json.dumps(payload), content_type="application/json")
        for n, file in enumerate(files):
            form.add_field(f"files[{n}]", file.content, filename=file.name)
        body: JSON = {"data": form} if files else {"json": payload}
        async with self._http.post(self.url + path, **body) as response:
            return await self._read(response)

    @staticmethod
    async def _read(response: aiohttp.ClientResponse) -> Any:
        body = await response.json(content_type=None)
        if response.status >= 400:
            raise Refusal(response.status, body["message"], body)
        return body

    def _log(self) -> str:
        return "\n".join(_summary(event) for event in self.events[-30:]) or "nothing"


class Refusal(Exception):
    """The sandbox refused what a person did."""

    def __init__(self, status: int, message: str, body: JSON) -> None:
        super().__init__(f"{status}: {message}")
        self.status = status
        self.message = message
        self.body = body


def controls(message: JSON) -> list[JSON]:
    """The buttons and selects of a message, in order."""
    return [control for row in message["components"] for control in row["components"]]


def labels(message: JSON) -> list[str]:
    """The captions of a message's buttons, in order."""
    return [control["label"] for control in controls(message) if "label" in control]


def _named(command: JSON) -> JSON:
    return {key: command[key] for key in ("id", "name", "type")}


def _control(message: JSON, wanted: str) -> JSON:
    for control in controls(message):
        if wanted in (control.get("label"), control.get("custom_id"), control.get("placeholder")):
            return control
    names = [control.get("label") or control.get("custom_id") for control in controls(message)]
    raise AssertionError(f"The message has no {wanted!r}, only {names}")


def _inputs(components: list[JSON]) -> Iterator[tuple[JSON, str | None]]:
    for component in components:
        if component["type"] == 18:
            yield component["component"], component["label"]
        for control in component.get("components", []):
            yield control, control.get("label")


def _summary(event: JSON) -> str:
    text = json.dumps(event["d"], ensure_ascii=False)
    return f"  {event['t']} {text if len(text) <= 300 else text[:300] + '…'}"
