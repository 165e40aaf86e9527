"""/gan as people see it: every command and button, with a worker that draws noise from random weights."""

import asyncio
import io
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from bot.client import Bot
from models.checkpoint import Store
from sandbox.interactions import COMMAND
from tests.bot.conftest import Island, ToldWorker, real_worker
from tests.bot.pictures import EPHEMERAL, pasted, picture, pixels, recipe
from tests.conftest import CATS, DIGITS, keep_gan
from tests.person import Person, labels

SHEET = ["🔍 1", "🔍 2", "🔍 3", "🔍 4", "🎲 1", "🎲 2", "🎲 3", "🎲 4", "Re-roll", "Animate", "Recipe", "Delete"]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """One model that knows ten kinds and one that knows a single one."""
    store = Store(tmp_path / "home", shipped=tmp_path / "shipped")
    keep_gan(store, "gan-cats", CATS, seed=1)
    keep_gan(store, "gan-digits", DIGITS)
    return store


@pytest.fixture
async def miranda(island: Island, store: Store) -> AsyncIterator[Person]:
    """Someone on an island whose bot has a worker with both models."""
    async with real_worker(store) as url:
        await island.start_bot(url)
        async with island.person() as person:
            yield person
        await island.stop_bot()


async def test_a_sheet_with_its_small_print_description_and_buttons(miranda: Person) -> None:
    answer = await miranda.slash("gan sample", model="gan-digits", seed="42", truncation=0.5, label=3)
    message, content = await picture(miranda, answer)
    assert message["content"] == "-# gan-digits@tiny · seed 42 · truncation 0.5 · label 3"
    (file,) = message["attachments"]
    assert file["filename"] == "gan-digits-42.png"
    assert file["description"] == "A sheet of 4 pictures that never existed, drawn by gan-digits from seed 42."
    assert labels(message) == SHEET
    assert [len(row["components"]) for row in message["components"]] == [4, 4, 4]
    sheet = Image.open(io.BytesIO(content))
    assert sheet.width == sheet.height == 59 * 13


