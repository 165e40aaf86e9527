"""Job store: trainings and what happened to them, in one SQLite file of the data home.

Every statement takes microseconds, and none waits for the disk (the log is synced at checkpoints only), so they are run
where they are needed, on the event loop.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import structlog
from pydantic import BaseModel, ConfigDict, ValidationError

from worker.schemas.training import EventLevel, EventType, Job, JobEvent, JobStatus

log = structlog.get_logger()

EVENT = "ftevent-{:012d}"  # so that ids grow as texts, too

Shape = TypeVar("Shape", bound=BaseModel)

TABLES = """
CREATE TABLE IF NOT EXISTS jobs (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    status TEXT NOT NULL,
    record TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS events (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    job TEXT NOT NULL,
    event TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS events_of_job ON events (job, number);
"""


class JobStoreError(Exception):
    """There is no place for the jobs; the message says what to change."""


class Record(BaseModel):
    """A job as clients see it, and what its training needs beside that."""

    model_config = ConfigDict(frozen=True)

    job: Job
    dataset: str
    version: str  # the name of the one that it will leave
    start: str  # "scratch", or the version whose weights it begins with
    attempts: int = 0  # since it last got any further
    key: str | None = None  # under which it was asked for

    def with_job(self, **changes: Any) -> Record:
        """The same with some fields of the job changed."""
        return self.model_copy(update={"job": self.job.model_copy(update=changes)})


def _read(shape: type[Shape], content: str) -> Shape:
    """What was written; what a newer worker wrote besides is passed over."""
    return shape.model_validate_json(content, extra="ignore")


def _open(file: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(file, isolation_level=None)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")  # WAL keeps the file whole after a crash either way
        connection.executescript(TABLES)
        (found,) = connection.execute("PRAGMA quick_check(1)").fetchone()  # of every page; milliseconds
        if found != "ok":
            raise sqlite3.DatabaseError(found)
    except sqlite3.Error:
        connection.close()
        raise
    return connection


class JobStore:
    """An open file; every change is committed when its call returns."""

    def __init__(self, file: Path) -> None:
        """Open the file or make it; a damaged one is put aside, and JobStoreError says why there can be none."""
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            try:
                self._connection = _open(file)
            except sqlite3.DatabaseError as error:
                if isinstance(error, sqlite3.OperationalError):  # not the file's fault
                    raise
                advice = f"Before you put a backup in its place, stop the worker and delete {file}-wal and {file}-shm."
                log.error("job store damaged and put aside", file=str(file), reason=str(error), advice=advice)
                file.replace(file.with_suffix(".damaged"))
                self._connection = _open(file)
        except (OSError, sqlite3.Error) as error:
            raise JobStoreError(
                f"{file} cannot be written ({error}): see that there is room on the disk and that it may be written, or"
                " set PROSPERO_HOME to another folder."
            ) from error
        self._unreadable: set[str] = set()  # jobs that were logged

    def close(self) -> None:
        self._connection.close()

    def add(self, record: Record) -> None:
        """Put a new job at the end of the queue."""
        self._connection.execute(
            "INSERT INTO jobs (id, status, record) VALUES (?, ?, ?)",
            (record.job.id, record.job.status, record.model_dump_json()),
        )

    def save(self, record: Record) -> Record:
        """Replace a job's record, unless it was cancelled, which is for good; returns the new one."""
        self._connection.execute(
            "UPDATE jobs SET status = ?, record = ? WHERE id = ? AND status <> 'cancelled'",
            (record.job.status, record.model_dump_json(), record.job.id),
        )
        return record

    def get(self, id: str) -> Record | None:
        return next(self._records("WHERE id = ?", id), None)

    def with_key(self, key: str) -> Record | None:
        return next(self._records("WHERE record ->> 'key' = ?", key), None)

    def with_status(self, *statuses: JobStatus) -> list[Record]:
        """The jobs of these statuses, the oldest first."""
        marks = ", ".join("?" for _ in statuses)
        return list(self._records(f"WHERE status IN ({marks}) ORDER BY number", *statuses))

    def page(self, after: str | None, limit: int) -> list[Record]:
        """Jobs, the newest first, from the one after ``after`` on."""
        older = "WHERE ?1 IS NULL OR number < (SELECT number FROM jobs WHERE id = ?1) ORDER BY number DESC"
        return list(islice(self._records(older, after), limit))

    def _records(self, which: str, *values: str | None) -> Iterator[Record]:
        """The jobs that a condition chooses; one that cannot be read is left out, and logged once."""
        for id, record in self._connection.execute(f"SELECT id, record FROM jobs {which}", values):
            try:
                yield _read(Record, record)
            except ValidationError as error:
                if id not in self._unreadable:
                    log.error("job cannot be read and is left out", job=id, reason=str(error))
                self._unreadable.add(id)

    def tell(
        self,
        job: str,
        message: str,
        level: EventLevel = "info",
        type: EventType = "message",
        data: dict[str, Any] | None = None,
    ) -> None:
        """Note that something happened to a job."""
        event = JobEvent(id="", created_at=int(time.time()), level=level, type=type, message=message, data=data)
        self._connection.execute("INSERT INTO events (job, event) VALUES (?, ?)", (job, event.model_dump_json()))

    def events(self, job: str, after: str | None, limit: int, type: EventType | None = None) -> list[JobEvent]:
        """What happened to a job, the newest first, from the event after ``after`` on."""
        before = int(after.rpartition("-")[2]) if after else None
        rows = self._connection.execute(
            "SELECT number, event FROM events WHERE job = ?1 AND (?2 IS NULL OR number < ?2) "
            "AND (?3 IS NULL OR event ->> 'type' = ?3) ORDER BY number DESC LIMIT ?4",
            (job, before, type, limit),
        )
        return [_read(JobEvent, event).model_copy(update={"id": EVENT.format(number)}) for number, event in rows]
