"""Which models can make which pictures: those that a command suggests, and the one meant when none is named."""

from __future__ import annotations

from collections.abc import Sequence

from bot.catalogue import Catalogue
from bot.errors import Refusal
from bot.picture_recipes import family, kind
from worker.schemas.models import ModelInfo

ASKS = {  # of the worker, by the last word of the address
    "sample": "generations",
    "number": "generations",
    "vary": "variations",
    "walk": "interpolations",
    "reconstruct": "reconstructions",
    "interpolate": "blends",
    "traverse": "traversals",
    "compress": "compress",
    "decompress": "decompress",
    "outlier": "anomalies",
    "translate": "translations",
    "map": "map",
}
OF_ANY_FAMILY = ("translate", "map")


def suited(models: Sequence[ModelInfo], operation: str) -> list[ModelInfo]:
    """Those that can perform an operation such as "gan sample"."""
    asks = kind(operation)
    return [
        model
        for model in models
        if ASKS[asks] in model.operations
        and (asks in OF_ANY_FAMILY or model.family == family(operation))
        and (asks != "number" or model.classes == 10)  # a number needs the ten digits
    ]


async def usual(catalogue: Catalogue, operation: str) -> str:
    """The model meant when none is named: the first by name, so cats before digits; Refusal when there is none."""
    models = suited(await catalogue.ask(), operation)
    if not models:
        raise Refusal("error.no_model_of_digits" if kind(operation) == "number" else "error.no_model")
    return models[0].id
