"""Which models can make which pictures: those that a command suggests, and the one meant when none is named."""

from __future__ import annotations

from collections.abc import Sequence

from bot.catalogue import Catalogue
from bot.errors import Refusal
from bot.picture_recipes import family, kind
from bot.recipes import Recipe
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
    "density": "density",
}
OF_ANY_FAMILY = ("translate", "map")
GAP = "mig"  # the figure of how far a model's latents are each about one thing: the mutual information gap


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


async def usual(catalogue: Catalogue, recipe: Recipe) -> str:
    """The model meant when none is named; Refusal when there is none.

    It is the first by name, so cats before digits; but one that has classes where one is asked for, and whose latents
    mean most where a traversal is to show what they mean and there is no picture that the model would have to know.
    """
    asks = kind(recipe.operation)
    models = suited(await catalogue.ask(), recipe.operation)
    if not models:
        raise Refusal("error.no_model_of_digits" if asks == "number" else "error.no_model")
    if asks == "traverse" and "pictures" not in recipe.parameters:
        return max(models, key=lambda model: model.metrics[GAP].value if GAP in model.metrics else 0.0).id
    if recipe.parameters.get("label") is not None:
        models = [model for model in models if model.classes > 1] or models
    return models[0].id