async def test_buttons_are_those_of_commands_that_there_are(
    miranda: Person, island: Island, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert island.bot is not None
    monkeypatch.delitem(island.bot.operations, "gan vary")
    sheet, _ = await picture(miranda, await miranda.slash("gan sample"))
    assert labels(sheet) == ["🔍 1", "🔍 2", "🔍 3", "🔍 4", "Re-roll", "Animate", "Recipe", "Delete"]
    monkeypatch.delitem(island.bot.operations, "gan walk")
    sheet, _ = await picture(miranda, await miranda.slash("gan sample"))
    assert labels(sheet) == ["🔍 1", "🔍 2", "🔍 3", "🔍 4", "Re-roll", "Recipe", "Delete"]


async def test_a_sheet_of_two(miranda: Person) -> None:
    message, _ = await picture(miranda, await miranda.slash("gan sample", count=2))
    assert message["content"].startswith("-# gan-cats@tiny · seed ")
    assert labels(message) == ["🔍 1", "🔍 2", "🎲 1", "🎲 2", "Re-roll", "Animate", "Recipe", "Delete"]


async def test_enlarge_shows_the_very_picture_of_the_sheet(miranda: Person) -> None:
    message, sheet = await picture(miranda, await miranda.slash("gan sample", seed="7"))
    alone, content = await picture(miranda, await miranda.press(message, "🔍 2"))
    assert alone["content"] == "-# gan-cats@tiny · seed 8"
    assert labels(alone) == ["🎲 1", "Re-roll", "Animate", "Recipe", "Delete"]
    assert pixels(content, 16) == pixels(sheet, 16, left=17, cells=35)
    near, sheet = await picture(miranda, await miranda.press(alone, "🎲 1"))
    assert re.match(r"-# gan-cats@tiny · seed \d+ · near 8, strength 0.4$", near["content"])
    assert labels(near) == SHEET
    nearer, content = await picture(miranda, await miranda.press(near, "🔍 3"))
    described = nearer["attachments"][0]["description"]
    assert described.startswith("A picture that never existed, drawn by gan-cats from seed ")
    assert pixels(content, 16) == pixels(sheet, 16, top=17, cells=35)
    further, _ = await picture(miranda, await miranda.press(nearer, "🎲 1"))
    assert re.search(r"near 8>\d+, strength 0.4$", further["content"])


async def test_reroll_keeps_the_parameters_and_anyone_may(miranda: Person, island: Island) -> None:
    answer = await miranda.slash("gan sample", model="gan-digits", seed="1", count=3, truncation=0.7)
    message, content = await picture(miranda, answer)
    async with island.person("Caliban") as caliban:
        again, other = await picture(caliban, await caliban.press(message, "Re-roll"))
        assert re.match(r"-# gan-digits@tiny · semente \d+ · truncamento 0.7$", again["content"])
        assert "Sortear de novo" in labels(again) and "🔍 3" in labels(again) and "🔍 4" not in labels(again)
        assert other != content


async def test_a_class_is_asked_of_a_model_that_has_some(miranda: Person) -> None:
    sheet, _ = await picture(miranda, await miranda.slash("gan sample", label=7, truncation=0.7, seed="42"))
    assert "gan-digits@tiny" in sheet["content"]


async def test_a_number(miranda: Person) -> None:
    message, content = await picture(miranda, await miranda.slash("gan number", digits="2026", seed="5"))
    assert message["content"] == "-# gan-digits@tiny · seed 5"
    assert message["attachments"][0]["description"].startswith("The number 2026 in generated digits")
    assert labels(message) == ["Re-roll", "Recipe", "Delete"]
    written = Image.open(io.BytesIO(content))
    assert written.width == 4 * written.height


async def test_walks(miranda: Person) -> None:
    message, content = await picture(miranda, await miranda.slash("gan walk", model="gan-digits", seed="3"))
    assert message["content"] == "-# gan-digits@tiny · seeds 3 → 4 → 5 → 6"
    assert labels(message) == ["Re-roll", "Recipe", "Delete"]
    assert message["attachments"][0]["filename"] == "gan-digits-3.gif"
    assert Image.open(io.BytesIO(content)).is_animated
    sheet, _ = await picture(miranda, await miranda.slash("gan sample", model="gan-digits", seed="3"))
    animated, same = await picture(miranda, await miranda.press(sheet, "Animate"))
    assert same == content
    assert labels(animated) == ["Recipe", "Delete"]
    near, _ = await picture(miranda, await miranda.press(sheet, "🎲 1"))
    past, _ = await picture(miranda, await miranda.press(near, "Animate"))
    assert re.search(r"seeds 3>\d+ → 3>\d+ → ", past["content"])
    alone, _ = await picture(miranda, await miranda.press(sheet, "🔍 1"))
    away, _ = await picture(miranda, await miranda.press(alone, "Animate"))
    assert away["content"] == message["content"]


async def test_every_recipe_is_a_command_that_gives_the_same_bytes(miranda: Person) -> None:
    sheet, _ = await picture(miranda, await miranda.slash("gan sample", model="gan-digits", count=2, truncation=0.8))
    near, _ = await picture(miranda, await miranda.press(sheet, "🎲 2"))
    nearer, _ = await picture(miranda, await miranda.press(near, "🎲 4"))
    shown = [
        sheet,
        near,
        nearer,
        (await picture(miranda, await miranda.press(near, "🔍 1")))[0],
        (await picture(miranda, await miranda.press(nearer, "Animate")))[0],
        (await picture(miranda, await miranda.slash("gan number", digits="31")))[0],
        (await picture(miranda, await miranda.slash("gan walk", model="gan-digits", label=4)))[0],
    ]
    for message in shown:
        command = await recipe(miranda, message)
        again, content = await picture(miranda, await pasted(miranda, command))
        assert content == await miranda.fetch(message["attachments"][0]), command
        assert again["content"].split(" · ")[0] == "-# gan-digits@tiny"


async def test_buttons_outlive_bot_worker_and_newer_versions(island: Island, store: Store) -> None:
    async with island.person() as miranda:
        async with real_worker(store) as url:
            await island.start_bot(url)
            sheet, content = await picture(miranda, await miranda.slash("gan sample", model="gan-digits", seed="9"))
            _, large = await picture(miranda, await miranda.press(sheet, "🔍 1"))
            await island.stop_bot()
        keep_gan(store, "gan-digits", DIGITS, "newer", seed=5)
        async with real_worker(store) as url:
            await island.start_bot(url)
            new, other = await picture(miranda, await miranda.slash("gan sample", model="gan-digits", seed="9"))
            assert new["content"] == "-# gan-digits@newer · seed 9"
            assert other != content
            assert (await picture(miranda, await miranda.press(sheet, "🔍 1")))[1] == large
            command = await recipe(miranda, sheet)
            assert command == "/gan sample model:gan-digits@tiny seed:9 count:4 truncation:1"
            assert (await picture(miranda, await pasted(miranda, command)))[1] == content
            for label in ("🎲 1", "Re-roll", "Animate"):
                message, _ = await picture(miranda, await miranda.press(sheet, label))
                assert message["content"].startswith("-# gan-digits@tiny · ")


async def test_delete_is_for_the_owner_and_moderators(miranda: Person, island: Island) -> None:
    sheet, _ = await picture(miranda, await miranda.slash("gan sample"))
    other, _ = await picture(miranda, await miranda.slash("gan sample"))
    async with island.person("Caliban") as caliban, island.person("Ariel") as ariel:
        refused = await (await caliban.press(sheet, "Delete")).message()
        assert refused["content"] == f"Só <@{miranda.id}>, que fez o pedido, ou a moderação pode apagar isto."
        assert refused["flags"] & EPHEMERAL
        assert sheet["id"] in miranda.seen
        await miranda.press(sheet, "Delete")
        await ariel.press(other, "Delete")
        for message in (sheet, other):
            await miranda.wait_for(lambda e, gone=message["id"]: e["t"] == "MESSAGE_DELETE" and e["d"]["id"] == gone)


async def test_in_portuguese(miranda: Person, island: Island) -> None:
    async with island.person("Caliban") as caliban:
        (command,) = [one for one in await caliban.commands() if one["name"] == "gan"]
        names = [option["name_localizations"]["pt-BR"] for option in command["options"]]
        assert names == ["amostra", "número", "variar", "passeio"]
        sheet, _ = await picture(caliban, await caliban.slash("gan sample", seed="4"))
        assert sheet["content"] == "-# gan-cats@tiny · semente 4"
        assert labels(sheet)[-4:] == ["Sortear de novo", "Animar", "Receita", "Apagar"]
        assert "Uma folha com 4 imagens" in sheet["attachments"][0]["description"]
        told = await recipe(caliban, sheet, "Receita")
        assert told == "/gan amostra modelo:gan-cats@tiny semente:4 quantidade:4 truncamento:1"


async def test_in_a_direct_message(miranda: Person) -> None:
    miranda.go("direct")
    sheet, _ = await picture(miranda, await miranda.slash("gan sample"))
    await picture(miranda, await miranda.press(sheet, "🎲 4"))
    await miranda.press(sheet, "Delete")
    await miranda.wait_for(lambda event: event["t"] == "MESSAGE_DELETE")


async def test_models_are_suggested_without_asking_the_worker(miranda: Person, island: Island) -> None:
    bot = island.bot
    assert bot is not None
    async with asyncio.timeout(20):
        while not bot.catalogue.models:  # noqa: ASYNC110 (it is heard of in the background)
            await asyncio.sleep(0.01)

    async def unreachable() -> str:
        raise AssertionError("a suggestion waited for the network")

    bot.worker._address = unreachable
    suggested = await miranda.autocomplete("gan sample", "model", model="")
    names = ["gan-cats", "gan-digits", "gan-cats@tiny", "gan-digits@tiny"]
    assert [choice["value"] for choice in suggested] == names
    suggested = await miranda.autocomplete("gan walk", "model", model="CAT")
    assert [choice["value"] for choice in suggested] == ["gan-cats", "gan-cats@tiny"]
    suggested = await miranda.autocomplete("gan number", "model", model="", digits="7")
    assert [choice["value"] for choice in suggested] == ["gan-digits", "gan-digits@tiny"]


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("sample", {"truncation": 3}, "`truncation` cannot be 3; choose a number from 0 to 1."),
        ("sample", {"count": 9}, "`count` cannot be 9; choose a number from 1 to 4."),
        ("sample", {"label": -1}, "`label` cannot be -1"),
        ("sample", {"seed": "soon"}, "That seed is not a number I can use"),
        ("number", {"digits": "12a"}, "give me 1 to 20 digits"),
        ("number", {"digits": "7" * 21}, "give me 1 to 20 digits"),
        ("vary", {"picture": " , "}, "Name 1 to 16 pictures by their seeds"),
        ("vary", {"picture": "42 43"}, "Name one picture to vary"),
        ("vary", {"picture": "42>"}, "That seed is not a number I can use"),
        ("vary", {"picture": ">".join("7" * 17)}, "begin again from another picture"),
        ("walk", {"pictures": "42"}, "Name 2 to 16 pictures"),
        ("walk", {"pictures": "1" * 1_501 + " 2"}, "Name 2 to 16 pictures"),
    ],
)
async def test_bad_parameters_are_told_even_past_discords_own_checks(
    island: Island, bot: Bot, name: str, options: dict[str, Any], said: str
) -> None:
    async with island.person() as miranda:
        state = island.sandbox.state
        (command,) = [one for one in await miranda.commands() if one["name"] == "gan"]
        (level,) = [one for one in command["options"] if one["name"] == name]
        types = {option["name"]: option["type"] for option in level["options"]}
        given = [{"name": key, "type": types[key], "value": value} for key, value in options.items()]
        inner = [{"name": name, "type": 1, "options": given}]
        data = {"id": command["id"], "name": "gan", "type": 1, "options": inner}
        person = state.named("Miranda")
        begun = state.interactions.begin(COMMAND, person.user, state.channel(miranda.channel), data, "nonce")
        event = await miranda.wait_for(lambda event: event["d"].get("interaction_metadata", {}).get("id") == begun.id)
    assert said in event["d"]["content"]
    assert event["d"]["flags"] & EPHEMERAL


