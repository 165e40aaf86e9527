"""/shakespeare as people see it, with a worker that writes what the test tells it to."""

import asyncio
import re
import time
from dataclasses import replace
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import aiosqlite
import discord
import pytest
from structlog.testing import capture_logs

from bot import delivery, live_message
from bot.client import Bot
from bot.draft import Draft
from bot.passage import Passage
from bot.recipes import Recipe
from bot.scheduler import Scheduler
from sandbox.clock import Clock
from sandbox.interactions import COMMAND, COMPONENT
from sandbox.permissions import Permission
from tests.bot.conftest import Island, ToldWorker, finished, footer
from tests.person import Answer, controls, labels

EPHEMERAL = 1 << 6

UNDER_A_TEXT = ["Continue", "Retry", "Next letters", "Recipe", "Delete"]
UNDER_A_PORTUGUESE_TEXT = ["Continuar", "Tentar de novo", "Próximas letras", "Receita", "Apagar"]


async def test_a_text_grows_and_finishes(island: Island, bot: Bot, told_worker: ToldWorker) -> None:
    async with island.person() as miranda:
        answer = await miranda.slash("shakespeare", prompt="ROMEO:", temperature=0.5, top_k=9, top_p=0.75, seed="42")
        stream = await told_worker.stream()
        stream.write("\nBut ")
        first = await answer.message()
        assert first["content"].rstrip() == "**ROMEO:**\nBut"
        assert labels(first) == ["Stop"]
        stream.write("soft")
        await miranda.message(first, lambda message: message["content"].endswith("soft"))
        stream.finish("!")
        last = await miranda.message(first, finished)
    assert last["content"].startswith("**ROMEO:**\nBut soft!\n-# ")
    assert re.fullmatch(
        r"-# gpt-shakespeare@told · seed 42 · temperature 0.5 · top_k 9 · top_p 0.75 · 10 characters in [\d.]+ s",
        footer(last),
    )
    assert labels(last) == UNDER_A_TEXT
    assert stream.wanted == {
        "model": "gpt-shakespeare", "prompt": "ROMEO:", "max_tokens": 400, "temperature": 0.5, "top_k": 9,
        "top_p": 0.75, "seed": 42, "n": 1, "echo": False, "user": miranda.id, "stream": True,
    }  # fmt: skip


async def test_what_is_written_is_shown_and_never_obeyed(island: Island, bot: Bot, told_worker: ToldWorker) -> None:
    async with island.person() as miranda:
        island.sandbox.state.grant(island.sandbox.state.bot, Permission.MENTION_EVERYONE)  # what it may, it never does
        answer = await miranda.slash("shakespeare", prompt="@everyone *")
        (await told_worker.stream()).finish(f" **loud** <@{miranda.id}>\n# head")
        message = await answer.message(finished)
    shown = rf"**\@everyone \*** \*\*loud\*\* \<\@{miranda.id}>" + "\n\\# head…\n-# "
    assert message["content"].startswith(shown)
    assert message["mentions"] == []
    assert message["mention_everyone"] is False


async def test_the_place_in_the_queue_is_shown_while_waiting(island: Island, bot: Bot, told_worker: ToldWorker) -> None:
    async with island.person() as miranda:
        answer = await miranda.slash("shakespeare", prompt="ROMEO:")
        stream = await told_worker.stream()
        stream.queued(2)
        message = await answer.message(lambda message: "2nd in line" in footer(message))
        assert labels(message) == ["Stop"]
        stream.queued(1)
        await miranda.message(message, lambda message: "1st in line" in footer(message))
        stream.finish("soft")
        assert "in line" not in (await miranda.message(message, finished))["content"]


