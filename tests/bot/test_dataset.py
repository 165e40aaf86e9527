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
        "Left out: 3 × duplicate, 1 × cannot be decoded.\n"
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


async def test_list_and_delete(ariel: Person, island: Island, trainer: Trainer) -> None:
    await said(ariel, "dataset add", file=File("cats.zip", ZIP), name="our-cats")
    listed = await said(ariel, "dataset list")
    assert listed["content"].split("\n")[1:-1] == [
        "name      kind      pictures or characters",
        "digits    pictures",
        "sprites   pictures",
        "our-cats  pictures                      12",
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
    again = await said(ariel, "dataset delete", name="our-cats")
    await ariel.press(again, "Leave it")
    await ariel.message(again, lambda message: message["content"] == "Left as it was." and not labels(message))
    assert len(trainer.files) == 1
    await ariel.press(asked, "Yes, delete it")
    deleted = await ariel.message(asked, lambda message: not labels(message))
    assert deleted["content"] == f"<@{ariel.id}> deleted the data set our-cats."
    assert trainer.files == {}
    logged = await said(ariel, "audit")
    assert [line.partition("> ")[2] for line in logged["content"].split("\n")] == [
        f"<@{ariel.id}> deleted the data set our-cats.",
        f"<@{ariel.id}> added the data set our-cats.",
    ]
