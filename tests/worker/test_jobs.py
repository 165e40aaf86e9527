"""Trainings over real HTTP with real children: from the command to the report, and every way in which they end."""

from __future__ import annotations

import asyncio
import io
import os
import shutil
import signal
import sqlite3
from collections.abc import Sequence
from contextlib import suppress
from itertools import chain, repeat
from pathlib import Path
from typing import Any

import psutil
import pytest
from PIL import Image
from structlog.testing import capture_logs

from models.checkpoint import Store
from models.registry import Recipe, resolve
from tests.conftest import keep_gan
from tests.worker.conftest import Start, Worker, write_version
from tests.worker.operator import JOBS, MODEL, OPTIONS, Operator
from worker import routes
from worker.job_store import JobStore, Record
from worker.jobs import ATTEMPTS
from worker.routes.training import check_dataset
from worker.schemas.training import Job, TrainingCatalogue
from worker.trainer import Hear, Trainer

SPRITES = {"channels": 1, "classes": 1, "base": 4, "widths": "16,8,8", "blocks": "0,0,0", "latent": 8, "batch": 16}
A_WHILE = {"minutes": 0.1, "options": OPTIONS}  # six seconds of training: long enough to be ended in the middle

pytestmark = pytest.mark.timeout(900)  # trainers come last of all on a busy machine


@pytest.fixture
async def operator(start: Start, verse_data: Path) -> Operator:
    return Operator((await started(start)).session)


async def started(start: Start, version: str | None = None, **settings: Any) -> Worker:
    return await start(version, report_every=0, **settings)


def trainers(parent: int | None = None) -> list[psutil.Process]:
    """The children of a process that train now."""
    children = psutil.Process(parent).children()
    found = []
    for child in children:
        with suppress(psutil.NoSuchProcess):  # it ended meanwhile
            if "train" in child.cmdline():
                found.append(child)
    return found


async def test_a_gan_from_the_request_to_a_rollback(start: Start, tmp_path: Path) -> None:
    keep_gan(Store(tmp_path, tmp_path / "none"), "gan-digits", SPRITES, "old")
    worker = await started(start)
    operator = Operator(worker.session)

    async def draw(model: str = "gan-digits") -> tuple[str, str]:
        answer = await operator.ask("POST", "/v1/images/generations", json={"model": model, "seed": 7})
        return answer["system_fingerprint"], answer["data"][0]["b64_json"]

    before = await draw()
    options = {key: str(value) for key, value in SPRITES.items()}
    job = await operator.train(4, options, model="gan-digits", training_file="sprites", suffix="new", user="Ariel")
    done = await operator.until_it_ends(job)
    assert (done.status, done.fine_tuned_model, done.user) == ("succeeded", "gan-digits@new", "Ariel")
    assert done.seed == 1  # as was asked for

    steps = await operator.steps(job)
    assert [step.step for step in steps] == [1, 2, 3, 4]
    assert steps[-1].seconds_left < steps[0].seconds_left
    assert {"generator", "discriminator"} <= set(steps[0].losses)
    async with worker.session.get(str(steps[-1].sample)) as response:
        assert Image.open(io.BytesIO(await response.read())).format == "PNG"

    report = await operator.report(job)
    deciding = report.figures[0]
    assert (deciding.name, deciding.better) == ("frechet_distance", "lower")
    assert deciding.serving is not None
    assert report.better == (deciding.new < deciding.serving)
    assert not report.promoted
    for address in (report.sample, report.serving_sample):
        async with worker.session.get(str(address)) as response:
            assert response.status == (200 if address == report.sample else 404)  # the old one was written without

    assert await draw() == before
    switched = await operator.ask("POST", "/v1/models/gan-digits/promote", json={"version": "new"})
    assert (switched["before"], switched["now"]) == ("old", "new")
    after = await draw()
    assert after[0] == "gan-digits@new"
    assert after[1] != before[1]
    await operator.ask("POST", "/v1/models/gan-digits/rollback")
    assert await draw() == before
    assert await draw("gan-digits@new") == after


async def test_a_version_is_promoted_by_itself_only_when_asked_for_and_better(operator: Operator) -> None:
    first = await operator.until_it_ends(await operator.train(2, suffix="first"))
    assert first.status == "succeeded"
    assert (await operator.report(first)).better is None  # nothing serves that it could be compared with
    await operator.ask("POST", f"/v1/models/{MODEL}/promote", json={"version": "first"})

    better = await operator.train(30, suffix="better", promote="if_better")
    worse = await operator.train(1, suffix="worse", promote="if_better")
    assert (await operator.job(worse)).position in (1, 2)
    await operator.until_it_ends(better)
    report = await operator.report(better)
    assert (report.better, report.promoted, report.serving) == (True, True, "first")
    await operator.until_it_ends(worse)
    report = await operator.report(worse)
    assert (report.better, report.promoted, report.serving) == (False, False, "better")
    assert (await operator.ask("GET", f"/v1/models/{MODEL}"))["version"] == "better"


