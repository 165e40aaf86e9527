"""Requests and responses of the worker's HTTP API: the one contract that bot and worker share.

The shapes of text completion and of image generation follow OpenAI's API, so that its clients work unchanged; what
Prospero adds (``top_k``, the seed that was used, characters that had to be replaced) stands beside them. Nothing here
imports torch.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

MAX_PROMPT = 20_000  # characters; far beyond the models' context, small enough to refuse a flood early
MAX_TOKENS = 8_192  # characters in one completion: four full Discord messages
MAX_PROMPTS = 128  # in one request; evaluation harnesses send them in batches
MAX_STOPS = 16  # OpenAI's API takes 4
MAX_STOP = 64  # characters in one stop string

MAX_PICTURES = 64  # in one request
MAX_DIGITS = 20  # of a number to be written: 64 bits' worth
MAX_STOPS_OF_WALK = 16
MAX_STEPS = 24  # pictures from one stop of a walk to the next: two seconds
MAX_TRAIL = 16  # a picture and variations of variations; four of them fit into one command
MAX_SCALE = 32  # pixels for each of the model's

SEEDS = 2**63
Seed = Annotated[int, Field(ge=0, lt=SEEDS)]
Trail = Annotated[list[Seed], Field(min_length=1, max_length=MAX_TRAIL)]  # a picture's seed, then its variations'


class Contract(BaseModel):
    """A message that crosses the process boundary; unknown keys are refused by name."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class CompletionRequest(Contract):
    """``POST /v1/completions``."""

    model: str = "gpt-shakespeare"  # a model, or "model@version" to pin a version
    prompt: str | list[str]
    max_tokens: int = Field(16, ge=0, le=MAX_TOKENS)
    temperature: float = Field(1.0, ge=0.0, le=2.0)  # 0 is greedy
    top_p: float = Field(1.0, gt=0.0, le=1.0)
    top_k: int = Field(0, ge=0)  # 0 keeps every character
    seed: Seed | None = None  # None lets the worker draw one; the answer names it
    stop: str | list[str] | None = None
    n: int = Field(1, ge=1, le=16)
    echo: bool = False
    logprobs: int | None = Field(None, ge=0, le=20)
    user: str | None = Field(None, max_length=128)  # the key by which turns are kept fair
    stream: bool = False

    @field_validator("prompt")
    @classmethod
    def check_prompt(cls, prompt: str | list[str]) -> str | list[str]:
        prompts = [prompt] if isinstance(prompt, str) else prompt
        if not prompts or not all(prompts):
            raise ValueError("prompt is empty; write at least one character.")
        if len(prompts) > MAX_PROMPTS:
            raise ValueError(f"prompt holds {len(prompts)} texts; send at most {MAX_PROMPTS} in one request.")
        longest = max(map(len, prompts))
        if longest > MAX_PROMPT:
            raise ValueError(f"prompt has {longest} characters; shorten it to {MAX_PROMPT}.")
        return prompt

    @field_validator("stop")
    @classmethod
    def check_stop(cls, stop: str | list[str] | None) -> str | list[str] | None:
        stops = [stop] if isinstance(stop, str) else stop or []
        if not all(stops):
            raise ValueError("stop holds an empty text; leave it out.")
        if len(stops) > MAX_STOPS or max(map(len, stops), default=0) > MAX_STOP:
            raise ValueError(f"stop takes at most {MAX_STOPS} texts of at most {MAX_STOP} characters each.")
        return stop


class Logprobs(Contract):
    """Per character: its log-probability in nats and the best alternatives."""

    tokens: list[str]
    token_logprobs: list[float | None]
    top_logprobs: list[dict[str, float] | None]
    text_offset: list[int]


FinishReason = Literal["stop", "length"]


class CompletionChoice(Contract):
    text: str
    index: int
    logprobs: Logprobs | None = None
    finish_reason: FinishReason | None = None
    seed: int


class Usage(Contract):
    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class Completion(Contract):
    """A whole answer, or one chunk of a streamed one (then ``usage`` comes with the last chunk only)."""

    id: str
    object: Literal["text_completion"] = "text_completion"
    created: int  # seconds since the epoch
    model: str
    system_fingerprint: str  # "model@version": the version that wrote this
    choices: list[CompletionChoice]
    usage: Usage | None = None
    replaced: str = ""  # the prompt's characters that the model never saw; each was read as a space