async def test_what_the_models_cannot_do_is_told_without_a_way_to_try_it_again(miranda: Person, island: Island) -> None:
    for options, said in (
        ({"model": "gan-digits", "label": 11}, "-# This model has no such label; choose a smaller number"),
        ({"model": "gan-cats", "label": 1}, "-# This model draws one kind of picture only; leave `label` out."),
        ({"model": "gan-digits", "label": 11}, "-# Este modelo não tem essa classe; escolha um número menor"),
    ):
        async with island.person("Caliban" if "Este" in said else "Miranda") as person:
            failed = await (await person.slash("gan sample", **options)).message()
        assert failed["content"].startswith(said)
        assert labels(failed) == []


async def test_a_variation_of_variations_goes_so_far_and_no_further(miranda: Person) -> None:
    longest = ">".join(map(str, range(1, 17)))
    near, _ = await picture(miranda, await miranda.slash("gan vary", picture=longest, count=1))
    for label in ("🎲 1", "Animate"):
        refused = await (await miranda.press(near, label)).message()
        assert refused["content"].startswith("That is a variation of a variation 16 times over;")
        assert refused["flags"] & EPHEMERAL


async def test_a_version_that_is_not_there_is_told_without_a_way_to_try_it_again(
    miranda: Person, island: Island, store: Store
) -> None:
    for model in ("gan-dogs", "gan-digits@old"):
        failed = await (await miranda.slash("gan sample", model=model)).message()
        assert failed["content"].startswith("-# There is no such model or version for this here, or no longer.")
        assert labels(failed) == []
    sheet, _ = await picture(miranda, await miranda.slash("gan sample", model="gan-digits"))
    keep_gan(store, "gan-digits", DIGITS, version="newer")
    store.delete("gan-digits", "tiny")
    async with island.person("Caliban") as caliban:
        failed = await (await caliban.press(sheet, "🎲 1")).message()
        assert failed["content"].startswith("-# Não há aqui, ou não há mais, um modelo ou uma versão assim")
        assert labels(failed) == []


