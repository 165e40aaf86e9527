"""The job store's file: what is damaged is put aside when it is opened, wherever the damage is."""

from __future__ import annotations

from pathlib import Path

from structlog.testing import capture_logs

from worker.job_store import JobStore

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
    assert file.with_suffix(".damaged").read_bytes() == content
    store.tell("ftjob-2", "The training begins.")
    assert [event.message for event in store.events("ftjob-2", None, 10)] == ["The training begins."]
    store.close()
    with capture_logs() as logs:
        JobStore(file).close()
    assert logs == []
