"""Application commands: registered by Discord's rules, kept by scope, and listed for whoever may use them."""

import re
from dataclasses import dataclass
from typing import Any

from sandbox.clock import Snowflakes
from sandbox.errors import JSON, DiscordError, Form, Path, is_count
from sandbox.guild import DM, Channel, Guild, User
from sandbox.permissions import Permission

CHAT_INPUT, USER_COMMAND, MESSAGE_COMMAND = 1, 2, 3
GUILD_INSTALL, USER_INSTALL = 0, 1
MOST_OF_TYPE = {CHAT_INPUT: 100, USER_COMMAND: 15, MESSAGE_COMMAND: 15}
MOST_OPTIONS = MOST_CHOICES = 25
MOST_KINDS = 3  # there are three contexts, and two kinds of installs
MOST_CHARACTERS = 8000  # names, descriptions and choice values of one command together, each in its longest language

SUBCOMMAND, GROUP, STRING, INTEGER, BOOLEAN = 1, 2, 3, 4, 5
USER, CHANNEL, ROLE, MENTIONABLE, NUMBER, ATTACHMENT = 6, 7, 8, 9, 10, 11

_LOCALES = (
    "id da de en-GB en-US es-ES es-419 fr hr it lt hu nl no pl pt-BR ro fi sv-SE vi tr cs el bg ru uk hi th zh-CN ja "
    "zh-TW ko ar he"
)
LOCALES = frozenset(_LOCALES.split())
_NAME = re.compile(r"[-_'\w]{1,32}")


@dataclass
class Command:
    """`scope` is a guild's id, or None for a global command; `fields` is Discord's object."""

    scope: str | None
    fields: JSON

    @property
    def key(self) -> tuple[int, str]:
        return self.fields["type"], self.fields["name"]


class Commands:
    """The application's commands."""

    def __init__(self, ids: Snowflakes, application_id: str, guild: Guild) -> None:
        self._ids = ids
        self._application_id = application_id
        self._guild = guild
        self.installs: tuple[int, ...] = (GUILD_INSTALL, USER_INSTALL)  # what the application may be added to
        self._kept: dict[str, Command] = {}

    def in_scope(self, scope: str | None) -> list[Command]:
        return [command for command in self._kept.values() if command.scope == scope]

    def find(self, scope: str | None, command_id: str) -> Command:
        command = self._kept.get(command_id)
        if command is None or command.scope != scope:
            raise DiscordError("unknown_command")
        return command

    def overwrite(self, scope: str | None, payloads: Any) -> list[Command]:
        """Replace all commands of a scope; one that keeps its type and name keeps its id."""
        form = Form()
        items = enumerate(form.count(payloads or [], (), 130))
        read = [_read_command(item, (n,), form, self.installs) for n, item in items]
        keys = [(item.get("type"), item.get("name")) for item in read]
        for n, key in enumerate(keys):
            if key in keys[:n]:
                message = "Application command names must be unique"
                form.fault((n, "name"), "APPLICATION_COMMANDS_DUPLICATE_NAME", message)
        form.check()
        _check_counts([item["type"] for item in read])
        before = {command.key: command for command in self.in_scope(scope)}
        for command in before.values():
            del self._kept[command.fields["id"]]
        return [self._keep(scope, item, before.get((item["type"], item["name"]))) for item in read]

    def create(self, scope: str | None, payload: Any) -> tuple[Command, bool]:
        """Add a command, or replace the one of the same type and name; also whether it is new."""
        item = _read_one(payload, self.installs)
        before = next((one for one in self.in_scope(scope) if one.key == (item["type"], item["name"])), None)
        if before is None:
            _check_counts([*(one.fields["type"] for one in self.in_scope(scope)), item["type"]])
        return self._keep(scope, item, before), before is None

    def change(self, scope: str | None, command_id: str, payload: Any) -> Command:
        before = self.find(scope, command_id)
        item = _read_one(before.fields | (payload if isinstance(payload, dict) else {}), self.installs)
        return self._keep(scope, item, before)

    def delete(self, scope: str | None, command_id: str) -> None:
        del self._kept[self.find(scope, command_id).fields["id"]]

    def usable(self, user: User, channel: Channel) -> list[JSON]:
        """What the user may choose from in the channel; a guild's own command hides a global one of its name."""
        usable: dict[tuple[int, str], JSON] = {}
        for command in [*self.in_scope(None), *(self.in_scope(channel.guild_id) if channel.guild_id else [])]:
            if self._offered(command.fields, user, channel):
                usable[command.key] = localized(command.fields, user.locale)
        return list(usable.values())

    def _offered(self, fields: JSON, user: User, channel: Channel) -> bool:
        contexts = fields["contexts"]
        if channel.type == DM:
            return fields["dm_permission"] if contexts is None else 1 in contexts
        if contexts is not None and 0 not in contexts:
            return False
        needed = fields["default_member_permissions"]
        granted = self._guild.permissions(user.id, channel)
        if needed is None or granted & Permission.ADMINISTRATOR:
            return True
        return needed != "0" and granted & int(needed) == int(needed)

    def _keep(self, scope: str | None, item: JSON, before: Command | None) -> Command:
        fields = item | {"application_id": self._application_id}
        if scope is not None:
            fields["guild_id"] = scope
        fields["id"] = before.fields["id"] if before else self._ids.next()
        same = before is not None and before.fields | {"version": None} == fields | {"version": None}
        fields["version"] = before.fields["version"] if before and same else self._ids.next()
        self._kept[fields["id"]] = Command(scope, fields)
        return self._kept[fields["id"]]


