"""What people's pages get: the session, their commands in their language, messages and events that concern them."""

import aiohttp
import pytest

from sandbox.app import Sandbox, create_app, serve
from sandbox.permissions import Permission
from sandbox.settings import Settings
from tests.person import File, Person, Refusal
from tests.sandbox.conftest import Api, Troupe


async def test_the_session_presents_the_island(sandbox: Sandbox) -> None:
    caliban = sandbox.state.named("Caliban").user.id
    async with aiohttp.ClientSession() as http:
        async with http.get(f"{sandbox.url}/sandbox/session", params={"user": caliban}) as response:
            session = await response.json()
        async with http.get(f"{sandbox.url}/cdn/avatars/{caliban}/{session['users'][2]['avatar']}.png") as response:
            assert response.content_type == "image/svg+xml"
    assert [(one["global_name"], one["role"], one["locale"]) for one in session["users"]] == [
        ("Ariel", "operator", "en-US"),
        ("Miranda", "member", "en-US"),
        ("Caliban", "member", "pt-BR"),
    ]
    assert session["me"] == caliban and session["guild"]["name"] == "The Island"
    assert [(one["name"], one["type"]) for one in session["channels"]] == [
        ("the-stage", 0),
        ("gallery", 0),
        ("workshop", 0),
        ("Prospero", 1),
    ]
    assert [one["example"]["command"] for one in session["channels"]] == [
        "shakespeare", "gan sample", "shakespeare", "shakespeare"
    ]  # fmt: skip
    assert session["bot"]["username"] == "Prospero" and session["online"] is False


async def test_commands_come_in_the_persons_language(
    api: Api, sandbox: Sandbox, miranda: Person, caliban: Person
) -> None:
    choice = {"name": "hot", "value": "hot", "name_localizations": {"pt-BR": "quente"}}
    option = {
        "name": "heat",
        "description": "Heat",
        "type": 3,
        "choices": [choice],
        "name_localizations": {"pt-BR": "calor"},
    }
    verse = {
        "name": "verse",
        "description": "Verse",
        "description_localizations": {"pt-BR": "Verso"},
        "options": [option],
    }
    await api("PUT", f"/applications/{sandbox.state.application_id}/commands", [verse])
    (theirs,) = await caliban.commands()
    assert (theirs["name"], theirs["description_localized"]) == ("verse", "Verso")
    assert theirs["options"][0]["name_localized"] == "calor"
    assert theirs["options"][0]["choices"][0]["name_localized"] == "quente"
    assert "description_localized" not in (await miranda.commands())[0]


async def test_a_command_for_nobody_is_offered_to_administrators(
    api: Api, sandbox: Sandbox, miranda: Person, caliban: Person
) -> None:
    verse = {"name": "verse", "description": "Verse", "default_member_permissions": 0}
    await api("PUT", f"/applications/{sandbox.state.application_id}/commands", [verse])
    sandbox.state.grant(sandbox.state.named("Miranda").user, Permission.ADMINISTRATOR)
    async with Person(sandbox.url) as ariel:
        offered = [len(await one.commands()) for one in (ariel, miranda, caliban)]
    assert offered == [1, 1, 0]


async def test_the_page_knows_whether_the_bot_is_there(bot: Troupe, sandbox: Sandbox, miranda: Person) -> None:
    assert miranda.online
    await bot.close()
    await miranda.wait_for(lambda event: event["t"] == "PRESENCE" and not event["d"]["online"])


async def test_a_message_is_passed_on_as_it_was(sandbox: Sandbox, miranda: Person, caliban: Person) -> None:
    said = await miranda.say("We are such stuff", [File("dreams.txt", b"made on")])
    caliban.go("gallery")
    passed_on = await caliban.forward(said)
    assert (passed_on["content"], passed_on["attachments"]) == ("", [])
    assert passed_on["message_reference"]["message_id"] == said["id"]
    ((snapshot,),) = [one.values() for one in passed_on["message_snapshots"]]
    assert (snapshot["content"], snapshot["attachments"]) == (said["content"], said["attachments"])
    assert "author" not in snapshot
    state = sandbox.state
    state.forbid(state.channel(miranda.channel), state.named("Caliban").user, Permission.VIEW_CHANNEL)
    with pytest.raises(Refusal, match="Missing Access"):
        await caliban.forward(said)


