"""/model and /audit as operators see them, with a worker that says what the test has it say."""

import io

import pytest
from PIL import Image

from bot.audit import Entry
from sandbox.permissions import Permission
from tests.bot.conftest import Island, said
from tests.bot.trainer import Trainer
from tests.person import JSON, Person, labels

EPHEMERAL = 1 << 6


async def audit(ariel: Person) -> list[str]:
    """The audit log's lines without their times, the newest first."""
    message = await (await ariel.slash("audit")).message()
    assert message["flags"] & EPHEMERAL
    return [line.partition("> ")[2] for line in message["content"].split("\n")]


async def promote(ariel: Person, version: str) -> JSON:
    """Promotes a version by the command; the line that everyone sees."""
    answer = await ariel.slash("model promote", model="gan-digits", version=version)
    return await answer.message(lambda message: not message["flags"] & EPHEMERAL)


async def roll_back(ariel: Person) -> JSON:
    """Rolls the model back by the command and its question; the line that everyone sees."""
    asked = await said(ariel, "model rollback", model="gan-digits")
    return await (await ariel.press(asked, "Roll back")).message(lambda message: not message["flags"] & EPHEMERAL)


async def test_models_and_their_versions_are_listed(ariel: Person) -> None:
    models = await said(ariel, "model list")
    assert models["flags"] & EPHEMERAL
    assert models["content"].split("\n") == [
        r"`gan-digits@v2` · frechet\_distance ↓ 1.5 · 2 versions",
        "-# ↑ the more, the better; ↓ the less, the better.",
    ]
    versions = await said(ariel, "model list", model="gan-digits")
    assert versions["content"].split("\n")[:3] == [
        r"`v2` · <t:1767225600:d> · frechet\_distance ↓ ≈ 1.5 · **serves**",
        r"`v1` · <t:1767225600:d> · frechet\_distance ↓ 2",
        "-# ↑ the more, the better; ↓ the less, the better.",
    ]
    assert versions["content"].split("\n")[3].startswith("-# ≈ measured on a part of the held-out data")


async def test_of_many_versions_as_many_are_listed_as_a_message_holds(ariel: Person, trainer: Trainer) -> None:
    trainer.versions |= {f"v{number}": 1.0 for number in range(3, 99)}
    versions = await said(ariel, "model list", model="gan-digits")
    assert versions["content"].startswith("`v98` ")
    assert "held-out" in versions["content"]


async def test_a_version_is_described_with_its_samples(ariel: Person) -> None:
    told = await said(ariel, "model info", model="gan-digits")
    assert told["content"].startswith("**gan-digits@v2** · serves\n1.23 million parameters · trained on digits · ")
    assert told["content"].split("\n")[3:6] == [
        r"frechet\_distance ↓ ≈ 1.5",
        "agreement ↑ ≈ 98.25 %",
        "-# ↑ the more, the better; ↓ the less, the better.",
    ]
    (file,) = told["attachments"]
    assert file["description"] == "Samples, from left to right: gan-digits@v2."
    assert Image.open(io.BytesIO(await ariel.fetch(file))).getpixel((100, 200)) == (40, 0, 128)
    older = await said(ariel, "model info", model="gan-digits", version="v1")
    assert older["content"].startswith("**gan-digits@v1** · came with Prospero\n")
    refused = await said(ariel, "model info", model="gan-digits", version="v9")
    assert refused["content"] == "gan-digits has no version v9; there are: v2, v1."
    refused = await said(ariel, "model info", model="gan-dogs")
    assert refused["content"] == "The models cannot do that: There is no model 'gan-dogs'."


async def test_promote_and_roll_back(ariel: Person, trainer: Trainer) -> None:
    promoted = await promote(ariel, "v1")
    assert promoted["content"] == f"<@{ariel.id}> promoted gan-digits: v1 serves now, v2 did before."
    assert trainer.history[-1] == "v1"
    await ariel.press(promoted, "Roll back")
    back = await ariel.message(promoted, lambda message: not labels(message))
    assert back["content"].endswith(f"\n<@{ariel.id}> rolled gan-digits back: v2 serves again, v1 no more.")
    assert trainer.history[-1] == "v2"
    again = await roll_back(ariel)
    assert again["content"].endswith("v1 serves again, v2 no more.")
    assert await audit(ariel) == [
        f"<@{ariel.id}> rolled gan-digits back: v1 serves again, v2 no more.",
        f"<@{ariel.id}> rolled gan-digits back: v2 serves again, v1 no more.",
        f"<@{ariel.id}> promoted gan-digits: v1 serves now, v2 did before.",
    ]