async def test_stop_keeps_what_is_written_and_frees_the_worker(
    island: Island, bot: Bot, told_worker: ToldWorker
) -> None:
    async with island.person() as miranda:
        answer = await miranda.slash("shakespeare", prompt="ROMEO:")
        stream = await told_worker.stream()
        stream.write("But soft")
        message = await answer.message()
        await miranda.press(message, "Stop")
        stopped = await miranda.message(message, finished)
        await asyncio.wait_for(stream.closed.wait(), 30)
        assert stopped["content"].startswith("**ROMEO:**But soft\n-# Stopped.\n-# gpt-shakespeare@told · seed 7")
        assert labels(stopped) == UNDER_A_TEXT
        await miranda.press(stopped, "Continue")
        assert (await told_worker.stream()).wanted["prompt"] == "ROMEO:But soft"


async def test_a_stop_that_crosses_the_end_leaves_the_buttons_of_the_whole_text(
    island: Island, bot: Bot, told_worker: ToldWorker
) -> None:
    state = island.sandbox.state
    async with island.person() as miranda:
        answer = await miranda.slash("shakespeare", prompt="ROMEO:")
        stream = await told_worker.stream()
        stream.write("But ")
        growing = await answer.message(labels)
        (stop,) = controls(growing)
        was = state.any_message(growing["id"])
        seen = replace(was, fields=dict(was.fields))  # what she still saw when she pressed
        stream.finish("soft")
        await miranda.message(growing, finished)
        while bot.performances.get(stop["custom_id"].partition(":")[2]):  # noqa: ASYNC110 (nobody else waits for it)
            await asyncio.sleep(0.01)
        data = {"custom_id": stop["custom_id"], "component_type": 2}
        pressed = state.interactions.begin(COMPONENT, state.named("Miranda").user, was.channel, data, "", source=seen)
        told = await Answer(miranda, pressed.id).message(lambda message: message["id"] != growing["id"])
        assert told["content"].startswith("Nothing is being made here any more.")
        assert labels(miranda.seen[growing["id"]]) == UNDER_A_TEXT


async def test_a_request_in_the_queue_can_be_stopped(island: Island, bot: Bot, told_worker: ToldWorker) -> None:
    async with island.person() as miranda:
        answer = await miranda.slash("shakespeare", prompt="ROMEO:")
        stream = await told_worker.stream()
        stream.queued(5)
        message = await answer.message()
        await miranda.press(message, "Stop")
        stopped = await miranda.message(message, finished)
        await asyncio.wait_for(stream.closed.wait(), 30)
    assert stopped["content"] == "**ROMEO:**\n-# Stopped."
    assert labels(stopped) == ["Retry"]


async def test_only_the_owner_and_moderators_may_stop(island: Island, bot: Bot, told_worker: ToldWorker) -> None:
    async with island.person() as miranda, island.person("Caliban") as caliban, island.person("Ariel") as ariel:
        answer = await miranda.slash("shakespeare", prompt="ROMEO:")
        stream = await told_worker.stream()
        stream.write("But soft")
        message = await answer.message()
        refused = await (await caliban.press(message, "Stop")).message()
        assert refused["content"] == f"Só <@{miranda.id}>, que fez o pedido, ou a moderação pode parar isto."
        assert refused["flags"] & EPHEMERAL
        assert not stream.closed.is_set()
        await ariel.press(message, "Stop")
        await miranda.message(message, lambda message: "Stopped." in footer(message))


