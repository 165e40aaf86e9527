"""``/v1/fine_tuning/…``: trainings, in the shapes of OpenAI's fine-tuning API."""

from __future__ import annotations

import asyncio
import re
import secrets
import time
from dataclasses import fields
from datetime import UTC, datetime
from typing import Literal

from aiohttp import web

from models.checkpoint import CheckpointError
from models.configuration import ConfigurationError
from models.data import SETS, here, listing
from models.registry import Recipe, UnknownModelError, families, resolve
from worker.datasets import Datasets
from worker.errors import BadRequest, NotFound
from worker.job_store import Record
from worker.jobs import Jobs
from worker.replies import reply
from worker.requests import read
from worker.routes import DATASETS, JOBS
from worker.schemas.training import (
    LONGEST_PAGE,
    PAGE,
    DatasetInfo,
    Job,
    JobCheckpoint,
    JobCheckpointList,
    JobEventList,
    JobList,
    JobRequest,
    RecipeInfo,
    TrainingCatalogue,
)
from worker.seeds import drawn

MOST_QUEUED = 20  # jobs: days of work

routes = web.RouteTableDef()


@routes.post("/v1/fine_tuning/jobs")
async def create(request: web.Request) -> web.Response:
    """Queue a training; one that was asked for before with the same key is answered as it is now."""
    jobs = request.app[JOBS]
    wanted = await read(request, JobRequest)
    if wanted.key is not None and (known := jobs.records.with_key(wanted.key)) is not None:
        return answer(jobs, known)
    waiting = jobs.records.with_status("queued")
    if len(waiting) >= MOST_QUEUED:
        message = f"{len(waiting)} trainings wait already; cancel one, or let some end first."
        raise BadRequest(message, code="too_many_trainings")
    record = plan(wanted, jobs, request.app[DATASETS])
    jobs.enqueue(record)
    return answer(jobs, record)


@routes.get("/v1/fine_tuning/jobs")
async def list_jobs(request: web.Request) -> web.Response:
    """Trainings, the newest first."""
    jobs, limit = request.app[JOBS], page_length(request)
    found = jobs.records.page(request.query.get("after"), limit + 1)
    data = [shown(jobs, record) for record in found[:limit]]
    return reply(JobList(data=data, has_more=len(found) > limit))


@routes.get("/v1/fine_tuning/catalogue")
async def show_catalogue(request: web.Request) -> web.Response:
    """What can be trained, and on what."""
    device = request.app[JOBS].device
    recipes = [
        RecipeInfo(
            model=recipe.model,
            family=family.name,
            dataset=recipe.dataset,
            minutes=recipe.on(device).minutes,
            continues=family.continues,
            balances=family.balances,
            settings=sorted(field.name for field in fields(family.config)),
        )
        for family in families().values()
        for recipe in family.recipes.values()
    ]
    datasets = [DatasetInfo(name=entry.name, kind=entry.kind, state=state(entry.name)) for entry in listing()]
    return reply(TrainingCatalogue(recipes=recipes, datasets=datasets))


@routes.get("/v1/fine_tuning/jobs/{id}")
async def show(request: web.Request) -> web.Response:
    """One training."""
    return answer(request.app[JOBS], named(request))


@routes.post("/v1/fine_tuning/jobs/{id}/cancel")
async def cancel(request: web.Request) -> web.Response:
    """End a training, or forget the snapshot of one that failed."""
    jobs, record = request.app[JOBS], named(request)
    if record.job.status in ("succeeded", "cancelled"):
        raise BadRequest("The training has ended already; there is nothing to cancel.", "id", "training_ended")
    await asyncio.shield(jobs.cancel(record.job.id))  # to its end, even when whoever asked hangs up
    return answer(jobs, named(request))


@routes.post("/v1/fine_tuning/jobs/{id}/resume")
async def resume(request: web.Request) -> web.Response:
    """Queue a training that failed again; it goes on from its snapshot."""
    jobs, record = request.app[JOBS], named(request)
    if record.job.status != "failed":
        message = f"The training is {record.job.status}; only one that failed can be resumed."
        raise BadRequest(message, "id", "training_not_failed")
    return answer(jobs, jobs.resume(record))


@routes.get("/v1/fine_tuning/jobs/{id}/events")
async def list_events(request: web.Request) -> web.Response:
    """What happened to a training, the newest first."""
    jobs, record, limit = request.app[JOBS], named(request), page_length(request)
    after = request.query.get("after")
    if after is not None and not re.fullmatch(r"(ftevent-)?\d{1,18}", after):  # SQLite's numbers have 63 bits
        raise BadRequest(f"after must be the id of an event, not {after!r}.", param="after")
    found = jobs.records.events(record.job.id, after, limit + 1)
    return reply(JobEventList(data=found[:limit], has_more=len(found) > limit))


@routes.get("/v1/fine_tuning/jobs/{id}/checkpoints")
async def list_checkpoints(request: web.Request) -> web.Response:
    """The snapshot that a training would go on from, if it has one."""
    jobs, record = request.app[JOBS], named(request)
    steps = jobs.records.events(record.job.id, None, 1, type="metrics")
    if not steps or not jobs.snapshot(record.job.id).exists():
        return reply(JobCheckpointList(data=[]))
    (latest,) = steps
    assert latest.data is not None  # an event of this type always has it
    checkpoint = JobCheckpoint(
        id=f"ftckpt-{latest.id.rpartition('-')[2]}",
        created_at=latest.created_at,
        fine_tuning_job_id=record.job.id,
        fine_tuned_model_checkpoint=f"{record.job.model}@{record.version}:{latest.data['step']}",
        step_number=latest.data["step"],
        metrics={**latest.data["losses"], **latest.data["metrics"]},
    )
    return reply(JobCheckpointList(data=[checkpoint]))