async def test_history_is_paged(sandbox: Sandbox, miranda: Person) -> None:
    said = [await miranda.say(str(n)) for n in range(5)]
    async with aiohttp.ClientSession() as http:
        query = {"user": miranda.id, "limit": 2, "before": said[3]["id"]}
        async with http.get(f"{sandbox.url}/sandbox/channels/{miranda.channel}/messages", params=query) as response:
            assert [one["content"] for one in await response.json()] == ["1", "2"]


async def test_a_hidden_channel_is_hidden(sandbox: Sandbox, miranda: Person, caliban: Person) -> None:
    state = sandbox.state
    workshop = state.channel(caliban.channels["workshop"])
    state.forbid(workshop, state.named("Caliban").user, Permission.VIEW_CHANNEL)
    miranda.go("workshop")
    await miranda.say("not for Caliban")
    await miranda.wait_for(lambda event: event["d"].get("content") == "not for Caliban")
    with pytest.raises(Refusal, match="Missing Access"):
        await caliban.messages("workshop")
    async with Person(sandbox.url, "Caliban") as returned:
        assert "workshop" not in returned.channels
    state.forbid(workshop, state.named("Caliban").user, Permission.SEND_MESSAGES)
    caliban.go("workshop")
    with pytest.raises(Refusal, match="may not write"):
        await caliban.say("let me in")
    assert all(event["d"].get("content") != "not for Caliban" for event in caliban.events)


async def test_other_origins_are_kept_out(sandbox: Sandbox, miranda: Person) -> None:
    async with aiohttp.ClientSession() as http:
        address = f"{sandbox.url}/sandbox/session"
        async with http.get(address, headers={"Origin": "https://elsewhere.example"}) as response:
            assert response.status == 403
        async with http.get(address, headers={"Origin": sandbox.url}) as response:
            assert response.status == 200
        with pytest.raises(aiohttp.WSServerHandshakeError):
            await http.ws_connect(
                f"{sandbox.url}/sandbox/events?user={miranda.id}", headers={"Origin": "https://elsewhere.example"}
            )


@pytest.mark.parametrize("path", ["/", "/page/main.js", "/sandbox/session", "/api/v10/gateway", "/gateway", "/nowhere"])
async def test_nobody_elses_name_leads_here(sandbox: Sandbox, path: str) -> None:
    async with aiohttp.ClientSession() as http:
        for name in ("elsewhere.example", "elsewhere.example:8200", "127.0.0.1.elsewhere.example", "["):
            async with http.get(sandbox.url + path, headers={"Host": name}) as response:
                assert response.status == 403 and "localhost" in await response.text()


async def test_addresses_localhost_and_its_own_name_lead_here() -> None:
    async with (
        serve(create_app(Settings(sandbox_host="island.example"))) as sandbox,
        aiohttp.ClientSession() as http,
    ):
        for name in (
            "192.168.1.2:8200",
            "[::1]:8200",
            "LOCALHOST:9",
            "localhost.",
            "mybox:80",
            "mybox.local",
            "Island.example:8200",
        ):
            async with http.get(sandbox.url, headers={"Host": name}) as response:
                assert response.status == 200
                assert response.headers["X-Frame-Options"] == "DENY"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ([], "An interaction needs an object with user, channel, type and data."),
        ({"type": 1, "data": {}}, "The type of an interaction is"),
        ({"type": 2, "data": {"id": "1", "name": "x"}}, "There is no such command here"),
        ({"type": 3, "message": "1", "data": {}}, "Unknown Message"),
        ({"type": 5, "data": {"custom_id": "x"}}, "This form is no longer open."),
    ],
)
async def test_what_the_page_gets_wrong_is_said(sandbox: Sandbox, miranda: Person, body: object, message: str) -> None:
    payload = {"user": miranda.id, "channel": miranda.channel} | body if isinstance(body, dict) else body
    address = f"{sandbox.url}/sandbox/interactions"
    async with aiohttp.ClientSession() as http, http.post(address, json=payload) as response:
        assert response.status in (400, 404)
        assert (await response.json())["message"].startswith(message)
