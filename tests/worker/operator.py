"""An operator: someone who trains, watches and promotes over HTTP."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp

from tests.conftest import TINY
from worker.schemas.training import Job, JobEvent, Report, Step

JOBS = "/v1/fine_tuning/jobs"
MODEL = "gpt-shakespeare"
OPTIONS = {key: str(value) for key, value in TINY.items()}


class Operator:
    """Asks a worker, whose answers have to fit the contract."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self.session = session

    async def ask(self, method: str, path: str, status: int = 200, **fields: Any) -> dict[str, Any]:
        async with self.session.request(method, path, **fields) as response:
            assert response.status == status, await response.text()
            return await response.json()

    async def refused(self, method: str, path: str, status: int = 400, **fields: Any) -> str:
        """The sentence of a refusal."""
        return (await self.ask(method, path, status, **fields))["error"]["message"]

    async def train(self, steps: int = 2, options: dict[str, str] | None = None, **fields: Any) -> Job:
        """Queue a training of the tiny GPT, or of what the fields say."""
        length = {} if "hyperparameters" in fields else {"n_steps": steps, "options": options or OPTIONS}
        body = {"model": MODEL, "hyperparameters": length, "seed": 1, **fields}
        return Job.model_validate(await self.ask("POST", JOBS, json=body))

    async def job(self, job: Job) -> Job:
        return Job.model_validate(await self.ask("GET", f"{JOBS}/{job.id}"))

    async def events(self, job: Job) -> list[JobEvent]:
        """All events, the oldest first, gathered from small pages."""
        events: list[JobEvent] = []
        after: dict[str, str] = {}
        while True:
            page = await self.ask("GET", f"{JOBS}/{job.id}/events", params={"limit": "50", **after})
            events += [JobEvent.model_validate(event) for event in page["data"]]
            if not page["has_more"]:
                return events[::-1]
            after = {"after": events[-1].id}

    async def steps(self, job: Job) -> list[Step]:
        return [Step.model_validate(event.data) for event in await self.events(job) if event.type == "metrics"]

    async def report(self, job: Job) -> Report:
        (event,) = [event for event in await self.events(job) if event.type == "report"]
        return Report.model_validate(event.data)

    async def until_it_steps(self, job: Job) -> None:
        """Wait for the first progress."""
        async with asyncio.timeout(240):
            while not await self.steps(job):  # noqa: ASYNC110 (what is waited for belongs to another process)
                await asyncio.sleep(0.05)

    async def until_it_ends(self, job: Job) -> Job:
        async with asyncio.timeout(240):
            while (now := await self.job(job)).status in ("queued", "running"):  # noqa: ASYNC110 (as above)
                await asyncio.sleep(0.05)
        return now
