"""The REST API beyond interactions: who there is, messages in channels, permissions, registering commands."""

import io
from typing import Any

import discord
import pytest

from sandbox.app import Sandbox
from sandbox.channel_routes import NONCE_SECONDS
from sandbox.clock import Clock
from sandbox.permissions import Permission
from tests.person import File, Person
from tests.sandbox.conftest import Api, Troupe


async def test_the_api_wants_the_token(api: Api) -> None:
    for headers in ({"Authorization": "Bot wrong"}, {"Authorization": ""}):
        answer = await api("GET", "/users/@me", headers=headers)
        assert (answer.status, answer.body["message"]) == (401, "401: Unauthorized")
    assert (await api("GET", "/gateway", headers={"Authorization": ""})).body["url"].startswith("ws://")


async def test_everyone_and_everything_is_described(api: Api, sandbox: Sandbox) -> None:
    state = sandbox.state
    guild, miranda = state.guild.id, state.named("Miranda")
    for path in (
        "/gateway/bot",
        "/users/@me",
        "/users/@me/guilds",
        "/oauth2/applications/@me",
        "/applications/@me",
        f"/users/{miranda.user.id}",
        f"/guilds/{guild}?with_counts=true",
        f"/guilds/{guild}/roles",
        f"/guilds/{guild}/channels",
        f"/guilds/{guild}/members/{miranda.user.id}",
        f"/channels/{next(iter(state.guild.channels))}",
        f"/channels/{miranda.direct.id}",
    ):
        assert (await api("GET", path)).status == 200, path  # and the contract checks the answers


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/channels/1", 404, 10003),
        ("GET", "/guilds/1", 404, 10004),
        ("GET", "/guilds/{guild}/members/1", 404, 10007),
        ("GET", "/users/1", 404, 10013),
        ("GET", "/channels/{channel}/messages/1", 404, 10008),
        ("GET", "/channels/{channel}/messages?limit=101", 400, 50035),
        ("GET", "/applications/1/commands", 404, 10002),
        ("GET", "/applications/{application}/commands/1", 404, 10063),
        ("GET", "/applications/{application}/guilds/1/commands", 403, 50001),
        ("GET", "/webhooks/{application}/none/messages/@original", 404, 10015),
        ("POST", "/users/@me/channels", 400, 50033),
        ("GET", "/nowhere", 404, 0),
        ("DELETE", "/users/@me", 405, 0),
    ],
)
async def test_unknown_things_have_their_codes(
    api: Api, sandbox: Sandbox, method: str, path: str, status: int, code: int
) -> None:
    state = sandbox.state
    names = {"guild": state.guild.id, "channel": next(iter(state.guild.channels)), "application": state.application_id}
    answer = await api(method, path.format(**names), {"recipient_id": "1"} if method == "POST" else None)
    assert (answer.status, answer.code) == (status, code)


async def test_messages_are_written_listed_edited_and_deleted(bot: Troupe, miranda: Person) -> None:
    channel = bot.guilds[0].text_channels[0]
    messages = [await channel.send(str(n)) for n in range(4)]
    assert [one.content async for one in channel.history()] == ["3", "2", "1", "0"]
    assert [one.content async for one in channel.history(before=messages[2], limit=1)] == ["1"]
    assert [one.content async for one in channel.history(after=messages[1], oldest_first=True)] == ["2", "3"]
    edited = await messages[0].edit(content="zero", embed=discord.Embed(title="nought"))
    assert edited.edited_at is not None
    await messages[1].delete()
    shown = await miranda.messages()
    assert [one["content"] for one in shown] == ["zero", "2", "3"] and shown[0]["embeds"][0]["title"] == "nought"


async def test_a_person_is_answered(bot: Troupe, miranda: Person) -> None:
    said = await miranda.say(f"<@{bot.user.id}> art thou there?", [File("letter.txt", "sealed é".encode())])
    await miranda.wait_for(lambda event: event["d"].get("id") == said["id"])
    channel = bot.guilds[0].text_channels[0]
    message = await channel.fetch_message(int(said["id"]))
    assert (await message.attachments[0].read()).decode() == "sealed é"
    reply = await message.reply("ay", mention_author=True)
    shown = await miranda.message({"id": str(reply.id)}, lambda _: True)
    assert shown["referenced_message"]["id"] == said["id"]
    assert [user["username"] for user in shown["mentions"]] == ["miranda"]
    quiet = await message.reply("ay, quietly", mention_author=False)
    assert quiet.mentions == []


async def test_generated_text_mentions_nobody_unasked(bot: Troupe, sandbox: Sandbox, miranda: Person) -> None:
    channel = bot.guilds[0].text_channels[0]
    text = f"@everyone <@{miranda.id}> <@&{sandbox.state.guild.id}>"
    quiet = await channel.send(text)  # the client allows no mentions
    assert not quiet.mention_everyone and quiet.mentions == [] and quiet.role_mentions == []
    people_only = await channel.send(text, allowed_mentions=discord.AllowedMentions(users=True))
    assert [user.name for user in people_only.mentions] == ["miranda"]
    every = discord.AllowedMentions.all()
    assert not (await channel.send(text, allowed_mentions=every)).mention_everyone  # the permission is missing
    sandbox.state.grant(sandbox.state.bot, Permission.MENTION_EVERYONE)
    assert (await channel.send(text, allowed_mentions=every)).mention_everyone


async def test_a_direct_conversation_is_opened(bot: Troupe, miranda: Person, caliban: Person) -> None:
    user = await bot.fetch_user(int(miranda.id))
    sent = await user.send("for thine ears")
    assert str(sent.channel.id) == miranda.channels["direct"]
    await miranda.wait_for(lambda event: event["d"].get("content") == "for thine ears")
    assert all(event["d"].get("content") != "for thine ears" for event in caliban.events)


