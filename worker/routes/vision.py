"""``POST /v1/images/…``: what models make of pictures that people hand in."""

from __future__ import annotations

import base64
import time
from collections.abc import Sequence
from typing import Any

import torch
from aiohttp import web
from torch import Tensor

from models.pictures import from_unit
from models.quality import psnr, ssim
from models.roles import Reconstructor
from worker.engine import encoding
from worker.engine.decoding import Seen
from worker.requests import MAX_BODY, read
from worker.routes import GALLERY
from worker.schemas.vision import MAX_PICTURE, File, ReconstructionRequest, VisionAnswer
from worker.visit import Visit, answer

ONE_PICTURE = MAX_BODY + MAX_PICTURE * 4 // 3  # bytes of a request with a picture

routes = web.RouteTableDef()


@routes.post("/v1/images/reconstructions")
async def reconstruct(request: web.Request) -> web.StreamResponse:
    """A picture, what is left of it, and the difference."""
    wanted = await read(request, ReconstructionRequest, ONE_PICTURE)
    model = await request.app[GALLERY].image_model(wanted.model, Reconstructor)
    role = model.role(Reconstructor)

    async def work(visit: Visit) -> VisionAnswer:
        seen = await visit.look(wanted.image)
        pictures = seen.picture[None]  # (1, C, S, S)
        (reconstructions,) = await visit.compute(role.reconstruct, pictures)
        figures = closeness(reconstructions, pictures)
        if role.likelihood:
            (nats,) = await visit.compute(role.likelihood.weigh, pictures)
            figures["log_likelihood"] = float(nats)
            figures["percentile"] = role.likelihood.percentile(float(nats))
        shown = torch.cat((pictures, reconstructions, difference(pictures, reconstructions)))
        files = await visit.aside(encoding.rows, shown, len(shown), wanted.scale, wanted.max_bytes)
        return described(visit, files, [seen], figures=figures)

    return await answer(request, wanted, model, work)


def closeness(pictures: Tensor, originals: Tensor) -> dict[str, float]:
    """How close one picture (1, C, S, S) in [-1, 1] comes to its original."""
    ours, theirs = from_unit(pictures), from_unit(originals)
    return {"psnr": float(psnr(ours, theirs)), "ssim": float(ssim(ours, theirs))}


def difference(pictures: Tensor, others: Tensor) -> Tensor:
    """How far pictures (N, C, S, S) in [-1, 1] are from others: black where they are the same."""
    return ((pictures - others).abs() * 2 - 1).clamp(max=1)  # twice as bright, or it would hardly be seen


def described(visit: Visit, files: Sequence[bytes], seen: Sequence[Seen] = (), **more: Any) -> VisionAnswer:
    """The files as the API hands them over."""
    return VisionAnswer(
        created=int(time.time()),
        data=[File(b64_json=base64.b64encode(file).decode()) for file in files],
        prepared=[one.prepared for one in seen],
        system_fingerprint=visit.model.name,
        **more,
    )
