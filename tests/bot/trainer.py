"""A worker that trains nothing: it speaks the contract of trainings, and what happens to them is what a test says."""

from __future__ import annotations

import asyncio
import io
import itertools
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web
from PIL import Image

from worker.schemas.contract import Contract, ErrorBody, ErrorResponse
from worker.schemas.fingerprint import FINGERPRINT
from worker.schemas.models import Metric, ModelInfo, ModelList, Readiness
from worker.schemas.training import (
    Comparison,
    DatasetInfo,
    Deleted,
    Figure,
    File,
    FileList,
    Found,
    Job,
    JobError,
    JobEvent,
    JobEventList,
    JobList,
    JobRequest,
    JobStatus,
    Promotion,
    RecipeInfo,
    Report,
    Step,
    Switched,
    TrainingCatalogue,
    VersionInfo,
    VersionList,
)

MODEL = "gan-digits"
PAGE = 5  # events at most in one answer, so that tests turn pages


class Trainer:
    """One model with versions v1 and v2, of which v2 serves, and the trainings that were asked for."""

    def __init__(self) -> None:
        self.url = ""
        self.versions = {"v1": 2.0, "v2": 1.5}  # name -> its figure
        self.history = ["v1", "v2"]  # what served, the last one does now; only the one before is known
        self.jobs: dict[str, Job] = {}
        self.requests: dict[str, JobRequest] = {}
        self.events: dict[str, list[JobEvent]] = {}
        self.files: dict[str, File] = {}
        self.uploaded: list[bytes] = []
        self.promotions = 0
        self.states: dict[str, Any] = {}  # of data sets that are not here
        self.code = ""  # with which it refuses what is handed in, to be trained or to be compared
        self.lost_samples = 0  # how many of the next samples cannot be had
        self.damaged_samples: set[int] = set()  # the numbers of those whose files are cut off
        self.lost_answers = 0  # how many of the next trainings begin or go on without the bot's being told
        self.hold_promotions = asyncio.Event()  # promotions wait for it
        self.hold_promotions.set()
        self._started: asyncio.Queue[str] = asyncio.Queue()
        self._ids = itertools.count(1)

    @property
    def serving(self) -> str | None:
        return self.history[-1] if self.history else None

    # what a test says

    async def started(self) -> str:
        """The id of the next training that is asked for."""
        return await asyncio.wait_for(self._started.get(), 30)

    def run(self, job: str) -> None:
        self._change(job, status="running", position=None)

    def step(self, job: str, number: int, of: int, loss: float, **metrics: float) -> None:
        done = Step(
            step=number, fraction=number / of, seconds=number, seconds_left=of - number,
            losses={"generator": loss, "judge": loss / 2}, metrics=metrics, sample=f"/v1/samples/{number}.png",
        )  # fmt: skip
        self._tell(job, "metrics", f"step {number}", done)

    def succeed(
        self, job: str, version: str, figure: float, promoted: bool = False, problems: Sequence[str] = ()
    ) -> None:
        serving = self.history[-1]
        figures = [
            Figure(name="frechet_distance", unit="", new=figure, serving=self.versions[serving], better="lower"),
            Figure(name="agreement", unit="%", new=98.25, serving=None, better="higher"),
        ]
        self.versions[version] = figure
        if promoted:
            self.history.append(version)
        report = Report(
            model=MODEL, version=version, serving=serving, figures=figures, better=figure < self.versions[serving],
            promoted=promoted, sample="/v1/samples/1.png", serving_sample="/v1/samples/2.png",
        )  # fmt: skip
        if problems:
            report = report.model_copy(update={"figures": [], "better": None, "problems": problems})
        self._tell(job, "report", "done", report)
        self._change(job, status="succeeded", finished_at=2, fine_tuned_model=f"{MODEL}@{version}")

    def fail(self, job: str, message: str, code: str = "failed") -> None:
        self._change(job, status="failed", finished_at=2, error=JobError(code=code, message=message))

    def _change(self, job: str, **changes: Any) -> None:
        self.jobs[job] = self.jobs[job].model_copy(update=changes)

    def _tell(self, job: str, kind: Any, message: str, data: Contract) -> None:
        number = next(self._ids)
        self.events[job].append(
            JobEvent(
                id=f"event-{number}",
                created_at=number,
                level="info",
                type=kind,
                message=message,
                data=data.model_dump(mode="json"),
            )
        )

    # what it answers

    def routes(self) -> list[web.RouteDef]:
        jobs, model = "/v1/fine_tuning/jobs", "/v1/models/{model}"
        return [
            web.get("/readyz", self.readiness),
            web.get("/v1/models", self.list_models),
            web.get("/v1/fine_tuning/catalogue", self.catalogue),
            web.post(jobs, self.create),
            web.get(jobs, self.list_jobs),
            web.get(f"{jobs}/{{job}}", self.show),
            web.post(f"{jobs}/{{job}}/cancel", self.cancel),
            web.post(f"{jobs}/{{job}}/resume", self.resume),
            web.get(f"{jobs}/{{job}}/events", self.list_events),
            web.get("/v1/samples/{number}.png", self.sample),
            web.get(f"{model}/versions", self.list_versions),
            web.post(f"{model}/promote", self.promote),
            web.delete(f"{model}/versions/{{version}}", self.delete_version),
            web.get(f"{model}/comparison", self.compare),
            web.post("/v1/files", self.upload),
            web.get("/v1/files", self.list_files),
            web.delete("/v1/files/{file}", self.delete_file),
        ]

    async def readiness(self, _: web.Request) -> web.Response:
        return answer(
            Readiness(
                ready=True, device="cpu", precision="float32", threads=1, models=[], running=0, waiting=0, slots=1,
                contract=FINGERPRINT,
            )
        )  # fmt: skip

    async def list_models(self, _: web.Request) -> web.Response:
        if self.serving is None:
            return answer(ModelList(data=[], unserved={MODEL: sorted(self.versions)}))
        info = ModelInfo(
            id=MODEL, created=0, family="gan", version=self.serving, versions=sorted(self.versions),
            parameters=1_230_000, metrics=measured(self.versions[self.serving]), classes=10,
        )  # fmt: skip
        return answer(ModelList(data=[info]))

    async def catalogue(self, _: web.Request) -> web.Response:
        recipes = [
            RecipeInfo(
                model=model, family="any", dataset=dataset, minutes=60, continues=able, balances=able,
                settings=["batch", "first_rate", "painter"],
            )
            for model, dataset, able in ((MODEL, "digits", True), ("features-digits", "a plug-in's", False))
        ]  # fmt: skip
        names = ["digits", "sprites", *(file.name for file in self.files.values())]
        sets = [DatasetInfo(name=name, kind="pictures", state=self.states.get(name, "here")) for name in names]
        return answer(TrainingCatalogue(recipes=recipes, datasets=sets))

    async def create(self, request: web.Request) -> web.Response:
        wanted = JobRequest.model_validate_json(await request.read())
        if self.code:
            return refusal(400, "The widths are wrong.", None, self.code)
        if wanted.model != MODEL:
            return refusal(400, f"There is no model {wanted.model!r}; choose from {MODEL}.", "model")
        known = next((id for id, asked in self.requests.items() if asked.key == wanted.key), None)
        if wanted.key is not None and known is not None:
            return answer(self.jobs[known])
        job = Job(
            id=f"ftjob-{next(self._ids)}", created_at=1, model=wanted.model, status="queued", position=1,
            training_file=wanted.training_file or "digits", hyperparameters=wanted.hyperparameters,
            seed=wanted.seed or 0, promote=wanted.promote, user=wanted.user,
        )  # fmt: skip
        self.jobs[job.id], self.requests[job.id], self.events[job.id] = job, wanted, []
        self._started.put_nowait(job.id)
        return self._told(job)

    async def list_jobs(self, _: web.Request) -> web.Response:
        return answer(JobList(data=list(self.jobs.values())[::-1]))

    async def show(self, request: web.Request) -> web.Response:
        job = self.jobs.get(request.match_info["job"])
        return answer(job) if job else refusal(404, "There is no such training.", "id", "training_not_found")

    async def cancel(self, request: web.Request) -> web.Response:
        job = request.match_info["job"]
        if self.jobs[job].status not in ("queued", "running"):
            return refusal(400, f"{job} has ended already.", "id", "training_ended")
        status: JobStatus = "cancelled"
        self._change(job, status=status, finished_at=2, position=None)
        return answer(self.jobs[job])

    async def resume(self, request: web.Request) -> web.Response:
        job = request.match_info["job"]
        if self.jobs[job].status != "failed":
            return refusal(400, f"{job} has not failed.", "id", "training_not_failed")
        self._change(job, status="queued", position=1, finished_at=None, error=None)
        return self._told(self.jobs[job])

    def _told(self, job: Job) -> web.Response:
        if self.lost_answers:
            self.lost_answers -= 1
            return web.Response(status=502)  # of something in between
        return answer(job)

    async def list_events(self, request: web.Request) -> web.Response:
        newest_first = self.events[request.match_info["job"]][::-1]
        if "after" in request.query:
            place = [event.id for event in newest_first].index(request.query["after"])
            newest_first = newest_first[place + 1 :]
        return answer(JobEventList(data=newest_first[:PAGE], has_more=len(newest_first) > PAGE))

    async def sample(self, request: web.Request) -> web.Response:
        if self.lost_samples:
            self.lost_samples -= 1
            return refusal(500, "The disk is gone.")
        number = int(request.match_info["number"])
        content = sheet(number)[:60] if number in self.damaged_samples else sheet(number)
        return web.Response(body=content, content_type="image/png")

    async def list_versions(self, request: web.Request) -> web.Response:
        model = request.match_info["model"]
        if model != MODEL:
            return refusal(404, f"There is no model {model!r}.")
        infos = [
            VersionInfo(
                model=MODEL, version=version, serving=version == self.serving, shipped=version == "v1",
                created="2026-01-01T00:00:00+00:00", parameters=1_230_000, dataset="digits",
                command=f"python -m models train {MODEL}", metrics=measured(figure), quick=version == "v2",
                sample=f"/v1/samples/{version[1:]}.png",
            )
            for version, figure in sorted(self.versions.items(), reverse=True)
        ]  # fmt: skip
        previous = self.history[-2] if len(self.history) > 1 else None
        return answer(VersionList(data=infos, serving=self.serving, previous=previous))

    async def promote(self, request: web.Request) -> web.Response:
        version = Promotion.model_validate_json(await request.read()).version
        await self.hold_promotions.wait()
        if version not in self.versions:
            return refusal(404, f"{MODEL} has no version {version!r}.")
        before = self.serving
        self.history.append(version)
        self.promotions += 1
        return answer(Switched(model=MODEL, before=before, now=version))

    async def delete_version(self, request: web.Request) -> web.Response:
        version = request.match_info["version"]
        if version == self.serving:
            return refusal(400, f"{MODEL}@{version} serves.", "version", "version_serves")
        del self.versions[version]
        return answer(Deleted(id=version, object="model.version"))

    async def compare(self, request: web.Request) -> web.Response:
        if self.code:
            return refusal(400, "They cannot be compared.", "versions", self.code)
        first, second = request.query["versions"].split(",")
        figure = Figure(
            name="frechet_distance", unit="", new=self.versions[first], serving=self.versions[second], better="lower"
        )
        samples = (f"/v1/samples/{first[1:]}.png", f"/v1/samples/{second[1:]}.png")
        return answer(Comparison(model=MODEL, versions=(first, second), figures=[figure], samples=samples))

    async def upload(self, request: web.Request) -> web.Response:
        form = await request.post()
        given = form["file"]
        assert isinstance(given, web.FileField)
        content = given.file.read()
        name = str(form["name"])
        if self.code:
            return refusal(400, f"{given.filename} is no good.", "file", self.code)
        if content.startswith(b"PK") is not given.filename.endswith(".zip"):
            return refusal(400, f"{given.filename} is not a zip file.", "file")
        if name in [file.name for file in self.files.values()]:
            return refusal(400, f"There is a data set {name} already; choose another name.", "name", "name_taken")
        self.uploaded.append(content)
        found = Found(kind="pictures", items=12, left_out={"duplicate": 3, "no_picture": 1}, sheet="/v1/samples/7.png")
        if not content.startswith(b"PK"):
            found = Found(kind="text", items=len(content), excerpt=content.decode()[:100])
        file = File(
            id=f"file-{next(self._ids)}",
            bytes=len(content),
            created_at=1,
            filename=given.filename,
            name=name,
            found=found,
        )
        self.files[file.id] = file
        return answer(file)

    async def list_files(self, _: web.Request) -> web.Response:
        return answer(FileList(data=list(self.files.values())))

    async def delete_file(self, request: web.Request) -> web.Response:
        file = self.files.pop(request.match_info["file"], None)
        if file is None:
            return refusal(404, "There is no such file.", "id", "file_not_found")
        return answer(Deleted(id=file.id, object="file"))