async def test_permissions_are_enforced(bot: Troupe, sandbox: Sandbox, miranda: Person) -> None:
    state = sandbox.state
    channel = bot.guilds[0].text_channels[1]
    theirs = state.channel(str(channel.id))

    async def refusal(action: Any) -> int:
        with pytest.raises(discord.Forbidden) as refused:
            await action
        return refused.value.code

    miranda.go("gallery")
    said = await miranda.say("mine own")
    message = await channel.fetch_message(int(said["id"]))
    assert await refusal(message.edit(content="thine")) == 50005
    assert await refusal(message.delete()) == 50013
    state.forbid(theirs, state.bot, Permission.ATTACH_FILES)
    assert await refusal(channel.send("x", file=discord.File(io.BytesIO(b"x"), "x.txt"))) == 50013
    state.forbid(theirs, state.bot, Permission.SEND_MESSAGES)
    assert await refusal(channel.send("x")) == 50013
    state.forbid(theirs, state.bot, Permission.VIEW_CHANNEL)
    assert await refusal(channel.send("x")) == 50001
    assert (await miranda.slash("quick")).failure is None  # an answer needs no permission in the channel


async def test_what_was_written_before_is_read_and_answered_by_permission(
    api: Api, sandbox: Sandbox, miranda: Person
) -> None:
    state = sandbox.state
    path = f"/channels/{miranda.channel}/messages"
    said = await miranda.say("mine own")
    own = (await api("POST", path, {"content": "thine"})).body
    state.forbid(state.channel(miranda.channel), state.bot, Permission.READ_MESSAGE_HISTORY)
    read = await api("GET", f"{path}/{own['id']}")
    assert (read.status, read.code) == (403, 50013)
    answer = await api("POST", path, {"content": "x", "message_reference": {"message_id": said["id"]}})
    assert (answer.status, answer.code) == (403, 160002)
    assert (await api("PATCH", f"{path}/{own['id']}", {"content": "changed"})).status == 200
    assert (await api("DELETE", f"{path}/{own['id']}")).status == 204


async def test_attachments_stay_or_go_as_the_edit_says(bot: Troupe, miranda: Person) -> None:
    channel = bot.guilds[0].text_channels[0]

    def file(name: str) -> discord.File:
        return discord.File(io.BytesIO(name.encode()), name)

    message = await channel.send("x", files=[file("a.txt"), file("b.txt")])
    gone = message.attachments[0].url
    message = await message.edit(content="y")
    assert [one.filename for one in message.attachments] == ["a.txt", "b.txt"]
    message = await message.edit(attachments=[message.attachments[1], file("c.txt")])
    assert [one.filename for one in message.attachments] == ["b.txt", "c.txt"]
    assert await message.attachments[1].read() == b"c.txt"
    with pytest.raises(Exception, match="404"):
        await miranda.fetch({"url": gone})
    assert (await message.edit(attachments=[])).attachments == []


async def test_a_nonce_keeps_a_message_from_being_sent_twice(bot: Troupe, miranda: Person, clock: Clock) -> None:
    channel = bot.guilds[0].text_channels[0]
    first = await channel.send("once", nonce=7)
    again = await channel.send("once", nonce=7)
    assert again.id == first.id and len(await miranda.messages()) == 1
    clock.advance(NONCE_SECONDS)
    assert (await channel.send("once", nonce=7)).id != first.id  # it is remembered for a few minutes


async def test_commands_keep_their_ids_and_change_their_versions(api: Api, sandbox: Sandbox) -> None:
    commands = f"/applications/{sandbox.state.application_id}/commands"
    verse = {"name": "verse", "description": "Verse", "name_localizations": {"pt-BR": "verso"}}
    menu = {"name": "Count words", "type": 3}
    first = (await api("PUT", commands, [verse, menu])).body
    clear = (await api("PUT", commands, [verse | {"description": "Better verse"}, menu])).body
    assert [one["id"] for one in clear] == [one["id"] for one in first]
    assert [a["version"] == b["version"] for a, b in zip(first, clear, strict=True)] == [False, True]
    path = f"{commands}/{first[0]['id']}"
    changed = await api("PATCH", path, {"description": "Best verse"})
    assert changed.body["description"] == "Best verse" and changed.body["name_localizations"] == {"pt-BR": "verso"}
    assert (await api("GET", path)).body == changed.body
    assert "name_localizations" not in (await api("GET", commands)).body[0]
    full = (await api("GET", f"{commands}?with_localizations=true")).body
    assert full[0]["name_localizations"] == {"pt-BR": "verso"}
    assert (await api("POST", commands, verse)).status == 200  # replaced
    assert (await api("POST", commands, verse | {"name": "prose"})).status == 201
    assert (await api("DELETE", path)).status == 204
    assert [one["name"] for one in (await api("GET", commands)).body] == ["Count words", "prose"]


async def test_a_guilds_own_command_hides_a_global_one(api: Api, sandbox: Sandbox, miranda: Person) -> None:
    application = f"/applications/{sandbox.state.application_id}"
    await api("PUT", f"{application}/commands", [{"name": "verse", "description": "everywhere"}])
    await api(
        "PUT", f"{application}/guilds/{sandbox.state.guild.id}/commands", [{"name": "verse", "description": "here"}]
    )
    await miranda.wait_for(lambda event: event["t"] == "COMMANDS_UPDATE")
    assert [one["description"] for one in await miranda.commands()] == ["here"]
    miranda.go("direct")
    assert [one["description"] for one in await miranda.commands()] == ["everywhere"]
