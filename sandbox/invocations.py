"""What a person chose, typed or pressed, checked as Discord's own client would and put into the form a bot receives."""

from typing import Any

from sandbox.cdn import Upload
from sandbox.commands import (
    ATTACHMENT,
    BOOLEAN,
    CHANNEL,
    CHAT_INPUT,
    GROUP,
    INTEGER,
    MENTIONABLE,
    MESSAGE_COMMAND,
    NUMBER,
    ROLE,
    STRING,
    SUBCOMMAND,
    USER,
    USER_COMMAND,
)
from sandbox.components import BUTTON, LABEL, ROW, SELECTS, STRING_SELECT, TEXT_INPUT, controls
from sandbox.drafts import Uploads
from sandbox.errors import JSON, is_count
from sandbox.guild import Channel
from sandbox.interactions import TOKEN_SECONDS
from sandbox.messages import Message
from sandbox.state import Person, State

MOST_STRING = 6000  # characters of a string option without a limit of its own
LARGEST_INTEGER = 2**53  # both ways; what a double holds exactly


class Refused(Exception):
    """The client's own refusal: one sentence for the person, and nothing reaches the bot."""


class Invocations:
    """Reads the `data` of interactions as the page sends it."""

    def __init__(self, state: State) -> None:
        self._state = state

    def command(self, person: Person, channel: Channel, data: JSON, uploads: Uploads, *, typing: bool) -> JSON:
        """Data of a command; while `typing` (autocomplete) it may be incomplete."""
        usable = self._state.commands.usable(person.user, channel)
        command = next((one for one in usable if one["id"] == str(data.get("id"))), None)
        if command is None or data.get("name") != command["name"]:
            raise Refused("There is no such command here; reload the list of commands.")
        read: JSON = {"id": command["id"], "name": command["name"], "type": command["type"]}
        if "guild_id" in command:
            read["guild_id"] = command["guild_id"]
        resolver = _Resolver(self._state, person, channel, uploads)
        if command["type"] == CHAT_INPUT:
            options = _Options(resolver, typing).read(command.get("options", []), _objects(data.get("options")))
            if options:
                read["options"] = options
        else:
            read["target_id"] = str(data.get("target_id"))
            resolver.add_target(command["type"], read["target_id"])
        return read | ({"resolved": resolver.resolved} if resolver.resolved else {})

    def component(self, person: Person, message: Message, data: JSON) -> JSON:
        """Data of a pressed button or a used select."""
        custom_id = data.get("custom_id")
        used = next((one for one in controls(message.fields["components"]) if one.get("custom_id") == custom_id), None)
        if used is None:
            raise Refused("This message has no such component.")
        if used.get("disabled"):
            raise Refused("This component is disabled.")
        read: JSON = {"custom_id": custom_id, "component_type": used["type"], "id": used["id"]}
        if used["type"] == BUTTON:
            return read
        resolver = _Resolver(self._state, person, message.channel, {})
        read["values"] = _read_selection(used, data.get("values"), resolver)
        return read | ({"resolved": resolver.resolved} if resolver.resolved else {})

    def modal(self, person: Person, channel: Channel, modal: JSON, data: JSON) -> JSON:
        """Data of a submitted modal, in the shape in which the bot built it."""
        given: dict[str, JSON] = {}
        for control in controls(_objects(data.get("components"))):
            given[str(control.get("custom_id"))] = control
        resolver = _Resolver(self._state, person, channel, {})
        components = []
        for component in modal["components"]:
            shell = {"type": component["type"], "id": component["id"]}
            if component["type"] == LABEL:
                shell["component"] = _read_input(component["component"], component["label"], given, resolver)
            elif component["type"] == ROW:
                inputs = component["components"]
                shell["components"] = [_read_input(one, one.get("label"), given, resolver) for one in inputs]
            components.append(shell)
        read: JSON = {"custom_id": modal["custom_id"], "components": components}
        return read | ({"resolved": resolver.resolved} if resolver.resolved else {})