def successive(seed: int, count: int) -> list[int]:
    """The seeds of a request's pictures: its own and those after it."""
    return [(seed + i) % SEEDS for i in range(count)]


class PictureRequest(Contract):
    """What every request for pictures takes."""

    model: str
    seed: Seed | None = None  # of the first picture, the others have those after it; None lets the worker draw one
    truncation: float = Field(1.0, ge=0.0, le=1.0)  # below 1 the pictures are more typical and more alike
    label: int | None = Field(None, ge=0)  # the class, of a model that has some; None: by the seed
    scale: int | None = Field(None, ge=1, le=MAX_SCALE)  # None: as large as looks well
    max_bytes: int | None = Field(None, ge=1)  # of each file, which is made smaller to fit
    response_format: Literal["b64_json"] = "b64_json"
    user: str | None = Field(None, max_length=128)  # the key by which turns are kept fair
    stream: bool = False  # server-sent events: places in the line as comments, then the whole answer


class GenerationRequest(PictureRequest):
    """``POST /v1/images/generations``."""

    prompt: str = ""  # the digits to write, to a model of digits; others take none
    n: int = Field(1, ge=1, le=MAX_PICTURES)
    layout: Literal["separate", "sheet"] = "separate"

    @field_validator("prompt")
    @classmethod
    def check_prompt(cls, prompt: str) -> str:
        if len(prompt) > MAX_DIGITS:
            raise ValueError(f"prompt has {len(prompt)} characters; write a number of at most {MAX_DIGITS} digits.")
        return prompt


class VariationRequest(PictureRequest):
    """``POST /v1/images/variations``: pictures on the way from one to others."""

    around: Trail  # [its seed], and of a variation the seeds that led to it
    strength: float = Field(0.4, ge=0.0, le=1.0)  # how far towards the seeds; each of the trail's steps is as long
    n: int = Field(1, ge=1, le=MAX_PICTURES)
    layout: Literal["separate", "sheet"] = "separate"


class InterpolationRequest(PictureRequest):
    """``POST /v1/images/interpolations``: a walk from picture to picture, as one animation."""

    stops: list[Trail] = Field([], max_length=MAX_STOPS_OF_WALK)  # none: the seed and the ``n`` - 1 after it
    n: int = Field(4, ge=2, le=MAX_STOPS_OF_WALK)
    strength: float = Field(0.4, ge=0.0, le=1.0)  # of the steps within the stops' trails
    steps: int = Field(12, ge=1, le=MAX_STEPS)  # pictures from one stop to the next
    closed: bool = True  # whether the walk returns to its first stop
    output_format: Literal["webp", "gif"] = "webp"

    @field_validator("stops")
    @classmethod
    def check_stops(cls, stops: list[list[int]]) -> list[list[int]]:
        if len(stops) == 1:
            raise ValueError("stops holds one picture; a walk needs two.")
        return stops


class Image(Contract):
    """A file: PNG, or a walk's WebP or GIF."""

    b64_json: str
    seed: int  # that asking for one picture alone takes; of a sheet or a walk the first picture's


class Images(Contract):
    """Pictures, in the order of their seeds."""

    created: int  # seconds since the epoch
    data: list[Image]
    system_fingerprint: str  # "model@version": the version that drew them


class ErrorBody(Contract):
    message: str
    type: Literal[
        "invalid_request_error", "authentication_error", "not_found_error", "rate_limit_error", "server_error"
    ]
    param: str | None = None
    code: str | None = None
    position: int | None = None  # place in the queue that the request would have had


class ErrorResponse(Contract):
    error: ErrorBody


class ModelInfo(Contract):
    id: str
    object: Literal["model"] = "model"
    created: int
    owned_by: Literal["prospero"] = "prospero"
    family: str
    version: str  # the version that serves
    versions: list[str]
    parameters: int
    metrics: dict[str, float]
    operations: list[str] = []  # the last words of the addresses that take this model
    classes: int = 1  # that pictures can be asked of; 1 when there are none


class ModelList(Contract):
    object: Literal["list"] = "list"
    data: list[ModelInfo]


class Readiness(Contract):
    """``GET /readyz``."""

    ready: bool
    device: str
    precision: str
    threads: int
    models: list[str]  # "model@version" of everything loaded
    running: int
    waiting: int
    slots: int
    pictures_waiting: int = 0
