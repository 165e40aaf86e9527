"""Visit: one request for pictures on its way through the model, the engine and the files' encoders."""

from __future__ import annotations

import base64
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import replace
from functools import partial
from typing import Any, Protocol, TypeVar

from aiohttp import web
from torch import Tensor

from models.batched import Batched, Rows
from models.pictures import from_unit
from models.roles import Sight
from worker.engine import encoding
from worker.engine.decoding import Seen, see, unpack
from worker.engine.images import ImageEngine
from worker.engine.stream import Queued
from worker.gallery import ImageModel
from worker.replies import reply
from worker.routes import IMAGE_ENGINE
from worker.schemas.contract import Contract
from worker.schemas.vision import File, VisionAnswer
from worker.streaming import Tell, stream, told

Result = TypeVar("Result")


class Wanted(Protocol):
    """What every request for pictures says."""

    @property
    def user(self) -> str | None: ...
    @property
    def stream(self) -> bool: ...


class Visit:
    """What the work on a request may use; each step waits for its own turn."""

    def __init__(self, engine: ImageEngine, model: ImageModel, user: str | None, tell: Tell) -> None:
        self.model = model
        self._engine = engine
        self._ticket = engine.ticket(model.name, user or "", tell)

    async def compute(self, function: Batched, *rows: Tensor) -> Rows:
        """A function of the model, on the device."""
        return await self._engine.compute(self._ticket, function, rows)

    async def prepare(self, function: Callable[..., Result], *given: object) -> Result:
        """Anything that takes a while, needs no device and leads to a computation."""
        return await self._engine.prepare(self._ticket, partial(function, *given))

    async def finish(self, function: Callable[..., Result], *given: object, long: bool = False) -> Result:
        """Anything that takes a while, or ``long``, needs no device and follows the computations."""
        return await self._engine.finish(self._ticket, partial(function, *given), long)

    async def encode(self, layout: Callable[..., list[bytes]], pictures: Tensor, *given: object) -> list[bytes]:
        """The files that a layout of worker.engine.encoding makes of pictures (N, C, S, S) in [-1, 1]."""
        long = layout is encoding.animation
        return await self.finish(lambda: layout(from_unit(pictures), *given), long=long)

    async def look(self, image: str, param: str = "image", finer: int = 1) -> Seen:
        """A picture that was handed in, as the model sees it or ``finer`` times as fine."""
        sight = self.model.role(Sight)
        handed = await self.prepare(unpack, image, param)
        seeing = partial(see, handed, replace(sight, side=finer * sight.side))
        return await self._engine.prepare(self._ticket, seeing, handed.large)

    def describe(self, files: Sequence[bytes], seen: Sequence[Seen] = (), **more: Any) -> VisionAnswer:
        """What was made of the pictures ``seen``, as the API hands it over; ``more`` are fields of the answer."""
        return VisionAnswer(
            created=int(time.time()),
            data=[File(b64_json=base64.b64encode(file).decode()) for file in files],
            prepared=[one.prepared for one in seen],
            system_fingerprint=self.model.name,
            **more,
        )


async def answer(
    request: web.Request, wanted: Wanted, model: ImageModel, work: Callable[[Visit], Awaitable[Contract]]
) -> web.StreamResponse:
    """Do the work of a request; its answer whole, or with its places in the line before."""

    async def visit(tell: Tell) -> Contract:
        return await work(Visit(request.app[IMAGE_ENGINE], model, wanted.user, tell))

    if not wanted.stream:
        return reply(await visit(ignore))
    async with aclosing(told(visit)) as parts:
        return await stream(request, parts)


def ignore(place: Queued) -> None:
    """Who gets a whole answer is not told of places."""
