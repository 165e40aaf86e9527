"""The job store's file: what is damaged is put aside when it is opened, and what a newer worker wrote can be read."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from worker.job_store import JobStore, JobStoreError, Record
from worker.schemas.training import Hyperparameters, Job

PAGE = 4096  # bytes, SQLite's usual


def test_a_file_with_a_damaged_page_is_put_aside(tmp_path: Path) -> None:
    file = tmp_path / "jobs.sqlite"
    store = JobStore(file)
    for _ in range(100):
        store.tell("ftjob-1", "The training goes on.")
    store.close()
    content = bytearray(file.read_bytes())
    content[-PAGE:] = b"\xff" * PAGE  # of events; the header and the tables' names are whole
    file.write_bytes(content)
    with capture_logs() as logs:
        store = JobStore(file)
    assert [line["event"] for line in logs] == ["job store damaged and put aside"]
    assert f"delete {file}-wal and {file}-shm" in logs[0]["advice"]
    assert file.with_suffix(".damaged").read_bytes() == content
    store.tell("ftjob-2", "The training begins.")
    assert [event.message for event in store.events("ftjob-2", None, 10)] == ["The training begins."]
    store.close()
    with capture_logs() as logs:
        JobStore(file).close()
    assert logs == []


def test_where_nothing_can_be_written_it_says_what_to_see_to(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(JobStoreError, match="see that there is room on the disk and that it may be written"):
        JobStore(tmp_path / "file" / "jobs.sqlite")


def ended(id: str) -> Record:
    """A training that left a version."""
    job = Job(
        id=id,
        created_at=1,
        model="gan-digits",
        status="succeeded",
        training_file="mnist",
        hyperparameters=Hyperparameters(minutes=1),
        seed=1,
    )
    return Record(job=job, dataset="mnist", version="v2", start="scratch")


def test_a_job_that_cannot_be_read_hides_no_other(tmp_path: Path) -> None:
    file = tmp_path / "jobs.sqlite"
    store = JobStore(file)
    first, second, third = (ended(f"ftjob-{number}") for number in (1, 2, 3))
    for record in (first, second, third):
        store.add(record)
    with sqlite3.connect(file) as connection:
        narrower = "UPDATE jobs SET record = json_set(record, '$.job.hyperparameters.minutes', -1) WHERE id = ?"
        connection.execute(narrower, [second.job.id])
    connection.close()
    with capture_logs() as logs:
        assert store.with_status("succeeded") == [first, third]
        assert store.page(None, 2) == [third, first]
        assert store.page(third.job.id, 1) == [first]
        assert store.get(second.job.id) is None
    assert [(line["event"], line["job"]) for line in logs] == [("job cannot be read and is left out", second.job.id)]
    store.close()


def test_what_a_newer_worker_wrote_can_be_read(tmp_path: Path) -> None:
    file = tmp_path / "jobs.sqlite"
    written = ended("ftjob-1")
    job = written.job
    store = JobStore(file)
    store.add(written)
    store.tell(job.id, "The training begins.")
    store.close()
    with sqlite3.connect(file) as connection:
        newer = json.loads(written.model_dump_json())
        for part in (newer, newer["job"], newer["job"]["hyperparameters"]):
            part["later"] = 0
        connection.execute("UPDATE jobs SET record = ?", [json.dumps(newer)])
        connection.execute("UPDATE events SET event = json_set(event, '$.later', 0)")
    connection.close()
    store = JobStore(file)
    assert store.get(job.id) == written
    assert store.with_status("succeeded") == store.page(None, 10) == [written]
    assert [event.message for event in store.events(job.id, None, 10)] == ["The training begins."]
    store.close()
