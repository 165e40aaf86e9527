"""The worker's trainings, data sets and versions: one typed method for each of its addresses."""

from __future__ import annotations

from urllib.parse import quote

from bot.worker_api import WorkerAPI, WorkerLocked, WorkerRefused
from worker.schemas.training import (
    Comparison,
    Deleted,
    File,
    FileList,
    Job,
    JobEvent,
    JobEventList,
    JobList,
    JobRequest,
    Promotion,
    Switched,
    TrainingCatalogue,
    VersionList,
)

JOBS = "/v1/fine_tuning/jobs"
PAGE = 100  # trainings or events in one answer
MEASURING = 600.0  # seconds that two versions may take to be measured, of an interaction's 900


class TrainingAPI:
    """What can be asked of a worker about trainings. Every method raises WorkerError."""

    def __init__(self, worker: WorkerAPI) -> None:
        self._worker = worker

    async def catalogue(self) -> TrainingCatalogue:
        """What can be trained, and on what."""
        return await self._worker.ask("GET", "/v1/fine_tuning/catalogue", TrainingCatalogue)

    async def start(self, request: JobRequest) -> Job:
        return await self._worker.ask("POST", JOBS, Job, request)

    async def jobs(self) -> list[Job]:
        """The newest trainings, the newest first."""
        return (await self._worker.ask("GET", f"{JOBS}?limit={PAGE}", JobList)).data

    async def job(self, job: str) -> Job:
        return await self._worker.ask("GET", f"{JOBS}/{_part(job)}", Job)

    async def cancel(self, job: str) -> Job:
        return await self._worker.ask("POST", f"{JOBS}/{_part(job)}/cancel", Job)

    async def resume(self, job: str) -> Job:
        """Queues a training that failed again; it goes on from its snapshot."""
        return await self._worker.ask("POST", f"{JOBS}/{_part(job)}/resume", Job)

    async def events_since(self, job: str, known: str | None) -> list[JobEvent]:
        """What happened after the event ``known``, or from the beginning; the oldest first."""
        newer: list[JobEvent] = []
        while True:
            after = f"&after={_part(newer[-1].id)}" if newer else ""
            page = await self._worker.ask("GET", f"{JOBS}/{_part(job)}/events?limit={PAGE}{after}", JobEventList)
            for event in page.data:
                if event.id == known:
                    return newer[::-1]
                newer.append(event)
            if not page.has_more:
                return newer[::-1]

    async def upload(self, name: str, filename: str, content: bytes) -> File:
        """Hands in a data set called ``name``: a zip of pictures or a text."""
        fields = {"purpose": "fine-tune", "name": name}
        return await self._worker.upload("/v1/files", filename, content, fields, File)

    async def files(self) -> list[File]:
        return (await self._worker.ask("GET", "/v1/files", FileList)).data

    async def delete_file(self, file: str) -> None:
        await self._worker.ask("DELETE", f"/v1/files/{_part(file)}", Deleted)

    async def versions(self, model: str) -> VersionList:
        """A model's versions, the newest first, and which of them serves and did before."""
        return await self._worker.ask("GET", f"/v1/models/{_part(model)}/versions", VersionList)

    async def promote(self, model: str, version: str) -> Switched:
        path = f"/v1/models/{_part(model)}/promote"
        return await self._worker.ask("POST", path, Switched, Promotion(version=version))

    async def delete_version(self, model: str, version: str) -> None:
        await self._worker.ask("DELETE", f"/v1/models/{_part(model)}/versions/{_part(version)}", Deleted)

    async def compare(self, model: str, first: str, second: str) -> Comparison:
        versions = f"{_part(first)},{_part(second)}"
        path = f"/v1/models/{_part(model)}/comparison?versions={versions}"
        return await self._worker.ask("GET", path, Comparison, patience=MEASURING)

    async def sheet(self, address: str) -> bytes | None:
        """What is at an address that an answer named, a PNG or a text; None when nothing is."""
        try:
            return await self._worker.fetch(address)
        except WorkerLocked:
            raise
        except WorkerRefused:
            return None


def _part(typed: str) -> str:
    """What a person typed, as one part of an address."""
    return quote(typed, safe="")