async def test_continue_writes_on_in_a_new_message(island: Island, bot: Bot, told_worker: ToldWorker) -> None:
    async with island.person() as miranda, island.person("Caliban") as caliban:
        answer = await miranda.slash("shakespeare", prompt="ROMEO:", temperature=0.3, length=200)
        (await told_worker.stream()).finish("\nBut soft, " + "what light " * 9)
        message = await answer.message(finished)
        further = await caliban.press(message, "Continue")
        stream = await told_worker.stream()
        stream.finish("breaks")
        continued = await further.message(finished)
        assert labels(await miranda.message(message, finished)) == UNDER_A_TEXT
    assert stream.wanted["prompt"] == "ROMEO:\nBut soft, " + "what light " * 9
    assert stream.wanted["model"] == "gpt-shakespeare@told"
    assert (stream.wanted["temperature"], stream.wanted["max_tokens"]) == (0.3, 200)
    assert "seed" not in stream.wanted
    assert stream.wanted["user"] == caliban.id
    assert continued["id"] != message["id"]
    assert continued["content"].startswith("… **")
    assert "what light** breaks…\n-# " in continued["content"]
    assert len(continued["content"]) < 300
    assert labels(continued) == UNDER_A_PORTUGUESE_TEXT


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\nAs we have a garment m", "\nAs we have a garment m…\n-# "),
        ("\nGood night, ", "\nGood night, …\n-# "),
        ("\nGood night. ", "\nGood night.\n-# "),
        ("\nGood night,\n", "\nGood night,\n-# "),
    ],
)
async def test_a_text_that_ends_inside_a_line_says_so(
    island: Island, bot: Bot, told_worker: ToldWorker, text: str, shown: str
) -> None:
    async with island.person() as miranda:
        answer = await miranda.slash("shakespeare", prompt="ROMEO:")
        (await told_worker.stream()).finish(text)
        message = await answer.message(finished)
        assert message["content"].startswith(f"**ROMEO:**{shown}")
        further = await miranda.press(message, "Continue")
        stream = await told_worker.stream()
        stream.finish("!")
        continued = await further.message(finished)
    assert stream.wanted["prompt"] == f"ROMEO:{text}"
    assert "…" not in continued["content"]


async def test_retry_draws_another_seed(island: Island, bot: Bot, told_worker: ToldWorker) -> None:
    async with island.person() as miranda:
        answer = await miranda.slash("shakespeare", prompt="ROMEO:", seed="5")
        (await told_worker.stream()).finish("soft")
        await miranda.press(await answer.message(finished), "Retry")
        stream = await told_worker.stream()
    assert stream.wanted["prompt"] == "ROMEO:"
    assert "seed" not in stream.wanted


async def test_a_worker_that_dies_in_the_middle(island: Island, bot: Bot, told_worker: ToldWorker) -> None:
    async with island.person() as miranda:
        answer = await miranda.slash("shakespeare", prompt="ROMEO:")
        stream = await told_worker.stream()
        stream.write("But soft")
        message = await answer.message()
        stream.die()
        failed = await miranda.message(message, lambda message: "Stop" not in labels(message))
        assert failed["content"].startswith("**ROMEO:**But soft\n-# The models stopped in the middle of this.")
        assert labels(failed) == UNDER_A_TEXT
        again = await miranda.press(failed, "Retry")
        stream = await told_worker.stream()
        assert stream.wanted["seed"] == 7  # the one it had, so what was read comes again
        stream.finish("But soft!")
        assert finished(await again.message(finished))


async def failure(island: Island, told_worker: ToldWorker) -> dict[str, Any]:
    """What becomes of a request that fails before its first character; Retry under it must work."""
    async with island.person() as miranda:
        answer = await miranda.slash("shakespeare", prompt="ROMEO:")
        failed = await answer.message(lambda message: labels(message) == ["Retry"])
        assert not failed["flags"] & EPHEMERAL
        again = await miranda.press(failed, "Retry")
        (await told_worker.stream()).finish("soft")
        await again.message(finished)
    return failed


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (429, "even the queue is full. Try again in 12 s."),
        (401, "The models do not accept this bot's token."),
        (500, "The models failed at this."),
        (503, "The models stopped in the middle of this."),
        (504, "This took the models longer than it may. Ask for less,"),
    ],
)
async def test_a_refusal_ends_in_a_sentence_and_a_way_to_try_again(
    island: Island, bot: Bot, told_worker: ToldWorker, status: int, said: str
) -> None:
    told_worker.refuse(status, "a sentence", **{"Retry-After": "12"})
    failed = await failure(island, told_worker)
    assert failed["content"].startswith("**ROMEO:**\n-# ")
    assert said in failed["content"]


async def test_what_can_never_be_done_ends_in_a_sentence_alone(
    island: Island, bot: Bot, told_worker: ToldWorker
) -> None:
    told_worker.refuse(400, "a sentence")
    async with island.person() as miranda:
        answer = await miranda.slash("shakespeare", prompt="ROMEO:")
        failed = await answer.message(lambda message: "The models cannot do that: a sentence" in message["content"])
    assert labels(failed) == []


