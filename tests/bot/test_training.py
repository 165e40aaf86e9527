"""/retrain and /training as operators see them, with a worker whose trainings go as the test says."""

import asyncio
import io
import re
from collections.abc import Iterable

import aiosqlite
import pytest
from PIL import Image

from bot import delivery
from sandbox.interactions import COMMAND
from sandbox.permissions import Permission
from tests.bot.conftest import Island, said
from tests.bot.trainer import Trainer, serve
from tests.person import JSON, Answer, Person, controls, labels
from worker.schemas.training import Hyperparameters, Job, JobError, Step

EPHEMERAL = 1 << 6
GREY, GREEN = 2, 3  # Discord's numbers for buttons that do not invite and that do
MISSING = (
    "That data set is not here: `python -m models data list` on the models' machine tells which file goes where. "
    "Or choose another, or hand one in with `/dataset add`."
)


async def retrain(person: Person, trainer: Trainer, **options: object) -> tuple[str, JSON]:
    """Has a training begin; its job, and its live message."""
    before = set(person.seen)
    answer = await person.slash("retrain", **{"model": "gan-digits", "minutes": 30, **options})
    confirmation = await answer.message(labels)
    await person.press(confirmation, labels(confirmation)[0])
    job = await trainer.started()
    return job, await new_message(person, before | {confirmation["id"]})


async def new_message(person: Person, before: set[str]) -> JSON:
    """The next message of the bot's own accord that is none of those before."""

    def found() -> JSON | None:
        fresh = (one for one in person.seen.values() if one["id"] not in before and not one["flags"] & EPHEMERAL)
        return next((one for one in fresh if one.get("interaction_metadata") is None), None)

    return await person.until(found, 30, "a message")


async def finished(person: Person, trainer: Trainer, version: str = "v3", figure: float = 1.0) -> tuple[str, JSON]:
    """A training that ended with a version, and its report."""
    job, _ = await retrain(person, trainer)
    seen = set(person.seen)
    trainer.run(job)
    trainer.step(job, 10, 10, loss=0.5)
    trainer.succeed(job, version, figure)
    return job, await new_message(person, seen)


async def test_a_training_from_the_question_to_the_report(ariel: Person, trainer: Trainer) -> None:
    answer = await ariel.slash("retrain", model="gan-digits", minutes=30, dataset="sprites", balance="latent", seed=4)
    asked = await answer.message(labels)
    assert asked["flags"] & EPHEMERAL
    assert asked["content"] == (
        "Train **gan-digits** on sprites, for 30 min, from scratch?\n"
        "Rare examples will be drawn more often, and the report says what that changed.\n"
        "Everyone goes on using the version that serves. At the end I report here, and an operator decides."
    )
    assert labels(asked) == ["Start training", "Leave it"]
    before = set(ariel.seen)
    await ariel.press(asked, "Start training")
    begun = await ariel.message(asked, lambda message: not labels(message))
    assert begun["content"] == "The training is in the queue; see below how it goes."
    job = await trainer.started()
    wanted = trainer.requests[job]
    assert (wanted.training_file, wanted.hyperparameters.minutes, wanted.seed) == ("sprites", 30, 4)
    assert (wanted.hyperparameters.balance, wanted.user, wanted.promote) == ("latent", ariel.id, "never")

    live = await new_message(ariel, before)
    queued = await ariel.message(live, lambda message: "in line" in message["content"])
    title = f"Training **gan-digits** on sprites, for 30 min, from scratch (asked for by <@{ariel.id}>)"
    assert queued["content"] == f"{title}\n1st in line…"
    assert labels(queued) == ["Cancel training"]
    trainer.run(job)
    await ariel.message(live, lambda message: message["content"].endswith("\nGetting ready…"))
    for number in range(1, 13):  # more than fit a page of events
        trainer.step(job, number, 20, loss=2 / number, agreement=number / 20)
    running = await ariel.message(live, lambda message: "step 12 ·" in message["content"])
    lines = running["content"].split("\n")
    assert re.fullmatch(r"`█{12}░{8}` 60% · step 12 · ends <t:\d+:R>", lines[1])
    assert lines[2:] == ["losses: generator 0.1667 · judge 0.08333", "held-out: agreement 0.6"]
    (file,) = running["attachments"]
    assert file["description"] == (
        "The losses up to step 12: generator from 2 to 0.1667; judge from 1 to 0.08333. "
        "Beside them, what the model draws at the moment, if it draws."
    )
    picture = Image.open(io.BytesIO(await ariel.fetch(file)))
    assert picture.getpixel((picture.width - 20, 100)) == (240, 0, 128)  # the sample of step 12

    seen = set(ariel.seen)
    trainer.succeed(job, "v3", figure=1.25)
    report = await new_message(ariel, seen)
    ended = await ariel.message(live, lambda message: not labels(message))
    assert ended["content"].endswith("\nFinished: gan-digits@v3. The report is below.")
    assert report["content"] == (
        f"<@{ariel.id}> **gan-digits@v3** is ready.\n"
        "```\n"
        "figure                   v3     v2\n"
        "frechet_distance ↓   ≈ 1.25  ≈ 1.5  better\n"
        "agreement (%) ↑     ≈ 98.25      –\n"
        "```\n"
        "-# ≈ measured on a part of the held-out data.\n"
        "By the first figure, which decides, the new version is better. Shall it serve?"
    )
    assert [user["id"] for user in report["mentions"]] == [ariel.id]
    assert labels(report) == ["Promote", "Keep", "Discard"]
    assert controls(report)[0]["style"] == GREEN
    (file,) = report["attachments"]
    assert file["description"] == "Samples, from left to right: gan-digits@v3, gan-digits@v2."
    assert trainer.history[-1] == "v2"