def measured(figure: float) -> dict[str, Metric]:
    """A version's figures on its card."""
    return {
        "frechet_distance": Metric(value=figure, unit="squared feature units", better="lower"),
        "agreement": Metric(value=98.25, unit="%", better="higher"),
    }


def sheet(number: int) -> bytes:
    """A PNG that differs from number to number."""
    file = io.BytesIO()
    Image.new("RGB", (64, 64), (20 * number % 256, 0, 128)).save(file, "PNG")
    return file.getvalue()


def answer(content: Contract) -> web.Response:
    return web.Response(text=content.model_dump_json(), content_type="application/json")


def refusal(status: int, message: str, param: str | None = None, code: str | None = None) -> web.Response:
    body = ErrorResponse(error=ErrorBody(message=message, type="invalid_request_error", param=param, code=code))
    return web.Response(status=status, text=body.model_dump_json(), content_type="application/json")


@asynccontextmanager
async def serve(trainer: Trainer, port: int = 0) -> AsyncIterator[str]:
    """The trainer on a socket; yields its address."""
    app = web.Application()
    app.add_routes(trainer.routes())
    runner = web.AppRunner(app, shutdown_timeout=0.1, handler_cancellation=True)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    trainer.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield trainer.url
    finally:
        await runner.cleanup()
