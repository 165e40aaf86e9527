"""``POST /v1/images/…``, ``/v1/codes/…`` and ``/v1/latents/map``: what models make of pictures that people hand in.

A picture travels as base64 of a PNG, JPEG, WebP or GIF file (its first frame). The worker turns it upright, drops its
metadata, composes transparency on white, cuts the middle square out and scales it to the model's side.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from worker.schemas.contract import Contract, Seed
from worker.schemas.pictures import MAX_SCALE, MAX_STEPS, Image

MAX_PICTURE = 10 * 2**20  # bytes of a file that is handed in: Discord's usual limit
MAX_CODE = 1_000  # characters of a pasted code
MAX_DIMENSIONS = 16  # strips on one sheet

Picture = Annotated[str, Field(min_length=1, max_length=MAX_PICTURE * 4 // 3 + 4)]  # base64


class VisionRequest(Contract):
    """What every request about a picture takes."""

    model: str
    scale: int | None = Field(None, ge=1, le=MAX_SCALE)  # None: as large as looks well
    max_bytes: int | None = Field(None, ge=1)  # of each file, which is made smaller to fit
    user: str | None = Field(None, max_length=128)  # the key by which turns are kept fair
    stream: bool = False  # server-sent events: places in the line as comments, then the whole answer


class ReconstructionRequest(VisionRequest):
    """``POST /v1/images/reconstructions``: a picture, what is left of it on the other side, and the difference."""

    image: Picture


class AnomalyRequest(VisionRequest):
    """``POST /v1/images/anomalies``: how unlike the training pictures one is, and where."""

    image: Picture


class BlendRequest(VisionRequest):
    """``POST /v1/images/blends``: the way from one picture to another through the latent space."""

    images: list[Picture] = Field(min_length=2, max_length=2)
    steps: int = Field(12, ge=2, le=MAX_STEPS)
    layout: Literal["strip", "animation"] = "strip"
    output_format: Literal["webp", "gif"] = "webp"  # of an animation


class TraversalRequest(VisionRequest):
    """``POST /v1/images/traversals``: a strip for each latent, in which it alone moves through the prior."""

    image: Picture | None = None  # where the strips begin; None: at the seed
    seed: Seed | None = None
    dimensions: list[Annotated[int, Field(ge=0)]] = Field([], max_length=MAX_DIMENSIONS)  # none: those that tell most
    steps: int = Field(8, ge=2, le=MAX_STEPS)  # pictures in a strip


class TranslationRequest(VisionRequest):
    """``POST /v1/images/translations``: a picture painted over lines."""

    image: Picture
    lines: Literal["auto", "sketch", "photo"] = "auto"  # whether the picture is lines or has them extracted
    strength: float = Field(0.5, ge=0.0, le=1.0)  # of the extracted lines: the higher, the fewer


class CompressionRequest(VisionRequest):
    """``POST /v1/codes/compress``: a picture as a text short enough to paste."""

    image: Picture


class DecompressionRequest(VisionRequest):
    """``POST /v1/codes/decompress``: the picture of such a text."""

    code: str = Field(min_length=1, max_length=MAX_CODE)


class MapRequest(VisionRequest):
    """``POST /v1/latents/map``: remembered pictures laid out in two dimensions, and the caller's among them."""

    image: Picture | None = None


class Prepared(Contract):
    """What was done to a picture that was handed in before the model saw it."""

    width: int  # pixels of the file
    height: int
    cropped: bool  # it was not square: the middle was cut out


class VisionAnswer(Contract):
    """The pictures and figures of an answer."""

    created: int  # seconds since the epoch
    data: list[Image] = Field(min_length=1)  # the first is what to show: one sheet, strip, map or animation
    figures: dict[str, float] = Field(default_factory=dict)  # by name, such as "psnr" in dB; each operation says which
    prepared: list[Prepared] = Field(default_factory=list)  # a picture handed in each
    seed: int | None = None  # that was drawn or given, where there is one
    code: str | None = None  # of a compressed picture
    dimensions: list[int] = Field(default_factory=list)  # of a traversal, a strip each
    lines: Literal["sketch", "photo"] | None = None  # what a translation took its picture for
    system_fingerprint: str  # "model@version": the version that answered

    @model_validator(mode="after")
    def check_figures(self) -> VisionAnswer:
        """ValueError unless every figure is a finite number."""
        if any(value != value or abs(value) == float("inf") for value in self.figures.values()):
            raise ValueError("a figure is no finite number")
        return self