async def test_promote_and_roll_back_from_the_report(ariel: Person, trainer: Trainer) -> None:
    _, report = await finished(ariel, trainer)
    await ariel.press(report, "Promote")
    promoted = await ariel.message(report, lambda message: labels(message) == ["Roll back"])
    said = f"<@{ariel.id}> promoted gan-digits: v3 serves now, v2 did before."
    assert promoted["content"] == f"{report['content']}\n{said}"
    assert trainer.history[-1] == "v3"
    await ariel.press(report, "Roll back")
    back = await ariel.message(report, lambda message: labels(message) == [])
    assert back["content"].endswith("v2 serves again, v3 no more.")
    assert trainer.history[-1] == "v2"
    logged = await (await ariel.slash("audit")).message()
    acts = [line.partition("> ")[2] for line in logged["content"].split("\n")]
    assert acts == [
        f"<@{ariel.id}> rolled gan-digits back: v2 serves again, v3 no more.",
        said,
        f"<@{ariel.id}> had gan-digits trained from scratch.",
    ]


async def test_a_worse_version_serves_only_after_a_question(ariel: Person, trainer: Trainer) -> None:
    _, report = await finished(ariel, trainer, figure=3.0)
    assert controls(report)[0]["style"] == GREY
    asked = await (await ariel.press(report, "Promote")).message()
    assert asked["flags"] & EPHEMERAL
    question = "**gan-digits@v3** measured worse than the version that serves. Let it serve all the same?"
    assert asked["content"] == question
    assert labels(asked) == ["Yes, promote it", "Leave it"]
    assert trainer.history[-1] == "v2"
    await ariel.press(asked, "Yes, promote it")
    promoted = await ariel.message(report, lambda message: labels(message) == ["Roll back"])
    told = f"<@{ariel.id}> promoted gan-digits: v3 serves now, v2 did before."
    assert promoted["content"] == f"{report['content']}\n{told}"
    await ariel.message(asked, lambda message: message["content"] == told and not labels(message))
    assert trainer.history[-1] == "v3"
    await ariel.press(report, "Roll back")
    await ariel.message(report, lambda message: labels(message) == [])
    assert trainer.history[-1] == "v2"


async def test_a_version_that_measured_the_same_serves_without_a_question(ariel: Person, trainer: Trainer) -> None:
    _, report = await finished(ariel, trainer, figure=1.5)
    assert controls(report)[0]["style"] == GREY
    await ariel.press(report, "Promote")
    await ariel.message(report, lambda message: labels(message) == ["Roll back"])
    assert trainer.history[-1] == "v3"


async def test_keep_and_discard(ariel: Person, trainer: Trainer) -> None:
    _, report = await finished(ariel, trainer, figure=3.0)
    assert "the new version is not better. Shall it serve all the same?" in report["content"]
    await ariel.press(report, "Keep")
    kept = await ariel.message(report, lambda message: not labels(message))
    assert kept["content"].endswith("kept gan-digits@v3 without letting it serve.")
    _, report = await finished(ariel, trainer, "v4")
    asked = await (await ariel.press(report, "Discard")).message()
    assert asked["flags"] & EPHEMERAL
    assert asked["content"] == "Delete **gan-digits@v4**? Its weights are lost for good."
    assert labels(asked) == ["Yes, delete it", "Leave it"]
    assert "v4" in trainer.versions
    await ariel.press(asked, "Yes, delete it")
    discarded = await ariel.message(report, lambda message: not labels(message))
    said = f"<@{ariel.id}> discarded gan-digits@v4."
    assert discarded["content"] == f"{report['content']}\n{said}"
    await ariel.message(asked, lambda message: message["content"] == said and not labels(message))
    assert sorted(trainer.versions) == ["v1", "v2", "v3"]


async def test_a_discarded_report_loses_its_buttons_even_where_the_bot_may_not_read_it(
    ariel: Person, island: Island, trainer: Trainer
) -> None:
    _, report = await finished(ariel, trainer)
    state = island.sandbox.state
    state.forbid(state.channel(ariel.channel), state.bot, Permission.READ_MESSAGE_HISTORY)
    asked = await (await ariel.press(report, "Discard")).message()
    await ariel.press(asked, "Yes, delete it")
    discarded = await ariel.message(report, lambda message: not labels(message))
    assert discarded["content"] == report["content"]


async def test_a_version_that_serves_or_is_gone_is_not_kept(ariel: Person, trainer: Trainer) -> None:
    _, report = await finished(ariel, trainer)
    await said(ariel, "model promote", model="gan-digits", version="v3")
    refused = await (await ariel.press(report, "Keep")).message()
    assert refused["content"] == "gan-digits@v3 serves already; nothing has changed."
    trainer.history.append("v2")
    del trainer.versions["v3"]
    refused = await (await ariel.press(report, "Keep")).message()
    assert refused["content"] == "gan-digits has no version v3; there are: v2, v1."
    assert labels(ariel.seen[report["id"]]) == ["Promote", "Keep", "Discard"]
    assert "kept" not in (await said(ariel, "audit"))["content"]


async def test_a_report_that_someone_deletes_before_its_version_is_discarded(
    ariel: Person, island: Island, trainer: Trainer
) -> None:
    _, report = await finished(ariel, trainer)
    asked = await (await ariel.press(report, "Discard")).message()
    island.sandbox.state.delete_message(report["id"])
    await ariel.press(asked, "Yes, delete it")
    await ariel.message(asked, lambda message: message["content"] == f"<@{ariel.id}> discarded gan-digits@v3.")
    assert "v3" not in trainer.versions


async def test_a_version_that_could_not_be_measured_is_not_said_to_be_alone(ariel: Person, trainer: Trainer) -> None:
    job, _ = await retrain(ariel, trainer)
    seen = set(ariel.seen)
    trainer.succeed(job, "v3", 1.0, problems=["v2 cannot be measured on digits: it is damaged"])
    report = await new_message(ariel, seen)
    assert report["content"] == (
        f"<@{ariel.id}> **gan-digits@v3** is ready.\n"
        "It could not be measured against v2: v2 cannot be measured on digits: it is damaged\n"
        "Shall it serve all the same?"
    )
    assert labels(report) == ["Promote", "Keep", "Discard"]
    assert controls(report)[0]["style"] == GREY