class _Resolver:
    """Looks up what ids stand for, and gathers the `resolved` objects that go with them."""

    def __init__(self, state: State, person: Person, channel: Channel, uploads: Uploads) -> None:
        self._state = state
        self._person = person
        self._channel = channel
        self._uploads = uploads
        self.resolved: dict[str, JSON] = {}

    def add_user(self, user_id: str) -> bool:
        guild = self._state.guild
        if user_id not in guild.members:
            return False
        member = guild.members[user_id]
        self._add("users", user_id, member.user.payload())
        if self._channel.guild_id is not None:
            permissions = str(guild.permissions(user_id, self._channel))
            self._add("members", user_id, member.payload() | {"permissions": permissions})
        return True

    def add_role(self, role_id: str) -> bool:
        role = self._state.guild.roles.get(role_id)
        if role is not None:
            self._add("roles", role_id, role.payload())
        return role is not None

    def add_channel(self, channel_id: str) -> bool:
        guild = self._state.guild
        channel = guild.channels.get(channel_id)
        if channel is not None:
            permissions = str(guild.permissions(self._person.user.id, channel))
            self._add("channels", channel_id, channel.payload() | {"permissions": permissions})
        return channel is not None

    def add_file(self, index: Any) -> str:
        """Keep the uploaded file of that index for as long as the token of its interaction lives; returns its id."""
        upload: Upload | None = self._uploads.get(int(index)) if is_count(index) else None
        if upload is None:
            raise Refused("The file of an attachment option is missing.")
        attachment = self._state.files.keep(self._channel.id, upload, ephemeral=True)
        self._state.clock.later(TOKEN_SECONDS, lambda: self._state.files.drop(attachment.id))
        self._add("attachments", attachment.id, attachment.payload(self._state.files.origin))
        return attachment.id

    def add_target(self, kind: int, target_id: str) -> None:
        if kind == USER_COMMAND and not self.add_user(target_id):
            raise Refused("There is no such user here.")
        if kind == MESSAGE_COMMAND:
            messages = self._state.messages
            seen = {one.id: one for one in messages.in_channel(self._channel, self._person.user.id)}
            if target_id not in seen:
                raise Refused("There is no such message here.")
            self._add("messages", target_id, messages.payload(seen[target_id]))

    def _add(self, kind: str, key: str, value: JSON) -> None:
        self.resolved.setdefault(kind, {})[key] = value

    def known(self, kind: int, value: str) -> bool:
        """Whether an option or select of this type may have this id as value."""
        if kind == USER:
            return self.add_user(value)
        if kind == CHANNEL:
            return self.add_channel(value)
        if kind == ROLE:
            return self.add_role(value)
        return self.add_user(value) or self.add_role(value)


