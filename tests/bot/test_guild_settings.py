"""/settings as managers and members see it, and how what was chosen holds for everyone, also after a restart."""

from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import discord
import pytest

from bot.client import Bot
from bot.guild_settings import Elsewhere
from sandbox.guild import Guild
from sandbox.interactions import COMMAND
from sandbox.permissions import Permission
from tests.bot.conftest import Island, ToldWorker, finished, footer, said, verse
from tests.bot.test_shakespeare import EPHEMERAL, UNDER_A_PORTUGUESE_TEXT, UNDER_A_TEXT
from tests.person import JSON, Person, controls, labels

CHOICES = ["settings:language", "settings:channels", "settings:quota", "settings:length", "settings:temperature"]


async def panel(person: Person) -> JSON:
    return await (await person.slash("settings")).message()


def shown(message: JSON) -> dict[str, str]:
    """The label that each menu of a panel shows as chosen."""
    return {
        menu["custom_id"].removeprefix("settings:"): option["label"]
        for menu in controls(message)
        for option in menu.get("options", [])
        if option.get("default")
    }


async def choose(person: Person, message: JSON, choice: str, *values: str) -> JSON:
    """The panel once it shows the choice."""
    before = person.seen[message["id"]]
    await person.select(message, f"settings:{choice}", *values)
    return await person.message(message, lambda message: message != before)


async def test_the_panel_and_who_gets_it(island: Island, bot: Bot) -> None:
    async with island.person("Ariel") as ariel, island.person() as miranda, island.person("Caliban") as caliban:
        message = await panel(ariel)
        assert message["flags"] & EPHEMERAL
        assert message["content"].startswith("**Prospero in this server**\nI answer in every channel.")
        assert [menu["custom_id"] for menu in controls(message)] == CHOICES
        assert shown(message) == {
            "language": "Language: the one of whoever asks",
            "quota": "Limit: none",
            "length": "Texts: usually 400 characters",
            "temperature": "Texts: usually at temperature 0.8",
        }
        assert "settings" not in [command["name"] for command in await miranda.commands()]
        state = island.sandbox.state
        state.grant(state.named("Caliban").user, Permission.MANAGE_GUILD)
        assert "Limite: nenhum" in shown(await panel(caliban)).values()
        ariel.go("direct")
        assert "settings" not in [command["name"] for command in await ariel.commands()]


async def test_members_may_not_even_past_discords_own_check(island: Island, bot: Bot) -> None:
    state = island.sandbox.state
    async with island.person("Ariel") as ariel, island.person() as miranda:
        command = next(one for one in await ariel.commands() if one["name"] == "settings")
        data: dict[str, Any] = {"id": command["id"], "name": "settings", "type": 1}
        begun = state.interactions.begin(COMMAND, state.named("Miranda").user, state.channel(miranda.channel), data, "")
        event = await miranda.wait_for(lambda event: event["d"].get("interaction_metadata", {}).get("id") == begun.id)
    assert event["d"]["content"] == "Only those who manage this server can change its settings."


async def test_a_manager_who_is_none_any_more(island: Island, bot: Bot) -> None:
    state = island.sandbox.state
    state.grant(state.named("Caliban").user, Permission.MANAGE_GUILD)
    async with island.person("Caliban") as caliban:
        message = await panel(caliban)
        state.guild.members[caliban.id].roles.clear()
        refused = await (await caliban.select(message, "settings:quota", "5")).message()
        assert refused["content"] == "Só quem administra este servidor pode mudar as configurações."
        assert await bot.store.rows("SELECT * FROM guild_settings") == []


async def test_one_language_for_everyone(island: Island, told_worker: ToldWorker) -> None:
    await island.start_bot(told_worker.url)
    async with island.person("Ariel") as ariel, island.person() as miranda:
        message = await choose(ariel, await panel(ariel), "language", "pt-BR")
        assert shown(message)["language"] == "Language: Português (Brasil) for everyone"
        await island.stop_bot()
        await island.start_bot(told_worker.url)
        text = await verse(miranda, told_worker)
        assert labels(text) == UNDER_A_PORTUGUESE_TEXT
        assert "temperatura 0.8 · 4 caracteres em" in footer(text)
        told = await (await miranda.press(text, "Receita")).message()
        assert told["content"].startswith("```\n/shakespeare prompt:ROMEO:")  # as her own Discord calls it
        told_worker.refuse(500, "a sentence")
        answer = await miranda.slash("shakespeare", prompt="ROMEO:")
        assert "Os modelos falharam nessa." in (await answer.message(finished))["content"]
        miranda.go("direct")
        assert labels(await verse(miranda, told_worker)) == UNDER_A_TEXT
        miranda.go("the-stage")
        await choose(ariel, message, "language", "own")  # the panel outlives the restart too
        assert labels(await verse(miranda, told_worker)) == UNDER_A_TEXT


