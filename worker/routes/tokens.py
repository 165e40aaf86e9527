"""``/tokenize``, ``/detokenize`` and ``/tokenizer_info``: what a model's token ids mean."""

from __future__ import annotations

from aiohttp import web

from worker.replies import reply
from worker.requests import read
from worker.routes import GALLERY
from worker.schemas.tokens import Detokenized, DetokenizeRequest, TokenizeRequest, TokenizerInfo, Tokens

routes = web.RouteTableDef()


@routes.post("/tokenize")
async def tokenize(request: web.Request) -> web.Response:
    """A text as token ids."""
    wanted = await read(request, TokenizeRequest)
    tokens, _ = (await request.app[GALLERY].text_model(wanted.model)).encode(wanted.prompt)
    return reply(Tokens(tokens=tokens, count=len(tokens)))


@routes.post("/detokenize")
async def detokenize(request: web.Request) -> web.Response:
    """Token ids as a text."""
    wanted = await read(request, DetokenizeRequest)
    model = await request.app[GALLERY].text_model(wanted.model)
    model.check(wanted.tokens, "tokens")
    return reply(Detokenized(prompt=model.decode(wanted.tokens)))


@routes.get("/tokenizer_info")
async def describe(request: web.Request) -> web.Response:
    """What kind of token ids there are."""
    return reply(TokenizerInfo())