async def test_two_operators_decide_at_once(island: Island, ariel: Person, trainer: Trainer) -> None:
    state = island.sandbox.state
    await island.stop_bot()
    await island.start_bot(trainer.url, operators=state.named("Miranda").user.id)
    async with island.person("Miranda") as miranda:
        _, report = await finished(ariel, trainer)
        asked = await (await miranda.press(report, "Discard")).message()
        trainer.hold_promotions.clear()
        first, second = await asyncio.gather(ariel.press(report, "Promote"), miranda.press(asked, "Yes, delete it"))
        trainer.hold_promotions.set()
        decided = await ariel.message(report, lambda message: "Discard" not in labels(message))
        if labels(decided) == ["Roll back"]:
            refused, person, said = second, miranda, f"<@{ariel.id}> has promoted this version already."
            assert (trainer.history[-1], "v3" in trainer.versions) == ("v3", True)
        else:
            refused, person, said = first, ariel, f"<@{miranda.id}> has discarded this version already."
            assert (trainer.history[-1], "v3" in trainer.versions) == ("v2", False)
        told = await refused.message(lambda message: message["flags"] & EPHEMERAL)
        assert (refused.person, told["content"]) == (person, said)


async def test_a_better_version_serves_by_itself_if_asked_for(ariel: Person, trainer: Trainer) -> None:
    answer = await ariel.slash("retrain", model="gan-digits", promote="if_better")
    asked = await answer.message(labels)
    assert "**gan-digits** on digits, for 60 min" in asked["content"]
    assert asked["content"].endswith("if the new version is better on held-out data it serves by itself.")
    await ariel.press(asked, "Start training")
    job = await trainer.started()
    assert trainer.requests[job].promote == "if_better"
    trainer.succeed(job, "v3", figure=1.0, promoted=True)
    report = await ariel.wait_for(lambda event: "is ready" in event["d"].get("content", ""))
    assert report["d"]["content"].endswith("it is better: v3 serves now, v2 did before.")
    assert labels(report["d"]) == ["Roll back"]
    logged = await (await ariel.slash("audit")).message()
    said = f"gan-digits@v3 was promoted by itself, as <@{ariel.id}> had asked for: it is better than v2."
    assert logged["content"].split("\n")[0].endswith(said)


