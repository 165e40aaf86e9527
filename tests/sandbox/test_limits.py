"""What Discord refuses, with its codes and in its words' places."""

import struct
from typing import Any

import aiohttp
import pytest

from sandbox.app import Sandbox
from sandbox.cdn import MAX_FILE_BYTES
from sandbox.pictures import dimensions
from tests.person import Person
from tests.sandbox.conftest import Api


def button(n: int = 0, **more: Any) -> dict[str, Any]:
    return {"type": 2, "style": 1, "label": "x", "custom_id": f"b{n}"} | more


def row(*components: dict[str, Any]) -> dict[str, Any]:
    return {"type": 1, "components": list(components)}


def select(**more: Any) -> dict[str, Any]:
    return {"type": 3, "custom_id": "s", "options": [{"label": "a", "value": "a"}]} | more


def options(count: int) -> list[dict[str, str]]:
    return [{"label": str(n), "value": str(n)} for n in range(count)]


def faults(errors: dict[str, Any], path: str = "") -> dict[str, str]:
    """The nested errors object, flattened to path -> code."""
    found = {path.strip("/"): errors["_errors"][0]["code"]} if "_errors" in errors else {}
    for key, inner in errors.items():
        if key != "_errors":
            found |= faults(inner, f"{path}/{key}")
    return found


LENGTH, CHOICES, REQUIRED = "BASE_TYPE_BAD_LENGTH", "BASE_TYPE_CHOICES", "BASE_TYPE_REQUIRED"
FIRST = "components/0/components/0"  # the first component of the first row


def rows(*rows: dict[str, Any]) -> dict[str, Any]:
    return {"content": "x", "components": list(rows)}


EMBED = {"description": "x"}
REFUSED_MESSAGES: list[tuple[dict[str, Any], str, str]] = [
    ({"content": "x" * 2001}, "content", LENGTH),
    ({"content": ["x"]}, "content", REQUIRED),
    ({"content": "x", "flags": 64}, "flags", "INVALID_FLAGS"),
    ({"content": "x", "nonce": "n" * 26}, "nonce", LENGTH),
    ({"embeds": [EMBED] * 11}, "embeds", LENGTH),
    ({"embeds": [{}]}, "embeds/0/description", REQUIRED),
    ({"embeds": ["x"]}, "embeds/0", "MODEL_TYPE_CONVERT"),
    ({"embeds": [EMBED, {"title": "x" * 257}]}, "embeds/1/title", LENGTH),
    ({"embeds": [{"description": "x" * 4097}]}, "embeds/0/description", LENGTH),
    ({"embeds": [{"description": "x" * 3001}] * 2}, "embeds", "MAX_EMBED_SIZE_EXCEEDED"),
    ({"embeds": [EMBED | {"fields": [{"name": "x", "value": ""}]}]}, "embeds/0/fields/0/value", LENGTH),
    ({"embeds": [EMBED | {"fields": [{"name": "x", "value": "y"}] * 26}]}, "embeds/0/fields", LENGTH),
    ({"embeds": [EMBED | {"footer": {"text": "x" * 2049}}]}, "embeds/0/footer/text", LENGTH),
    ({"embeds": [EMBED | {"image": {"url": "ftp://x"}}]}, "embeds/0/image/url", "URL_TYPE_INVALID_SCHEME"),
    ({"embeds": [EMBED | {"color": 1 << 24}]}, "embeds/0/color", "NUMBER_TYPE_MAX"),
    (rows(*(row(button(n)) for n in range(6))), "components", LENGTH),
    (rows(row(*map(button, range(6)))), "components/0/components", LENGTH),
    (rows(row()), "components/0/components", LENGTH),
    (rows(button()), "components/0/type", CHOICES),
    (rows(row(button(custom_id="i" * 101))), f"{FIRST}/custom_id", LENGTH),
    (rows(row(button(label="l" * 81))), f"{FIRST}/label", LENGTH),
    (rows(row(button(style=9))), f"{FIRST}/style", CHOICES),
    (rows(row(button(1), button(1))), "components/0/components/1/custom_id", "COMPONENT_CUSTOM_ID_DUPLICATED"),
    (rows(row(button(style=5))), f"{FIRST}/url", REQUIRED),
    (rows(row(select(), button())), "components/0/components", "COMPONENT_LAYOUT_WIDTH_EXCEEDED"),
    (rows(row(select(options=options(26)))), f"{FIRST}/options", LENGTH),
    (rows(row(select(max_values=2))), f"{FIRST}/options", LENGTH),
    (rows(row(select(min_values=2))), f"{FIRST}/min_values", "NUMBER_TYPE_MAX"),
    (
        rows(row(select(options=options(1) * 2))),
        "components/0/components/0/options/1/value",
        "SELECT_COMPONENT_OPTION_VALUE_DUPLICATED",
    ),
    (rows(row({"type": 4, "custom_id": "t", "style": 1, "label": "t"})), f"{FIRST}/type", CHOICES),
    ({"content": "x", "message_reference": {"message_id": "1"}}, "message_reference", "REPLIES_UNKNOWN_MESSAGE"),
    (
        {"content": "x", "allowed_mentions": {"parse": ["users"], "users": ["1"]}},
        "allowed_mentions",
        "MESSAGE_ALLOWED_MENTIONS_PARSE_EXCLUSIVE",
    ),
]


