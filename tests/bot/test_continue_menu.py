"""Continue as Shakespeare, from the menu of any message."""

import pytest

from bot.client import Bot
from tests.bot.conftest import Island, ToldWorker, finished, verse
from tests.bot.test_shakespeare import EPHEMERAL, UNDER_A_PORTUGUESE_TEXT, UNDER_A_TEXT
from tests.person import labels

MENU = "Continue as Shakespeare"


@pytest.mark.parametrize(
    ("name", "channel", "under"),
    [
        ("Miranda", "the-stage", UNDER_A_TEXT),
        ("Ariel", "direct", UNDER_A_TEXT),
        ("Caliban", "direct", UNDER_A_PORTUGUESE_TEXT),
    ],
)
async def test_a_persons_message_goes_on(
    island: Island, bot: Bot, told_worker: ToldWorker, name: str, channel: str, under: list[str]
) -> None:
    async with island.person(name) as person:
        person.go(channel)
        said = await person.say("O brave new world\n")
        answer = await person.context(MENU, said)
        stream = await told_worker.stream()
        assert stream.wanted["prompt"] == "O brave new world"
        assert (stream.wanted["max_tokens"], stream.wanted["temperature"]) == (400, 0.8)
        stream.finish(", that has such people")
        message = await answer.message(finished)
        assert message["content"].startswith("**O brave new world**, that has such people…\n-# ")
        assert labels(message) == under


async def test_its_name_in_portuguese(island: Island, bot: Bot) -> None:
    async with island.person("Caliban") as caliban:
        localized = {command["name"]: command.get("name_localized") for command in await caliban.commands()}
    assert (localized[MENU], localized["Recipe"]) == ("Continuar como Shakespeare", "Receita")


async def test_a_text_of_ours_goes_on_whole_from_any_part(island: Island, bot: Bot, told_worker: ToldWorker) -> None:
    written = "But soft, what light\n" * 80
    async with island.person() as miranda, island.person("Ariel") as ariel:
        await verse(miranda, told_worker, written)
        for part in await ariel.messages():
            await ariel.context(MENU, part)
            stream = await told_worker.stream()
            assert stream.wanted["prompt"] == "ROMEO:" + written
            assert stream.wanted["model"] == "gpt-shakespeare@told"
            assert stream.wanted["user"] == ariel.id
            stream.finish("breaks")


async def test_a_text_of_ours_whose_record_was_erased_does_not_go_on(
    island: Island, bot: Bot, told_worker: ToldWorker
) -> None:
    async with island.person() as miranda:
        message = await verse(miranda, told_worker)
        await bot.recipes.forget(int(miranda.id))
        refused = await (await miranda.context(MENU, message)).message()
        assert refused["content"].startswith("I have no record of how this was made any more")
        assert refused["flags"] & EPHEMERAL


async def test_a_message_that_was_passed_on_goes_on(island: Island, bot: Bot, told_worker: ToldWorker) -> None:
    async with island.person() as miranda, island.person("Caliban") as caliban:
        written = await miranda.say(f"Ban, <@{miranda.id}>, 'Ban, Ca-caliban")
        caliban.go("gallery")
        answer = await caliban.context(MENU, await caliban.forward(written))
        stream = await told_worker.stream()
        assert stream.wanted["prompt"] == "Ban,, 'Ban, Ca-caliban"  # whom it mentions is not known
        stream.finish(" has a new master")
        await answer.message(finished)
        ((recipe,),) = await bot.store.rows("SELECT id FROM recipes")
        assert (await bot.recipes.read(recipe)).people == {int(caliban.id)}  # nor whose words these are


async def test_channels_are_left_out(island: Island, bot: Bot, told_worker: ToldWorker) -> None:
    async with island.person() as miranda:
        said = await miranda.say(f"Enter <#{miranda.channel}> <@{miranda.id}>, <#{int(miranda.channel) + 1}>")
        await miranda.context(MENU, said)
        assert (await told_worker.stream()).wanted["prompt"] == "Enter @Miranda,"
        refused = await (await miranda.context(MENU, await miranda.say(f"<#{miranda.channel}>"))).message()
        assert refused["content"] == "There are no words in that message that I could continue."


async def test_a_mention_is_read_as_it_is_shown_and_a_picture_has_no_words(
    island: Island, bot: Bot, told_worker: ToldWorker
) -> None:
    async with island.person() as miranda:
        await miranda.context(MENU, await miranda.say(f"<@{miranda.id}> sleeps"))
        assert (await told_worker.stream()).wanted["prompt"] == "@Miranda sleeps"
        chart = await miranda.slash("letters", prompt="ROMEO:")
        (await told_worker.stream()).write("s", "length", alternatives={"s": 0.9})
        picture = await chart.message(lambda message: message["attachments"])
        refused = await (await miranda.context(MENU, picture)).message()
        assert refused["content"] == "There are no words in that message that I could continue."
        assert refused["flags"] & EPHEMERAL
