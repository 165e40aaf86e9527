"""/dataset as operators see it, with a worker that says what the test has it say."""

import pytest

from bot.cogs import dataset
from tests.bot.conftest import Island, said
from tests.bot.trainer import Trainer, sheet
from tests.person import File, Person, labels

EPHEMERAL = 1 << 6
ZIP = b"PK\x03\x04 as far as the bot looks"


async def test_pictures_are_handed_in_checked_and_used(ariel: Person, trainer: Trainer) -> None:
    told = await said(ariel, "dataset add", file=File("cats.zip", ZIP), name="our-cats")
    assert told["flags"] & EPHEMERAL
    assert told["content"] == (
        "**our-cats** has 12 pictures that can be used.\n"
        "Left out: 3 × duplicate, 1 × no picture.\n"
        "`/retrain model:… dataset:our-cats` trains on it."
    )
    (file,) = told["attachments"]
    assert file["description"] == "Some of the pictures in our-cats."
    assert await ariel.fetch(file) == sheet(7)
    assert trainer.uploaded == [ZIP]
    asked = await said(ariel, "retrain", model="gan-digits", dataset="our-cats")
    assert asked["content"].startswith("Train **gan-digits** on our-cats, ")


async def test_a_text_is_shown_by_its_beginning(ariel: Person) -> None:
    told = await said(ariel, "dataset add", file=File("plays.txt", b"ROMEO: `But soft`"), name="plays")
    assert told["content"].split("\n")[:4] == ["**plays** has 17 characters.", "```", "ROMEO: 'But soft'", "```"]
    assert told["attachments"] == []


async def test_what_the_check_refuses_is_told(ariel: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    refused = await said(ariel, "dataset add", file=File("cats.zip", b"no zip"), name="our-cats")
    assert refused["content"] == "The models cannot do that: cats.zip is not a zip file."
    long = await said(ariel, "dataset add", file=File(f"{'cats' * 200}.zip", b"no zip"), name="our-cats")
    assert len(long["content"]) == len("The models cannot do that: ") + 500
    assert long["content"].endswith("…")
    (command,) = [one for one in await ariel.commands() if one["name"] == "dataset"]
    (add,) = [one for one in command["options"] if one["name"] == "add"]
    assert [one["max_length"] for one in add["options"] if one["name"] == "name"] == [32]  # as the worker takes it
    monkeypatch.setattr(dataset, "LARGEST", 2**20)
    refused = await said(ariel, "dataset add", file=File("cats.zip", bytes(2**20 + 1)), name="our-cats")
    assert refused["content"] == "That file has 2 MiB; hand in at most 1 MiB."


async def test_a_file_that_discord_does_not_give_away(
    ariel: Person, island: Island, trainer: Trainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(island.sandbox.state.files, "find", lambda _: None)
    refused = await said(ariel, "dataset add", file=File("cats.zip", ZIP), name="our-cats")
    told = "Discord did not let me fetch that file; use the command again and hand it in once more."
    assert refused["content"] == told
    assert trainer.uploaded == []


async def test_of_two_who_delete_a_data_set_at_once_the_second_is_told(
    ariel: Person, island: Island, trainer: Trainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    await said(ariel, "dataset add", file=File("cats.zip", ZIP), name="our-cats")
    asked = await said(ariel, "dataset delete", name="our-cats")
    assert island.bot is not None
    files = await island.bot.catalogue.ask_files()

    async def as_it_was() -> list[object]:
        return files

    monkeypatch.setattr(island.bot.catalogue, "ask_files", as_it_was)
    trainer.files.clear()
    late = await (await ariel.press(asked, "Yes, delete it")).message()
    assert late["content"] == "That data set was deleted already."


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        ("too_few_pictures", "That zip holds fewer than 100 different pictures that I can read"),
        ("too_few_held_out", "The folder `test` of that zip holds fewer than 10 pictures"),
        ("archive_unreadable", "That zip cannot be read; pack it again."),
        ("archive_refused", "That zip holds what none may: "),
        ("archive_locked", "That zip is locked with a password; pack it without."),
        ("neither_zip_nor_text", "That is neither a zip nor a text in UTF-8;"),
        ("text_too_short", "A text to train on has at least 10,000 characters;"),
        ("text_too_long", "A text to train on has at most 64 MiB; cut it."),
        ("check_broke_off", "The check of that file broke off; hand in another."),
        ("name_unfit", "A data set is called by up to 32 letters a to z,"),
    ],
)
async def test_what_the_worker_has_a_code_for_is_told_in_words_of_the_bots(
    ariel: Person, trainer: Trainer, code: str, sentence: str
) -> None:
    trainer.code = code
    refused = await said(ariel, "dataset add", file=File("cats.zip", ZIP), name="our-cats")
    assert refused["content"].startswith(sentence)


async def test_list_and_delete(ariel: Person, island: Island, trainer: Trainer) -> None:
    refused = await said(ariel, "dataset delete", name="digits")
    told = "Nobody handed in a data set digits, nor any other; `/dataset add` takes one."
    assert refused["content"] == told
    await said(ariel, "dataset add", file=File("cats.zip", ZIP), name="our-cats")
    listed = await said(ariel, "dataset list")
    assert listed["content"].split("\n") == [
        "`digits` · pictures",
        "`sprites` · pictures",
        "`our-cats` · 12 pictures",
    ]
    assert island.bot is not None
    suggested = await ariel.autocomplete("dataset delete", "name", name="cat")
    assert suggested == [{"name": "our-cats", "value": "our-cats"}]
    refused = await said(ariel, "dataset delete", name="digits")
    assert refused["content"] == "Nobody handed in a data set digits; there are: our-cats."
    asked = await said(ariel, "dataset delete", name="our-cats")
    assert asked["flags"] & EPHEMERAL
    told = "Delete the data set **our-cats**? To train on it again, somebody has to hand it in again."
    assert asked["content"] == told
    assert labels(asked) == ["Yes, delete it", "Leave it"]
    taken = await said(ariel, "dataset add", file=File("cats.zip", ZIP), name="our-cats")
    assert taken["content"] == "There is a data set with that name already; choose another name."
    again, twice = [await said(ariel, "dataset delete", name="our-cats") for _ in range(2)]
    await ariel.press(again, "Leave it")
    await ariel.message(again, lambda message: message["content"] == "Left as it was." and not labels(message))
    assert len(trainer.files) == 1
    await ariel.press(asked, "Yes, delete it")
    deleted = await ariel.message(asked, lambda message: not labels(message))
    assert deleted["content"] == f"<@{ariel.id}> deleted the data set our-cats."
    assert trainer.files == {}
    late = await (await ariel.press(twice, "Yes, delete it")).message()
    assert late["content"] == "That data set was deleted already."
    logged = await said(ariel, "audit")
    assert [line.partition("> ")[2] for line in logged["content"].split("\n")] == [
        f"<@{ariel.id}> deleted the data set our-cats.",
        f"<@{ariel.id}> added the data set our-cats.",
    ]