async def test_answers_in_some_channels_only(island: Island, told_worker: ToldWorker) -> None:
    await island.start_bot(told_worker.url)
    async with island.person("Ariel") as ariel, island.person() as miranda, island.person("Caliban") as caliban:
        text = await verse(miranda, told_worker)
        gallery = ariel.channels["gallery"]
        message = await choose(ariel, await panel(ariel), "channels", gallery)
        assert f"I answer in <#{gallery}>." in message["content"]
        assert controls(message)[1]["default_values"] == [{"id": gallery, "type": "channel"}]
        await island.stop_bot()
        await island.start_bot(told_worker.url)
        for command, options in (("shakespeare", {"prompt": "ROMEO:"}), ("gan sample", {})):
            refused = await (await miranda.slash(command, **options)).message()
            assert refused["content"] == f"In this server I answer in <#{gallery}>. Ask me there."
            assert refused["flags"] & EPHEMERAL
        refused = await (await caliban.press(text, "Retry")).message()
        assert refused["content"] == f"Neste servidor eu respondo em <#{gallery}>. Fale comigo lá."
        assert (await (await miranda.slash("privacy")).message())["content"].startswith("**What I keep")
        assert await miranda.autocomplete("shakespeare", "model", prompt="x", model="") == []
        for channel in ("gallery", "direct"):
            miranda.go(channel)
            await verse(miranda, told_worker)
        miranda.go("the-stage")
        await miranda.press(text, "Delete")  # what is there already can still be taken away
        await miranda.wait_for(lambda event: event["t"] == "MESSAGE_DELETE")
        message = await choose(ariel, await panel(ariel), "channels")
        assert "I answer in every channel." in message["content"]
        await verse(miranda, told_worker)


async def test_a_channel_that_was_deleted_binds_nobody(island: Island, bot: Bot, told_worker: ToldWorker) -> None:
    async with island.person("Ariel") as ariel, island.person() as miranda:
        gallery = ariel.channels["gallery"]
        await choose(ariel, await panel(ariel), "channels", gallery)
        state = island.sandbox.state
        state.delete_channel(state.channel(gallery))
        message = await panel(ariel)
        assert "I answer in every channel." in message["content"]
        assert "default_values" not in controls(message)[1]
        await verse(miranda, told_worker)


async def test_channels_bind_where_the_bot_is_no_member_and_before_it_knows_the_server(
    island: Island, bot: Bot, told_worker: ToldWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with island.person("Ariel") as ariel, island.person() as miranda:
        gallery = ariel.channels["gallery"]
        await choose(ariel, await panel(ariel), "channels", gallery)
        island.expel_bot()
        assert (await said(miranda, "gan sample"))["content"].startswith(f"In this server I answer in <#{gallery}>.")
        assert controls(await panel(ariel))[1]["default_values"] == [{"id": gallery, "type": "channel"}]
        await island.stop_bot()
        monkeypatch.setattr(Guild, "create_payload", lambda guild, _: {"id": guild.id, "unavailable": True})
        await island.start_bot(told_worker.url)
        assert (await said(miranda, "gan sample"))["content"].startswith(f"In this server I answer in <#{gallery}>.")


async def test_a_thread_counts_as_its_channel(bot: Bot) -> None:
    def inside(parent: int) -> Any:
        thread = MagicMock(spec=discord.Thread, parent_id=parent)
        return SimpleNamespace(client=bot, guild_id=7, channel_id=9, channel=thread)

    await bot.guild_settings.change(7, channels=(1, 2))
    bot.guild_settings.check_channel(inside(2))
    with pytest.raises(Elsewhere):
        bot.guild_settings.check_channel(inside(3))


@pytest.mark.parametrize(("length", "temperature"), [("100", "1.2"), ("3200", "0.0")])
async def test_how_texts_usually_are(
    island: Island, bot: Bot, told_worker: ToldWorker, length: str, temperature: str
) -> None:
    async with island.person("Ariel") as ariel, island.person() as miranda:
        message = await panel(ariel)
        await choose(ariel, message, "length", length)
        message = await choose(ariel, message, "temperature", temperature)
        assert shown(message)["length"] == f"Texts: usually {length} characters"
        await miranda.slash("shakespeare", prompt="x")
        wanted = (await told_worker.stream()).wanted
        assert (wanted["max_tokens"], wanted["temperature"]) == (int(length), float(temperature))
        await miranda.slash("shakespeare", prompt="x", length=7, temperature=0.4)
        wanted = (await told_worker.stream()).wanted
        assert (wanted["max_tokens"], wanted["temperature"]) == (7, 0.4)
