"""Recipes of what models make of pictures that people hand in: what each asks of the worker.

The parameter ``pictures`` names the files that were handed in: their names, whose they are, and once they were fetched
the hashes under which they are kept. The others are fields of the worker's request, but for ``dimension`` (one strip of
a traversal) and ``animated`` (an interpolation that moves).
"""

from collections.abc import Sequence
from typing import Any, NotRequired, TypedDict

from bot.picture_recipes import STEPS, kind
from bot.recipes import Recipe
from worker.schemas.vision import (
    AnomalyRequest,
    BlendRequest,
    CompressionRequest,
    DecompressionRequest,
    DensityRequest,
    MapRequest,
    Presentation,
    ReconstructionRequest,
    TranslationRequest,
    TraversalRequest,
)

TRANSLATIONS = 3  # of the same lines, side by side


class HandedIn(TypedDict):
    """A picture among a recipe's parameters."""

    name: str  # of the file
    owner: int  # the Discord user who handed it in, whoever uses it since
    digest: NotRequired[str]  # under which it is kept


def handed_in(recipe: Recipe) -> list[HandedIn]:
    """The pictures that a recipe needs."""
    pictures: list[HandedIn] = recipe.parameters.get("pictures", [])
    return pictures


def request(recipe: Recipe, images: Sequence[str], max_bytes: int) -> Presentation:
    """What to ask of the worker about ``images`` in base64; files are to have at most ``max_bytes``."""
    parameters = recipe.parameters
    fields: dict[str, Any] = {"model": recipe.pinned_model, "user": str(recipe.owner), "max_bytes": max_bytes}
    image: dict[str, Any] = {"image": images[0]} if images else {}
    match kind(recipe.operation):
        case "reconstruct":
            return ReconstructionRequest(**fields, **image)
        case "interpolate" if parameters["animated"]:  # every client plays a GIF
            return BlendRequest(**fields, images=list(images), layout="animation", output_format="gif")
        case "interpolate":
            return BlendRequest(**fields, images=list(images), steps=STEPS)
        case "traverse":
            dimension = parameters["dimension"]
            dimensions = [] if dimension is None else [dimension]
            return TraversalRequest(**fields, **image, seed=recipe.seed, dimensions=dimensions)
        case "outlier":
            return AnomalyRequest(**fields, **image)
        case "translate":
            told = {"lines": parameters["lines"], "strength": parameters["strength"]}
            return TranslationRequest(**fields, **image, **told, n=TRANSLATIONS, seed=recipe.seed)
        case "compress":
            return CompressionRequest(**fields, **image)
        case "decompress":
            return DecompressionRequest(**fields | {"model": recipe.pinned_model or None}, code=parameters["code"])
        case "density":
            return DensityRequest(**fields, **image)
        case _:
            return MapRequest(**fields, **image)