@pytest.mark.parametrize(("payload", "path", "code"), REFUSED_MESSAGES)
async def test_a_message_over_a_limit_is_refused(
    api: Api, sandbox: Sandbox, payload: dict[str, Any], path: str, code: str
) -> None:
    channel = next(iter(sandbox.state.guild.channels))
    answer = await api("POST", f"/channels/{channel}/messages", payload)
    assert (answer.status, answer.code) == (400, 50035)
    assert faults(answer.body["errors"]).get(path) == code, answer.body
    assert sandbox.state.messages.in_channel(sandbox.state.channel(channel)) == []


async def test_a_message_at_its_limits_is_taken(api: Api, sandbox: Sandbox) -> None:
    channel = next(iter(sandbox.state.guild.channels))
    payload = {
        "content": "x" * 2000,
        "embeds": [{"title": "t" * 256, "description": "d" * 4096, "fields": [{"name": "n", "value": "v"}] * 25}],
        "components": [row(*(button(5 * y + x) for x in range(5))) for y in range(4)]
        + [row(select(options=options(25)))],
    }
    answer = await api("POST", f"/channels/{channel}/messages", payload)
    assert answer.status == 200
    again = {key: answer.body[key] for key in payload}
    assert (await api("POST", f"/channels/{channel}/messages", again)).status == 200  # what comes back may be sent


@pytest.mark.parametrize("payload", [{}, {"content": ""}, {"content": " \n"}, {"components": [row(button())]}])
async def test_an_empty_message_is_refused(api: Api, sandbox: Sandbox, payload: dict[str, Any]) -> None:
    channel = next(iter(sandbox.state.guild.channels))
    answer = await api("POST", f"/channels/{channel}/messages", payload)
    assert (answer.status, answer.code) == (400, 50006)


async def test_an_edit_may_not_empty_a_message(api: Api, sandbox: Sandbox) -> None:
    channel = next(iter(sandbox.state.guild.channels))
    message = (await api("POST", f"/channels/{channel}/messages", {"content": "full"})).body
    path = f"/channels/{channel}/messages/{message['id']}"
    assert (await api("PATCH", path, {"content": ""})).code == 50006
    assert (await api("GET", path)).body["content"] == "full"


async def test_files_are_limited_in_size_and_number(api: Api, sandbox: Sandbox) -> None:
    channel = next(iter(sandbox.state.guild.channels))

    async def upload(*sizes: int) -> Any:
        form = aiohttp.FormData(quote_fields=False)
        form.add_field("payload_json", "{}", content_type="application/json")
        for n, size in enumerate(sizes):
            form.add_field(f"files[{n}]", b"\0" * size, filename="zeros.bin")
        return await api("POST", f"/channels/{channel}/messages", data=form)

    assert (await upload(MAX_FILE_BYTES)).body["attachments"][0]["size"] == MAX_FILE_BYTES
    too_large = await upload(MAX_FILE_BYTES + 1)
    assert (too_large.status, too_large.code) == (413, 40005)
    assert len((await upload(*[1] * 10)).body["attachments"]) == 10
    assert (await upload(*[1] * 11)).code == 50035


