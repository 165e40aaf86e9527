"""``POST /v1/images/…``: what models make of pictures that people hand in."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from aiohttp import web
from torch import Tensor

from models import edges
from models.latents import of_seeds
from models.pictures import from_unit
from models.quality import psnr, ssim
from models.roles import Judge, Reconstructor, Space, Translator, Traverser
from worker.engine import encoding
from worker.errors import BadRequest
from worker.requests import ONE_PICTURE, TWO_PICTURES, read
from worker.routes import GALLERY
from worker.schemas.pictures import successive
from worker.schemas.vision import (
    AnomalyRequest,
    BlendRequest,
    ReconstructionRequest,
    TranslationRequest,
    TraversalRequest,
    VisionAnswer,
)
from worker.seeds import drawn
from worker.visit import Visit, answer

FINER = 4  # times as fine a drawing's strokes are looked for
STRIPS = 8  # of a traversal at most, unless told otherwise
HOTTEST = 30.0  # times the usual error of a place that are shown white

routes = web.RouteTableDef()


@routes.post("/v1/images/reconstructions")
async def reconstruct(request: web.Request) -> web.StreamResponse:
    """A picture, what is left of it, and the difference."""
    wanted = await read(request, ReconstructionRequest, ONE_PICTURE)
    model, role = await request.app[GALLERY].image_model(wanted.model, Reconstructor)

    async def work(visit: Visit) -> VisionAnswer:
        seen = await visit.look(wanted.image)
        pictures = seen.picture[None]  # (1, C, S, S)
        (reconstructions,) = await visit.compute(role.reconstruct, pictures)
        figures = closeness(reconstructions, pictures)
        if role.likelihood:
            (estimates,) = await visit.compute(role.likelihood.weigh, *role.likelihood.rows(seen.picture))
            figures["log_likelihood"] = nats = role.likelihood.nats(estimates)
            figures["percentile"] = role.likelihood.percentile(nats)
        shown = torch.cat((pictures, reconstructions, difference(pictures, reconstructions)))
        files = await visit.encode(encoding.rows, shown, len(shown), wanted.scale, wanted.max_bytes)
        return visit.describe(files, [seen], figures=figures)

    return await answer(request, wanted, model, work)


@routes.post("/v1/images/anomalies")
async def judge(request: web.Request) -> web.StreamResponse:
    """How unlike the training pictures a picture is, and where."""
    wanted = await read(request, AnomalyRequest, ONE_PICTURE)
    model, role = await request.app[GALLERY].image_model(wanted.model, Judge)

    async def work(visit: Visit) -> VisionAnswer:
        seen = await visit.look(wanted.image)
        pictures = seen.picture[None]  # (1, C, S, S)
        reconstructions, score, percentile, heat = await visit.compute(role.judge, pictures)
        shown = torch.cat((pictures, reconstructions, glow(heat).expand_as(pictures)))
        files = await visit.encode(encoding.rows, shown, len(shown), wanted.scale, wanted.max_bytes)
        return visit.describe(files, [seen], figures={"score": float(score), "percentile": float(percentile)})

    return await answer(request, wanted, model, work)


@routes.post("/v1/images/blends")
async def blend(request: web.Request) -> web.StreamResponse:
    """The way from one picture to another."""
    wanted = await read(request, BlendRequest, TWO_PICTURES)
    model, space = await request.app[GALLERY].image_model(wanted.model, Space)

    async def work(visit: Visit) -> VisionAnswer:
        seen = [await visit.look(image, "images") for image in wanted.images]
        first, second = pictures = torch.stack([one.picture for one in seen])  # (2, C, S, S)
        (ends,) = await visit.compute(space.encode, pictures)
        shares = torch.linspace(0, 1, wanted.steps)[:, None]
        begins, goals = (end.expand(wanted.steps, -1) for end in ends)
        (way,) = await visit.compute(space.blend, begins, goals, shares)
        if wanted.layout == "strip":
            shown = torch.cat((first[None], way, second[None]))
            files = await visit.encode(encoding.strip, shown, wanted.scale, wanted.max_bytes)
        else:
            loop = torch.cat((way, way[1:-1].flip(0)))
            files = await visit.encode(encoding.animation, loop, wanted.output_format, wanted.scale, wanted.max_bytes)
        return visit.describe(files, seen)

    return await answer(request, wanted, model, work)


@routes.post("/v1/images/traversals")
async def traverse(request: web.Request) -> web.StreamResponse:
    """A strip for each latent dimension."""
    wanted = await read(request, TraversalRequest, ONE_PICTURE)
    model, role = await request.app[GALLERY].image_model(wanted.model, Traverser)
    width = len(role.mean)
    if max(wanted.dimensions, default=0) >= width:
        raise BadRequest(
            f"dimensions must be from 0 to {width - 1} for {model.name}, not {max(wanted.dimensions)}.",
            "dimensions",
            "dimensions_out_of_range",
        )
    dimensions = wanted.dimensions or role.most(STRIPS)

    async def work(visit: Visit) -> VisionAnswer:
        seed = None
        if wanted.image is None:
            seed = drawn(wanted.seed)
            seen = []
            (start,) = await visit.compute(role.sample, of_seeds([seed], width))
        else:
            seen = [await visit.look(wanted.image)]
            (start,) = await visit.compute(role.encode, seen[0].picture[None])
        (pictures,) = await visit.compute(role.decode, role.strips(start[0], dimensions, wanted.steps))
        files = await visit.encode(encoding.rows, pictures, wanted.steps, wanted.scale, wanted.max_bytes)
        return visit.describe(files, seen, seed=seed, dimensions=dimensions)

    return await answer(request, wanted, model, work)


@routes.post("/v1/images/translations")
async def translate(request: web.Request) -> web.StreamResponse:
    """Lines, and pictures painted over them."""
    wanted = await read(request, TranslationRequest, ONE_PICTURE)
    model, role = await request.app[GALLERY].image_model(wanted.model, Translator)
    seed = drawn(wanted.seed)

    async def work(visit: Visit) -> VisionAnswer:
        seen = await visit.look(wanted.image, finer=FINER)
        sketched, photo, lines = await visit.prepare(lines_of, seen.picture[None], wanted)
        latents = of_seeds(successive(seed, wanted.n), role.latent)
        (painted,) = await visit.compute(role.translate, lines.expand(wanted.n, -1, -1, -1), latents)
        paper = (1 - 2 * lines).expand_as(photo)  # dark on light
        shown = torch.cat((paper, painted) if sketched else (photo, paper, painted))
        files = await visit.encode(encoding.rows, shown, len(shown), wanted.scale, wanted.max_bytes)
        return visit.describe(files, [seen], seed=seed, lines="sketch" if sketched else "photo")

    return await answer(request, wanted, model, work)


def lines_of(fine: Tensor, wanted: TranslationRequest) -> tuple[bool, Tensor, Tensor]:
    """Whether a picture (1, C, FINER S, FINER S) is a sketch, itself (1, C, S, S) and its lines (1, 1, S, S)."""
    photo = F.avg_pool2d(fine, FINER)
    sketched = bool(edges.drawn(fine)) if wanted.lines == "auto" else wanted.lines == "sketch"
    lines = edges.strokes(fine, FINER) if sketched else edges.extract(photo, edges.between(wanted.strength))
    return sketched, photo, lines


def closeness(pictures: Tensor, originals: Tensor) -> dict[str, float]:
    """How close one picture (1, C, S, S) in [-1, 1] comes to its original."""
    ours, theirs = from_unit(pictures), from_unit(originals)
    return {"psnr": float(psnr(ours, theirs)), "ssim": float(ssim(ours, theirs))}


def difference(pictures: Tensor, others: Tensor) -> Tensor:
    """How far pictures (N, C, S, S) in [-1, 1] are from others: black where they are the same."""
    return ((pictures - others).abs() * 2 - 1).clamp(max=1)  # twice as bright, or it would hardly be seen


def glow(heat: Tensor) -> Tensor:
    """Heat (N, S, S), 1 where it is the usual one, as pictures (N, 1, S, S): black up to the usual."""
    return (heat.clamp(min=1).log() / math.log(HOTTEST) * 2 - 1).clamp(max=1)[:, None]
