"""Interactions as a real discord.py bot and a person live through them."""

import struct
import zlib

import pytest

from sandbox.app import Sandbox
from sandbox.permissions import Permission
from tests.person import File, Person, Refusal, controls, labels
from tests.sandbox.conftest import Api, Troupe


def png(width: int, height: int) -> bytes:
    """A grey picture."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    rows = chunk(b"IDAT", zlib.compress((b"\0" + b"\x80" * width) * height))
    return b"\x89PNG\r\n\x1a\n" + header + rows + chunk(b"IEND", b"")


async def test_a_deferred_answer_grows(bot: Troupe, miranda: Person, caliban: Person) -> None:
    answer = await miranda.slash("recite", prompt="O", length=3)
    message = await answer.message(lambda one: one["components"])
    assert message["content"] == "O O O"
    assert message["author"]["id"] == str(bot.application_id)
    assert message["type"] == 20
    assert message["interaction"]["name"] == "recite"
    assert labels(message) == ["Change", "Later", "Ask"]
    stages = [event["d"] for event in miranda.events if event["d"].get("id") == message["id"]]
    assert stages[0]["flags"] == 128 and stages[0]["content"] == ""
    assert [stage["content"] for stage in stages[1:4]] == ["O", "O O", "O O O"]
    assert message["edited_timestamp"] is not None and stages[1]["edited_timestamp"] is None
    seen = await caliban.message(message, lambda one: one["components"])
    assert seen["content"] == "O O O"


async def test_an_ephemeral_answer_is_for_one_person(bot: Troupe, miranda: Person, caliban: Person) -> None:
    secret = await (await miranda.slash("quick", secret=True)).message()
    assert secret["flags"] & 64
    open_one = await (await miranda.slash("quick", secret=False)).message()
    await caliban.message(open_one, lambda one: one["content"] == "here")  # which came after the secret
    assert secret["id"] not in caliban.seen
    assert secret["id"] not in [one["id"] for one in await caliban.messages()]
    assert secret["id"] in [one["id"] for one in await miranda.messages()]
    changed = await miranda.press(secret, "Change")
    assert changed.failure is None
    assert (await miranda.message(secret, lambda one: one["content"] == "changed"))["flags"] & 64


async def test_embeds_come_back_in_full(bot: Troupe, miranda: Person) -> None:
    message = await (await miranda.slash("quick")).message()
    (embed,) = message["embeds"]
    assert embed["title"] == "A title" and embed["color"] == 0x5B4B8A
    assert embed["fields"] == [{"name": "a", "value": "b", "inline": True}]


async def test_a_file_travels_there_and_back(bot: Troupe, miranda: Person) -> None:
    picture = png(31, 17)
    answer = await miranda.slash("show", picture=File("my cat.png", picture))
    message = await answer.message(lambda one: one["content"] == "swapped")
    assert [file["filename"] for file in message["attachments"]] == ["second.bin"]
    assert await miranda.fetch(message["attachments"][0]) == picture[::-1]
    first = next(event["d"]["attachments"] for event in miranda.events if event["d"].get("attachments"))[0]
    assert (first["width"], first["height"], first["content_type"]) == (31, 17, "image/png")
    assert first["description"] == "what was given"
    given = bot.interactions[0].namespace.picture
    assert (given.filename, given.width, given.size) == ("my_cat.png", 31, len(picture))


async def test_a_file_in_an_embed_is_not_listed_again(bot: Troupe, miranda: Person) -> None:
    message = await (await miranda.slash("picture")).message()
    assert message["attachments"] == []
    assert await miranda.fetch(message["embeds"][0]["image"]) == b"not really a picture"


async def test_buttons_change_their_message(bot: Troupe, miranda: Person, caliban: Person) -> None:
    message = await (await miranda.slash("quick")).message()
    await miranda.press(message, "Change")
    changed = await caliban.message(message, lambda one: one["content"] == "changed")
    await caliban.press(changed, "later")
    later = await miranda.message(message, lambda one: one["content"] == "changed later")
    assert later["embeds"] and later["interaction_metadata"] == message["interaction_metadata"]


async def test_a_select_answers_with_its_value(bot: Troupe, caliban: Person) -> None:
    message = await (await caliban.slash("quick")).message()
    reply = await (await caliban.select(message, "role", "ariel")).message()
    assert reply["content"] == "Caliban plays ariel"
    assert reply["type"] == 19 and reply["referenced_message"]["id"] == message["id"]
    with pytest.raises(Refusal, match="not offered"):
        await caliban.select(message, "role", "sycorax")


async def test_a_public_reply_does_not_quote_what_one_person_sees(
    bot: Troupe, miranda: Person, caliban: Person
) -> None:
    secret = await (await miranda.slash("quick", secret=True)).message()
    reply = await (await miranda.select(secret, "role", "ariel")).message()
    assert reply["message_reference"]["message_id"] == secret["id"]
    heard = await caliban.message(reply, lambda _: True)
    assert heard["referenced_message"] is None
    assert [one["referenced_message"] for one in await caliban.messages()] == [None]
    modal = (await miranda.press(secret, "Ask")).modal
    assert modal is not None
    whispered = await (await miranda.submit_modal(modal, line="Where is she?")).message()
    assert whispered["referenced_message"]["id"] == secret["id"]


async def test_a_modal_is_filled_in(bot: Troupe, miranda: Person) -> None:
    message = await (await miranda.slash("quick")).message()
    modal = (await miranda.press(message, "Ask")).modal
    assert modal is not None and modal["title"] == "A question"
    with pytest.raises(Refusal, match="1 to 40 characters"):
        await miranda.submit_modal(modal, line="")
    reply = await (await miranda.submit_modal(modal, Your_line="Where is she?")).message()
    assert reply["content"] == "You said: Where is she?" and reply["flags"] & 64
    with pytest.raises(Refusal, match="no longer open"):
        await miranda.submit_modal(modal, line="again")


async def test_autocomplete_suggests_while_typing(bot: Troupe, miranda: Person) -> None:
    choices = await miranda.autocomplete("choose", "model", model="gp", seed=3)
    assert choices == [{"name": "gpt-shakespeare", "value": "gpt-shakespeare"}]
    reply = await (await miranda.slash("choose", model=choices[0]["value"], seed=3)).message()
    assert reply["content"] == "gpt-shakespeare 3"


async def test_context_menus_get_their_target(bot: Troupe, miranda: Person) -> None:
    said = await miranda.say("what seest thou else")
    counted = await (await miranda.context("Count words", said)).message()
    assert counted["content"] == "4 words" and counted["type"] == 23
    greeted = await (await miranda.context("Greet", said["author"])).message()
    assert greeted["content"] == "Hail, Miranda"


async def test_subcommands_resolve_users_and_channels(bot: Troupe, miranda: Person) -> None:
    answer = await miranda.slash("gan sample", who=miranda.id, where=miranda.channels["gallery"])
    first = await answer.message(lambda one: one["content"].startswith("for"))
    assert first["content"] == "for Miranda in gallery" and first["flags"] == 64
    second = await answer.message(lambda one: one["content"] == "and more")
    assert second["message_reference"]["message_id"] == first["id"]
    assert first["interaction"]["name"] == "gan sample"


async def test_commands_work_in_a_direct_conversation(bot: Troupe, caliban: Person, miranda: Person) -> None:
    caliban.go("direct")
    message = await (await caliban.slash("quick")).message()
    assert message["channel_id"] == caliban.channels["direct"] and "guild_id" not in message
    interaction = bot.interactions[0]
    assert interaction.guild is None and interaction.context.dm_channel
    assert [name for name, granted in interaction.app_permissions if granted] == [
        "embed_links",
        "attach_files",
        "mention_everyone",
        "external_emojis",
    ]
    assert interaction.locale.value == "pt-BR"
    assert "promote" not in [command["name"] for command in await caliban.commands()]
    assert message["id"] not in miranda.seen


async def test_an_interaction_tells_all_about_itself(bot: Troupe, sandbox: Sandbox, miranda: Person) -> None:
    await miranda.slash("quick")
    interaction = bot.interactions[0]
    assert interaction.filesize_limit == 10 * 1024 * 1024
    assert interaction.is_guild_integration() and interaction.context.guild
    assert interaction.permissions.use_application_commands and not interaction.permissions.manage_guild
    assert interaction.app_permissions.send_messages
    assert interaction.guild is not None and interaction.guild.name == "The Island"
    assert interaction.channel is not None and interaction.channel.mention == f"<#{miranda.channel}>"


async def test_default_permissions_hide_a_command(bot: Troupe, sandbox: Sandbox, miranda: Person) -> None:
    async def offered() -> list[str]:
        return [command["name"] for command in await miranda.commands()]

    assert "promote" not in await offered()
    async with Person(sandbox.url, "Ariel") as ariel:
        assert (await (await ariel.slash("promote")).message())["content"] == "promoted"
    sandbox.state.grant(sandbox.state.named("Miranda").user, Permission.MANAGE_GUILD)
    assert "promote" in await offered()
    assert (await (await miranda.slash("promote")).message())["content"] == "promoted"


async def test_the_page_is_told_what_is_wrong_before_the_bot_hears(bot: Troupe, miranda: Person) -> None:
    for options, wrong in (
        ({}, "The option prompt is required."),
        ({"prompt": ""}, "The option prompt must be 1 to 6000 characters long."),
        ({"prompt": "x", "length": 10}, "The option length must be between 1 and 9."),
        ({"prompt": "x", "length": 1.5}, "The option length must be a whole number."),
        ({"prompt": "x", "colour": "red"}, "There is no option colour."),
    ):
        with pytest.raises(Refusal) as refused:
            await miranda.slash("recite", **options)
        assert refused.value.message == wrong
    assert bot.interactions == []


async def test_a_message_deleted_by_someone_is_gone(bot: Troupe, sandbox: Sandbox, miranda: Person) -> None:
    message = await (await miranda.slash("quick")).message()
    assert [control["type"] for control in controls(message)] == [2, 2, 2, 3]
    sandbox.state.delete_message(message["id"])
    await miranda.wait_for(lambda event: event["t"] == "MESSAGE_DELETE" and event["d"]["id"] == message["id"])
    with pytest.raises(Refusal, match="Unknown Message"):
        await miranda.press(message, "Change")


BUTTON = {"type": 1, "components": [{"type": 2, "style": 1, "label": "x", "custom_id": "x"}]}


async def test_a_token_reaches_what_its_application_wrote_by_one_and_its_components_message(
    api: Api, sandbox: Sandbox, miranda: Person
) -> None:
    state = sandbox.state
    user, channel = state.person(miranda.id).user, state.channel(miranda.channel)
    posts = f"/channels/{channel.id}/messages"
    used, other = [(await api("POST", posts, {"content": "x", "components": [BUTTON]})).body["id"] for _ in range(2)]
    data = {"custom_id": "x", "component_type": 2, "id": 1}
    pressed = state.interactions.begin(3, user, channel, data, "", source=state.any_message(used))
    await api("POST", f"/interactions/{pressed.id}/{pressed.token}/callback", {"type": 5})
    webhook = f"/webhooks/{state.application_id}/{pressed.token}"
    written = (await api("POST", webhook, {"content": "written"})).body["id"]
    for method, change in (("GET", None), ("PATCH", {"content": "y"}), ("DELETE", None)):
        refused = await api(method, f"{webhook}/messages/{other}", change)
        assert (refused.status, refused.code) == (404, 10008)
        for one in (used, written):
            assert (await api(method, f"{webhook}/messages/{one}", change)).status < 300
    assert [one["id"] for one in await miranda.messages()] == [other]


async def test_a_message_that_is_gone_is_not_updated(api: Api, sandbox: Sandbox, miranda: Person) -> None:
    state = sandbox.state
    user, channel = state.person(miranda.id).user, state.channel(miranda.channel)
    message = (await api("POST", f"/channels/{channel.id}/messages", {"content": "x", "components": [BUTTON]})).body
    data = {"custom_id": "x", "component_type": 2, "id": 1}
    pressed = state.interactions.begin(3, user, channel, data, "", source=state.any_message(message["id"]))
    state.delete_message(message["id"])
    callback = f"/interactions/{pressed.id}/{pressed.token}/callback"
    refused = await api("POST", callback, {"type": 7, "data": {"content": "y"}})
    assert (refused.status, refused.code) == (404, 10008)
    assert (await api("POST", callback, {"type": 4, "data": {"content": "it is gone"}})).status == 204