async def test_an_error_that_nobody_foresaw_has_a_number(
    island: Island, bot: Bot, told_worker: ToldWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    with monkeypatch.context() as patch:
        patch.setattr(bot.worker, "complete", broken)
        async with island.person() as miranda:
            answer = await miranda.slash("shakespeare", prompt="ROMEO:")
            failed = await answer.message(lambda message: labels(message) == ["Retry"])
    assert re.search(r"the number [0-9a-f]{6}\.", failed["content"])


async def test_a_text_is_shown_to_its_end_also_where_nothing_can_be_kept(
    island: Island, bot: Bot, told_worker: ToldWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def full(*_: object) -> None:
        raise aiosqlite.OperationalError("database or disk is full")

    async with island.person() as miranda:
        answer = await miranda.slash("shakespeare", prompt="ROMEO:")
        stream = await told_worker.stream()
        monkeypatch.setattr(bot.store, "change", full)
        with capture_logs() as logs:
            stream.finish(" But soft")
            message = await answer.message(finished)
            await bot.performances.ended(controls(message)[0]["custom_id"].partition(":")[2])
    assert "But soft" in message["content"]
    told = [entry["event"] for entry in logs if entry["log_level"] == "error"]
    assert told == ["the store cannot be written"] * 2  # how it was made, and which message shows it


async def test_stop_under_a_text_whose_end_could_not_be_shown(
    island: Island, bot: Bot, told_worker: ToldWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "LONGEST_PAUSE", 0.01)
    async with island.person() as miranda:
        answer = await miranda.slash("shakespeare", prompt="ROMEO:")
        stream = await told_worker.stream()
        stream.write("But soft")
        message = await answer.message(lambda message: labels(message) == ["Stop"])
        island.edits_to_lose = delivery.ATTEMPTS
        stream.finish()
        await bot.performances.ended(controls(message)[0]["custom_id"].partition(":")[2])
        await miranda.press(message, "Stop")
        assert labels(await miranda.message(message, finished)) == ["Retry"]


async def test_no_worker_at_all(island: Island) -> None:
    await island.start_bot("http://127.0.0.1:9")
    async with island.person() as miranda:
        answer = await miranda.slash("shakespeare", prompt="ROMEO:")
        failed = await answer.message(lambda message: labels(message) == ["Retry"])
    assert "The models cannot be reached right now." in failed["content"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"prompt": "  "}, "Give me some words to begin with"),
        ({"prompt": "x" * 3000}, "That prompt has 3000 characters; shorten it to 2000 or fewer."),
        ({"prompt": "x", "temperature": 99}, "`temperature` cannot be 99; choose a number from 0 to 2."),
        ({"prompt": "x", "length": 0}, "`length` cannot be 0; choose a number from 1 to 8192."),
        ({"prompt": "x", "top_p": 0}, "`top_p` cannot be 0; choose a number from 0.01 to 1."),
        ({"prompt": "x", "seed": "soon"}, "That seed is not a number I can use"),
        ({"prompt": "x", "seed": "-1"}, "That seed is not a number I can use"),
        ({"prompt": "x", "seed": str(2**63)}, "That seed is not a number I can use"),
        ({"prompt": "x", "seed": "9" * 5000}, "That seed is not a number I can use"),
    ],
)
async def test_bad_parameters_are_told_even_past_discords_own_checks(
    island: Island, bot: Bot, options: dict[str, Any], said: str
) -> None:
    async with island.person() as miranda:
        state = island.sandbox.state
        command = next(one for one in await miranda.commands() if one["name"] == "shakespeare")
        types = {option["name"]: option["type"] for option in command["options"]}
        given = [{"name": name, "type": types[name], "value": value} for name, value in options.items()]
        data = {"id": command["id"], "name": "shakespeare", "type": 1, "options": given}
        person = state.named("Miranda")
        begun = state.interactions.begin(COMMAND, person.user, state.channel(miranda.channel), data, "nonce")
        event = await miranda.wait_for(lambda event: event["d"].get("interaction_metadata", {}).get("id") == begun.id)
    assert said in event["d"]["content"]
    assert event["d"]["flags"] & EPHEMERAL


