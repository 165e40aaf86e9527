"""``POST /v1/images/…``: pictures drawn from seeds, pictures near one, and walks between them."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable
from functools import partial

import torch
from aiohttp import web
from torch import Tensor

from models.painter import Painter, Points
from worker.engine import encoding
from worker.errors import BadRequest
from worker.requests import read
from worker.routes import GALLERY
from worker.schemas.pictures import (
    GenerationRequest,
    Image,
    Images,
    InterpolationRequest,
    PictureRequest,
    VariationRequest,
    successive,
)
from worker.seeds import drawn
from worker.visit import Visit, answer

FEW = 4  # points: their plan takes a fifth of a millisecond

routes = web.RouteTableDef()

Plan = Callable[[Painter, int], Points]  # what a request wants drawn, given its seed
Encoder = Callable[[Tensor], list[bytes]]


@routes.post("/v1/images/generations")
async def generate(request: web.Request) -> web.StreamResponse:
    """Draw the pictures of seeds, or numbers."""
    wanted = await read(request, GenerationRequest)
    digits = len(wanted.prompt)

    def plan(painter: Painter, seed: int) -> Points:
        seeds = successive(seed, wanted.n)
        if wanted.prompt and wanted.label is not None:
            raise BadRequest("label does not go with a prompt, whose digits are the classes; leave it out.", "label")
        if not digits:
            return painter.sample(seeds, wanted.label, wanted.truncation)
        try:
            return Points.join([painter.number(wanted.prompt, own, wanted.truncation) for own in seeds])
        except ValueError as error:
            raise BadRequest(str(error), param="prompt") from error

    def encode(images: Tensor) -> list[bytes]:
        if digits:  # (N x D, C, H, W) to (N, C, H, W x D)
            images = torch.stack([torch.cat(list(number), 2) for number in torch.split(images, digits)])
        layout = encoding.grid if wanted.layout == "sheet" else encoding.stills
        return layout(images, wanted.scale, wanted.max_bytes)

    return await draw(request, wanted, plan, encode, few=wanted.n * max(1, digits) <= FEW)


@routes.post("/v1/images/variations")
async def vary(request: web.Request) -> web.StreamResponse:
    """Draw pictures near one."""
    if request.content_type.startswith("multipart/"):  # OpenAI's are of a picture that is handed in
        raise BadRequest("Variations are of a picture drawn here: send JSON with its seed in around, no file.", "image")
    wanted = await read(request, VariationRequest)

    def plan(painter: Painter, seed: int) -> Points:
        seeds = successive(seed, wanted.n)
        return painter.vary(wanted.around, seeds, wanted.strength, wanted.label, wanted.truncation)

    layout = encoding.grid if wanted.layout == "sheet" else encoding.stills
    return await draw(request, wanted, plan, partial(layout, scale=wanted.scale, most=wanted.max_bytes))


@routes.post("/v1/images/interpolations")
async def walk(request: web.Request) -> web.StreamResponse:
    """Draw a walk between pictures."""
    wanted = await read(request, InterpolationRequest)

    def plan(painter: Painter, seed: int) -> Points:
        stops = wanted.stops or [[own] for own in successive(seed, wanted.n)]
        if not wanted.closed:
            return painter.walk(stops, wanted.steps, wanted.strength, wanted.label, wanted.truncation)
        way = painter.walk([*stops, stops[0]], wanted.steps, wanted.strength, wanted.label, wanted.truncation)
        return way[:-1]  # its last picture is the first, which follows anyway

    def encode(images: Tensor) -> list[bytes]:
        if wanted.layout == "strip":
            return encoding.strip(images, wanted.scale, wanted.max_bytes)
        return encoding.animation(images, wanted.output_format, wanted.scale, wanted.max_bytes)

    return await draw(request, wanted, plan, encode, long=wanted.layout == "animation")


async def draw(
    request: web.Request, wanted: PictureRequest, plan: Plan, encode: Encoder, few: bool = False, long: bool = False
) -> web.StreamResponse:
    """Have drawn what a request wants; so ``few`` points that another thread would take longer are planned in this.

    ``long``: to encode the files takes seconds.
    """
    model, painter = await request.app[GALLERY].image_model(wanted.model, Painter)
    check_label(wanted.label, model.name, painter.classes)
    seed = drawn(wanted.seed)

    async def work(visit: Visit) -> Images:
        points = plan(painter, seed) if few else await visit.prepare(plan, painter, seed)
        (pictures,) = await visit.compute(painter.draw, *points.rows)
        return described(await visit.finish(encode, pictures, long=long), seed, model.name)

    return await answer(request, wanted, model, work)


def check_label(label: int | None, name: str, classes: int) -> None:
    """BadRequest unless the model of that name has the class."""
    if label is None or (label < classes and classes > 1):
        return
    if classes == 1:
        raise BadRequest(f"{name} draws one kind of picture only; leave label out.", "label", "no_classes")
    raise BadRequest(f"label must be from 0 to {classes - 1} for {name}, not {label}.", "label", "label_out_of_range")


def described(contents: list[bytes], seed: int, name: str) -> Images:
    """The files as the API hands them over."""
    files = [base64.b64encode(content).decode() for content in contents]
    data = [Image(b64_json=file, seed=own) for file, own in zip(files, successive(seed, len(files)), strict=True)]
    return Images(created=int(time.time()), data=data, system_fingerprint=name)