def localized(fields: JSON, locale: str) -> JSON:
    """The command, its options and choices with `name_localized` and `description_localized` for a locale."""
    shown = dict(fields)
    for key in ("name", "description"):
        translation = (fields.get(f"{key}_localizations") or {}).get(locale)
        if translation:
            shown[f"{key}_localized"] = translation
    for key in ("options", "choices"):
        if key in fields:
            shown[key] = [localized(item, locale) for item in fields[key]]
    return shown


def _check_counts(kinds: list[int]) -> None:
    if any(kinds.count(kind) > most for kind, most in MOST_OF_TYPE.items()):
        raise DiscordError("too_many_commands")


def _read_one(payload: Any, installs: tuple[int, ...]) -> JSON:
    form = Form()
    item = _read_command(payload, (), form, installs)
    form.check()
    return item


def _read_command(payload: Any, path: Path, form: Form, installs: tuple[int, ...]) -> JSON:
    data = form.model(payload, path)
    kind = CHAT_INPUT if data.get("type") is None else data["type"]
    form.one_of(kind, (*path, "type"), tuple(MOST_OF_TYPE))
    command: JSON = {"type": kind} | _read_names(
        data, path, form, chat=kind == CHAT_INPUT, described=kind == CHAT_INPUT
    )
    permissions = data.get("default_member_permissions")
    if permissions is not None and not is_count(permissions):
        message = f'Value "{permissions}" is not int.'
        form.fault((*path, "default_member_permissions"), "NUMBER_TYPE_COERCE", message)
    command |= {
        "default_member_permissions": None if permissions is None else str(permissions),
        "dm_permission": data.get("dm_permission") is not False,
        "contexts": _read_kinds(data, "contexts", (0, 1, 2), path, form),
        "integration_types": _read_kinds(data, "integration_types", installs, path, form) or [*installs],
        "nsfw": bool(data.get("nsfw")),
    }
    if kind == CHAT_INPUT:
        options = _read_options(data.get("options") or [], (*path, "options"), form, depth=0)
        if options:
            command["options"] = options
        if _characters(command) > MOST_CHARACTERS:
            message = f"Command exceeds maximum size ({MOST_CHARACTERS})"
            form.fault(path, "APPLICATION_COMMAND_TOO_LARGE", message)
    return command


def _read_names(data: JSON, path: Path, form: Form, *, chat: bool, described: bool) -> JSON:
    read: JSON = {"name": data.get("name")}
    _check_name(data.get("name"), (*path, "name"), form, chat)
    localizations = _read_localizations(data, "name_localizations", path, form)
    for locale, name in (localizations or {}).items():
        _check_name(name, (*path, "name_localizations", locale), form, chat)
    read["name_localizations"] = localizations
    if described:
        form.text(data.get("description"), (*path, "description"), 100, shortest=1)
        descriptions = _read_localizations(data, "description_localizations", path, form)
        for locale, text in (descriptions or {}).items():
            form.text(text, (*path, "description_localizations", locale), 100, shortest=1)
        return read | {"description": data.get("description"), "description_localizations": descriptions}
    if data.get("description"):
        message = "Context menu commands cannot have description"
        form.fault((*path, "description"), "APPLICATION_COMMAND_CONTEXT_MENU_DESCRIPTION", message)
    return read | {"description": "", "description_localizations": None}


def _read_kinds(data: JSON, key: str, allowed: tuple[int, ...], path: Path, form: Form) -> list[Any] | None:
    if data.get(key) is None:
        return None
    kinds = form.count(data[key], (*path, key), MOST_KINDS)
    for n, kind in enumerate(kinds):
        form.one_of(kind, (*path, key, n), allowed)
    return kinds