async def test_the_largest_seed_survives(island: Island, bot: Bot, told_worker: ToldWorker) -> None:
    async with island.person() as miranda:
        await miranda.slash("shakespeare", prompt="x", seed=str(2**63 - 1))
        assert (await told_worker.stream()).wanted["seed"] == 2**63 - 1


async def test_unknown_characters_are_named(island: Island, bot: Bot, told_worker: ToldWorker) -> None:
    async with island.person() as miranda:
        answer = await miranda.slash("shakespeare", prompt="é☃\u0007*é")
        (await told_worker.stream()).write("soft", "length", replaced="é☃\u0007*é")
        message = await answer.message(finished)
    assert r"read each as a space: é ☃ U+0007 \*" + "\n" in message["content"]


async def test_a_long_text_goes_over_several_messages(island: Island, bot: Bot, told_worker: ToldWorker) -> None:
    text = "".join(f"{number} thou_art\n" for number in range(250))
    async with island.person() as miranda:
        answer = await miranda.slash("shakespeare", prompt="P", length=4000)
        stream = await told_worker.stream()
        stream.write(text[:2000])
        await answer.message()
        stream.finish(text[2000:])
        await answer.message(finished)
        messages = await miranda.messages()
    contents = [message["content"] for message in messages]
    assert len(contents) == 3
    assert all(len(content) <= 2000 for content in contents)
    shown = "\n".join(content.partition("\n-# ")[0] for content in contents)
    assert re.sub(r"\\(.)", r"\1", shown).removeprefix("**P**").split() == text.split()
    assert [labels(message) for message in messages] == [[], [], UNDER_A_TEXT]


async def test_a_very_long_text_ends_as_a_file(island: Island, bot: Bot, told_worker: ToldWorker) -> None:
    text = "".join(f"{number} but soft\n" for number in range(600))
    async with island.person() as miranda:
        answer = await miranda.slash("shakespeare", prompt="ROMEO:", length=8000)
        stream = await told_worker.stream()
        stream.write(text[:7000])
        await answer.message(lambda message: "7,000 characters so far" in footer(message))
        stream.finish(text[7000:])
        last = await answer.message(finished)
        assert len(await miranda.messages()) == 3
        content = await miranda.fetch(last["attachments"][0])
    assert content.decode() == "ROMEO:" + text
    assert f"The whole text, {len(text):,} characters, is in the file." in footer(last)


async def test_in_a_direct_message(island: Island, bot: Bot, told_worker: ToldWorker) -> None:
    async with island.person() as miranda:
        miranda.go("direct")
        answer = await miranda.slash("shakespeare", prompt="ROMEO:")
        (await told_worker.stream()).finish("soft")
        again = await miranda.press(await answer.message(finished), "Continue")
        (await told_worker.stream()).finish("softer")
        await again.message(finished)


async def test_a_deleted_message_ends_the_text(island: Island, bot: Bot, told_worker: ToldWorker) -> None:
    async with island.person() as miranda:
        answer = await miranda.slash("shakespeare", prompt="ROMEO:")
        stream = await told_worker.stream()
        stream.write("But")
        message = await answer.message()
        island.sandbox.state.delete_message(message["id"])
        stream.write(" soft")
        await miranda.wait_for(lambda event: event["t"] == "MESSAGE_DELETE")
        while not stream.closed.is_set():
            stream.write("!")  # the first edit finds out, the next character ends it
            await asyncio.sleep(0.05)
        answer = await miranda.slash("shakespeare", prompt="JULIET:")
        (await told_worker.stream()).finish("soft")
        await answer.message(finished)