class _Options:
    """Reads the options of a chat command against their definitions."""

    def __init__(self, resolver: _Resolver, typing: bool) -> None:
        self._resolver = resolver
        self._typing = typing

    def read(self, definitions: list[JSON], given: list[JSON]) -> list[JSON]:
        known = {definition["name"]: definition for definition in definitions}
        for option in given:
            if not isinstance(option.get("name"), str) or option["name"] not in known:
                raise Refused(f"There is no option {option.get('name')}.")
        if self._typing:
            given = [option for option in given if known[option["name"]]["type"] != ATTACHMENT]
        names = [option["name"] for option in given]
        nested = [one for one in definitions if one["type"] in (SUBCOMMAND, GROUP)]
        if nested and len(given) != 1:
            raise Refused("Choose one of the subcommands.")
        for definition in definitions:
            if definition.get("required") and definition["name"] not in names and not self._typing:
                raise Refused(f"The option {definition['name']} is required.")
        return [self._read_one(known[option["name"]], option) for option in given]

    def _read_one(self, definition: JSON, option: JSON) -> JSON:
        read: JSON = {"name": definition["name"], "type": definition["type"]}
        if definition["type"] in (SUBCOMMAND, GROUP):
            return read | {"options": self.read(definition.get("options", []), _objects(option.get("options")))}
        if self._typing:  # half typed, nothing is wrong yet
            return read | {"value": option.get("value", "")} | ({"focused": True} if option.get("focused") else {})
        return read | {"value": self._value(definition, option.get("value"))}

    def _value(self, definition: JSON, value: Any) -> Any:
        name, kind = definition["name"], definition["type"]
        if kind == ATTACHMENT:
            return self._resolver.add_file(value)
        if kind == BOOLEAN:
            if not isinstance(value, bool):
                raise Refused(f"The option {name} is either true or false.")
            return value
        if kind in (INTEGER, NUMBER):
            _check_number(definition, value)
        elif kind == STRING:
            _check_string(definition, value)
        elif kind in (USER, CHANNEL, ROLE, MENTIONABLE):
            if not self._resolver.known(kind, str(value)):
                raise Refused(f"The option {name} names nothing that is here.")
            return str(value)
        choices = [choice["value"] for choice in definition.get("choices", [])]
        if choices and value not in choices:
            raise Refused(f"The option {name} must be one of its choices.")
        return value


def _check_number(definition: JSON, value: Any) -> None:
    name, integer = definition["name"], definition["type"] == INTEGER
    if isinstance(value, bool) or not isinstance(value, int if integer else (int, float)):
        raise Refused(f"The option {name} must be {'a whole number' if integer else 'a number'}.")
    lowest = definition.get("min_value", -LARGEST_INTEGER)
    highest = definition.get("max_value", LARGEST_INTEGER)
    if not lowest <= value <= highest:
        raise Refused(f"The option {name} must be between {lowest} and {highest}.")


def _check_string(definition: JSON, value: Any) -> None:
    name = definition["name"]
    if not isinstance(value, str):
        raise Refused(f"The option {name} must be text.")
    shortest = definition.get("min_length", 1 if definition.get("required") else 0)
    longest = definition.get("max_length", MOST_STRING)
    if not shortest <= len(value) <= longest:
        raise Refused(f"The option {name} must be {shortest} to {longest} characters long.")


def _read_selection(select: JSON, values: Any, resolver: _Resolver) -> list[str]:
    chosen = [str(value) for value in values] if isinstance(values, list) else []
    if not chosen and select.get("required") is False:
        return []
    if not select["min_values"] <= len(chosen) <= select["max_values"]:
        raise Refused(f"Choose between {select['min_values']} and {select['max_values']} options.")
    for value in chosen:
        if select["type"] == STRING_SELECT:
            known = any(option["value"] == value for option in select["options"])
        else:
            kind = {5: USER, 6: ROLE, 7: MENTIONABLE, 8: CHANNEL}[select["type"]]
            known = resolver.known(kind, value)
        if not known:
            raise Refused("One of the chosen options is not offered.")
    return chosen


def _read_input(control: JSON, caption: str | None, given: dict[str, JSON], resolver: _Resolver) -> JSON:
    answer = given.get(control["custom_id"], {})
    read: JSON = {"type": control["type"], "id": control["id"], "custom_id": control["custom_id"]}
    if control["type"] in SELECTS:
        return read | {"values": _read_selection(control, answer.get("values"), resolver)}
    assert control["type"] == TEXT_INPUT  # components.read_modal lets nothing else in
    value = str(answer.get("value", ""))
    shortest = control["min_length"] or (1 if control["required"] else 0)
    longest = control["max_length"] or 4000  # Discord's own limit
    if len(value) > longest or (len(value) < shortest and (value or control["required"])):
        raise Refused(f"{caption} must be {shortest} to {longest} characters long.")
    return read | {"value": value}


def _objects(value: Any) -> list[JSON]:
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise Refused("Options and components are lists of objects.")
    return value