async def test_no_model_that_draws(island: Island, tmp_path: Path) -> None:
    store = Store(tmp_path / "home", shipped=tmp_path / "shipped")
    async with real_worker(store) as url, island.person() as miranda, island.person("Caliban") as caliban:
        await island.start_bot(url)
        failed = await (await miranda.slash("gan sample")).message()
        assert failed["content"].startswith("-# There is no model that can do this here yet;")
        told = await (await caliban.slash("gan number", digits="7")).message()
        assert told["content"].startswith("-# Ainda não há aqui um modelo que desenhe algarismos;")
        keep_gan(store, "gan-digits", DIGITS)
        await picture(miranda, await miranda.press(failed, "Retry"))
        await island.stop_bot()


async def test_a_worker_that_is_gone(island: Island, store: Store) -> None:
    async with island.person() as miranda:
        async with real_worker(store) as url:
            await island.start_bot(url)
            sheet, content = await picture(miranda, await miranda.slash("gan sample", model="gan-digits", seed="6"))
        failed = await (await miranda.press(sheet, "🔍 1")).message()
        assert failed["content"].startswith("-# The models cannot be reached right now.")
        async with real_worker(store, port=int(url.rpartition(":")[2])):
            alone, _ = await picture(miranda, await miranda.press(failed, "Retry"))
            assert alone["content"] == "-# gan-digits@tiny · seed 6"
            again = await picture(miranda, await miranda.slash("gan sample", model="gan-digits", seed="6"))
            assert again[1] == content
            await island.stop_bot()