async def test_a_training_goes_on_from_the_version_that_serves(operator: Operator) -> None:
    await operator.until_it_ends(await operator.train(30, suffix="first"))
    await operator.ask("POST", f"/v1/models/{MODEL}/promote", json={"version": "first"})
    fine_tuning = {"n_steps": 1, "start": "current"}
    job = await operator.until_it_ends(await operator.train(hyperparameters=fine_tuning, suffix="second"))
    assert job.status == "succeeded"
    figure = (await operator.report(job)).figures[0]
    assert figure.serving is not None
    assert abs(figure.new - figure.serving) < 0.3  # nats; a fresh network is 1.5 away
    versions = (await operator.ask("GET", f"/v1/models/{MODEL}/versions"))["data"]
    assert "--start first" in next(one["command"] for one in versions if one["version"] == "second")


async def test_a_training_that_is_cancelled_leaves_nothing(operator: Operator, tmp_path: Path) -> None:
    running = await operator.train(hyperparameters=A_WHILE, suffix="unwanted")
    queued = await operator.train()
    assert (await operator.ask("POST", f"{JOBS}/{queued.id}/cancel"))["status"] == "cancelled"
    await operator.until_it_steps(running)
    (checkpoint,) = (await operator.ask("GET", f"{JOBS}/{running.id}/checkpoints"))["data"]
    assert checkpoint["step_number"] >= 1
    (child,) = trainers()
    assert (await operator.ask("POST", f"{JOBS}/{running.id}/cancel"))["status"] == "cancelled"
    assert not child.is_running()
    assert not (tmp_path / "jobs" / running.id).exists()
    assert await operator.ask("GET", f"{JOBS}/{running.id}/checkpoints") == {
        "object": "list",
        "data": [],
        "has_more": False,
    }
    error = (await operator.ask("POST", f"{JOBS}/{running.id}/cancel", 400))["error"]
    assert error["code"] == "training_ended"
    assert error["message"] == "The training has ended already; there is nothing to cancel."
    assert [job["id"] for job in (await operator.ask("GET", JOBS))["data"]] == [queued.id, running.id]