async def test_in_portuguese(island: Island, bot: Bot, told_worker: ToldWorker) -> None:
    async with island.person("Caliban") as caliban:
        command = next(one for one in await caliban.commands() if one["name"] == "shakespeare")
        assert command["options"][0]["name_localizations"]["pt-BR"] == "início"
        answer = await caliban.slash("shakespeare", prompt="ROMEO:", seed="3")
        stream = await told_worker.stream()
        stream.write("soft")
        assert labels(await answer.message()) == ["Parar"]
        stream.finish()
        message = await answer.message(finished)
        assert labels(message) == UNDER_A_PORTUGUESE_TEXT
        assert "semente 3 · temperatura 0.8 · 4 caracteres em" in footer(message)


async def test_a_person_may_have_only_so_many_texts_at_once(island: Island, told_worker: ToldWorker) -> None:
    await island.start_bot(told_worker.url, requests_per_person=2)
    async with island.person() as miranda, island.person("Ariel") as ariel:
        answers = [await miranda.slash("shakespeare", prompt="ROMEO:") for _ in range(2)]
        streams = [await told_worker.stream() for _ in range(2)]
        refused = await (await miranda.slash("shakespeare", prompt="ROMEO:")).message()
        assert refused["content"].startswith("You have as many requests in the making as one person may (2).")
        assert refused["flags"] & EPHEMERAL
        await ariel.slash("shakespeare", prompt="ROMEO:")  # others are not held up
        await told_worker.stream()
        streams[0].finish("soft")
        streams[1].finish("soft")
        for answer in answers:
            await answer.message(finished)
        await miranda.slash("shakespeare", prompt="ROMEO:")
        await told_worker.stream()


async def test_ten_texts_in_one_channel_all_finish_without_a_jam(island: Island, told_worker: ToldWorker) -> None:
    await island.start_bot(told_worker.url, requests_per_person=10)
    async with island.person() as miranda, island.person("Ariel") as ariel:
        people = [miranda, ariel] * 5
        answers = [await person.slash("shakespeare", prompt=f"{n}:") for n, person in enumerate(people)]
        streams = sorted([await told_worker.stream() for _ in answers], key=lambda stream: stream.wanted["prompt"])
        for turn in range(3):
            for stream in streams:
                stream.write(f"{stream.wanted['prompt']}{turn} ")
            for n, answer in enumerate(answers):
                await answer.message(lambda message, shown=f"{n}:{turn}": shown in message["content"])
        for stream in streams:
            stream.finish()
        for n, answer in enumerate(answers):
            message = await answer.message(finished)
            assert message["content"].startswith(f"**{n}:**{n}:0 {n}:1 {n}:2 …\n-# ")
    assert [sent for sent in island.requests if sent[2] == 429] == []


async def test_the_final_text_arrives_over_a_bad_connection(island: Island, bot: Bot, told_worker: ToldWorker) -> None:
    async with island.person() as miranda:
        answer = await miranda.slash("shakespeare", prompt="ROMEO:")
        stream = await told_worker.stream()
        stream.write("But ")
        message = await answer.message()
        island.edits_to_lose = 2
        stream.finish("soft")
        last = await miranda.message(message, finished)
    assert last["content"].startswith("**ROMEO:**But soft…\n-# ")
    assert island.edits_to_lose == 0