async def test_a_promotion_that_another_one_followed_is_not_taken_back_by_its_button(
    ariel: Person, trainer: Trainer
) -> None:
    first = await promote(ariel, "v1")
    await promote(ariel, "v2")
    refused = await (await ariel.press(first, "Roll back")).message()
    assert refused["content"] == "v1 serves no more, v2 does; nothing has changed."
    assert trainer.history[-1] == "v2"


async def test_of_two_operators_who_roll_back_the_second_is_told(island: Island, trainer: Trainer) -> None:
    state = island.sandbox.state
    miranda = state.named("Miranda").user
    state.grant(miranda, Permission.MANAGE_GUILD)
    trainer.versions["v3"] = 9.0
    await island.start_bot(trainer.url, operators=miranda.id)
    async with island.person("Ariel") as ariel, island.person("Miranda") as miranda:
        await said(ariel, "model promote", model="gan-digits", version="v3")
        questions = [await said(person, "model rollback", model="gan-digits") for person in (ariel, miranda)]
        for asked in questions:
            assert asked["flags"] & EPHEMERAL
            assert asked["content"] == "Roll **gan-digits** back: v3 → v2?"
            assert labels(asked) == ["Roll back", "Leave it"]
        assert trainer.history == ["v1", "v2", "v3"]
        told = f"<@{ariel.id}> rolled gan-digits back: v2 serves again, v3 no more."
        done = await ariel.press(questions[0], "Roll back")
        public = await done.message(lambda message: not message["flags"] & EPHEMERAL)
        assert public["content"] == told
        await ariel.message(questions[0], lambda message: message["content"] == told and not labels(message))
        refused = await (await miranda.press(questions[1], "Roll back")).message()
        assert refused["content"] == "v3 serves no more, v2 does; nothing has changed."
        assert trainer.history == ["v1", "v2", "v3", "v2"]
        assert (await said(miranda, "model rollback", model="gan-digits"))["content"].endswith("back: v2 → v3?")
    await island.stop_bot()


async def test_a_rollback_is_told_to_one_person_and_to_all_in_their_languages(ariel: Person, trainer: Trainer) -> None:
    panel = await said(ariel, "settings")
    await ariel.select(panel, "settings:language", "pt-BR")
    asked = await said(ariel, "model rollback", model="gan-digits")
    done = await ariel.press(asked, "Roll back")
    public = await done.message(lambda message: not message["flags"] & EPHEMERAL)
    assert public["content"] == f"<@{ariel.id}> reverteu gan-digits: v1 voltou ao serviço no lugar de v2."
    told = f"<@{ariel.id}> rolled gan-digits back: v1 serves again, v2 no more."
    await ariel.message(asked, lambda message: message["content"] == told)


async def test_there_is_no_way_back_to_a_version_that_was_deleted(ariel: Person, trainer: Trainer) -> None:
    trainer.versions["v3"] = 1.0
    promoted = await promote(ariel, "v3")
    del trainer.versions["v2"]
    told = "The version before, v2, was deleted; `/model promote` chooses another."
    assert (await (await ariel.press(promoted, "Roll back")).message())["content"] == told
    assert (await said(ariel, "model rollback", model="gan-digits"))["content"] == told
    trainer.history = ["v2", "v3"]  # as the worker knows it where the audit log does not
    assert (await said(ariel, "model rollback", model="gan-digits"))["content"] == told
    assert trainer.history == ["v2", "v3"]


