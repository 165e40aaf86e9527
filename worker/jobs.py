"""Jobs: the queue of trainings, and how each goes on from the command to a version and its report.

A training is a child process (``worker/trainer.py``) in a folder of its own under the data home. One that is killed
goes on from its last snapshot; so does, at the next start, one that ran when this process ended. A finished version is
measured against the one that serves, by the same command on the same data.
"""

from __future__ import annotations

import asyncio
import fcntl
import shutil
import sqlite3
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import IO, Any, TypeVar

import structlog

from models.checkpoint import CheckpointError, Store
from worker.comparison import Comparisons
from worker.job_store import JobStore, Record
from worker.job_words import log_named, sample_address, sheet_address, train_words
from worker.leftovers import sweep
from worker.schemas.training import JobError, Report, Step
from worker.settings import Settings
from worker.trainer import Trainer

ATTEMPTS = 3  # to get a training any further before it has failed
KEPT = 50  # jobs that ended whose folders are kept: thirty to a few hundred pictures each, of which ten make a megabyte
LOOK = 0.5  # seconds between looks at what other processes with the same data home do
FULL = 5.0  # seconds until a full disk is tried again

log = structlog.get_logger()

Result = TypeVar("Result")


class Failed(Exception):
    """A job that ends without a version."""

    def __init__(self, error: JobError) -> None:
        super().__init__(error.message)
        self.error = error