@routes.get("/v1/fine_tuning/jobs/{id}/samples/{step}")
async def show_sample(request: web.Request) -> web.FileResponse:
    """What the network drew at a step, as PNG."""
    id, step = named(request).job.id, request.match_info["step"]
    file = request.app[JOBS].folder(id) / "samples" / f"{step}.png"
    if not re.fullmatch(r"\d{1,12}", step) or not file.exists():
        raise NotFound(f"There is no picture of step {step}; the events name the steps that have one.", param="step")
    return web.FileResponse(file)


def plan(wanted: JobRequest, jobs: Jobs, datasets: Datasets) -> Record:
    """The job that a request asks for; BadRequest says what cannot be trained."""
    try:
        family, recipe = resolve(wanted.model)
    except UnknownModelError as error:
        raise BadRequest(str(error), param="model") from error
    given = wanted.hyperparameters
    try:
        recipe, start = family.begin(recipe.on(jobs.device), jobs.versions, given.start, given.options, given.balance)
    except ConfigurationError as error:
        raise BadRequest(str(error), "hyperparameters", "settings_unfit") from error
    except CheckpointError as error:
        raise BadRequest(str(error), param="hyperparameters") from error
    file = datasets.get(wanted.training_file or "")
    dataset = file.name if file else wanted.training_file or recipe.dataset
    check_dataset(dataset, recipe)
    job = Job(
        id=f"ftjob-{secrets.token_hex(12)}",
        created_at=int(time.time()),
        model=recipe.model,
        status="queued",
        training_file=wanted.training_file or recipe.dataset,
        hyperparameters=given,
        seed=drawn(wanted.seed),
        promote=wanted.promote,
        user=wanted.user,
    )
    name = version_name(wanted.suffix, recipe.model, jobs)
    begins = start.version if start else "scratch"
    return Record(job=job, dataset=dataset, version=name, start=begins, key=wanted.key)


def check_dataset(name: str, recipe: Recipe) -> None:
    """BadRequest unless the data set is here, or can be downloaded, and is of the kind that the recipe takes."""
    known = {entry.name: entry for entry in listing()}
    usual = known.get(recipe.dataset)  # a plug-in's may be elsewhere, where it alone finds it
    if name not in known:
        if name == recipe.dataset:
            return
        listed = ", ".join(sorted(known))
        message = f"There is no data set {name!r}; choose from {listed}."
        raise BadRequest(message, "training_file", "dataset_missing")
    if state(name) == "missing":
        raise BadRequest(f"The data set {name} is {known[name].note}.", "training_file", "dataset_missing")
    if usual is not None and known[name].kind != usual.kind:
        message = f"{recipe.model} learns from {usual.kind}, which {name} is not."
        raise BadRequest(message, "training_file", "dataset_unfit")


def state(dataset: str) -> Literal["here", "to_download", "missing"]:
    """Whether a listed data set can be learnt from, at once or once a training has downloaded it."""
    if here(dataset):
        return "here"
    return "to_download" if dataset in SETS and SETS[dataset].downloads else "missing"


def version_name(suffix: str | None, model: str, jobs: Jobs) -> str:
    """A name that no version of the model has, nor will get from a job."""
    unfinished = jobs.records.with_status("queued", "running", "failed")
    taken = {*jobs.versions.versions(model), *(other.version for other in unfinished if other.job.model == model)}
    if suffix is not None:
        if suffix in taken:
            raise BadRequest(f"{model} already has a version {suffix!r}; choose another suffix.", param="suffix")
        return suffix
    moment = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    return next(name for name in (moment, *(f"{moment}-{i}" for i in range(2, 2 + len(taken)))) if name not in taken)


def named(request: web.Request) -> Record:
    """The job of the address; NotFound when there is none."""
    id = request.match_info["id"]
    record = request.app[JOBS].records.get(id)
    if record is None:
        message = f"There is no training {id!r}; GET /v1/fine_tuning/jobs lists them."
        raise NotFound(message, "id", "training_not_found")
    return record


def page_length(request: web.Request) -> int:
    """How many entries of a list were asked for."""
    limit = request.query.get("limit", str(PAGE))
    if not re.fullmatch(r"\d{1,9}", limit) or not 1 <= int(limit) <= LONGEST_PAGE:
        raise BadRequest(f"limit must be from 1 to {LONGEST_PAGE}, not {limit[:40]}.", param="limit")
    return int(limit)


def shown(jobs: Jobs, record: Record) -> Job:
    """A job with its place in the queue."""
    if record.job.status != "queued":
        return record.job
    waiting = [other.job.id for other in jobs.records.with_status("queued")]
    if record.job.id not in waiting:  # another process has just begun it
        return record.job
    return record.job.model_copy(update={"position": 1 + waiting.index(record.job.id)})


def answer(jobs: Jobs, record: Record) -> web.Response:
    return reply(shown(jobs, record))