@pytest.fixture
def dead_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if every interaction were older than its token may be."""
    monkeypatch.setattr(live_message, "TOKEN_LIFE", 0.0)


async def test_an_old_text_goes_on_by_ordinary_messages(
    island: Island, bot: Bot, told_worker: ToldWorker, dead_tokens: None
) -> None:
    async with island.person() as miranda:
        answer = await miranda.slash("shakespeare", prompt="P")
        stream = await told_worker.stream()
        stream.write("But soft ")
        message = await answer.message()
        stream.finish("what light\n" * 200)
        last = (await miranda.wait_for(lambda event: event["t"] == "MESSAGE_CREATE" and finished(event["d"])))["d"]
    assert last["id"] != message["id"]
    assert island.count("PATCH", f"/channels/{miranda.channel}/messages/{message['id']}") > 0
    assert island.count("POST", f"/channels/{miranda.channel}/messages") == 1


async def test_a_page_whose_receipt_is_lost_is_sent_once(
    island: Island, bot: Bot, told_worker: ToldWorker, dead_tokens: None
) -> None:
    async with island.person() as miranda:
        await miranda.slash("shakespeare", prompt="P")
        stream = await told_worker.stream()
        island.receipts_to_lose = 1
        stream.write("what light\n" * 200)
        page = (await miranda.wait_for(lambda event: event["d"].get("content", "").startswith("what light")))["d"]
        stream.finish("soft")
        last = await miranda.message(page, finished)
        assert "\nsoft…\n-# " in last["content"]
        assert len(await miranda.messages()) == 2


async def test_a_token_that_died_early_is_noticed(island: Island, bot: Bot, told_worker: ToldWorker) -> None:
    async with island.person() as miranda:
        answer = await miranda.slash("shakespeare", prompt="P")
        stream = await told_worker.stream()
        stream.write("But soft ")
        message = await answer.message()
        island.sandbox.state.clock.advance(16 * 60)
        stream.finish("what light")
        last = await miranda.message(message, finished)
    assert last["content"].startswith("**P**But soft what light…\n-# ")


@pytest.fixture
def clock_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the bot's clock were twenty minutes ahead of Discord's."""
    monkeypatch.setattr(Clock, "time", lambda _: time.time() - 20 * 60)


async def test_a_clock_that_is_wrong_ends_no_text(
    clock_ahead: None, island: Island, bot: Bot, told_worker: ToldWorker
) -> None:
    state = island.sandbox.state
    async with island.person() as miranda:
        state.forbid(state.channel(miranda.channel), state.bot, Permission.SEND_MESSAGES)
        answer = await miranda.slash("shakespeare", prompt="P")
        (await told_worker.stream()).finish("But soft")
        text = await answer.message(finished)
    assert text["content"].startswith("**P**But soft…\n-# gpt")


async def test_an_old_text_ends_cleanly_where_the_bot_may_not_write(
    island: Island, bot: Bot, told_worker: ToldWorker, dead_tokens: None
) -> None:
    state = island.sandbox.state
    async with island.person() as miranda:
        state.forbid(state.channel(miranda.channel), state.bot, Permission.SEND_MESSAGES)
        answer = await miranda.slash("shakespeare", prompt="P")
        message = await answer.message(finished)
    assert "Stopped here: Discord lets me write in this place for fifteen minutes at most." in footer(message)


async def test_an_old_text_ends_cleanly_where_the_bot_is_no_member(
    island: Island, bot: Bot, told_worker: ToldWorker, dead_tokens: None
) -> None:
    island.expel_bot()
    async with island.person() as miranda:
        answer = await miranda.slash("shakespeare", prompt="P")
        message = await answer.message(finished)
    assert "Stopped here: Discord lets me write in this place for fifteen minutes at most." in footer(message)


@pytest.mark.parametrize("right", ["send_messages", "send_messages_in_threads"])
async def test_an_old_text_goes_on_in_a_thread_where_the_bot_may_write_in_threads(right: str) -> None:
    interaction: Any = SimpleNamespace(
        guild_id=1,
        channel_id=2,
        channel=MagicMock(spec=discord.Thread),
        app_permissions=discord.Permissions(view_channel=True, **{right: True}),
        client=MagicMock(spec=discord.Client),
    )
    message = live_message.LiveMessage(interaction, Scheduler(), lambda: Draft(()))
    assert message.outlives_token == (right == "send_messages_in_threads")


def test_the_fullest_message_has_room_for_its_small_print() -> None:
    parameters = {"prompt": "A", "temperature": 0.8, "top_k": 0, "top_p": 1.0}
    recipe = Recipe(1, "text", "m", parameters, version="v" * 600, seed=7)  # small print longer than there is room for
    for length in range(1_480, 1_520):
        pages = Passage(recipe, discord.Locale.american_english, finished=True, text="x" * length).draft().pages
        assert max(map(len, pages)) <= 2_000 and "…" in pages[-1]
