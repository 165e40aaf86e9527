"""The bot as a whole: its commands at Discord, and its answers to what it no longer knows."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, aclosing
from importlib.metadata import EntryPoint, entry_points
from types import ModuleType

import discord
import pytest
from discord import app_commands
from discord.ext import commands
from discord.http import handle_message_parameters
from structlog.testing import capture_logs

from bot import client, picture_recipes
from bot.client import Bot, InstallationError
from bot.locale import CATALOGUES
from bot.picture_models import ASKS
from sandbox.commands import GUILD_INSTALL, USER_INSTALL
from tests.bot.conftest import Island, ToldWorker, finished
from tests.bot.trainer import Trainer
from tests.person import Person
from worker.schemas.completions import CompletionRequest

EPHEMERAL = 1 << 6


async def test_commands_are_registered_once_and_again_when_something_changed(
    island: Island, told_worker: ToldWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    await island.start_bot(told_worker.url)
    assert island.count("PUT", "/commands") == 1
    await island.stop_bot()
    await island.start_bot(told_worker.url)
    assert island.count("PUT", "/commands") == 1
    await island.stop_bot()
    monkeypatch.setitem(CATALOGUES["pt-BR"], "command.help.description", "Outra descrição")
    await island.start_bot(told_worker.url)
    assert island.count("PUT", "/commands") == 2


async def test_commands_that_discord_lost_are_registered_again(island: Island, told_worker: ToldWorker) -> None:
    await island.start_bot(told_worker.url)
    await island.stop_bot()
    island.sandbox.state.commands.overwrite(None, [])
    await island.start_bot(told_worker.url)
    assert island.count("PUT", "/commands") == 2


async def test_commands_are_offered_everywhere(island: Island, bot: Bot) -> None:
    async with island.person() as miranda:
        for channel in ("the-stage", "direct"):
            miranda.go(channel)
            commands = await miranda.commands()
            assert {"shakespeare", "letters", "gan", "help", "Recipe"} <= {command["name"] for command in commands}
            for command in commands:
                assert sorted(command["integration_types"]) == [0, 1]
                assert sorted(command["contexts"]) == [0, 1, 2]


async def test_commands_are_for_people_once_the_application_is(island: Island, told_worker: ToldWorker) -> None:
    async with island.person("Ariel") as ariel:
        island.sandbox.state.commands.installs = (GUILD_INSTALL,)
        await island.start_bot(told_worker.url)
        assert {tuple(command["integration_types"]) for command in await ariel.commands()} == {(GUILD_INSTALL,)}
        await island.stop_bot()
        island.sandbox.state.commands.installs = (GUILD_INSTALL, USER_INSTALL)
        await island.start_bot(told_worker.url)
        everyones = next(command for command in await ariel.commands() if command["name"] == "shakespeare")
        assert sorted(everyones["integration_types"]) == [GUILD_INSTALL, USER_INSTALL]


async def test_as_many_texts_at_once_as_the_worker_takes(bot: Bot, told_worker: ToldWorker) -> None:
    async with AsyncExitStack() as texts:
        begun = []
        for _ in range(101):  # one more than aiohttp connects to by itself
            events = await texts.enter_async_context(aclosing(bot.worker.complete(CompletionRequest(prompt="ROMEO:"))))
            begun.append(asyncio.create_task(anext(events)))
            (await told_worker.stream()).write("But")
        await asyncio.gather(*begun)


async def test_a_button_that_nobody_knows_is_answered(island: Island, bot: Bot) -> None:
    async with island.person() as miranda:
        button: discord.ui.Button[discord.ui.View] = discord.ui.Button(label="Old", custom_id="old:thing")
        view = discord.ui.View()
        view.add_item(button)
        with handle_message_parameters(content="from another age", view=view) as parameters:
            await bot.http.send_message(int(miranda.channel), params=parameters)
        event = await miranda.wait_for(lambda event: event["t"] == "MESSAGE_CREATE")
        answer = await (await miranda.press(event["d"], "Old")).message()
    assert answer["content"].startswith("I no longer know what this button does.")
    assert answer["flags"] & EPHEMERAL


async def test_a_result_whose_recipe_is_gone(island: Island, bot: Bot, told_worker: ToldWorker) -> None:
    async with island.person() as miranda:
        answer = await miranda.slash("shakespeare", prompt="ROMEO:")
        (await told_worker.stream()).finish("soft")
        message = await answer.message(finished)
        await bot.store.change("DELETE FROM recipes")
        for label in ("Continue", "Retry"):
            refused = await (await miranda.press(message, label)).message()
            assert refused["content"].startswith("I have no record of how this was made any more")


async def test_a_result_of_a_plug_in_that_is_gone(island: Island, bot: Bot, told_worker: ToldWorker) -> None:
    async with island.person() as miranda:
        answer = await miranda.slash("shakespeare", prompt="ROMEO:")
        (await told_worker.stream()).finish("soft")
        message = await answer.message(finished)
        await bot.store.change("UPDATE recipes SET operation = 'weather'")
        refused = await (await miranda.press(message, "Retry")).message()
    assert "(weather) is not installed any more" in refused["content"]


async def test_a_command_that_the_bot_lost(island: Island, bot: Bot) -> None:
    bot.tree.remove_command("about")
    async with island.person() as miranda:
        refused = await (await miranda.slash("about")).message()
    assert refused["content"].startswith("This command has changed.")


async def test_no_commands_installed(island: Island, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "COGS", "prospero.nothing")
    with pytest.raises(InstallationError, match="make env"):
        await island.start_bot("http://127.0.0.1:9")


def plug_in(monkeypatch: pytest.MonkeyPatch, setup: Callable[[Bot], Awaitable[None]] | None) -> None:
    """Installs commands that Python finds before the built-in ones; None for some that are not there."""
    if setup is not None:
        storm = ModuleType("storm")
        storm.setup = setup  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "storm", storm)
    point = EntryPoint("thunder", "storm:setup", client.COGS)
    monkeypatch.setattr(client, "entry_points", lambda group: [point, *entry_points(group=group)])


async def fail(bot: Bot) -> None:
    raise OSError("there is no wind")


async def take_a_command(bot: Bot) -> None:
    bot.tree.add_command(app_commands.Group(name="gan", description="Others"))


async def help_without_words(bot: Bot) -> None:
    class Storm(commands.Cog):
        help_key = "help.storm"

    await bot.add_cog(Storm())


async def help_with_braces(bot: Bot) -> None:
    class Storm(commands.Cog):
        help_key = "about.model"

    await bot.add_cog(Storm())


async def name_without_words(bot: Bot) -> None:
    bot.commands_of["storm sample"] = picture_recipes.command


async def ask_for_what_nobody_makes(bot: Bot) -> None:
    bot.commands_of["gan help"] = picture_recipes.command


@pytest.mark.parametrize(
    ("setup", "wrong"),
    [
        (None, "ModuleNotFoundError: No module named 'storm'"),
        (fail, "OSError: there is no wind"),
        (take_a_command, "CommandAlreadyRegistered: Command 'gan' already registered."),
        (help_without_words, "ValueError: There is no English text for help.storm."),
        (help_with_braces, "ValueError: The text for about.model (en-US) has braces, but nothing to fill in."),
        (name_without_words, "ValueError: There is no English text for command.storm.name."),
        (ask_for_what_nobody_makes, f"ValueError: The last word of 'gan help' must be one of: {', '.join(ASKS)}."),
    ],
)
async def test_commands_that_cannot_be_loaded_are_told_at_the_start(
    island: Island,
    monkeypatch: pytest.MonkeyPatch,
    setup: Callable[[Bot], Awaitable[None]] | None,
    wrong: str,
) -> None:
    plug_in(monkeypatch, setup)
    with pytest.raises(InstallationError) as raised:
        await island.start_bot("http://127.0.0.1:9")
    told = "The commands 'thunder' (storm:setup) cannot be loaded; mend or remove them. "
    assert str(raised.value) == told + wrong


async def test_ending_the_bot_is_told_where_there_is_no_answer_yet(
    ariel: Person, island: Island, trainer: Trainer
) -> None:
    trainer.hold_promotions.clear()
    promoting = await ariel.slash("model promote", model="gan-digits", version="v1")
    await ariel.until(promoting.messages, 30, "a message")
    await island.stop_bot()
    told = await promoting.message()
    assert told["content"] == "Interrupted because Prospero is restarting. Try again in a moment."


async def test_ending_the_bot_is_told_in_what_it_was_writing(island: Island, bot: Bot, told_worker: ToldWorker) -> None:
    async with island.person() as miranda:
        answer = await miranda.slash("shakespeare", prompt="ROMEO:")
        stream = await told_worker.stream()
        stream.write("But soft")
        message = await answer.message()
        await island.stop_bot()
        ended = await miranda.message(message, finished)
        assert "Interrupted because Prospero is restarting." in ended["content"]
        await island.start_bot(told_worker.url)
        again = await miranda.press(ended, "Continue")
        (await told_worker.stream()).finish(", what light")
        await again.message(finished)


async def test_a_failure_is_logged_with_what_was_used_and_as_the_worker_logs_it(
    island: Island, bot: Bot, told_worker: ToldWorker
) -> None:
    async with island.person() as miranda:
        with capture_logs() as logs:
            told_worker.refuse(500, "out of memory")
            message = await (await miranda.slash("shakespeare", prompt="ROMEO:")).message(finished)
            first = told_worker.request_id
            told_worker.refuse(500, "out of memory")
            await (await miranda.press(message, "Retry")).message(finished)
    failures = [entry for entry in logs if entry["event"] == "worker failed"]
    assert [(entry["command"], entry["request_id"]) for entry in failures] == [
        ("shakespeare", first),
        ("again", told_worker.request_id),  # as Retry is called of a text that never began
    ]


async def test_what_the_worker_refuses_is_logged_without_what_was_typed(
    island: Island, bot: Bot, told_worker: ToldWorker
) -> None:
    async with island.person() as miranda:
        with capture_logs() as logs:
            told_worker.refuse(400, "prompt must be shorter, not ROMEO.")
            answer = await miranda.slash("shakespeare", prompt="ROMEO:")
            await answer.message(lambda message: "The models cannot do that" in message["content"])
    (refused,) = [entry for entry in logs if entry["event"] == "worker refused"]
    assert (refused["command"], refused["request_id"]) == ("shakespeare", told_worker.request_id)
    assert "ROMEO" not in str(refused)