async def test_roll_back_leads_to_what_its_message_names_whatever_came_between(ariel: Person, trainer: Trainer) -> None:
    name = "v3+ema of my own"
    trainer.versions[name] = 1.0
    first = await promote(ariel, "v1")
    second = await promote(ariel, name)
    await ariel.press(second, "Roll back")
    await ariel.message(second, lambda message: not labels(message))
    assert trainer.history[-1] == "v1"
    await ariel.press(first, "Roll back")
    back = await ariel.message(first, lambda message: not labels(message))
    assert back["content"].endswith(f"\n<@{ariel.id}> rolled gan-digits back: v2 serves again, v1 no more.")
    assert trainer.history[-1] == "v2"


async def test_a_name_too_long_for_a_button_is_promoted_without_one(ariel: Person, trainer: Trainer) -> None:
    trainer.versions["v" * 150] = 1.0
    promoted = await promote(ariel, "v" * 150)
    assert "serves now" in promoted["content"]
    assert not labels(promoted)
    refused = await said(ariel, "model rollback", model="gan-digits")
    told = "The name of the version that serves is too long for a button; use `/model promote` with v2."
    assert refused["content"] == told


async def test_nothing_to_roll_back_to(ariel: Person, trainer: Trainer) -> None:
    trainer.history = ["v2"]
    refused = await said(ariel, "model rollback", model="gan-digits")
    assert refused["content"] == "No other version served before, so there is none to roll back to."


async def test_what_serves_already_or_is_not_there_is_not_promoted_and_only_who_asked_is_told(ariel: Person) -> None:
    for model, version, why in (
        ("gan-digits", "v2", "gan-digits@v2 serves already; nothing has changed."),
        ("gan-digits", "v9", "gan-digits has no version v9; there are: v2, v1."),
    ):
        told = await said(ariel, "model promote", model=model, version=version)
        assert told["content"] == why
        assert told["flags"] & EPHEMERAL
        assert not labels(told)


async def test_a_promotion_is_told_to_one_person_and_to_all_in_their_languages(ariel: Person) -> None:
    await ariel.select(await said(ariel, "settings"), "settings:language", "pt-BR")
    answer = await ariel.slash("model promote", model="gan-digits", version="v1")
    public = await answer.message(lambda message: not message["flags"] & EPHEMERAL)
    assert public["content"] == f"<@{ariel.id}> promoveu gan-digits: agora v1 está em serviço, antes era v2."
    assert labels(public) == ["Reverter"]
    private = await answer.message(lambda message: message["flags"] & EPHEMERAL)
    assert private["content"] == f"<@{ariel.id}> promoted gan-digits: v1 serves now, v2 did before."


async def test_a_measuring_that_was_killed_can_be_tried_again(ariel: Person, trainer: Trainer) -> None:
    trainer.code = "measuring_killed"
    told = await said(ariel, "model compare", model="gan-digits", version="v1")
    assert told["content"] == "The measuring was killed, as happens when memory is short; try `/model compare` again."


async def test_two_versions_side_by_side(ariel: Person) -> None:
    compared = await said(ariel, "model compare", model="gan-digits", version="v1")
    assert compared["content"].split("\n")[2:] == [
        "figure               v1     v2",
        "frechet_distance ↓  ≈ 2  ≈ 1.5  worse",
        "```",
        "-# ≈ measured on a part of the held-out data.",
    ]
    (file,) = compared["attachments"]
    refused = await said(ariel, "model compare", model="gan-digits", version="v2")
    assert refused["content"] == "v2 would stand beside itself; name another version to compare it with."
    assert file["description"] == "Samples, from left to right: gan-digits@v1, gan-digits@v2."
    picture = Image.open(io.BytesIO(await ariel.fetch(file)))
    assert picture.getpixel((100, 200)) == (20, 0, 128)
    assert picture.getpixel((picture.width - 100, 200)) == (40, 0, 128)