def _read_localizations(data: JSON, key: str, path: Path, form: Form) -> JSON | None:
    """The translations under a key, by locale; their texts are for the caller to check."""
    if data.get(key) is None:
        return None
    localizations = form.model(data[key], (*path, key))
    for locale in localizations:
        if locale not in LOCALES:
            form.fault((*path, key, locale), "BASE_TYPE_CHOICES", "This is not one of Discord's locales")
    return localizations


def _check_name(name: Any, path: Path, form: Form, chat: bool) -> None:
    form.text(name, path, 32, shortest=1)
    if chat and isinstance(name, str) and (not _NAME.fullmatch(name) or name != name.lower()):
        form.fault(path, "APPLICATION_COMMAND_INVALID_NAME", "Command name is invalid")


def _read_options(values: Any, path: Path, form: Form, depth: int) -> list[JSON]:
    options = []
    names: set[str] = set()
    optional_seen = False
    for n, value in enumerate(form.count(values, path, MOST_OPTIONS)):
        here = (*path, n)
        option = _read_option(form.model(value, here), here, form, depth)
        if str(option.get("name")) in names:
            message = "Option names must be unique"
            form.fault((*here, "name"), "APPLICATION_COMMAND_OPTIONS_NAME_INVALID", message)
        names.add(str(option.get("name")))
        if option.get("required") and optional_seen:
            message = "Required options must be placed before non-required options"
            form.fault(here, "APPLICATION_COMMAND_OPTIONS_REQUIRED_INVALID", message)
        optional_seen = optional_seen or not option.get("required")
        options.append(option)
    nested = [option["type"] in (SUBCOMMAND, GROUP) for option in options]
    if any(nested) and not all(nested):
        message = "Sub-command and sub-command group option types are mutually exclusive to all other types"
        form.fault(path, "APPLICATION_COMMAND_OPTIONS_TYPE_INVALID", message)
    return options


def _read_option(data: JSON, path: Path, form: Form, depth: int) -> JSON:
    kind: Any = data.get("type")
    nestable = {0: (SUBCOMMAND, GROUP), 1: (SUBCOMMAND,)}.get(depth, ())
    plain = () if depth == 1 else (STRING, INTEGER, BOOLEAN, USER, CHANNEL, ROLE, MENTIONABLE, NUMBER, ATTACHMENT)
    form.one_of(kind, (*path, "type"), (*nestable, *plain))
    option: JSON = {"type": kind} | _read_names(data, path, form, chat=True, described=True)
    if kind in (SUBCOMMAND, GROUP):
        inner = _read_options(data.get("options") or [], (*path, "options"), form, depth=1 if kind == GROUP else 2)
        return option | {"options": inner}
    if data.get("required"):
        option["required"] = True
    if data.get("autocomplete"):
        option["autocomplete"] = True
        if data.get("choices"):
            message = "Autocomplete and choices cannot be combined"
            form.fault((*path, "autocomplete"), "APPLICATION_COMMAND_AUTOCOMPLETE_CHOICES", message)
    if data.get("choices"):
        choices = form.count(data["choices"], (*path, "choices"), MOST_CHOICES)
        option["choices"] = [
            read_choice(form.model(choice, (*path, "choices", n)), (*path, "choices", n), form, kind)
            for n, choice in enumerate(choices)
        ]
    for key in ("min_value", "max_value", "min_length", "max_length"):
        if data.get(key) is not None:
            form.number(data[key], (*path, key), whole=kind != NUMBER)
            option[key] = data[key]
    if data.get("channel_types") is not None:
        option["channel_types"] = form.count(data["channel_types"], (*path, "channel_types"), MOST_OPTIONS)
    return option


def read_choice(data: JSON, path: Path, form: Form, kind: int) -> JSON:
    """One choice of an option of that type, as registered or as answered to an autocomplete."""
    form.text(data.get("name"), (*path, "name"), 100, shortest=1)
    value = data.get("value")
    if kind == STRING:
        form.text(value, (*path, "value"), 100)
    else:
        form.number(value, (*path, "value"), whole=kind == INTEGER)
    choice: JSON = {"name": data.get("name"), "value": value}
    localizations = _read_localizations(data, "name_localizations", path, form)
    if localizations is not None:
        choice["name_localizations"] = localizations
        for locale, name in localizations.items():
            form.text(name, (*path, "name_localizations", locale), 100, shortest=1)
    return choice


def _characters(item: JSON) -> int:
    own = 0
    for key in ("name", "description", "value"):
        texts = [item.get(key), *(item.get(f"{key}_localizations") or {}).values()]
        own += max((len(text) for text in texts if isinstance(text, str)), default=0)
    return own + sum(_characters(inner) for key in ("options", "choices") for inner in item.get(key, []))
