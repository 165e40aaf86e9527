"""``POST /v1/completions``: texts, whole or streamed as server-sent events."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field

from aiohttp import web

from worker.engine.sampling import Sampling, choice_seed
from worker.engine.stream import Piece, Queued, Token
from worker.engine.text import TextRequest
from worker.engine.text_model import TextModel
from worker.replies import reply
from worker.requests import read
from worker.routes import GALLERY, METRICS, TEXT_ENGINE
from worker.schemas.completions import (
    Completion,
    CompletionChoice,
    CompletionRequest,
    FinishReason,
    Logprobs,
    Prompt,
    Usage,
)
from worker.seeds import drawn
from worker.streaming import stream

routes = web.RouteTableDef()

Events = AsyncGenerator[Piece | Queued, None]


@dataclass
class Answer:
    """A completion under way: what its chunks have in common, and what they add up to."""

    wanted: CompletionRequest
    model: TextModel
    prompts: list[list[int]]  # as the model reads them
    replaced: str
    seed: int
    id: str = field(default_factory=lambda: f"cmpl-{secrets.token_hex(12)}")
    created: int = field(default_factory=lambda: int(time.time()))

    def __post_init__(self) -> None:
        self.choices = len(self.prompts) * self.wanted.n
        self.finished = 0
        self._length = [0] * self.choices  # of each choice's text so far

    @property
    def echoed(self) -> bool:
        """Whether the prompt is repeated here; with log-probabilities, the engine does it."""
        return self.wanted.echo and self.wanted.logprobs is None

    def prompt(self, choice: int) -> str:
        """A choice's prompt, as the model reads it."""
        return self.model.decode(self.prompts[choice // self.wanted.n])

    def choice(self, index: int, tokens: list[Token], reason: FinishReason | None) -> CompletionChoice:
        """The next characters of one choice."""
        begin = self._length[index]
        text = "".join(token.text for token in tokens)
        logprobs = None
        if self.wanted.logprobs is not None:
            logprobs = Logprobs(
                tokens=[token.text for token in tokens],
                token_logprobs=[token.logprob for token in tokens],
                top_logprobs=[token.alternatives for token in tokens],
                text_offset=list(range(begin, begin + len(tokens))),
            )
        elif self.echoed and begin == 0:
            text = self.prompt(index) + text
        self._length[index] += len(text)
        self.finished += reason is not None
        seed = choice_seed(self.seed, index % self.wanted.n)
        return CompletionChoice(text=text, index=index, logprobs=logprobs, finish_reason=reason, seed=seed)

    def completion(self, choices: list[CompletionChoice]) -> Completion:
        """A chunk, or the whole; the last one counts what was used."""
        usage = None
        if self.finished == self.choices:
            read = sum(map(len, self.prompts))
            echoed = read * self.wanted.n if self.wanted.echo else 0
            written = sum(self._length) - echoed
            usage = Usage(prompt_tokens=read, completion_tokens=written, total_tokens=read + written)
        return Completion(
            id=self.id,
            created=self.created,
            model=self.wanted.model,
            system_fingerprint=self.model.name,
            choices=choices,
            usage=usage,
            replaced=self.replaced,
        )


@routes.post("/v1/completions")
async def complete(request: web.Request) -> web.StreamResponse:
    """Continue a text."""
    begin = time.perf_counter()
    wanted = await read(request, CompletionRequest)
    model = await request.app[GALLERY].text_model(wanted.model)
    prompts, replaced = zip(*(read_prompt(prompt, model) for prompt in wanted.prompts), strict=True)
    seed = drawn(wanted.seed)
    answer = Answer(wanted, model, list(prompts), "".join(dict.fromkeys("".join(replaced))), seed)
    stops = (wanted.stop,) if isinstance(wanted.stop, str) else tuple(wanted.stop or ())
    events = request.app[TEXT_ENGINE].complete(
        TextRequest(
            model=model,
            prompts=answer.prompts,
            max_tokens=wanted.max_tokens,
            sampling=Sampling(wanted.temperature, wanted.top_k, wanted.top_p, seed),
            n=wanted.n,
            stop=stops,
            logprobs=wanted.logprobs,
            score_prompt=wanted.echo,
            user=wanted.user or "",
        )
    )
    async with aclosing(timed(events, request, begin)) as pieces:
        return await (stream(request, chunks(answer, pieces)) if wanted.stream else whole(answer, pieces))


def read_prompt(prompt: Prompt, model: TextModel) -> tuple[list[int], str]:
    """A prompt's token ids, and the characters the model never saw; BadRequest for ids that it does not have."""
    if isinstance(prompt, str):
        return model.encode(prompt)
    model.check(prompt, "prompt")
    return prompt, ""


async def timed(events: Events, request: web.Request, begin: float) -> Events:
    """The same events; notes when the first piece came."""
    async with aclosing(events):
        waiting = True
        async for event in events:
            if waiting and isinstance(event, Piece):
                waiting = False
                request.app[METRICS].first_character.observe(time.perf_counter() - begin)
            yield event


async def whole(answer: Answer, events: Events) -> web.Response:
    """Everything in one response."""
    tokens: list[list[Token]] = [[] for _ in range(answer.choices)]
    reasons: list[FinishReason | None] = [None] * answer.choices
    async for event in events:
        if isinstance(event, Piece):
            tokens[event.choice] += event.tokens
            reasons[event.choice] = event.finish_reason

    def gathered() -> web.Response:
        choices = [answer.choice(i, *part) for i, part in enumerate(zip(tokens, reasons, strict=True))]
        return reply(answer.completion(choices))

    return await asyncio.to_thread(gathered)  # a long one takes half a second, in which others go on


async def chunks(answer: Answer, events: Events) -> AsyncGenerator[Queued | Completion, None]:
    """Each event as the API hands it over."""
    async with aclosing(events):
        async for event in events:
            if isinstance(event, Queued):
                yield event
            else:
                yield answer.completion([answer.choice(event.choice, event.tokens, event.finish_reason)])
