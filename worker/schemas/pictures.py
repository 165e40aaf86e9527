"""``POST /v1/images/…``: pictures drawn from seeds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, field_validator

from worker.schemas.contract import SEEDS, Contract, OpenAIRequest, Seed

MAX_PICTURES = 64  # in one request
MAX_DIGITS = 20  # of a number to be written: 64 bits' worth
MAX_STOPS_OF_WALK = 16
MAX_STEPS = 24  # pictures from one stop of a walk to the next: two seconds
MAX_TRAIL = 16  # a picture and variations of variations; four of them fit into one command
MAX_SCALE = 32  # pixels for each of the model's

Trail = Annotated[list[Seed], Field(min_length=1, max_length=MAX_TRAIL)]  # a picture's seed, then its variations'


def successive(seed: int, count: int) -> list[int]:
    """The seeds of a request's pictures: its own and those after it."""
    return [(seed + i) % SEEDS for i in range(count)]


class PictureRequest(OpenAIRequest):
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

    NEUTRAL: ClassVar[Mapping[str, Any]] = {
        "size": "auto",
        "quality": "auto",
        "background": "auto",
        "moderation": "auto",
        "style": "vivid",
        "output_format": "png",
        "output_compression": 100,
        "partial_images": 0,
    }

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
    """``POST /v1/images/interpolations``: a walk from picture to picture, as one animation or side by side."""

    stops: list[Trail] = Field([], max_length=MAX_STOPS_OF_WALK)  # none: the seed and the ``n`` - 1 after it
    n: int = Field(4, ge=2, le=MAX_STOPS_OF_WALK)
    strength: float = Field(0.4, ge=0.0, le=1.0)  # of the steps within the stops' trails
    steps: int = Field(12, ge=1, le=MAX_STEPS)  # pictures from one stop to the next
    closed: bool = True  # whether the walk returns to its first stop
    layout: Literal["strip", "animation"] = "animation"
    output_format: Literal["webp", "gif"] = "webp"  # of an animation

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
