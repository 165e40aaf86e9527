"""``/v1/models/{model}/…``: versions of a model; which of them serves, their samples, and two side by side."""

from __future__ import annotations

from aiohttp import web

from models.checkpoint import Checkpoint, CheckpointError, Store
from worker.errors import BadRequest, NotFound
from worker.job_words import needed_words, sheet_address
from worker.jobs import Jobs
from worker.replies import reply
from worker.requests import read
from worker.routes import GALLERY, JOBS
from worker.routes.models import metrics
from worker.schemas.training import Comparison, Deleted, Promotion, Switched, VersionInfo, VersionList

routes = web.RouteTableDef()


@routes.get("/v1/models/{model}/versions")
async def list_versions(request: web.Request) -> web.Response:
    """A model's versions, the newest first; damaged ones are left out."""
    store, model = request.app[GALLERY].store, known_model(request)
    versions = []
    for name in store.versions(model):
        try:
            versions.append(describe(store, store.open(model, name)))
        except CheckpointError:  # the gallery reports it by name when it is asked for
            continue
    versions.sort(key=lambda version: version.created, reverse=True)
    return reply(VersionList(data=versions, serving=store.serving(model), previous=store.previous(model)))


@routes.delete("/v1/models/{model}/versions/{version}")
async def delete(request: web.Request) -> web.Response:
    """Remove a version that was trained here and does not serve."""
    model, version = request.match_info["model"], request.match_info["version"]
    return remove(request.app[GALLERY].store, request.app[JOBS], model, version)


@routes.delete("/v1/models/{id}")
async def delete_by_id(request: web.Request) -> web.Response:
    """The same in OpenAI's shape: the id is "model@version"."""
    model, _, version = request.match_info["id"].partition("@")
    if not version:
        raise BadRequest(f"Name the version as well, such as {model}@v1; a whole model is not deleted.", param="id")
    return remove(request.app[GALLERY].store, request.app[JOBS], model, version)


@routes.get("/v1/models/{model}/versions/{version}/samples")
async def show_samples(request: web.Request) -> web.FileResponse:
    """A version's sample sheet, a PNG or a text."""
    checkpoint = named(request)
    if checkpoint.samples is None:
        raise NotFound(f"{checkpoint.model}@{checkpoint.version} has no sample sheet.", param="version")
    return web.FileResponse(checkpoint.samples)


@routes.post("/v1/models/{model}/promote")
async def promote(request: web.Request) -> web.Response:
    """Let a version serve, from the next request on."""
    store, model = request.app[GALLERY].store, known_model(request)
    version = (await read(request, Promotion)).version
    before = store.serving(model)
    try:
        store.promote(model, version)
    except CheckpointError as error:
        raise NotFound(str(error), param="version") from error
    return reply(Switched(model=model, before=before, now=version))


@routes.post("/v1/models/{model}/rollback")
async def rollback(request: web.Request) -> web.Response:
    """Let the version serve again that served before."""
    store, model = request.app[GALLERY].store, known_model(request)
    before = store.serving(model)
    try:
        now = store.rollback(model)
    except CheckpointError as error:
        raise BadRequest(str(error), "model", error.code) from error
    return reply(Switched(model=model, before=before, now=now))


@routes.get("/v1/models/{model}/comparison")
async def compare(request: web.Request) -> web.Response:
    """Two versions side by side, measured on the data that the first was trained on; that may take minutes."""
    jobs, model = request.app[JOBS], known_model(request)
    names = request.query.get("versions", "").split(",")
    if len(names) != 2 or names[0] == names[1] or not all(names):
        raise BadRequest("versions must name two versions, such as v1,v2.", param="versions")
    first, second = names
    try:
        measured = await jobs.comparisons.of(model, first, second, jobs.log)
    except CheckpointError as error:
        raise NotFound(str(error), param="versions") from error
    if not measured.figures:
        raise BadRequest(" ".join(measured.problems), "versions", measured.code)
    comparison = Comparison(
        model=model,
        versions=(first, second),
        figures=measured.figures,
        samples=(sheet_address(model, first), sheet_address(model, second)),
    )
    return reply(comparison)


def remove(store: Store, jobs: Jobs, model: str, version: str) -> web.Response:
    """Delete a version; NotFound when there is none, BadRequest when it has to stay."""
    if model not in store.models() or version not in store.versions(model):
        raise NotFound(f"{model} has no version {version!r}; GET /v1/models lists those.", param="version")
    for record in jobs.unfinished():
        if record.job.model == model and version in (record.start, record.version):
            raise BadRequest(needed_words(record, f"{model}@{version}"), "version", "still_needed")
    try:
        store.delete(model, version)
    except CheckpointError as error:
        raise BadRequest(str(error), "version", error.code) from error
    return reply(Deleted(id=f"{model}@{version}", object="model"))


def describe(store: Store, checkpoint: Checkpoint) -> VersionInfo:
    """What a version's card says."""
    card = checkpoint.card
    return VersionInfo(
        model=card.model,
        version=card.version,
        serving=store.serving(card.model) == card.version,
        shipped=store.shipped(checkpoint),
        created=card.created,
        parameters=card.parameters,
        dataset=card.dataset["name"],
        command=card.training.get("command", ""),
        metrics=metrics(card),
        quick=card.quick,
        sample=sheet_address(card.model, card.version),
    )


def known_model(request: web.Request) -> str:
    """The model of the address; NotFound when it has no version."""
    model = request.match_info["model"]
    if model not in request.app[GALLERY].store.models():
        raise NotFound(f"There is no model {model!r} with a version; GET /v1/models lists those.", param="model")
    return model


def named(request: web.Request) -> Checkpoint:
    """The version of the address; NotFound when there is none."""
    try:
        return request.app[GALLERY].store.open(request.match_info["model"], request.match_info["version"])
    except CheckpointError as error:
        raise NotFound(str(error), param="version") from error
