"""``POST /v1/codes/…``: pictures as texts short enough to paste, and back.

A text begins with the version that wrote it, ``autoencoder-cats@v1:``, since no other can read what follows.
"""

from __future__ import annotations

import re

import torch
from aiohttp import web

from models import codes
from models.codes import CodeError
from models.pictures import from_unit
from models.quality import least, shown
from models.roles import Coder
from worker.engine import encoding
from worker.errors import BadRequest
from worker.requests import ONE_PICTURE, read
from worker.routes import GALLERY
from worker.routes.vision import closeness
from worker.schemas.vision import CompressionRequest, DecompressionRequest, VisionAnswer
from worker.visit import Visit, answer

WRITTEN = re.compile(r"\s*(?P<model>[^@:\s]+)@(?P<version>[^@:\s]+):(?P<numbers>.*)", re.DOTALL)
CODECS = ("webp", "jpeg")
UNREADABLE = "code_unreadable"  # what programs are told of a text that was mistyped, cut or damaged

routes = web.RouteTableDef()


@routes.post("/v1/codes/compress")
async def compress(request: web.Request) -> web.StreamResponse:
    """A picture's code, and what common codecs take for the same quality."""
    wanted = await read(request, CompressionRequest, ONE_PICTURE)
    model, coder = await request.app[GALLERY].image_model(wanted.model, Coder)

    async def work(visit: Visit) -> VisionAnswer:
        seen = await visit.look(wanted.image)
        original = seen.picture[None]  # (1, C, S, S)
        (numbers,) = await visit.compute(coder.describe, original)
        (painted,) = await visit.compute(coder.paint, numbers)
        figures = {"code_bytes": float(codes.size(coder.count, coder.levels))}

        def compare() -> list[bytes]:
            figures["psnr"] = quality = closeness(painted, original)["psnr"]
            pictures = [from_unit(original), from_unit(painted)]
            for codec in CODECS:
                file = least(pictures[0][0], codec, quality)
                figures[f"{codec}_bytes"] = float(len(file))
                pictures.append(shown([file], len(seen.picture)))
            return encoding.rows(torch.cat(pictures), len(pictures), wanted.scale, wanted.max_bytes)

        files = await visit.finish(compare)
        code = f"{model.name}:{codes.write(numbers[0], coder.levels)}"
        return visit.describe(files, [seen], figures=figures, code=code)

    return await answer(request, wanted, model, work)


@routes.post("/v1/codes/decompress")
async def decompress(request: web.Request) -> web.StreamResponse:
    """The picture of a code."""
    wanted = await read(request, DecompressionRequest)
    written = WRITTEN.fullmatch(wanted.code)
    if written is None:
        sentence = "code does not begin with what wrote it, as in autoencoder-cats@v1:…; copy all of it."
        raise BadRequest(sentence, "code", UNREADABLE)
    name = f"{written['model']}@{written['version']}"
    if wanted.model not in (None, written["model"], name):
        raise BadRequest(f"code was written by {name}, which {wanted.model} cannot read; ask {name}.", "code")
    model, coder = await request.app[GALLERY].image_model(name, Coder)
    try:
        numbers = codes.read(written["numbers"], coder.count, coder.levels)
    except CodeError as error:
        raise BadRequest(str(error), "code", UNREADABLE) from error

    async def work(visit: Visit) -> VisionAnswer:
        (pictures,) = await visit.compute(coder.paint, numbers[None])
        files = await visit.encode(encoding.stills, pictures, wanted.scale, wanted.max_bytes)
        return visit.describe(files)

    return await answer(request, wanted, model, work)
