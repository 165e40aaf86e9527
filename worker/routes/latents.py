"""``POST /v1/latents/…``: where pictures lie in a model's latent space, and how densely."""

from __future__ import annotations

import torch
from aiohttp import web

from models.density import measure
from models.roles import Sight, Space
from worker.engine import encoding
from worker.engine.atlas import lay_out
from worker.requests import ONE_PICTURE, read
from worker.routes import GALLERY
from worker.schemas.vision import DensityRequest, MapRequest, VisionAnswer
from worker.visit import Visit, answer

ROW = 8  # pictures of a density: enough to see what they have in common

routes = web.RouteTableDef()


@routes.post("/v1/latents/map")
async def show_map(request: web.Request) -> web.StreamResponse:
    """Remembered pictures laid out in two dimensions, and one's own among them."""
    wanted = await read(request, MapRequest, ONE_PICTURE)
    model, space = await request.app[GALLERY].image_model(wanted.model, Space)

    async def work(visit: Visit) -> VisionAnswer:
        seen, own, place, figures = [], None, None, {}
        atlas = await visit.prepare(lay_out, space.remembered, model.role(Sight).side)
        if wanted.image is not None:
            seen = [await visit.look(wanted.image)]
            own = seen[0].picture
            (latents,) = await visit.compute(space.encode, own[None])
            (place,) = atlas.ground.places(latents)
            figures = {name: float(part) / (atlas.ground.grid - 1) for name, part in zip("xy", place, strict=True)}
        (pictures,) = await visit.compute(space.decode, space.remembered[atlas.chosen])

        def draw() -> list[bytes]:
            return encoding.stills(atlas.draw(pictures, own, place)[None], wanted.scale, wanted.max_bytes)

        return visit.describe(await visit.finish(draw), seen, figures=figures)

    return await answer(request, wanted, model, work)


@routes.post("/v1/latents/density")
async def show_density(request: web.Request) -> web.StreamResponse:
    """What the model has seen most of, and below it what it has seen least of."""
    wanted = await read(request, DensityRequest, ONE_PICTURE)
    model, space = await request.app[GALLERY].image_model(wanted.model, Space)

    async def work(visit: Visit) -> VisionAnswer:
        density = await visit.prepare(measure, space.remembered)
        seen, figures = [], {"ratio": density.ratio}
        if wanted.image is not None:
            seen = [await visit.look(wanted.image)]
            (latents,) = await visit.compute(space.encode, seen[0].picture[None])
            figures["percentile"] = density.percentile(latents[0])
        chosen = torch.cat((density.crowded(ROW), density.lonely(ROW)))
        (pictures,) = await visit.compute(space.decode, space.remembered[chosen])
        files = await visit.encode(encoding.rows, pictures, ROW, wanted.scale, wanted.max_bytes)
        return visit.describe(files, seen, figures=figures)

    return await answer(request, wanted, model, work)