async def test_a_body_that_is_not_json_is_refused(api: Api, sandbox: Sandbox) -> None:
    channel = next(iter(sandbox.state.guild.channels))
    path = f"/channels/{channel}/messages"
    assert (await api("POST", path, data="{", headers={"Content-Type": "application/json"})).code == 50109
    assert (await api("POST", path, data="content=x", headers={"Content-Type": "text/plain"})).code == 50035


def command(**more: Any) -> dict[str, Any]:
    return {"name": "verse", "description": "Verse", "type": 1} | more


def option(**more: Any) -> dict[str, Any]:
    return {"name": "prompt", "description": "How it begins", "type": 3} | more


def choice(n: int) -> dict[str, Any]:
    return {"name": f"c{n}", "value": f"c{n}"}


REFUSED_COMMANDS: list[tuple[dict[str, Any], str, str]] = [
    (command(name="Verse"), "name", "APPLICATION_COMMAND_INVALID_NAME"),
    (command(name="two words"), "name", "APPLICATION_COMMAND_INVALID_NAME"),
    (command(name="v" * 33), "name", LENGTH),
    (command(description=""), "description", LENGTH),
    (command(description="d" * 101), "description", LENGTH),
    (command(type=2), "description", "APPLICATION_COMMAND_CONTEXT_MENU_DESCRIPTION"),
    (command(name_localizations={"xx": "verso"}), "name_localizations/xx", CHOICES),
    (command(name_localizations={"pt-BR": "Verso"}), "name_localizations/pt-BR", "APPLICATION_COMMAND_INVALID_NAME"),
    (command(contexts=[0, 3]), "contexts/1", CHOICES),
    (command(integration_types=[0, 2]), "integration_types/1", CHOICES),
    (command(options=[option(name=f"o{n}") for n in range(26)]), "options", LENGTH),
    (command(options=[option(), option()]), "options/1/name", "APPLICATION_COMMAND_OPTIONS_NAME_INVALID"),
    (
        command(options=[option(), option(name="b", required=True)]),
        "options/1",
        "APPLICATION_COMMAND_OPTIONS_REQUIRED_INVALID",
    ),
    (command(options=[option(), option(name="b", type=1)]), "options", "APPLICATION_COMMAND_OPTIONS_TYPE_INVALID"),
    (command(options=[option(choices=[choice(n) for n in range(26)])]), "options/0/choices", LENGTH),
    (
        command(options=[option(choices=[choice(0)], autocomplete=True)]),
        "options/0/autocomplete",
        "APPLICATION_COMMAND_AUTOCOMPLETE_CHOICES",
    ),
    (command(options=[option(type=4, choices=[choice(0)])]), "options/0/choices/0/value", "NUMBER_TYPE_COERCE"),
    (command(options=[option(type=2, options=[option(type=2)])]), "options/0/options/0/type", CHOICES),
    (
        command(
            options=[option(name=f"o{n}", choices=[{"name": "n" * 100, "value": "v" * 100}] * 2) for n in range(20)]
        ),
        "",
        "APPLICATION_COMMAND_TOO_LARGE",
    ),
    (
        command(
            options=[
                option(
                    name=f"o{n}",
                    choices=[{"name": "n", "name_localizations": {"de": "n" * 100}, "value": "v" * 100}] * 2,
                )
                for n in range(20)
            ]
        ),
        "",
        "APPLICATION_COMMAND_TOO_LARGE",
    ),
]