async def test_delete(ariel: Person, trainer: Trainer) -> None:
    trainer.versions |= {"v3": 1.0, "v" * 150: 1.0}
    for version, why in (
        ("v1", "That version came with Prospero and stays."),
        ("v2", "That version serves; promote another before deleting it."),
        ("v" * 150, "That name is too long for a button; delete the version where the models are kept."),
    ):
        assert (await said(ariel, "model delete", model="gan-digits", version=version))["content"] == why
    asked = await said(ariel, "model delete", model="gan-digits", version="v3")
    assert asked["flags"] & EPHEMERAL
    assert asked["content"] == "Delete **gan-digits@v3**? Its weights are lost for good."
    assert labels(asked) == ["Yes, delete it", "Leave it"]
    assert "v3" in trainer.versions
    await said(ariel, "model promote", model="gan-digits", version="v3")
    refused = await (await ariel.press(asked, "Yes, delete it")).message()
    assert refused["content"] == "That version serves; promote another before deleting it."
    await roll_back(ariel)
    await ariel.press(asked, "Yes, delete it")
    deleted = await ariel.message(asked, lambda message: not labels(message))
    assert deleted["content"] == f"<@{ariel.id}> deleted gan-digits@v3."
    assert "v3" not in trainer.versions


async def test_suggestions(ariel: Person, island: Island) -> None:
    bot = island.bot
    assert bot is not None
    await bot.catalogue.ask()
    assert [one["value"] for one in await ariel.autocomplete("model info", "model", model="DIG")] == ["gan-digits"]
    versions = await ariel.autocomplete("model compare", "version", model="gan-digits", version="")
    assert [(one["name"], one["value"]) for one in versions] == [("v2 (serves)", "v2"), ("v1", "v1")]
    assert await ariel.autocomplete("model promote", "version", model="gan-dogs", version="") == []


async def test_a_model_of_which_no_version_serves(ariel: Person, island: Island, trainer: Trainer) -> None:
    trainer.history = []
    models = await said(ariel, "model list")
    assert models["content"] == "`gan-digits` · none serves · 2 versions"
    assert island.bot is not None
    await island.bot.catalogue.ask()
    assert [one["value"] for one in await ariel.autocomplete("model promote", "model", model="")] == ["gan-digits"]
    versions = await ariel.autocomplete("model promote", "version", model="gan-digits", version="")
    assert [(one["name"], one["value"]) for one in versions] == [("v2", "v2"), ("v1", "v1")]
    told = "No version of gan-digits serves; there are: v2, v1. Name one, or let one serve with `/model promote`."
    for command in ("model info", "model rollback"):
        assert (await said(ariel, command, model="gan-digits"))["content"] == told
    described = await said(ariel, "model info", model="gan-digits", version="v2")
    assert described["content"].startswith("**gan-digits@v2**\n")
    promoted = await said(ariel, "model promote", model="gan-digits", version="v2")
    assert promoted["content"] == f"<@{ariel.id}> promoted gan-digits: v2 serves now, – did before."


async def test_the_audit_log_tells_of_every_server(ariel: Person, island: Island) -> None:
    bot = island.bot
    assert bot is not None
    await said(ariel, "model promote", model="gan-digits", version="v1")
    await bot.audit.write(Entry(int(ariel.id), 5, "promote", "gan-digits", "v1", "v2"))
    assert await audit(ariel) == [
        f"<@{ariel.id}> promoted gan-digits: v2 serves now, v1 did before. (in the server **5**)",
        f"<@{ariel.id}> promoted gan-digits: v1 serves now, v2 did before.",
    ]


async def test_the_audit_log_cannot_be_changed(ariel: Person, island: Island) -> None:
    bot = island.bot
    assert bot is not None
    assert (await said(ariel, "audit"))["content"] == "No operator has done anything yet."
    for version in ("v1", "v2") * 7:
        await said(ariel, "model promote", model="gan-digits", version=version)
    for statement in ("UPDATE audit SET who = 1", "DELETE FROM audit"):
        with pytest.raises(Exception, match="the audit log is only added to"):
            await bot.store.change(statement)
    message = await said(ariel, "audit")
    assert message["content"].endswith("\n-# These are the newest; the file has all 14.")
    assert len(message["content"].split("\n")) == 9
    rows = (await ariel.fetch(message["attachments"][0])).decode().split("\n")
    assert len(rows) == 14
    assert rows[0].endswith(f",{ariel.id},promote,gan-digits,v1,v2")
