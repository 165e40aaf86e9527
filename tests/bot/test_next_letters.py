"""Next letters: the chart of what the model would write next, under a text and by its own command."""

import pytest

from bot.client import Bot
from models.checkpoint import Store
from tests.bot.conftest import Island, ToldWorker, finished, footer, real_worker, verse
from tests.bot.test_shakespeare import EPHEMERAL
from tests.person import JSON, Answer, labels

SHARES = {"s": 0.5, " ": 0.25, "\n": 0.125, "$": 0.0625}  # a dollar sign, which charts could take for a formula


def charted(message: JSON) -> bool:
    return bool(message["attachments"])


async def test_a_chart_under_a_text(island: Island, bot: Bot, told_worker: ToldWorker) -> None:
    async with island.person() as miranda, island.person("Ariel") as ariel:
        message = await verse(miranda, told_worker)
        answer = await ariel.press(message, "Next letters")
        stream = await told_worker.stream()
        assert stream.wanted == {
            "model": "gpt-shakespeare@told", "prompt": "ROMEO: But", "max_tokens": 1, "temperature": 0.0, "top_p": 1.0,
            "top_k": 0, "n": 1, "echo": False, "logprobs": 10, "user": ariel.id, "stream": True,
        }  # fmt: skip
        stream.queued(2)
        waiting = await answer.message(lambda message: "2nd in line…" in message["content"])
        assert labels(waiting) == ["Stop"]
        stream.write("s", "length", alternatives=SHARES)
        chart = await answer.message(charted)
        assert chart["content"] == "-# gpt-shakespeare@told"
        (file,) = chart["attachments"]
        assert file["description"] == (
            "A bar chart of the letter that gpt-shakespeare would write next:"
            " s 50.0%, space 25.0%, new line 12.5%, $ 6.2%, all others 6.2%."
        )
        assert file["width"] == 640  # of which a telephone shows half
        assert (await ariel.fetch(file)).startswith(b"\x89PNG")
        assert labels(chart) == ["Recipe", "Delete"]
        told = await (await ariel.press(chart, "Recipe")).message()
        assert told["content"] == "```\n/letters prompt:ROMEO: But model:gpt-shakespeare@told\n```"


@pytest.mark.parametrize(
    ("person", "said"),
    [
        ("Miranda", ": s 95.0%, comma 1.0%, full stop 1.0%, apostrophe 1.0%, colon 1.0%, semicolon 0.9%,"),
        (
            "Caliban",
            ": s 95,0%, vírgula 1,0%, ponto final 1,0%, apóstrofo 1,0%, dois-pontos 1,0%, ponto e vírgula 0,9%,",
        ),
    ],
)
async def test_what_can_hardly_be_seen_is_named_and_what_is_rarest_has_no_bar(
    island: Island, bot: Bot, told_worker: ToldWorker, person: str, said: str
) -> None:
    shares = {"s": 0.95, ",": 0.01, ".": 0.01, "'": 0.01, ":": 0.01, ";": 0.009, "x": 0.0009}
    async with island.person(person) as someone:
        someone.go("direct")
        answer = await someone.slash("letters", prompt="ROMEO")
        (await told_worker.stream()).write("s", "length", alternatives=shares)
        (file,) = (await answer.message(charted))["attachments"]
    assert said in file["description"]
    assert " x " not in file["description"]
    assert file["description"].endswith(("all others 0.1%.", "todas as outras 0,1%."))


async def test_characters_that_the_model_never_saw_are_told(island: Island, bot: Bot, told_worker: ToldWorker) -> None:
    async with island.person() as miranda:
        answer = await miranda.slash("letters", prompt="é☃")
        (await told_worker.stream()).write("s", "length", replaced="é☃", alternatives=SHARES)
        chart = await answer.message(charted)
        assert chart["content"] == (
            "-# The model has never seen these characters and read each as a space: é ☃\n-# gpt-shakespeare@told"
        )


async def test_in_portuguese_in_a_direct_message_after_a_restart(island: Island, told_worker: ToldWorker) -> None:
    await island.start_bot(told_worker.url)
    async with island.person("Caliban") as caliban:
        caliban.go("direct")
        message = await verse(caliban, told_worker)
        await island.stop_bot()
        await island.start_bot(told_worker.url)
        answer = await caliban.press(message, "Próximas letras")
        (await told_worker.stream()).write("s", "length", alternatives=SHARES)
        chart = await answer.message(charted)
        assert "s 50,0%, espaço 25,0%, nova linha 12,5%" in chart["attachments"][0]["description"]
        assert labels(chart) == ["Receita", "Apagar"]
        told = await (await caliban.press(chart, "Receita")).message()
        assert told["content"] == "```\n/letras início:ROMEO: But modelo:gpt-shakespeare@told\n```"


async def failing(answer: Answer) -> JSON:
    return await answer.message(lambda message: labels(message) == ["Retry"])


async def test_a_worker_that_dies_and_a_request_that_is_stopped(
    island: Island, bot: Bot, told_worker: ToldWorker
) -> None:
    async with island.person() as miranda:
        answer = await miranda.slash("letters", prompt="ROMEO:")
        (await told_worker.stream()).die()
        failed = await failing(answer)
        assert footer(failed).startswith("-# The models stopped in the middle of this.")
        again = await miranda.press(failed, "Retry")
        stream = await told_worker.stream()
        stream.queued(1)
        await miranda.press(await again.message(), "Stop")
        assert footer(await failing(again)) == "-# Stopped."


async def test_a_prompt_without_words(island: Island, bot: Bot) -> None:
    async with island.person() as miranda:
        refused = await (await miranda.slash("letters", prompt="  ")).message()
    assert refused["content"].startswith("Give me some words to begin with")
    assert refused["flags"] & EPHEMERAL


@pytest.mark.parametrize("prompt", ["PROSPERO:\n", "A spirit"])
async def test_the_likeliest_letter_is_what_greedy_verse_goes_on_with(
    island: Island, tiny_store: Store, prompt: str
) -> None:
    async with real_worker(tiny_store) as url:
        bot = await island.start_bot(url)
        async with island.person() as miranda:
            answer = await miranda.slash("shakespeare", prompt=prompt, temperature=0, length=1, model="gpt-shakespeare")
            greedy = await answer.message(finished)
            assert footer(greedy).startswith("-# gpt-shakespeare@tiny · greedy · 1 character in")
            (written,) = await bot.store.row("SELECT result FROM recipes WHERE operation = 'text'") or ()
            chart = await (await miranda.slash("letters", prompt=prompt)).message(charted)
            name = {" ": "space", "\n": "new line"}.get(written, written)
            assert f"would write next: {name} " in chart["attachments"][0]["description"]
            while not bot.catalogue.models:
                await bot.catalogue.ask()
            suggested = await miranda.autocomplete("letters", "model", prompt="x", model="gpt")
            assert [choice["value"] for choice in suggested] == ["gpt-shakespeare", "gpt-shakespeare@tiny"]
        await island.stop_bot()