async def test_no_more_trainings_wait_than_there_are_places(
    start: Start, verse_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.routes.training.MOST_QUEUED", 1)
    operator = Operator((await started(start, trainings=0)).session)
    waiting = await operator.train()
    async with operator.session.get("/metrics") as response:
        lines = (await response.text()).splitlines()
    assert "prospero_trainings_waiting 1.0" in lines
    assert "prospero_trainings_running 0.0" in lines
    error = (await operator.ask("POST", JOBS, 400, json={"model": MODEL}))["error"]
    assert error["code"] == "too_many_trainings"
    error = (await operator.ask("POST", f"{JOBS}/{waiting.id}/resume", 400))["error"]
    assert (error["code"], error["message"][:23]) == ("training_not_failed", "The training is queued;")


async def test_a_training_that_is_asked_for_again_with_its_key_is_the_same(
    start: Start, verse_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.routes.training.MOST_QUEUED", 3)
    operator = Operator((await started(start, trainings=0)).session)
    first = await operator.train(key="one", suffix="new")
    others = [await operator.train(key="another"), await operator.train()]
    assert await operator.train(key="one", suffix="new") == first  # though its name is taken and the queue full
    jobs = (await operator.ask("GET", JOBS))["data"]
    assert [job["id"] for job in jobs] == [job.id for job in (*others[::-1], first)]
    await operator.ask("POST", f"{JOBS}/{first.id}/cancel")
    assert (await operator.train(key="one")).status == "cancelled"


async def test_what_is_being_measured_is_not_deleted_and_stays_once_it_serves(
    operator: Operator, monkeypatch: pytest.MonkeyPatch, verse_data: Path, tmp_path: Path
) -> None:
    measuring = asyncio.Event()

    async def perform(_: Trainer, words: Sequence[str], *__: object) -> int:
        if words[0] == "train":
            write_version(tmp_path, "new")  # and somebody promotes it while it is measured
            return 0
        measuring.set()
        return await asyncio.Event().wait() or 1

    monkeypatch.setattr(Trainer, "run", perform)
    job = await operator.train(suffix="new")
    await asyncio.wait_for(measuring.wait(), 30)
    path = f"/v1/models/{MODEL}/versions/new"
    assert f"{job.id} needs {MODEL}@new" in await operator.refused("DELETE", path)
    assert (await operator.ask("POST", f"{JOBS}/{job.id}/cancel"))["status"] == "cancelled"
    assert "its version stays" in (await operator.events(job))[-1].message
    assert (await operator.ask("GET", f"/v1/models/{MODEL}"))["version"] == "new"


async def test_what_old_trainings_left_is_not_kept_for_ever(
    operator: Operator, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def draw(folder: Path) -> None:
        folder.mkdir(parents=True)
        (folder / "1.png").write_bytes(b"a picture")

    async def draw_and_fail(_: Trainer, words: Sequence[str], hear: Hear, *__: object) -> int:
        draw(Path(words[words.index("--samples") + 1]))
        hear({"error": {"code": "data", "message": "There is no more."}})
        return 1

    async def status(job: Job) -> int:
        async with operator.session.get(f"{JOBS}/{job.id}/samples/1") as response:
            return response.status

    monkeypatch.setattr(Trainer, "run", draw_and_fail)
    monkeypatch.setattr("worker.jobs.KEPT", 1)
    jobs = [await operator.until_it_ends(await operator.train()) for _ in range(3)]
    assert [await status(job) for job in jobs] == [404, 200, 200]
    assert [(tmp_path / "jobs" / job.id).exists() for job in jobs] == [False, True, True]


@pytest.mark.parametrize(
    ("promote", "loss", "by_itself"), [("if_better", 1.0, True), ("if_better", 3.0, False), ("never", 1.0, False)]
)
async def test_a_training_that_was_promoted_just_before_the_worker_ended_is_compared_with_what_served_then(
    start: Start,
    monkeypatch: pytest.MonkeyPatch,
    verse_data: Path,
    tmp_path: Path,
    promote: str,
    loss: float,
    by_itself: bool,
) -> None:
    compared: list[Sequence[str]] = []

    async def perform(_: Trainer, words: Sequence[str], hear: Hear, *__: object) -> int:
        if words[0] == "train":
            write_version(tmp_path, "new")  # which serves, too
        else:
            compared.append(words[:4])
            of = {"unit": "nats", "better": "lower"}
            hear({"metrics": {"new": {"loss": of | {"value": loss}}, "1": {"loss": of | {"value": 2.0}}}})
        return 0

    monkeypatch.setattr(Trainer, "run", perform)
    operator = Operator((await started(start, "1")).session)
    job = await operator.train(suffix="new", promote=promote)
    assert (await operator.until_it_ends(job)).status == "succeeded"
    assert compared == [["compare", MODEL, "new", "1"]]
    report = await operator.report(job)
    assert (report.promoted, report.serving, report.better) == (by_itself, "1", loss < 2)
    switched = await operator.ask("POST", f"/v1/models/{MODEL}/rollback")
    assert (switched["before"], switched["now"]) == ("new", "1")


async def test_a_version_that_was_promoted_while_another_was_measured_serves_on(
    start: Start, monkeypatch: pytest.MonkeyPatch, verse_data: Path, tmp_path: Path
) -> None:
    async def perform(_: Trainer, words: Sequence[str], hear: Hear, *__: object) -> int:
        if words[0] == "train":
            write_version(tmp_path, "new")
            Store(tmp_path, tmp_path / "none").promote(MODEL, "1")
        else:
            write_version(tmp_path, "theirs")  # which serves, too
            loss = {"unit": "nats", "better": "lower"}
            hear({"metrics": {"new": {"loss": loss | {"value": 1.0}}, "1": {"loss": loss | {"value": 2.0}}}})
        return 0

    monkeypatch.setattr(Trainer, "run", perform)
    operator = Operator((await started(start, "1")).session)
    job = await operator.until_it_ends(await operator.train(suffix="new", promote="if_better"))
    report = await operator.report(job)
    assert (report.serving, report.better, report.promoted) == ("1", True, False)
    assert (await operator.ask("GET", f"/v1/models/{MODEL}"))["version"] == "theirs"


async def test_a_report_says_why_there_is_no_comparison_with_what_serves(
    start: Start, monkeypatch: pytest.MonkeyPatch, verse_data: Path, tmp_path: Path
) -> None:
    async def perform(_: Trainer, words: Sequence[str], hear: Hear, *__: object) -> int:
        if words[0] == "train":
            write_version(tmp_path, "new")
            Store(tmp_path, tmp_path / "none").promote(MODEL, "1")
            return 0
        hear({"metrics": {"new": {}}, "problems": {"1": "it is strange"}})
        return 0

    monkeypatch.setattr(Trainer, "run", perform)
    operator = Operator((await started(start, "1")).session)
    job = await operator.until_it_ends(await operator.train(suffix="new"))
    report = await operator.report(job)
    assert (report.serving, report.better) == ("1", None)
    assert report.problems == ["1 cannot be measured on none: it is strange"]


async def test_a_training_that_is_begun_again_has_no_end_that_was_told_before(
    operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = {"step": 1, "fraction": 0.5, "seconds": 1, "seconds_left": 9, "losses": {}, "metrics": {}, "sample": None}
    failed, again = asyncio.Event(), asyncio.Event()

    async def perform(_: Trainer, words: Sequence[str], hear: Hear, *__: object) -> int:
        if failed.is_set():
            again.set()
            return await asyncio.Event().wait() or 1
        failed.set()
        hear(dict(step))
        hear({"error": {"code": "disk_full", "message": "The disk has no room."}})
        return 1

    monkeypatch.setattr(Trainer, "run", perform)
    job = await operator.until_it_ends(await operator.train())
    await operator.ask("POST", f"{JOBS}/{job.id}/resume")
    await asyncio.wait_for(again.wait(), 30)
    job = await operator.job(job)
    assert (job.status, job.estimated_finish) == ("running", None)


async def test_the_name_of_a_training_that_failed_is_kept_for_it(
    operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(_: Trainer, words: Sequence[str], hear: Hear, *__: object) -> int:
        hear({"error": {"code": "disk_full", "message": "The disk has no room."}})
        return 1

    monkeypatch.setattr(Trainer, "run", fail)
    await operator.until_it_ends(await operator.train(suffix="new"))
    refused = await operator.refused("POST", JOBS, json={"model": MODEL, "suffix": "new"})
    assert "already has a version 'new'" in refused


async def test_a_setting_may_be_empty(operator: Operator, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    async def perform(_: Trainer, words: Sequence[str], hear: Hear, *__: object) -> int:
        asked.extend(words)
        hear({"error": {"code": "data", "message": "There is no more."}})
        return 1

    monkeypatch.setattr(Trainer, "run", perform)
    job = await operator.train(1, {"painter": ""}, model="translator-cats", training_file="sprites")
    await operator.until_it_ends(job)
    assert asked[asked.index("--set") + 1] == "painter="
    assert resolve("translator-cats")[0].config.parse({"painter": ""}) == resolve("translator-cats")[0].config()


async def test_how_trainings_begin_and_end_is_logged_and_counted(
    operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = asyncio.Event()

    async def perform(_: Trainer, words: Sequence[str], hear: Hear, *__: object) -> int:
        if words[words.index("--name") + 1] == "new":
            hear({"error": {"code": "disk_full", "message": "The disk has no room."}})
            return 1
        begun.set()
        return await asyncio.Event().wait() or 1

    monkeypatch.setattr(Trainer, "run", perform)
    with capture_logs() as logs:
        failed = await operator.until_it_ends(await operator.train(1, suffix="new"))
        cancelled = await operator.train(2, suffix="newer")
        await asyncio.wait_for(begun.wait(), 30)
        await operator.ask("POST", f"{JOBS}/{cancelled.id}/cancel")
    assert [line for line in logs if line["event"].startswith("training")] == [
        {"event": "training begins", "log_level": "info", "job": failed.id, "model": MODEL, "version": "new"},
        {
            "event": "training ended",
            "log_level": "warning",
            "job": failed.id,
            "model": MODEL,
            "status": "failed",
            "code": "disk_full",
            "reason": "The disk has no room.",
        },
        {"event": "training begins", "log_level": "info", "job": cancelled.id, "model": MODEL, "version": "newer"},
        {"event": "training ended", "log_level": "info", "job": cancelled.id, "model": MODEL, "status": "cancelled"},
    ]
    async with operator.session.get("/metrics") as response:
        lines = (await response.text()).splitlines()
    for status, count in (("succeeded", 0), ("failed", 1), ("cancelled", 1)):
        assert f'prospero_trainings_total{{status="{status}"}} {count}.0' in lines


async def test_a_measuring_that_is_killed_says_so_and_what_becomes_of_the_promotion(
    start: Start, monkeypatch: pytest.MonkeyPatch, verse_data: Path, tmp_path: Path
) -> None:
    async def perform(_: Trainer, words: Sequence[str], *__: object) -> int:
        if words[0] == "train":
            write_version(tmp_path, "new")
            Store(tmp_path, tmp_path / "none").promote(MODEL, "1")
            return 0
        return -signal.SIGKILL

    monkeypatch.setattr(Trainer, "run", perform)
    operator = Operator((await started(start, "1")).session)
    killed = "The measuring was killed, as happens when memory is short; compare the versions again."
    for promote, told in (
        ("never", [killed]),
        ("if_better", [killed, "Whether it is better is unknown, so it was not promoted by itself."]),
    ):
        job = await operator.until_it_ends(await operator.train(suffix="new", promote=promote))
        report = await operator.report(job)
        assert (report.promoted, report.better, report.problems) == (False, None, told)
        assert [event.message for event in await operator.events(job) if event.level == "warn"] == told
        shutil.rmtree(tmp_path / "checkpoints" / MODEL / "new")
    write_version(tmp_path, "2")
    error = (await operator.ask("GET", f"/v1/models/{MODEL}/comparison?versions=1,2", 400))["error"]
    assert (error["code"], error["message"]) == ("measuring_killed", killed)


@pytest.mark.parametrize("broken", ["train", "compare", "worker"])
async def test_no_path_of_this_machine_is_told(
    operator: Operator, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, broken: str
) -> None:
    async def perform(_: Trainer, words: Sequence[str], *__: object) -> int:
        if broken == "worker":
            raise OSError(f"{tmp_path} is strange")
        if words[0] == "train":
            write_version(tmp_path, "new")
        return 1 if words[0] == broken else 0

    monkeypatch.setattr(Trainer, "run", perform)
    done = await operator.until_it_ends(await operator.train(suffix="new"))
    told = " ".join(event.message for event in await operator.events(done)) + str(done.error)
    assert str(tmp_path) not in told
    assert ("The worker failed; its log says more." if broken == "worker" else f"jobs/{done.id}/log.txt in") in told


async def test_what_crashes_left_is_removed_after_a_day(start: Start, verse_data: Path, tmp_path: Path) -> None:
    folders = [tmp_path / "checkpoints" / MODEL / name for name in (".1.part", ".2.deleted", ".now.part")]
    names = ("files/.a.upload", "data/.b.part", "precision/.c.part", f"checkpoints/{MODEL}/1/.d.part")
    files = [tmp_path / name for name in (*names, "files/.now.upload")]
    for path in (*folders, *(file.parent for file in files)):
        path.mkdir(parents=True, exist_ok=True)
    for file in (*files, folders[0] / "model.safetensors"):
        file.write_bytes(b"half of it")
    old = [path for path in (*folders, *files) if ".now." not in path.name]
    for path in old:
        os.utime(path, (0, 0))
    await started(start)
    async with asyncio.timeout(20):
        while any(path.exists() for path in old):  # noqa: ASYNC110 (what is waited for belongs to another thread)
            await asyncio.sleep(0.01)
    assert folders[-1].exists()
    assert files[-1].exists()


async def test_of_a_training_that_is_cancelled_while_its_version_is_written_nothing_stays(
    operator: Operator, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    writing = asyncio.Event()
    part = tmp_path / "checkpoints" / MODEL / ".new.part"

    async def perform(*_: object) -> int:
        part.mkdir(parents=True)
        writing.set()
        return await asyncio.Event().wait() or 1

    monkeypatch.setattr(Trainer, "run", perform)
    job = await operator.train(suffix="new")
    await asyncio.wait_for(writing.wait(), 30)
    await operator.ask("POST", f"{JOBS}/{job.id}/cancel")
    assert not part.exists()


async def test_a_training_is_cancelled_although_whoever_asked_for_it_hangs_up(
    start: Start, monkeypatch: pytest.MonkeyPatch, verse_data: Path
) -> None:
    begun, ending, ended = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def perform(*_: object) -> int:
        begun.set()
        try:
            return await asyncio.Event().wait() or 1
        finally:
            ending.set()
            await ended.wait()

    monkeypatch.setattr(Trainer, "run", perform)
    worker = await started(start)
    operator = Operator(worker.session)
    job = await operator.train()
    await asyncio.wait_for(begun.wait(), 30)
    asked = asyncio.create_task(operator.ask("POST", f"{JOBS}/{job.id}/cancel"))
    await asyncio.wait_for(ending.wait(), 30)
    asked.cancel()
    left = b'prospero_requests_total{method="POST",path="/v1/fine_tuning/jobs/{id}/cancel",status="499"} 1.0'
    await worker.until(lambda: left in worker.app[routes.METRICS].text())
    ended.set()
    assert (await operator.until_it_ends(job)).status == "cancelled"


async def test_a_training_that_a_full_disk_keeps_from_being_cancelled_goes_on(
    operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, ended = asyncio.Event(), asyncio.Event()

    async def perform(*_: object) -> int:
        begun.set()
        try:
            return await asyncio.Event().wait() or 1
        finally:
            ended.set()

    def save(self: JobStore, record: Record) -> Record:
        if record.job.status == "cancelled" and next(full):
            raise sqlite3.OperationalError("database or disk is full")
        return kept(self, record)

    full, kept = chain((True,), repeat(False)), JobStore.save
    monkeypatch.setattr(Trainer, "run", perform)
    monkeypatch.setattr(JobStore, "save", save)
    job = await operator.train()
    await asyncio.wait_for(begun.wait(), 30)
    await operator.ask("POST", f"{JOBS}/{job.id}/cancel", 500)
    assert ((await operator.job(job)).status, ended.is_set()) == ("running", False)
    assert (await operator.ask("POST", f"{JOBS}/{job.id}/cancel"))["status"] == "cancelled"
    assert ended.is_set()


async def test_a_trainer_that_is_killed_goes_on_from_its_snapshot(operator: Operator) -> None:
    job = await operator.train(hyperparameters=A_WHILE)
    await operator.until_it_steps(job)
    (child,) = trainers()
    reached = (await operator.steps(job))[-1].step
    child.kill()
    assert (await operator.until_it_ends(job)).status == "succeeded"
    steps = [step.step for step in await operator.steps(job)]
    assert steps == sorted(set(steps))  # no step was trained twice
    assert steps[-1] > reached
    told = [event.message for event in await operator.events(job)]
    assert "The training was ended from outside." in told
    assert "The training goes on from its snapshot." in told


async def test_a_trainer_that_is_killed_again_and_again_gives_up_in_a_sentence(operator: Operator) -> None:
    job = await operator.train()
    while (await operator.job(job)).status in ("queued", "running"):
        for child in trainers():
            child.kill()  # long before its first step: torch takes seconds to load
        await asyncio.sleep(0.01)
    failed = await operator.job(job)
    assert failed.status == "failed"
    assert failed.error is not None
    assert failed.error.code == "out_of_memory"
    resumed = Job.model_validate(await operator.ask("POST", f"{JOBS}/{job.id}/resume"))
    assert resumed.error is None
    assert (await operator.until_it_ends(job)).status == "succeeded"


async def test_a_training_that_was_interrupted_too_often_is_tried_again_when_resumed(
    start: Start, monkeypatch: pytest.MonkeyPatch, verse_data: Path
) -> None:
    async def fail(_: Trainer, words: Sequence[str], hear: Hear, *__: object) -> int:
        hear({"error": {"code": "disk_full", "message": "The disk has no room."}})
        return 1

    async def code() -> str | None:
        done = await operator.until_it_ends(job)
        return done.error.code if done.error else None

    monkeypatch.setattr(Trainer, "run", fail)
    waiting = await started(start, trainings=0)
    operator = Operator(waiting.session)
    job = await operator.train()
    records = waiting.app[routes.JOBS].records
    (record,) = records.with_status("queued")
    records.save(record.model_copy(update={"attempts": ATTEMPTS}))
    await started(start)
    assert await code() == "interrupted"
    await operator.ask("POST", f"{JOBS}/{job.id}/resume")
    assert await code() == "disk_full"


async def test_a_worker_that_ends_takes_its_trainer_along_and_the_next_one_goes_on(
    start: Start, verse_data: Path, tmp_path: Path
) -> None:
    from tests.worker.test_process import started as process

    with process(tmp_path, PROSPERO_REPORT_EVERY="0", PROSPERO_DATA=str(verse_data)) as (worker, address):
        import aiohttp

        async with aiohttp.ClientSession(address) as session:
            operator = Operator(session)
            job = await operator.train(hyperparameters=A_WHILE)
            await operator.until_it_steps(job)
            (child,) = trainers(worker.pid)
            os.kill(worker.pid, signal.SIGKILL)
            await asyncio.to_thread(child.wait, 10)
    operator = Operator((await started(start)).session)
    assert (await operator.until_it_ends(job)).status == "succeeded"
    told = [event.message for event in await operator.events(job)]
    assert "The worker was restarted; the training goes on." in told
    assert "The training goes on from its snapshot." in told


async def test_of_two_workers_with_one_home_one_trains_whichever_is_asked(start: Start, verse_data: Path) -> None:
    await started(start)
    operator = Operator((await started(start, trainings=0)).session)
    assert (await operator.until_it_ends(await operator.train())).status == "succeeded"
    unwanted = await operator.train(hyperparameters=A_WHILE)
    await operator.until_it_steps(unwanted)
    (child,) = trainers()
    assert (await operator.ask("POST", f"{JOBS}/{unwanted.id}/cancel"))["status"] == "cancelled"
    async with asyncio.timeout(20):
        while child.is_running():  # noqa: ASYNC110 (what is waited for belongs to another process)
            await asyncio.sleep(0.01)
    assert (await operator.job(unwanted)).status == "cancelled"


@pytest.mark.parametrize("status", ["running", "failed"])
async def test_a_training_begins_and_ends_once_the_disk_has_room(
    operator: Operator, monkeypatch: pytest.MonkeyPatch, status: str
) -> None:
    async def fail(self: Trainer, words: Sequence[str], hear: Hear, log: Path, holds: Sequence[int] = ()) -> int:
        hear({"error": {"code": "disk_full", "message": "The disk has no room."}})
        return 1

    def save(self: JobStore, record: Record) -> Record:
        if record.job.status == status and next(full):
            raise sqlite3.OperationalError("database or disk is full")
        return kept(self, record)

    full, kept = chain((True, True), repeat(False)), JobStore.save
    monkeypatch.setattr("worker.jobs.FULL", 0)
    monkeypatch.setattr(Trainer, "run", fail)
    monkeypatch.setattr(JobStore, "save", save)
    done = await operator.until_it_ends(await operator.train())
    assert (done.status, done.error and done.error.code) == ("failed", "disk_full")


async def test_a_diverging_training_fails_in_a_sentence(operator: Operator) -> None:
    job = await operator.train(20, {**OPTIONS, "other_rate": "1e30"})
    failed = await operator.until_it_ends(job)
    assert failed.status == "failed"
    assert failed.error is not None
    assert failed.error.code == "not_a_number"
    assert "lower learning rate" in failed.error.message


async def test_a_training_is_reported_although_what_serves_was_removed_by_hand(
    operator: Operator, tmp_path: Path
) -> None:
    await operator.until_it_ends(await operator.train(1, suffix="first"))
    await operator.ask("POST", f"/v1/models/{MODEL}/promote", json={"version": "first"})
    shutil.rmtree(tmp_path / "checkpoints" / MODEL / "first")
    done = await operator.until_it_ends(await operator.train(1, suffix="second"))
    assert done.status == "succeeded"
    assert (await operator.report(done)).serving is None
    (warning,) = [event.message for event in await operator.events(done) if event.level == "warn"]
    assert warning.startswith("There is nothing to compare it with: gpt-shakespeare has no version 'first'")


async def test_a_data_set_that_vanished_fails_the_training_in_a_sentence(
    start: Start, verse_data: Path, tmp_path: Path
) -> None:
    text = tmp_path / "data" / "sonnets.txt"
    text.parent.mkdir()
    text.write_text("Shall I compare thee to a summer's day?\n" * 40)
    waiting = Operator((await started(start, trainings=0)).session)
    job = await waiting.train(training_file="sonnets")
    text.unlink()
    failed = await Operator((await started(start)).session).until_it_ends(job)
    assert failed.error is not None
    assert failed.error.code == "data_gone"
    assert "sonnets" in failed.error.message


async def test_the_catalogue_says_what_can_be_trained_on_what(operator: Operator) -> None:
    catalogue = TrainingCatalogue.model_validate(await operator.ask("GET", "/v1/fine_tuning/catalogue"))
    recipes = {recipe.model: recipe for recipe in catalogue.recipes}
    assert recipes["vae-digits"].balances
    assert recipes["vae-digits"].continues
    assert not recipes["gan-cats"].continues
    assert recipes["gan-cats"].minutes == resolve("gan-cats")[1].minutes  # this worker has no graphics card
    assert {"batch", "other_rate"} <= set(recipes[MODEL].settings)
    sets = {dataset.name: (dataset.kind, dataset.state) for dataset in catalogue.datasets}
    assert (sets["shakespeare"], sets["sprites"]) == (("text", "to_download"), ("pictures", "here"))  # its plays
    assert (sets["digits"], sets["dogs"]) == (("pictures", "to_download"), ("pictures", "missing"))


@pytest.mark.parametrize(
    ("fields", "param", "sentence"),
    [
        ({"model": "gan-unicorns"}, "model", "There is no model 'gan-unicorns'"),
        ({"training_file": "unicorns"}, "training_file", "There is no data set 'unicorns'; choose from"),
        ({"training_file": "sprites"}, "training_file", "learns from text"),
        ({"hyperparameters": {"minutes": 1, "n_steps": 1}}, "hyperparameters", "not both"),
        ({"hyperparameters": {"options": {"layer": "2"}}}, "hyperparameters", "Unknown setting 'layer'"),
        ({"hyperparameters": {"n_epochs": 3}}, "hyperparameters.n_epochs", "n_epochs is not something this request"),
        ({"hyperparameters": {"minutes": -3}}, "hyperparameters.minutes", "minutes must be more than 0"),
        ({"model": "gan-cats", "hyperparameters": {"options": {"widths": "many"}}}, "hyperparameters", "whole numbers"),
        ({"hyperparameters": {"balance": "latent"}}, "hyperparameters", "no fair sampling"),
        ({"hyperparameters": {"start": "current"}}, "hyperparameters", "train it"),
        ({"model": "gan-digits", "hyperparameters": {"start": "current"}}, "hyperparameters", "start from scratch"),
        ({"suffix": "../1"}, "suffix", "suffix"),
    ],
)
async def test_what_cannot_be_trained_is_refused_at_once(
    operator: Operator, fields: dict[str, Any], param: str, sentence: str
) -> None:
    error = (await operator.ask("POST", JOBS, 400, json={"model": MODEL, **fields}))["error"]
    assert error["param"] == param
    assert sentence in error["message"]


async def test_of_openais_options_for_trainings_the_defaults_may_be_said(start: Start, verse_data: Path) -> None:
    """In the JSON of its own client; what asks for something else is refused by name."""
    operator = Operator((await started(start, trainings=0)).session)
    nothing = dict.fromkeys(("hyperparameters", "integrations", "metadata", "suffix", "validation_file"))
    epochs = {"n_epochs": "auto", "batch_size": "auto", "learning_rate_multiplier": "auto"}
    defaults = {"hyperparameters": epochs, "method": {"type": "supervised"}, "metadata": {}, "integrations": []}
    plain = await operator.train(hyperparameters={})
    for said in (nothing, defaults):
        job = await operator.train(**said)
        assert (job.hyperparameters, job.training_file) == (plain.hyperparameters, plain.training_file)
    for field, value in {"method": {"type": "dpo"}, "metadata": {"a": "b"}, "validation_file": "file-1"}.items():
        error = (await operator.ask("POST", JOBS, 400, json={"model": MODEL, field: value}))["error"]
        assert error["param"] == field


async def test_settings_have_to_fit_the_version_that_a_training_begins_with(start: Start, verse_data: Path) -> None:
    operator = Operator((await started(start, "1", trainings=0)).session)
    ten = {"options": {"heads": "10"}}  # which divide the recipe's width, 320, but not the version's, 32
    await operator.train(hyperparameters=ten)
    refused = {"model": MODEL, "hyperparameters": {**ten, "start": "current"}}
    error = (await operator.ask("POST", JOBS, 400, json=refused))["error"]
    assert (error["param"], error["code"]) == ("hyperparameters", "settings_unfit")
    assert error["message"] == "width must be a multiple of 20 (2 x heads), not 32."


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"training_file": "unicorns"}, "dataset_missing"),
        ({"model": "gan-digits", "training_file": "dogs"}, "dataset_missing"),
        ({"training_file": "sprites"}, "dataset_unfit"),
        ({"hyperparameters": {"options": {"batch": "many"}}}, "settings_unfit"),
        ({"hyperparameters": {"balance": "latent"}}, "settings_unfit"),
        ({"model": "gan-digits", "hyperparameters": {"start": "current"}}, "settings_unfit"),
    ],
)
async def test_what_an_operator_may_mistake_has_a_code(operator: Operator, fields: dict[str, Any], code: str) -> None:
    assert (await operator.ask("POST", JOBS, 400, json={"model": MODEL, **fields}))["error"]["code"] == code


def test_a_recipe_whose_own_data_the_family_alone_knows_takes_them_and_others() -> None:
    for name in ("sprites", "owls"):
        check_dataset(name, Recipe("linear-owls", "owls", {}))


async def test_a_job_that_is_not_there_is_named(operator: Operator) -> None:
    for path in ("", "/events", "/checkpoints"):
        error = (await operator.ask("GET", f"{JOBS}/ftjob-lost{path}", 404))["error"]
        assert "ftjob-lost" in error["message"]
        assert error["code"] == "training_not_found"
    for limit in ("0", "9" * 5_000):
        assert "limit" in await operator.refused("GET", f"{JOBS}?limit={limit}")
    job = await operator.train()
    for step in ("first", "9" * 300):
        assert "no picture of step" in await operator.refused("GET", f"{JOBS}/{job.id}/samples/{step}", 404)


async def test_trainings_are_listed_page_by_page(start: Start, verse_data: Path) -> None:
    operator = Operator((await started(start, trainings=0)).session)
    first, second = await operator.train(), await operator.train()

    async def page(**wanted: str) -> tuple[list[str], bool]:
        listed = await operator.ask("GET", JOBS, params=wanted)
        return [job["id"] for job in listed["data"]], listed["has_more"]

    assert await page(limit="1") == ([second.id], True)
    assert await page(limit="1", after=second.id) == ([first.id], False)
    assert await page(limit="2") == ([second.id, first.id], False)


async def test_no_event_comes_after_one_that_cannot_be(start: Start, verse_data: Path) -> None:
    operator = Operator((await started(start, trainings=0)).session)
    path = f"{JOBS}/{(await operator.train()).id}/events"
    for after in ("first", "ftevent-" + "9" * 30):
        assert "the id of an event" in await operator.refused("GET", f"{path}?after={after}")
