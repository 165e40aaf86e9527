"""How something was made: by /recipe, from the menu of a message, and by the button under it."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.client import Bot
from bot.recipes import as_line, read_line
from models.checkpoint import Store
from tests.bot.conftest import Island, ToldWorker, finished, real_worker, verse
from tests.bot.test_shakespeare import EPHEMERAL
from tests.conftest import DIGITS, keep_gan
from tests.person import JSON, Answer, Person

ROMEO = "```\n/shakespeare prompt:ROMEO: length:400 temperature:0.8 seed:7 model:gpt-shakespeare@told\n```"


async def told(answer: Answer) -> str:
    """What only the person who asked reads."""
    message = await answer.message()
    assert message["flags"] & EPHEMERAL
    return str(message["content"])


@pytest.mark.parametrize("channel", ["the-stage", "direct"])
async def test_of_a_text(island: Island, bot: Bot, told_worker: ToldWorker, channel: str) -> None:
    async with island.person() as miranda:
        miranda.go(channel)
        message = await verse(miranda, told_worker)
        guild = "@me" if channel == "direct" else island.sandbox.state.guild.id
        link = f"https://discord.com/channels/{guild}/{message['channel_id']}/{message['id']}"
        assert await told(await miranda.press(message, "Recipe")) == ROMEO
        assert await told(await miranda.context("Recipe", message)) == ROMEO
        assert await told(await miranda.slash("recipe", message=link)) == ROMEO
        assert await told(await miranda.slash("recipe", message=message["id"])) == ROMEO


async def test_in_portuguese_of_any_part_of_a_long_text_after_a_restart(
    island: Island, told_worker: ToldWorker
) -> None:
    await island.start_bot(told_worker.url)
    async with island.person("Caliban") as caliban:
        await verse(caliban, told_worker, "But soft, what light\n" * 120)
        await island.stop_bot()
        await island.start_bot(told_worker.url)
        for part in await caliban.messages():
            command = await told(await caliban.context("Recipe", part))
            assert command.startswith("```\n/shakespeare início:ROMEO: tamanho:400 temperatura:0.8 semente:7")


async def test_what_is_pasted_writes_the_same(island: Island, tiny_store: Store) -> None:
    async with real_worker(tiny_store) as url:
        await island.start_bot(url)
        async with island.person() as miranda:
            asked = {"prompt": "PROSPERO:", "length": 40, "temperature": 1.2, "top_k": 9, "top_p": 0.9}
            message = await (await miranda.slash("shakespeare", **asked)).message(finished)
            command = (await told(await miranda.context("Recipe", message))).strip("`\n")
            options = dict(re.findall(r"(\w+):(\S+)", command.removeprefix("/shakespeare ")))
            kinds = {"length": int, "temperature": float, "top_k": int, "top_p": float}
            typed = {name: kinds.get(name, str)(value) for name, value in options.items()}
            assert typed.keys() == asked.keys() | {"seed", "model"}
            again = await (await miranda.slash("shakespeare", **typed)).message(finished)
            assert text(again) == text(message)
        await island.stop_bot()


@given(st.text(st.sampled_from("\\n\n xé")) | st.text())
def test_every_text_is_typed_in_one_line_and_read_as_it_was(words: str) -> None:
    assert "\n" not in as_line(words)
    assert read_line(as_line(words)) == words


async def test_a_backslash_begins_a_line_only_before_an_n(island: Island, bot: Bot, told_worker: ToldWorker) -> None:
    async with island.person() as miranda:
        for command in ("shakespeare", "letters"):
            await miranda.slash(command, prompt=r"ROMEO:\nBut \soft\\night")
            assert (await told_worker.stream()).wanted["prompt"] == "ROMEO:\nBut \\soft\\night"


async def test_of_lines_and_of_as_many_as_a_prompt_may_have(island: Island, bot: Bot, told_worker: ToldWorker) -> None:
    async with island.person() as miranda:
        message = await verse(miranda, told_worker, "\nBut soft!\n")
        continued = await miranda.press(message, "Continue")
        stream = await told_worker.stream()
        assert stream.wanted["prompt"] == "ROMEO:\nBut soft!\n"
        stream.finish("What light")
        message = await continued.message(finished)
        said = await told(await miranda.press(message, "Recipe"))
        assert said.startswith("```\n/shakespeare prompt:ROMEO:\\nBut soft!\\n length:400")
        drawing = await miranda.press(message, "Next letters")
        (await told_worker.stream()).write("?", "length", alternatives={"?": 1.0})
        chart = await drawing.message(lambda message: message["attachments"])
        said = await told(await miranda.press(chart, "Recipe"))
        assert said.startswith("```\n/letters prompt:ROMEO:\\nBut soft!\\nWhat light model:")
        await miranda.slash("shakespeare", prompt="x\\n" * 1_000)  # longer as typed than as read
        assert (await told_worker.stream()).wanted["prompt"] == "x\n" * 1_000


def text(message: JSON) -> str:
    return str(message["content"]).partition("\n-# ")[0]


async def test_of_a_picture(island: Island, tiny_store: Store) -> None:
    keep_gan(tiny_store, "gan-digits", DIGITS)
    async with real_worker(tiny_store) as url:
        await island.start_bot(url)
        async with island.person() as miranda:
            answer = await miranda.slash("gan number", digits="2026", seed="5")
            message = await answer.message(lambda message: message["attachments"])
            command = await told(await miranda.slash("recipe", message=message["id"]))
            assert command.startswith("```\n/gan number ") and "seed:5" in command
            assert await told(await miranda.context("Recipe", message)) == command
        await island.stop_bot()


async def test_a_long_prompt_comes_as_a_file(island: Island, bot: Bot, told_worker: ToldWorker) -> None:
    async with island.person() as miranda:
        for prompt in ("x" * 2000, "```"):
            answer = await miranda.slash("shakespeare", prompt=prompt)
            (await told_worker.stream()).finish("soft")
            message = await (await miranda.press(await answer.message(finished), "Recipe")).message()
            content = await miranda.fetch(message["attachments"][0])
            assert content.decode().startswith(f"/shakespeare prompt:{prompt} length:400")


@pytest.mark.parametrize("words", ["9" * 19, "9" * 20, f"https://discord.com/channels/1/{'9' * 5000}/{'9' * 18}"])
async def test_numbers_that_are_no_ids(island: Island, bot: Bot, words: str) -> None:
    async with island.person() as miranda:
        said = await told(await miranda.slash("recipe", message=words))
    assert said == "That is no message; copy its link or its id from its menu."


async def refusals(person: Person, elsewhere: JSON, own: JSON) -> list[str]:
    """What is told about what is no message, one in another channel, and ones that show no result."""
    link = f"https://discord.com/channels/1/{elsewhere['channel_id']}/{elsewhere['id']}"
    answers = [await person.slash("recipe", message=words) for words in ("soon", link, elsewhere["id"], own["id"])]
    return [await told(answer) for answer in [*answers, await person.context("Recipe", own)]]


async def test_what_has_no_recipe_here(island: Island, bot: Bot, told_worker: ToldWorker) -> None:
    async with island.person() as miranda:
        elsewhere = await verse(miranda, told_worker)
        miranda.go("gallery")
        own = await miranda.say("But soft!")
        none = (
            "I have no record of how that was made. If it is in another channel, ask me there; otherwise it is no verse"
            " or picture of mine, or its record was erased."
        )
        assert await refusals(miranda, elsewhere, own) == [
            "That is no message; copy its link or its id from its menu.",
            f"That message is in <#{elsewhere['channel_id']}>; ask me there.",
            none,
            none,
            none,
        ]