class Jobs:
    """Performs the jobs of a store, the oldest first."""

    def __init__(self, settings: Settings, records: JobStore, versions: Store, trainer: Trainer) -> None:
        self.records = records
        self.versions = versions
        self.comparisons = Comparisons(settings.home, versions, trainer)
        self.device = trainer.device  # where trainings compute
        self.ended = Counter(succeeded=0, failed=0, cancelled=0)  # trainings, by how
        self._settings = settings
        self._trainer = trainer
        self._news = asyncio.Event()  # a job was queued
        self._running: dict[str, asyncio.Task[None]] = {}

    def folder(self, id: str) -> Path:
        """Where a job's snapshot, sample pictures and log are kept."""
        return self._settings.home / "jobs" / id

    @property
    def log(self) -> Path:
        """Where comparisons that are no job's write what they have to complain about."""
        return self._settings.home / "jobs" / "log.txt"

    def snapshot(self, id: str) -> Path:
        """What a job would go on from; there is none before its first report."""
        return self.folder(id) / "run" / "snapshot.pt"

    def enqueue(self, record: Record) -> None:
        """Perform a new job when its turn comes."""
        self.records.add(record)
        self.records.tell(record.job.id, f"{record.job.model} is to be trained on {record.dataset}.")
        self._news.set()

    def resume(self, record: Record) -> Record:
        """Queue a job that failed again; it goes on from its snapshot."""
        queued = record.with_job(status="queued", error=None, finished_at=None).model_copy(update={"attempts": 0})
        self.records.tell(record.job.id, "The training is queued again.")
        self._news.set()
        return self.records.save(queued)

    def unfinished(self) -> list[Record]:
        """The jobs that train or may yet go on from their snapshot: they need what they were given."""
        failed = [record for record in self.records.with_status("failed") if self.snapshot(record.job.id).exists()]
        return self.records.with_status("queued", "running") + failed

    async def cancel(self, id: str) -> None:
        """End a job that is queued or runs, and forget the snapshot, also of one that failed."""
        record = self.records.get(id)
        if record is None or record.job.status == "succeeded":  # it was quicker
            return
        self._finish(record, status="cancelled", estimated_finish=None)  # first: a full disk may refuse it
        task = self._running.get(id)
        if task is not None:
            task.cancel()
            await asyncio.wait([task])
        kept = "nothing of it is kept."
        if record.version in self.versions.versions(record.job.model):  # it was about to be reported
            try:
                self.versions.delete(record.job.model, record.version)
            except CheckpointError as error:  # it was promoted meanwhile
                kept = f"its version stays: {error}"
        await self._clear(record)
        self.records.tell(id, f"The training is cancelled; {kept}")

    async def run(self) -> None:
        """Perform jobs until cancelled. Of several processes with one data home, one does, the others wait."""
        if not self._settings.trainings:
            return
        try:
            async with self._alone() as lock:
                await asyncio.to_thread(sweep, self._settings.home)
                await self._written(self._requeue)
                async with asyncio.TaskGroup() as group:
                    for _ in range(self._settings.trainings):
                        group.create_task(self._work(lock))
        except Exception:
            log.exception("no more trainings are performed until the worker is started again")
            raise

    def _requeue(self) -> None:
        """What ran when the process before this one ended goes on."""
        for record in self.records.with_status("running"):
            self.records.save(record.with_job(status="queued"))
            self.records.tell(record.job.id, "The worker was restarted; the training goes on.", "warn")

    async def _written(self, write: Callable[[], Result]) -> Result:
        """What a use of the records comes to; on a full disk once there is room, or all jobs would stand still."""
        while True:
            try:
                return write()
            except sqlite3.OperationalError as error:
                log.error("the records of the jobs cannot be used yet", reason=str(error))
                await asyncio.sleep(FULL)

    @asynccontextmanager
    async def _alone(self) -> AsyncIterator[int]:
        """Hold the lock of the data home; children hold it, too, so that no job is ever performed twice at once."""
        folder = self._settings.home / "jobs"
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / "lock").open("w") as lock:
            while not _try_to_lock(lock):  # noqa: ASYNC110 (what is waited for belongs to another process)
                await asyncio.sleep(LOOK)
            yield lock.fileno()

    async def _work(self, lock: int) -> None:
        """Perform one job after the other."""
        while True:
            self._news.clear()
            record = await self._written(self._next)
            if record is None:
                with suppress(TimeoutError):  # jobs of other processes come without news
                    await asyncio.wait_for(self._news.wait(), LOOK)
                continue
            id = record.job.id
            task = self._running[id] = asyncio.create_task(self._perform(record, lock))
            try:
                await self._follow(task, id)
            except asyncio.CancelledError:  # this process ends, the job does not
                task.cancel()
                await asyncio.wait([task])
                interrupted = self.records.get(id)
                if interrupted and interrupted.job.status == "running":
                    self.records.save(interrupted.with_job(status="queued").model_copy(update={"attempts": 0}))
                raise
            finally:
                del self._running[id]

    def _next(self) -> Record | None:
        """The job that waited for longest, which runs from now on."""
        waiting = self.records.with_status("queued")
        if not waiting:
            return None
        return self.records.save(waiting[0].with_job(status="running", estimated_finish=None))  # told of an earlier run

    async def _follow(self, task: asyncio.Task[None], id: str) -> None:
        """Wait for the end of a job's task; where another process cancels the job, end it."""
        while not task.done():
            await asyncio.wait([task], timeout=LOOK)
            record = await self._written(partial(self.records.get, id))
            if not (task.done() or task.cancelling()) and record and record.job.status == "cancelled":
                task.cancel()
                await asyncio.wait([task])
                await self._clear(record)

    async def _clear(self, record: Record) -> None:
        """Forget what a training that does not go on has written."""
        await asyncio.to_thread(shutil.rmtree, self.folder(record.job.id), ignore_errors=True)
        await asyncio.to_thread(self.versions.abandon, record.job.model, record.version)

    async def _perform(self, record: Record, lock: int) -> None:
        """A whole job, whose end is written down whatever it is; only being cancelled leaves that to others."""
        id = record.job.id
        log.info("training begins", job=id, model=record.job.model, version=record.version)
        try:
            await self._forget_old()
            await self._train(record, lock)
            report = await self._compare(record, lock)
            await self._conclude(record, status="succeeded", fine_tuned_model=f"{report.model}@{report.version}")
        except Failed as failed:
            await self._conclude(record, status="failed", error=failed.error)
        except Exception:  # a fault of ours: logged whole, told in one sentence
            log.exception("job failed", job=id)
            told = JobError(code="worker_failed", message="The worker failed; its log says more.")
            await self._conclude(record, status="failed", error=told)

    async def _conclude(self, record: Record, **changes: Any) -> None:
        """Write the end of a job down."""
        await self._written(partial(self._finish, record, **changes))
        if "error" in changes:
            await self._written(partial(self.records.tell, record.job.id, changes["error"].message, "error"))

    def _finish(self, record: Record, **changes: Any) -> None:
        """The last change of a job, for clients, the log and the metrics."""
        job = self.records.save(record.with_job(finished_at=int(time.time()), **changes)).job
        self.ended[job.status] += 1
        ended = log.bind(job=job.id, model=job.model, status=job.status)
        if "error" in changes:
            ended.warning("training ended", code=changes["error"].code, reason=changes["error"].message)
        else:
            ended.info("training ended")

    async def _forget_old(self) -> None:
        """Remove the folders of all jobs that ended but the newest: nobody resumes what failed so long ago."""
        ended = self.records.with_status("succeeded", "failed", "cancelled")
        for record in ended[::-1][KEPT:]:
            await asyncio.to_thread(shutil.rmtree, self.folder(record.job.id), ignore_errors=True)

    async def _train(self, record: Record, lock: int) -> None:
        """Train until there is a version; Failed says why there will be none."""
        id, attempts, said = record.job.id, record.attempts, None

        def hear(message: dict[str, Any]) -> None:
            nonlocal attempts, said
            if "error" in message:
                said = JobError(**message["error"])
            elif "step" in message:
                attempts = 1  # it got further
                self._note_step(record, message)

        folder = self.folder(id)
        ended = 0
        while record.version not in self.versions.versions(record.job.model):
            if attempts == ATTEMPTS:
                raise Failed(_worn_out(ended))
            attempts += 1
            self.records.save(record.model_copy(update={"attempts": attempts}))
            again = self.snapshot(id).exists()
            self.records.tell(id, "The training goes on from its snapshot." if again else "The training begins.")
            said = None
            words = train_words(record, folder, self.device, self._settings.report_every, again)
            ended = await self._trainer.run(words + self._trainer.machine, hear, folder / "log.txt", [lock])
            if said is not None and said.code != "interrupted":
                raise Failed(said)
            if ended > 0 and said is None:
                where = log_named(folder / "log.txt", self._settings.home)
                raise Failed(JobError(code="broke_off", message=f"The training broke off; {where} says why."))
            if ended:
                self.records.tell(id, "The training was ended from outside.", "warn")

    def _note_step(self, record: Record, message: dict[str, Any]) -> None:
        """Write progress down, and that the job got further."""
        id = record.job.id
        if message["sample"]:
            message["sample"] = sample_address(id, message["step"])
        step = Step(**message)
        told = ", ".join(f"{name} {value:.4g}" for name, value in {**step.losses, **step.metrics}.items())
        self.records.tell(id, f"Step {step.step:,}: {told}.", type="metrics", data=step.model_dump())
        finish = int(time.time() + step.seconds_left)
        self.records.save(record.with_job(estimated_finish=finish).model_copy(update={"attempts": 1}))

    async def _compare(self, record: Record, lock: int) -> Report:
        """Measure the new version against the one that serves, and let it serve if that was asked for."""
        job = record.job
        serving = self.versions.serving(job.model)
        serves = serving == record.version  # it was promoted, by itself or by hand, before the worker was ended
        beside = self.versions.previous(job.model) if serves else serving
        self.records.tell(job.id, f"{job.model}@{record.version} is written and being measured.")
        if beside is not None:
            try:
                self.versions.open(job.model, beside)
            except CheckpointError as error:  # it was damaged or removed by hand
                self.records.tell(job.id, f"There is nothing to compare it with: {error}", "warn")
                beside = None
        measured = await self.comparisons.of(
            job.model, record.version, beside, self.folder(job.id) / "log.txt", annotate=True, holds=[lock]
        )
        problems = measured.problems
        if problems and measured.better is None and job.promote == "if_better":
            problems = [*problems, "Whether it is better is unknown, so it was not promoted by itself."]
        for problem in problems:
            self.records.tell(job.id, problem, "warn")
        promoted = (
            job.promote == "if_better" and bool(measured.better) and self.versions.serving(job.model) == serving
        )  # a version that was promoted meanwhile is not what was compared with
        report = Report(
            model=job.model,
            version=record.version,
            serving=beside,
            figures=measured.figures,
            better=measured.better,
            promoted=promoted,
            sample=sheet_address(job.model, record.version),
            serving_sample=sheet_address(job.model, beside) if beside else None,
            problems=problems,
        )
        if promoted:
            self.versions.promote(job.model, record.version)
        told = f"{job.model}@{record.version} is ready" + (" and serves." if promoted else ".")
        self.records.tell(job.id, told, type="report", data=report.model_dump())
        return report


def _try_to_lock(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _worn_out(ended: int) -> JobError:
    """Why a job that does not get any further has failed; ``ended`` is its last exit status."""
    if ended < 0:
        return JobError(
            code="out_of_memory",
            message=f"The training was killed {ATTEMPTS} times, as happens when memory is short; set a smaller batch.",
        )
    return JobError(code="interrupted", message=f"The training was interrupted {ATTEMPTS} times; resume it.")