async def test_the_place_in_the_queue_and_stop(island: Island, bot: Bot, told_worker: ToldWorker) -> None:
    async with island.person() as miranda, island.person("Caliban") as caliban:
        answer = await miranda.slash("gan sample", model="gan-digits", seed="6")
        stream = await told_worker.stream()
        stream.queued(3)
        message = await answer.message()
        assert message["content"] == "-# 3rd in line…"
        assert labels(message) == ["Stop"]
        stream.queued(2)
        await miranda.message(message, lambda message: message["content"] == "-# 2nd in line…")
        refused = await (await caliban.press(message, "Stop")).message()
        assert refused["flags"] & EPHEMERAL
        await miranda.press(message, "Stop")
        stopped = await miranda.message(message, lambda message: labels(message) == ["Retry"])
        await asyncio.wait_for(stream.closed.wait(), 30)
        assert stopped["content"] == "-# Stopped."
    wanted = stream.wanted
    assert wanted.pop("max_bytes") == 10 * 2**20
    assert wanted == {
        "model": "gan-digits", "seed": 6, "n": 4, "truncation": 1.0, "layout": "sheet", "prompt": "",
        "response_format": "b64_json", "user": miranda.id, "stream": True,
    }  # fmt: skip


async def test_a_worker_that_dies_in_the_middle(island: Island, bot: Bot, told_worker: ToldWorker) -> None:
    async with island.person() as miranda:
        answer = await miranda.slash("gan number", model="gan-digits", digits="7")
        stream = await told_worker.stream()
        stream.queued(1)
        message = await answer.message()
        stream.die()
        failed = await miranda.message(message, lambda message: labels(message) == ["Retry"])
    assert failed["content"].startswith("-# The models stopped in the middle of this.")


async def test_a_file_fits_what_discord_takes_from_this_person(
    miranda: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, content = await picture(miranda, await miranda.slash("gan sample", seed="6"))
    monkeypatch.setattr("sandbox.interactions.MAX_FILE_BYTES", len(content) - 1)
    _, fitted = await picture(miranda, await miranda.slash("gan sample", seed="6"))
    assert len(fitted) < len(content)
    assert pixels(fitted, 16, cells=35) == pixels(content, 16, cells=35)