@pytest.fixture
def unwritable(island: Island, ariel: Person, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Parts of statements that fail, once each, as on a disk that is full for a while."""
    assert island.bot is not None
    parts: list[str] = []
    change = island.bot.store.change

    async def change_perhaps(statement: str, values: Iterable[object] = ()) -> None:
        for part in parts:
            if part in statement:
                parts.remove(part)
                raise aiosqlite.OperationalError("database or disk is full")
        await change(statement, values)

    monkeypatch.setattr(island.bot.store, "change", change_perhaps)
    return parts


async def test_a_training_is_followed_to_its_end_although_the_store_cannot_be_written(
    ariel: Person, island: Island, trainer: Trainer, unwritable: list[str]
) -> None:
    unwritable.append("SET message")
    job, live = await retrain(ariel, trainer)
    trainer.run(job)
    await ariel.message(live, lambda message: message["content"].endswith("\nGetting ready…"))
    seen = set(ariel.seen)
    unwritable += ["INTO audit", "SET told"]
    trainer.succeed(job, "v3", figure=1.0, promoted=True)
    assert "is ready" in (await new_message(ariel, seen))["content"]
    await until_let_go()
    assert unwritable == []
    assert island.bot is not None and await island.bot.watches.store.unfinished() == []
    logged = await said(ariel, "audit")
    assert logged["content"].count("promoted by itself") == 1


async def test_a_promotion_that_could_not_be_logged_is_finished_by_another_try(
    ariel: Person, trainer: Trainer, unwritable: list[str]
) -> None:
    _, report = await finished(ariel, trainer)
    unwritable.append("INTO audit")
    told = await (await ariel.press(report, "Promote")).message(lambda message: message["flags"] & EPHEMERAL)
    assert "that I did not foresee" in told["content"]
    await ariel.press(report, "Promote")
    promoted = await ariel.message(report, lambda message: labels(message) == ["Roll back"])
    sentence = f"<@{ariel.id}> promoted gan-digits: v3 serves now, v2 did before."
    assert promoted["content"].endswith(f"\n{sentence}")
    logged = await said(ariel, "audit")
    assert logged["content"].split("\n")[0].endswith(sentence)
    refused = await said(ariel, "model promote", model="gan-digits", version="v3")
    assert refused["content"] == "gan-digits@v3 serves already; nothing has changed."


@pytest.mark.parametrize("unwritten", ["INTO audit", "INTO watches", None])
async def test_a_training_that_began_unnoticed_is_followed_after_another_press(
    ariel: Person, trainer: Trainer, unwritable: list[str], unwritten: str | None
) -> None:
    if unwritten is None:
        trainer.lost_answers = 1
    else:
        unwritable.append(unwritten)
    asked = await said(ariel, "retrain", model="gan-digits", promote="if_better")
    told = await (await ariel.press(asked, "Start training")).message(lambda one: one["id"] != asked["id"])
    assert labels(ariel.seen[asked["id"]]) == ["Start training", "Leave it"]
    job = await trainer.started()
    trainer.succeed(job, "v3", 1.0, promoted=True)  # by the time of the second press
    seen = {*ariel.seen, told["id"]}
    await ariel.press(asked, "Start training")
    live = await new_message(ariel, seen)
    assert "is ready" in (await new_message(ariel, seen | {live["id"]}))["content"]
    assert list(trainer.jobs) == [job]
    logged = (await said(ariel, "audit"))["content"]
    assert "had gan-digits trained from scratch" in logged and "promoted by itself" in logged


@pytest.mark.parametrize("unwritten", ["INTO audit", "SET told = FALSE", None])
async def test_a_training_that_goes_on_unnoticed_is_followed_after_another_press(
    ariel: Person, island: Island, trainer: Trainer, unwritable: list[str], unwritten: str | None
) -> None:
    job, _ = await retrain(ariel, trainer)
    seen = set(ariel.seen)
    unwritable += 1_000 * ["SET told = TRUE"]  # which is tried again all the while
    trainer.fail(job, "The disk is full.", "disk_full")
    failed = await new_message(ariel, seen)
    following = followers()
    if unwritten is None:
        trainer.lost_answers = 1
    else:
        unwritable.append(unwritten)
    told = await (await ariel.press(failed, "Resume")).message(lambda one: one["id"] != failed["id"])
    assert trainer.jobs[job].status == "queued"
    seen = {*ariel.seen, told["id"]}
    await ariel.press(failed, "Resume")
    live = await new_message(ariel, seen)
    assert labels(live) == ["Cancel training"]
    await ariel.message(failed, lambda message: not labels(message))
    assert "had a training of gan-digits go on" in (await said(ariel, "audit"))["content"]
    unwritable.clear()
    await asyncio.wait(following, timeout=30)
    assert island.bot is not None
    assert [watch.job for watch in await island.bot.watches.store.unfinished()] == [job]
    seen = set(ariel.seen)
    trainer.succeed(job, "v3", 1.0)
    assert "is ready" in (await new_message(ariel, seen))["content"]


async def test_a_training_that_was_given_up_does_not_go_on(ariel: Person, trainer: Trainer) -> None:
    job, _ = await retrain(ariel, trainer)
    seen = set(ariel.seen)
    trainer.fail(job, "The loss is no longer a number.")
    failed = await new_message(ariel, seen)
    await until_let_go()
    trainer.jobs[job] = trainer.jobs[job].model_copy(update={"status": "cancelled"})
    refused = await (await ariel.press(failed, "Resume")).message(lambda one: one["id"] != failed["id"])
    assert refused["content"] == "That training has not failed, or goes on already; see `/training status`."


async def test_cancel_in_the_middle(ariel: Person, trainer: Trainer) -> None:
    job, live = await retrain(ariel, trainer)
    trainer.run(job)
    trainer.step(job, 1, 4, loss=1.0)
    await ariel.message(live, lambda message: "25%" in message["content"])
    asked = await (await ariel.press(live, "Cancel training")).message()
    assert asked["flags"] & EPHEMERAL
    assert asked["content"] == "Cancel the training of **gan-digits**? What it learnt so far is lost for good."
    assert labels(asked) == ["Yes, cancel it", "Leave it"]
    assert trainer.jobs[job].status == "running"
    await ariel.press(asked, "Yes, cancel it")
    ended = await ariel.message(live, lambda message: not labels(message))
    assert ended["content"].endswith("\nCancelled; nothing of it is kept.")
    assert "25%" in ended["content"]
    await ariel.message(asked, lambda message: message["content"].endswith("cancelled a training of gan-digits."))
    assert trainer.jobs[job].status == "cancelled"
    logged = await (await ariel.slash("audit")).message()
    assert logged["content"].split("\n")[0].endswith(f"<@{ariel.id}> cancelled a training of gan-digits.")
    asked = await said(ariel, "training cancel", training=job)
    refused = await (await ariel.press(asked, "Yes, cancel it")).message(lambda told: told["id"] != asked["id"])
    assert refused["content"] == "That training has ended already; there is nothing to cancel."


async def test_a_training_that_fails_is_resumed_or_tried_again(ariel: Person, trainer: Trainer) -> None:
    job, live = await retrain(ariel, trainer)
    trainer.run(job)
    seen = set(ariel.seen)
    trainer.fail(job, "No space is left.", "disk_full")
    told = await new_message(ariel, seen)
    reason = "The disk is full; make room, then resume the training."
    assert told["content"] == f"<@{ariel.id}> The training of **gan-digits** failed: {reason}"
    assert labels(told) == ["Resume", "Retry"]
    await ariel.message(live, lambda message: message["content"].endswith(f"\nFailed: {reason}"))
    seen = set(ariel.seen)
    await asyncio.gather(*(ariel.press(told, "Resume") for _ in range(2)))
    resumed = await new_message(ariel, seen)
    assert labels(resumed) == ["Cancel training"]
    await ariel.message(told, lambda message: not labels(message))
    refused = "That training has not failed, or goes on already; see `/training status`."
    await ariel.wait_for(lambda event: event["d"].get("content") == refused)
    logged = await said(ariel, "audit")
    assert logged["content"].split("\n")[0].endswith("had a training of gan-digits go on that had failed.")
    seen = set(ariel.seen)
    trainer.fail(job, "The loss is no longer a number.", "not_a_number")
    told = await new_message(ariel, seen)
    assert "smaller learning rate under `settings`: `rate=…`, for texts `matrix_rate=…" in told["content"]
    again = await (await ariel.press(told, "Retry")).message(labels)
    assert again["content"].startswith("Train **gan-digits** on digits, for 30 min, from scratch?")
    assert again["flags"] & EPHEMERAL


async def test_an_operator_who_is_forgotten(ariel: Person, island: Island, trainer: Trainer) -> None:
    assert island.bot is not None
    _, report = await finished(ariel, trainer)
    await ariel.press(report, "Keep")
    await ariel.message(report, lambda message: not labels(message))
    job, _ = await retrain(ariel, trainer)
    seen = set(ariel.seen)
    trainer.fail(job, "The loss is no longer a number.")
    told = await new_message(ariel, seen)
    await until_let_go()
    asked = await said(ariel, "forget-me")
    await ariel.press(asked, "Erase everything")
    await ariel.message(asked, lambda message: message["content"].startswith("Done:"))
    assert ariel.id not in str(await island.bot.store.rows("SELECT * FROM watches"))
    seen = set(ariel.seen)
    await ariel.press(told, "Resume")
    resumed = await new_message(ariel, seen)
    assert f"(asked for by <@{ariel.id}>)" in resumed["content"]
    seen = set(ariel.seen)
    trainer.succeed(job, "v4", 1.0)
    report = await new_message(ariel, seen)
    assert report["content"].startswith(f"<@{ariel.id}> **gan-digits@v4** is ready.")
    await island.bot.watches.store.decide(job, "keep", 0)
    refused = await (await ariel.press(report, "Promote")).message(lambda message: message["flags"] & EPHEMERAL)
    assert refused["content"] == "An operator has decided about this version already; see `/model list`."


async def test_an_operator_who_is_forgotten_while_it_trains(ariel: Person, island: Island, trainer: Trainer) -> None:
    assert island.bot is not None
    job, _ = await retrain(ariel, trainer)
    asked = await said(ariel, "forget-me")
    await ariel.press(asked, "Erase everything")
    await ariel.message(asked, lambda message: message["content"].startswith("Done:"))
    seen = set(ariel.seen)
    trainer.succeed(job, "v3", 1.0)
    await new_message(ariel, seen)
    await until_let_go()
    assert ariel.id not in str(await island.bot.store.rows("SELECT * FROM watches"))


async def test_an_event_that_cannot_be_read_hides_no_other(ariel: Person, trainer: Trainer) -> None:
    job, _ = await retrain(ariel, trainer)
    broken = Step.model_construct(step=1, fraction=0.5, seconds=1, seconds_left=1, losses={"loss": None}, metrics={})
    trainer._tell(job, "metrics", "step 1", broken)
    seen = set(ariel.seen)
    trainer.succeed(job, "v3", 1.0)
    assert "is ready" in (await new_message(ariel, seen))["content"]


async def test_operators_are_heard_in_every_channel(ariel: Person, island: Island, trainer: Trainer) -> None:
    assert island.bot is not None
    gallery = int(ariel.channels["gallery"])
    await island.bot.guild_settings.change(int(island.sandbox.state.guild.id), channels=(gallery,))
    job, _ = await retrain(ariel, trainer)
    seen = set(ariel.seen)
    trainer.fail(job, "The loss is no longer a number.")
    told = await new_message(ariel, seen)
    again = await (await ariel.press(told, "Retry")).message()
    assert again["content"].startswith("Train **gan-digits** on digits, for 30 min, from scratch?")


async def test_a_language_that_discord_has_and_nothing_here_knows(
    ariel: Person, island: Island, trainer: Trainer
) -> None:
    island.sandbox.state.operator.locale = "tlh"
    _, live = await retrain(ariel, trainer)
    assert live["content"].startswith("Training **gan-digits** on digits, for 30 min, from scratch")


async def test_the_live_message_outlasts_an_outage_of_discord(
    ariel: Person, island: Island, trainer: Trainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "LONGEST_PAUSE", 0.01)
    job, live = await retrain(ariel, trainer)
    island.edits_to_lose = 2 * delivery.ATTEMPTS
    trainer.run(job)
    trainer.step(job, 1, 4, loss=1.0)
    await ariel.message(live, lambda message: "25%" in message["content"])
    assert island.edits_to_lose == 0


async def test_a_message_whose_receipt_is_lost_is_sent_once(ariel: Person, island: Island, trainer: Trainer) -> None:
    island.receipts_to_lose = 1
    job, live = await retrain(ariel, trainer)
    trainer.run(job)
    await ariel.message(live, lambda message: message["content"].endswith("\nGetting ready…"))
    assert island.receipts_to_lose == 0
    assert len([one for one in await ariel.messages() if not one["flags"] & EPHEMERAL]) == 1


async def test_a_live_message_in_an_archived_thread_goes_on_in_a_new_one(
    ariel: Person, island: Island, trainer: Trainer
) -> None:
    job, live = await retrain(ariel, trainer)
    trainer.run(job)
    trainer.step(job, 1, 4, loss=1.0)
    await ariel.message(live, lambda message: "25%" in message["content"])
    seen = set(ariel.seen)
    island.archived = True
    trainer.step(job, 2, 4, loss=1.0)
    anew = await new_message(ariel, seen)
    assert "50%" in anew["content"] and anew["attachments"] and labels(anew) == ["Cancel training"]
    trainer.step(job, 3, 4, loss=1.0)
    await ariel.message(anew, lambda message: "75%" in message["content"])


async def test_a_live_message_that_another_application_sent_goes_on_in_a_new_one(
    ariel: Person, island: Island, trainer: Trainer
) -> None:
    job, _ = await retrain(ariel, trainer)
    anothers = await ariel.say("Training gan-digits")
    assert island.bot is not None
    await island.bot.watches.store.note_message(job, int(anothers["id"]))
    await island.stop_bot()
    await ariel.message(anothers, bool)
    seen = set(ariel.seen)
    await island.start_bot(trainer.url)
    assert labels(await new_message(ariel, seen)) == ["Cancel training"]


async def test_a_live_message_goes_on_once_the_bot_sees_its_channel_again(
    ariel: Person, island: Island, trainer: Trainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "LONGEST_PAUSE", 0.01)
    job, live = await retrain(ariel, trainer)
    state = island.sandbox.state
    channel = state.channel(ariel.channel)
    trainer.run(job)
    state.forbid(channel, state.bot, Permission.VIEW_CHANNEL)
    trainer.step(job, 1, 4, loss=1.0)
    await asyncio.wait_for(island.refused.get(), 30)
    channel.overwrites.clear()
    await ariel.message(live, lambda message: "25%" in message["content"])

    state.forbid(channel, state.bot, Permission.VIEW_CHANNEL)
    seen = set(ariel.seen)
    trainer.succeed(job, "v3", 1.0, promoted=True)
    async with asyncio.timeout(30):  # the log waits for no message
        while "promoted by itself" not in (await said(ariel, "audit"))["content"]:
            pass
    channel.overwrites.clear()
    ended = await ariel.message(live, lambda message: not labels(message))
    assert ended["content"].endswith("The report is below.")
    assert "is ready" in (await new_message(ariel, seen))["content"]


async def test_a_report_is_told_once_the_bot_may_write_again(
    ariel: Person, island: Island, trainer: Trainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "LONGEST_PAUSE", 0.01)
    job, _ = await retrain(ariel, trainer)
    state = island.sandbox.state
    channel = state.channel(ariel.channel)
    state.forbid(channel, state.bot, Permission.SEND_MESSAGES)
    seen = set(ariel.seen)
    trainer.succeed(job, "v3", 1.0)
    while await asyncio.wait_for(island.refused.get(), 30) != "POST":
        pass
    channel.overwrites.clear()
    assert "is ready" in (await new_message(ariel, seen))["content"]
    await until_let_go()
    assert island.bot is not None and await island.bot.watches.store.unfinished() == []


@pytest.mark.parametrize("promoted", [False, True])
async def test_a_report_that_discord_refused_is_told_after_the_next_start(
    ariel: Person, island: Island, trainer: Trainer, promoted: bool
) -> None:
    job, _ = await retrain(ariel, trainer)
    seen = set(ariel.seen)
    island.refuses_messages = True
    trainer.succeed(job, "v3", 1.0, promoted)
    for _ in range(2):
        await until_let_go()
        await island.stop_bot()
        await island.start_bot(trainer.url)
    await until_let_go()
    await island.stop_bot()
    island.refuses_messages = False
    await island.start_bot(trainer.url)
    assert "is ready" in (await new_message(ariel, seen))["content"]
    await until_let_go()
    assert island.bot is not None and await island.bot.watches.store.unfinished() == []
    logged = await said(ariel, "audit")
    assert logged["content"].count("promoted by itself") == promoted


async def test_a_report_whose_channel_is_gone_is_told_no_more(ariel: Person, island: Island, trainer: Trainer) -> None:
    job, _ = await retrain(ariel, trainer)
    del island.sandbox.state.guild.channels[ariel.channel]
    trainer.succeed(job, "v3", 1.0)
    await until_let_go()
    assert island.bot is not None and await island.bot.watches.store.unfinished() == []


def followers() -> list[asyncio.Task[None]]:
    """The tasks that follow a training each."""
    return [task for task in asyncio.all_tasks() if task.get_name().startswith("training-")]


async def until_let_go() -> None:
    """Returns once no training is followed."""
    async with asyncio.timeout(30):
        await asyncio.gather(*followers())


async def test_the_live_message_outlives_a_restart_of_the_bot(ariel: Person, island: Island, trainer: Trainer) -> None:
    job, live = await retrain(ariel, trainer)
    trainer.run(job)
    trainer.step(job, 1, 4, loss=1.0)
    await ariel.message(live, lambda message: "25%" in message["content"])
    await island.stop_bot()
    trainer.step(job, 2, 4, loss=0.75)
    await island.start_bot(trainer.url)
    again = await ariel.message(live, lambda message: "50%" in message["content"])
    assert "generator from 1 to 0.75" in again["attachments"][0]["description"]
    await island.stop_bot()
    seen = set(ariel.seen)
    trainer.succeed(job, "v3", 1.0)
    await island.start_bot(trainer.url)
    report = await new_message(ariel, seen)
    await island.stop_bot()
    await island.start_bot(trainer.url)
    await ariel.press(report, "Promote")
    await ariel.message(report, lambda message: labels(message) == ["Roll back"])
    assert sum("is ready" in message["content"] for message in await ariel.messages()) == 1


async def test_a_live_message_that_someone_deletes(ariel: Person, island: Island, trainer: Trainer) -> None:
    job, live = await retrain(ariel, trainer, **{"from": "current"})
    assert trainer.requests[job].hyperparameters.start == "current"
    logged = await said(ariel, "audit")
    assert logged["content"].endswith(f"<@{ariel.id}> had gan-digits trained on from v2.")
    island.sandbox.state.delete_message(live["id"])
    trainer.run(job)
    trainer.step(job, 1, 4, loss=1.0)
    seen = set(ariel.seen)
    trainer.succeed(job, "v3", 1.0)
    assert labels(await new_message(ariel, seen)) == ["Promote", "Keep", "Discard"]


async def test_a_worker_that_goes_away_in_the_middle(ariel: Person, island: Island) -> None:
    trainer = Trainer()
    await island.stop_bot()
    async with serve(trainer) as url:
        await island.start_bot(url)
        job, live = await retrain(ariel, trainer)
        trainer.run(job)
        trainer.step(job, 1, 4, loss=1.0)
        await ariel.message(live, lambda message: "25%" in message["content"])
    away = "\n-# The models cannot be reached right now. I keep asking."
    await ariel.message(live, lambda message: message["content"].endswith(away))
    trainer.step(job, 2, 4, loss=0.5)
    async with serve(trainer, port=int(url.rpartition(":")[2])):
        back = await ariel.message(live, lambda message: "50%" in message["content"])
        assert away not in back["content"]
        del trainer.jobs[job]
        lost = await ariel.message(live, lambda message: not labels(message))
        told = "\nThe models know nothing of this training any more. `/retrain` begins another."
        assert lost["content"].endswith(told)
        await island.stop_bot()


async def test_samples_that_cannot_be_had_at_once_are_asked_for_again(ariel: Person, trainer: Trainer) -> None:
    job, live = await retrain(ariel, trainer)
    trainer.run(job)
    trainer.lost_samples = 1
    trainer.step(job, 1, 4, loss=1.0)
    await ariel.message(live, lambda message: "25%" in message["content"] and message["attachments"])
    seen = set(ariel.seen)
    trainer.lost_samples = 2
    trainer.succeed(job, "v3", 1.0)
    assert (await new_message(ariel, seen))["attachments"]
    assert trainer.lost_samples == 0


async def test_samples_whose_files_are_damaged_are_left_out(ariel: Person, trainer: Trainer) -> None:
    job, live = await retrain(ariel, trainer)
    trainer.run(job)
    trainer.damaged_samples = {1, 2}
    trainer.step(job, 1, 4, loss=1.0)
    running = await ariel.message(live, lambda message: "25%" in message["content"])
    assert running["attachments"]  # the curve
    trainer.damaged_samples = {2}
    seen = set(ariel.seen)
    trainer.succeed(job, "v3", 1.0)
    (file,) = (await new_message(ariel, seen))["attachments"]
    assert file["description"] == "Samples, from left to right: gan-digits@v3."


async def test_a_start_pressed_twice_begins_once(ariel: Person, trainer: Trainer) -> None:
    asked = await (await ariel.slash("retrain", model="gan-digits", steps=20)).message(labels)
    assert ", up to step 20, " in asked["content"]
    await asyncio.gather(*(ariel.press(asked, "Start training") for _ in range(2)))
    await ariel.wait_for(lambda event: "has begun already" in event["d"].get("content", ""))
    assert len(trainer.jobs) == 1


async def test_leave_it(ariel: Person, trainer: Trainer) -> None:
    asked = await (await ariel.slash("retrain", model="gan-digits")).message(labels)
    await ariel.press(asked, "Leave it")
    left = await ariel.message(asked, lambda message: not labels(message))
    assert (left["content"], trainer.jobs) == ("Left as it was.", {})


async def test_what_cannot_be_trained_is_told(ariel: Person) -> None:
    refusals: list[tuple[dict[str, object], str]] = [
        ({"model": "gan-dogs"}, "There is no model gan-dogs to train; choose from gan-digits, features-digits."),
        ({"dataset": "dogs"}, "There is no data set dogs; choose from digits, sprites, or"),
        ({"dataset": "dogs" * 1000}, "There is no data set dogsdogs"),  # more than a message takes
        ({"minutes": 1, "steps": 1}, "Say how many minutes or how many steps, not both."),
        ({"settings": "batch=8 big"}, "big is no setting; write settings as `batch=32 latent=64`."),
        ({"settings": "batch=8 =8"}, "=8 is no setting; write settings as `batch=32 latent=64`."),
        ({"settings": "first_rat=8"}, "gan-digits has no setting first\\_rat; there are: batch, first\\_rate,"),
        ({"model": "features-digits", "from": "current"}, "features-digits cannot be trained on from the version that"),
        (
            {"model": "features-digits", "balance": "latent"},
            "features-digits knows no fair sampling; leave `balance`",
        ),
    ]
    for options, sentence in refusals:
        told = await said(ariel, "retrain", **{"model": "gan-digits", **options})
        assert told["content"].startswith(sentence)
        assert told["flags"] & EPHEMERAL


async def test_a_setting_may_be_empty_and_data_a_plug_ins_own(ariel: Person, trainer: Trainer) -> None:
    job, _ = await retrain(ariel, trainer, settings="batch=8 painter=")
    assert trainer.requests[job].hyperparameters.options == {"batch": "8", "painter": ""}
    asked = await said(ariel, "retrain", model="features-digits")
    assert asked["content"].startswith("Train **features-digits** on a plug-in's, for 60 min")


async def test_data_that_are_not_here_are_refused_before_the_question(ariel: Person, trainer: Trainer) -> None:
    trainer.states = {"digits": "missing"}
    refused = await said(ariel, "retrain", model="gan-digits")
    assert refused["content"] == MISSING
    assert labels(refused) == []


async def test_what_the_worker_refuses_to_train_is_told(ariel: Person, trainer: Trainer) -> None:
    asked = await said(ariel, "retrain", model="gan-digits")
    for code, sentence in (
        ("too_many_trainings", "20 trainings wait already; cancel one with `/training cancel`, or let some end first."),
        ("settings_unfit", "The settings do not fit this model: The widths are wrong."),
        ("dataset_missing", MISSING),
        ("dataset_unfit", "This model learns from data of the other kind: some models take pictures, others a text."),
    ):
        trainer.code = code
        refused = await (await ariel.press(asked, "Start training")).message(lambda told: told["id"] != asked["id"])
        assert refused["content"] == sentence


async def test_status_history_and_cancel(ariel: Person, trainer: Trainer) -> None:
    assert (await said(ariel, "training status"))[
        "content"
    ] == "Nothing is being trained. `/retrain` begins a training."
    assert (await said(ariel, "training history"))["content"] == "Nothing was trained yet."
    assert (await said(ariel, "training cancel"))["content"].startswith("Nothing is being trained")
    first, _ = await retrain(ariel, trainer)
    asked = await (await ariel.slash("retrain", model="gan-digits", minutes=5)).message(labels)
    assert asked["content"].endswith("Others come first: this training would be 2nd in line.")
    trainer.run(first)
    asked = await (await ariel.slash("retrain", model="gan-digits", minutes=5)).message(labels)
    assert asked["content"].endswith("Others come first: this training would be 1st in line.")
    await ariel.press(asked, "Start training")
    second = await trainer.started()
    running = await said(ariel, "training status")
    assert running["flags"] & EPHEMERAL
    assert [line.partition("> ")[2] for line in running["content"].split("\n")] == [
        "**gan-digits** on digits, for 30 min, from scratch · Getting ready…",
        "**gan-digits** on digits, for 5 min, from scratch · 1st in line…",
    ]
    for finish, told in ((2**32, f"ends <t:{2**32}:R>"), (1, "measuring it on held-out data…")):
        trainer.jobs[first] = trainer.jobs[first].model_copy(update={"estimated_finish": finish})
        running = await said(ariel, "training status")
        assert running["content"].split("\n")[0].endswith(f", from scratch · {told}")
    assert (await said(ariel, "training cancel"))["content"].startswith("Several trainings run or wait;")
    unknown = await said(ariel, "training cancel", training="gan-digits")
    assert unknown["content"].startswith("There is no such training; choose one that is suggested,")
    asked = await said(ariel, "training cancel", training=first)
    assert asked["content"].startswith("Cancel the training of **gan-digits**?")
    await ariel.press(asked, "Yes, cancel it")
    cancelled = await ariel.message(asked, lambda message: not labels(message))
    assert cancelled["content"] == f"<@{ariel.id}> cancelled a training of gan-digits."
    trainer.fail(second, "The disk is full.")
    await ariel.wait_for(lambda event: "The disk is full." in event["d"].get("content", ""))
    ended = await said(ariel, "training history")
    assert [line.rpartition(" · ")[2] for line in ended["content"].split("\n")] == [
        "Failed: The disk is full.",
        "Cancelled; nothing of it is kept.",
    ]


async def test_a_history_of_long_names_is_as_long_as_a_message_may_be(ariel: Person, trainer: Trainer) -> None:
    for number in range(10):
        trainer.jobs[f"ftjob-{number}"] = Job(
            id=f"ftjob-{number}", created_at=1, model="gan-digits", status="failed", training_file="our-cats" * 8,
            hyperparameters=Hyperparameters(minutes=30, start="current"), seed=number,
            error=JobError(code="failed", message="There is a picture that cannot be read. " * 4),
        )  # fmt: skip
    lines = (await said(ariel, "training history"))["content"].split("\n")
    assert len(lines) == 9 and len(set(lines)) == 1


async def test_suggestions(ariel: Person, island: Island, trainer: Trainer) -> None:
    assert island.bot is not None
    await island.bot.catalogue.ask_trainable()
    models = await ariel.autocomplete("retrain", "model", model="gan")
    assert models == [{"name": "gan-digits (60 min, digits)", "value": "gan-digits"}]
    datasets = await ariel.autocomplete("retrain", "dataset", model="gan-digits", dataset="spr")
    assert datasets == [{"name": "sprites (pictures)", "value": "sprites"}]
    trainer.states = {"digits": "to_download", "sprites": "missing"}
    await island.bot.catalogue.ask_trainable()
    datasets = await ariel.autocomplete("retrain", "dataset", model="gan-digits", dataset="")
    assert [one["name"] for one in datasets] == ["digits (pictures, to be downloaded)", "sprites (pictures, not here)"]
    job, live = await retrain(ariel, trainer)
    await ariel.message(live, lambda message: "in line" in message["content"])
    jobs = await ariel.autocomplete("training cancel", "training", training="")
    assert jobs == [{"name": "gan-digits (digits)", "value": job}]
    trainer.fail(job, "The disk is full.")
    await ariel.wait_for(lambda event: "** failed: The disk is full." in event["d"].get("content", ""))
    other, _ = await retrain(ariel, trainer)
    jobs = await ariel.autocomplete("training cancel", "training", training="")
    assert [(one["name"], one["value"]) for one in jobs] == [
        ("gan-digits (digits)", other),
        ("gan-digits (digits, failed)", job),
    ]


async def test_bad_numbers_are_told_even_past_discords_own_checks(ariel: Person, island: Island) -> None:
    (command,) = [one for one in await ariel.commands() if one["name"] == "retrain"]
    types = {one["name"]: one["type"] for one in command["options"]}
    state = island.sandbox.state
    person, channel = state.named("Ariel").user, state.channel(ariel.channel)
    for option, value in (("minutes", -1.0), ("steps", 0), ("seed", 2**32)):
        options = {"model": "gan-digits", option: value}
        given = [{"name": name, "type": types[name], "value": of} for name, of in options.items()]
        data = {"id": command["id"], "name": "retrain", "type": 1, "options": given}
        begun = state.interactions.begin(COMMAND, person, channel, data, "nonce")
        told = await Answer(ariel, begun.id).message()
        assert told["content"].startswith(f"`{option}` cannot be ")


async def test_a_report_speaks_the_language_of_its_server(ariel: Person, trainer: Trainer) -> None:
    panel = await said(ariel, "settings")
    await ariel.select(panel, "settings:language", "pt-BR")
    confirmation = await said(ariel, "retrain", model="gan-digits")
    assert labels(confirmation) == ["Start training", "Leave it"]  # which one person sees, in their own
    _, report = await finished(ariel, trainer)
    assert labels(report) == ["Promover", "Guardar", "Descartar"]
    await ariel.press(report, "Guardar")
    kept = await ariel.message(report, lambda message: not labels(message))
    assert kept["content"].endswith("guardou gan-digits@v3 sem colocá-la em serviço.")
    _, report = await finished(ariel, trainer, "v4")
    asked = await (await ariel.press(report, "Descartar")).message()
    await ariel.press(asked, "Yes, delete it")
    await ariel.message(asked, lambda message: message["content"] == f"<@{ariel.id}> discarded gan-digits@v4.")
    discarded = await ariel.message(report, lambda message: not labels(message))
    assert discarded["content"].endswith("descartou gan-digits@v4.")


async def test_a_channel_that_the_bot_may_not_write_in(ariel: Person, island: Island) -> None:
    state = island.sandbox.state
    state.forbid(state.channel(ariel.channel), state.bot, Permission.ATTACH_FILES)
    refused = await said(ariel, "retrain", model="gan-digits")
    assert refused["content"].startswith("I may not send messages with pictures in this channel;")


async def test_a_place_that_turns_out_to_be_closed_to_the_bot(ariel: Person, island: Island, trainer: Trainer) -> None:
    asked = await said(ariel, "retrain", model="gan-digits")
    state = island.sandbox.state
    state.forbid(state.channel(ariel.channel), state.bot, Permission.VIEW_CHANNEL)
    refused = await (await ariel.press(asked, "Start training")).message()
    assert refused["content"].startswith("I may not send messages with pictures in this channel;")
    assert labels(ariel.seen[asked["id"]]) == ["Start training", "Leave it"]
    assert trainer.requests == {}
    state.channel(ariel.channel).overwrites.clear()
    await ariel.press(asked, "Start training")
    await trainer.started()


async def test_in_portuguese(island: Island, trainer: Trainer) -> None:
    state = island.sandbox.state
    caliban = state.named("Caliban").user
    state.grant(caliban, Permission.MANAGE_GUILD)
    await island.start_bot(trainer.url, operators=caliban.id)
    async with island.person("Caliban") as caliban:
        job, live = await retrain(caliban, trainer)
        trainer.run(job)
        trainer.step(job, 1, 4, loss=1.5)
        running = await caliban.message(live, lambda message: "25%" in message["content"])
        assert "\nperdas: generator 1,5 · judge 0,75" in running["content"]
        assert running["content"].startswith("Treinando **gan-digits** com digits, por 30 min, do zero (a pedido de")
        assert labels(running) == ["Cancelar o treino"]
        seen = set(caliban.seen)
        trainer.succeed(job, "v3", 1.0)
        report = await new_message(caliban, seen)
        assert labels(report) == ["Promover", "Guardar", "Descartar"]
        assert "a nova versão é melhor. Ela entra em serviço?" in report["content"]
        await caliban.press(report, "Promover")
        promoted = await caliban.message(report, lambda message: labels(message) == ["Reverter"])
        assert promoted["content"].endswith("promoveu gan-digits: agora v3 está em serviço, antes era v2.")
        for code, reason in (
            ("data_gone", "Os dados não estão mais aqui; envie-os de novo ou treine com outros."),
            ("data", "Os dados não servem como estão. Os modelos dizem, em inglês: Some text."),
            ("broke_off", "Ele parou no meio; `jobs/{job}/log.txt` na pasta de dados do Prospero diz por quê."),
            ("worker_failed", "Os modelos falharam no meio do caminho; o registro deles diz mais."),
            ("failed", "Os modelos dizem, em inglês: Some text."),
        ):
            job, _ = await retrain(caliban, trainer)
            seen = set(caliban.seen)
            trainer.fail(job, "Some text.", code)
            told = await new_message(caliban, seen)
            assert told["content"].endswith(f" O treino de **gan-digits** falhou: {reason.format(job=job)}")
    await island.stop_bot()
