"""``GET /v1/models`` and ``GET /v1/models/{id}``: which models there are, and which version of each serves."""

from __future__ import annotations

import math
from datetime import datetime

from aiohttp import web

from models.checkpoint import Card, CheckpointError, Store
from models.painter import Painter
from models.registry import families
from worker.errors import NotFound
from worker.replies import reply
from worker.routes import GALLERY
from worker.schemas.models import Metric, ModelInfo, ModelList

routes = web.RouteTableDef()


@routes.get("/v1/models")
async def list_models(request: web.Request) -> web.Response:
    """All models that answer; apart from them those of which no version serves, or one whose card is damaged."""
    store = request.app[GALLERY].store
    found, unserved = [], {}
    for model in store.models():
        try:
            found.append(describe(store, model))
        except NotFound:  # why is told when it is asked for itself
            unserved[model] = store.versions(model)
    return reply(ModelList(data=found, unserved=unserved))


@routes.get("/v1/models/{id}")
async def show_model(request: web.Request) -> web.Response:
    """One model, or one version of it as "model@version"."""
    return reply(describe(request.app[GALLERY].store, request.match_info["id"]))


def describe(store: Store, name: str) -> ModelInfo:
    """What the card of the version that serves (or of the one that is named) says; NotFound when there is none."""
    model, _, version = name.partition("@")
    try:
        card = _card(store, model, version or None)
    except CheckpointError as error:
        raise NotFound(str(error), param="id") from error
    family = families().get(card.family)
    classes = card.config.get("classes") if family and Painter in family.roles else None
    return ModelInfo(
        id=name,
        created=int(datetime.fromisoformat(card.created).timestamp()),
        family=card.family,
        version=card.version,
        versions=store.versions(model),
        parameters=card.parameters,
        metrics=metrics(card),
        quick=card.quick,
        operations=list(family.operations) if family else [],
        classes=classes if isinstance(classes, int) else 1,
    )


def metrics(card: Card) -> dict[str, Metric]:
    """A card's figures, without the commands that measured them; the oldest cards say not which way is better.

    A figure that is no finite number is left out: JSON has none.
    """
    return {
        name: Metric(value=figure["value"], unit=figure.get("unit", ""), better=figure.get("better"))
        for name, figure in card.metrics.items()
        if math.isfinite(figure["value"])
    }


def _card(store: Store, model: str, version: str | None) -> Card:
    """Where the version that serves is damaged, of the one that served before, which answers for it."""
    try:
        return store.open(model, version).card
    except CheckpointError:
        previous = store.previous(model) if version is None else None
        if previous is None:
            raise
        return store.open(model, previous).card
