"""Recipes of pictures: what those from seeds ask of the worker, what may be made of each, and each as a command.

An operation is the command's English name: a family and a kind, such as "gan sample". The parameters are fields of the
worker's request. A trail names one picture: its seed, and if it is a variation, the seeds that led to it; people write
it as 42>77.
"""

import re
from collections.abc import Sequence
from typing import Any

import discord

from bot.errors import Refusal
from bot.locale import translate
from bot.recipes import Recipe, as_command, read_seed
from worker.schemas.pictures import (
    MAX_STOPS_OF_WALK,
    MAX_TRAIL,
    GenerationRequest,
    InterpolationRequest,
    PictureRequest,
    VariationRequest,
    successive,
)

Trail = list[int]

MOST = 4  # pictures on a sheet, so that each has its buttons
STEPS = 6  # from one end of a strip to the other; more would be too small to look at
STOPS = 4  # pictures that a walk without any given passes
LONGEST_LIST = 1_500  # characters that name pictures: four of the longest trails, and a command that fits a message

STRENGTH = 0.4  # of a variation: plainly another picture, plainly akin

OPTIONS = {  # of the commands, by the parameters that they give
    "n": "option.count.name",
    "prompt": "option.digits.name",
    "around": "option.picture.name",
    "strength": "option.strength.name",
    "truncation": "option.truncation.name",
    "label": "option.label.name",
    "code": "option.code.name",
    "dimension": "option.dimension.name",
    "lines": "option.lines.name",
    "animated": "option.animated.name",
}


def family(operation: str) -> str:
    """The first word of an operation: the family of models, where it is about one."""
    return operation.partition(" ")[0]


def kind(operation: str) -> str:
    """Which operation of its family it is."""
    return operation.rpartition(" ")[2]


def request(recipe: Recipe, max_bytes: int) -> PictureRequest:
    """What to ask of the worker; files are to have at most ``max_bytes``."""
    fields: dict[str, Any] = {
        "model": recipe.pinned_model,
        "seed": recipe.seed,
        "user": str(recipe.owner),
        "max_bytes": max_bytes,
        **recipe.parameters,
    }
    match kind(recipe.operation):
        case "sample":
            return GenerationRequest(layout="sheet", **fields)
        case "number":
            return GenerationRequest(**fields)
        case "vary":
            return VariationRequest(layout="sheet", **fields)
        case "interpolate":
            return InterpolationRequest(layout="strip", closed=False, steps=STEPS, **fields)
        case _:
            return InterpolationRequest(output_format="gif", **fields)  # every client plays it


def passes(recipe: Recipe) -> bool:
    """Whether it leads from picture to picture, each named by its own seeds."""
    return kind(recipe.operation) in ("walk", "interpolate") and "pictures" not in recipe.parameters


def trails(recipe: Recipe) -> list[Trail]:
    """The pictures that a finished recipe shows, one after the other; of a walk those that it passes."""
    seeds = successive(recipe.seed or 0, recipe.parameters.get("n", 1))
    return recipe.parameters.get("stops") or [[*recipe.parameters.get("around", []), seed] for seed in seeds]


def enlarged(recipe: Recipe, place: int, owner: int) -> Recipe:
    """The picture at ``place`` (from 1) of a sheet alone."""
    seed = trails(recipe)[place - 1][-1]
    return recipe.again(owner, seed=seed, parameters=recipe.parameters | {"n": 1}, parent=recipe.id)


def varied(recipe: Recipe, place: int, owner: int) -> Recipe:
    """A sheet of pictures near the one at ``place`` (from 1)."""
    around = trails(recipe)[place - 1]
    if len(around) >= MAX_TRAIL:
        raise Refusal("error.too_far", most=MAX_TRAIL)
    strength = recipe.parameters.get("strength", STRENGTH)
    parameters = recipe.parameters | {"around": around, "strength": strength, "n": MOST}
    return recipe.again(owner, operation=sibling(recipe, "vary"), seed=None, parameters=parameters, parent=recipe.id)


def walked(recipe: Recipe, owner: int) -> Recipe:
    """A walk past the pictures of a sheet or strip, of which one alone gets some company."""
    if "pictures" in recipe.parameters:
        return recipe.again(owner, parameters=recipe.parameters | {"animated": True}, parent=recipe.id)
    stops = trails(recipe)
    if len(stops) == 1:
        stops = [[*stops[0][:-1], seed] for seed in successive(stops[0][-1], STOPS)]
    _check_length(stops)
    kept = {name: value for name, value in recipe.parameters.items() if name in ("truncation", "label", "strength")}
    parameters = kept | {"stops": stops}
    return recipe.again(owner, operation=sibling(recipe, "walk"), parameters=parameters, parent=recipe.id)


def command(recipe: Recipe, locale: discord.Locale) -> str:
    """The command that makes the same again, as people of that language type it; pictures by their files' names."""
    given: dict[str, object] = {}
    pictures = recipe.parameters.get("pictures", [])
    names = ["option.image.name"] if len(pictures) == 1 else ["option.first.name", "option.second.name"]
    given.update((name, picture["name"]) for name, picture in zip(names, pictures, strict=False))
    if "code" not in recipe.parameters:  # which names its model
        given["option.model.name"] = recipe.pinned_model
    if passes(recipe):
        name = "option.pictures.name" if kind(recipe.operation) == "walk" else "option.seeds.name"
        given[name] = " ".join(map(typed, trails(recipe)))
    elif recipe.seed is not None:
        given["option.seed.name"] = recipe.seed
    for name, value in recipe.parameters.items():
        if name in OPTIONS and value is not None and not (name == "n" and passes(recipe)):
            given[OPTIONS[name]] = _written(name, value, locale)
    path = [translate(locale, f"command.{word}.name") for word in recipe.operation.split()]
    return as_command(locale, " ".join(path), given)


def _written(name: str, value: Any, locale: discord.Locale) -> str:
    """A parameter as people type it."""
    match name:
        case "around":
            return typed(value)
        case "lines":
            return translate(locale, f"choice.{value}")
        case _:
            return f"{value:g}" if isinstance(value, float) else str(value)


def typed(trail: Trail) -> str:
    """A trail as people type it."""
    return ">".join(map(str, trail))


def read_trails(words: str, least: int = 1) -> list[Trail]:
    """The pictures that a person named, separated by spaces or commas; Refusal for too few, too many or no seeds."""
    named = [word.split(">") for word in re.split(r"[\s,]+", words) if word]
    if not least <= len(named) <= MAX_STOPS_OF_WALK or len(words) > LONGEST_LIST:
        raise Refusal("error.pictures", least=least, most=MAX_STOPS_OF_WALK)
    _check_length(named)
    return [[read_seed(seed) for seed in trail] for trail in named]


def read_trail(words: str) -> Trail:
    """The one picture that a person named; Refusal for more, or for none."""
    first, *others = read_trails(words)
    if others:
        raise Refusal("error.one_picture")
    return first


def _check_length(named: Sequence[Sequence[object]]) -> None:
    """Raises Refusal for trails that are longer than the worker takes."""
    if max(map(len, named)) > MAX_TRAIL:
        raise Refusal("error.too_far", most=MAX_TRAIL)


def sibling(recipe: Recipe, other: str) -> str:
    """The operation of that kind of the same family."""
    return f"{family(recipe.operation)} {other}"