@pytest.mark.parametrize(("payload", "path", "code"), REFUSED_COMMANDS)
async def test_a_command_against_the_rules_is_refused(
    api: Api, sandbox: Sandbox, payload: dict[str, Any], path: str, code: str
) -> None:
    commands = f"/applications/{sandbox.state.application_id}/commands"
    answer = await api("POST", commands, payload)
    assert (answer.status, answer.code) == (400, 50035)
    assert faults(answer.body["errors"]).get(path) == code, answer.body
    bulk = await api("PUT", commands, [payload])
    assert faults(bulk.body["errors"]).get(f"0/{path}".strip("/")) == code
    assert (await api("GET", commands)).body == []


async def test_commands_are_limited_in_number(api: Api, sandbox: Sandbox) -> None:
    commands = f"/applications/{sandbox.state.application_id}/commands"
    full = [command(name=f"verse{n}") for n in range(100)] + [
        {"name": f"Menu {kind}-{n}", "type": kind} for kind in (2, 3) for n in range(15)
    ]
    assert len((await api("PUT", commands, full)).body) == 130
    assert (await api("POST", commands, command(name="more"))).code == 30032
    assert (await api("POST", commands, {"name": "Menu more", "type": 3})).code == 30032


@pytest.mark.parametrize(
    ("payload", "path", "code"),
    [
        ({"title": "t" * 46}, "data/title", "BASE_TYPE_BAD_LENGTH"),
        ({"custom_id": "i" * 101}, "data/custom_id", "BASE_TYPE_BAD_LENGTH"),
        ({"components": []}, "data/components", "BASE_TYPE_BAD_LENGTH"),
        ({"components": [row(button())]}, "data/components/0/components/0/type", "BASE_TYPE_CHOICES"),
    ],
)
async def test_a_modal_against_the_rules_is_refused(
    api: Api, sandbox: Sandbox, miranda: Person, payload: dict[str, Any], path: str, code: str
) -> None:
    state = sandbox.state
    data = {"id": "1", "name": "verse", "type": 1}
    interaction = state.interactions.begin(2, state.person(miranda.id).user, state.channel(miranda.channel), data, "")
    text_input = {"type": 4, "custom_id": "t", "style": 1, "label": "t"}
    modal = {"custom_id": "m", "title": "M", "components": [row(text_input)]} | payload
    callback = f"/interactions/{interaction.id}/{interaction.token}/callback"
    answer = await api("POST", callback, {"type": 9, "data": modal})
    assert answer.code == 50035 and faults(answer.body["errors"]).get(path) == code
    assert "INTERACTION_MODAL_CREATE" not in [event["t"] for event in miranda.events]


async def test_suggestions_are_limited_to_25(api: Api, sandbox: Sandbox, miranda: Person) -> None:
    state = sandbox.state
    data = {"id": "1", "name": "v", "type": 1, "options": [{"name": "o", "type": 3, "value": "", "focused": True}]}
    interaction = state.interactions.begin(4, state.person(miranda.id).user, state.channel(miranda.channel), data, "")
    callback = f"/interactions/{interaction.id}/{interaction.token}/callback"
    too_many = {"type": 8, "data": {"choices": [choice(n) for n in range(26)]}}
    assert faults((await api("POST", callback, too_many)).body["errors"]) == {"data/choices": "BASE_TYPE_BAD_LENGTH"}
    assert (await api("POST", callback, {"type": 5})).code == 50035  # one does not think about a suggestion
    assert (await api("POST", callback, {"type": 8, "data": {"choices": [choice(1)]}})).status == 204


def test_pictures_tell_their_size() -> None:
    gif = b"GIF89a" + struct.pack("<HH", 5, 7)
    jpeg = b"\xff\xd8\xff\xe0\x00\x04ab\xff\xc0\x00\x0b\x08" + struct.pack(">HH", 9, 8)
    lossless = b"RIFF\0\0\0\0WEBPVP8L\0\0\0\0\x2f" + struct.pack("<I", (12 - 1) | (34 - 1) << 14)
    assert dimensions(gif) == (5, 7)
    assert dimensions(jpeg) == (8, 9)
    assert dimensions(lossless) == (12, 34)
    assert dimensions(b"\x89PNG\r\n\x1a\n") is None and dimensions(b"text") is None
