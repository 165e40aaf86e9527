"""``POST /v1/images/…``, ``/v1/codes/…`` and ``/v1/latents/…``: what models make of pictures that people hand in.

A picture travels as base64 of a PNG, JPEG, WebP or GIF file (its first frame). The worker turns it upright, drops its
metadata, composes transparency on white, cuts the middle square out and scales it to the model's side, in grey where
the model knows only grey. Where all of a model's training pictures show something light on dark (digits), a picture
whose edge is on the other side of middle grey is taken as its negative and inverted.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, FiniteFloat, model_validator

from worker.schemas.contract import Contract, Seed
from worker.schemas.pictures import MAX_SCALE, MAX_STEPS

MAX_PICTURE = 10 * 2**20  # bytes of a file that is handed in: Discord's usual limit
MAX_CODE = 1_000  # characters of a pasted code
MAX_DIMENSIONS = 16  # strips on one sheet
MAX_TRANSLATIONS = 8  # of the same lines, in a row

Picture = Annotated[str, Field(min_length=1, max_length=MAX_PICTURE * 4 // 3 + 4)]  # base64


class Presentation(Contract):
    """How an answer is to be shown."""

    scale: int | None = Field(None, ge=1, le=MAX_SCALE)  # None: as large as looks well
    max_bytes: int | None = Field(None, ge=1)  # of each file, which is made smaller to fit
    user: str | None = Field(None, max_length=128)  # the key by which turns are kept fair
    stream: bool = False  # server-sent events: places in the line as comments, then the whole answer


class VisionRequest(Presentation):
    """What every request about a picture takes."""

    model: str


class ReconstructionRequest(VisionRequest):
    """``POST /v1/images/reconstructions``: a picture, what is left of it on the other side, and the difference.

    Figures: ``psnr`` in dB and ``ssim``; where the model knows likelihoods ``log_likelihood`` in nats and
    ``percentile``, the share of held-out pictures, 0 to 100, that are less likely.
    """

    image: Picture


class AnomalyRequest(VisionRequest):
    """``POST /v1/images/anomalies``: a picture, its reconstruction, and where it is unlike the training pictures.

    Figures: ``score``, 0 for an average held-out picture, and ``percentile``, the share of those, 0 to 100, that score
    lower.
    """

    image: Picture


class BlendRequest(VisionRequest):
    """``POST /v1/images/blends``: the way from one picture to another through the latent space.

    A strip begins and ends with the pictures that were handed in; an animation goes there and back for ever.
    """

    images: list[Picture] = Field(min_length=2, max_length=2)
    steps: int = Field(12, ge=2, le=MAX_STEPS)  # pictures on the way, both ends' reconstructions included
    layout: Literal["strip", "animation"] = "strip"
    output_format: Literal["webp", "gif"] = "webp"  # of an animation


class TraversalRequest(VisionRequest):
    """``POST /v1/images/traversals``: a strip for each latent dimension, in which it alone moves.

    Without ``dimensions`` the eight that tell most about pictures, fewer where others tell nothing, the first most.
    """

    image: Picture | None = None  # where the strips begin; None: at the seed
    seed: Seed | None = None  # instead of a picture; with neither, the worker draws one
    dimensions: list[Annotated[int, Field(ge=0)]] = Field(default_factory=list, max_length=MAX_DIMENSIONS)
    steps: int = Field(8, ge=2, le=MAX_STEPS)  # pictures in a strip

    @model_validator(mode="after")
    def check_start(self) -> TraversalRequest:
        """ValueError when there are two places to begin at."""
        if self.image is not None and self.seed is not None:
            raise ValueError("give image or seed, not both.")
        return self


class TranslationRequest(VisionRequest):
    """``POST /v1/images/translations``: lines and pictures painted over them, before all the photo they are of."""

    image: Picture
    n: int = Field(1, ge=1, le=MAX_TRANSLATIONS)  # pictures, which differ in what the lines leave open
    seed: Seed | None = None  # of the first, the others have those after it; None lets the worker draw one
    lines: Literal["auto", "sketch", "photo"] = "auto"  # whether the picture is lines or has them extracted
    strength: float = Field(0.5, ge=0.0, le=1.0)  # of the extracted lines: the higher, the fewer


class CompressionRequest(VisionRequest):
    """``POST /v1/codes/compress``: a picture as a text short enough to paste.

    The sheet shows the picture, what its code gives back, and what WebP and JPEG make of it at the same quality.
    Figures: ``code_bytes``; ``psnr`` in dB; ``webp_bytes`` and ``jpeg_bytes``, the least for which those reach it.
    """

    image: Picture


class DecompressionRequest(Presentation):
    """``POST /v1/codes/decompress``: the picture of such a text, by the version that wrote it."""

    model: str | None = None  # None: the one that the code names, as it must be otherwise
    code: str = Field(min_length=1, max_length=MAX_CODE)


class MapRequest(VisionRequest):
    """``POST /v1/latents/map``: remembered pictures laid out in two dimensions, and the caller's among them, framed.

    Figures, where a picture is given: ``x`` and ``y``, its place as shares of the map's width from the left and of its
    height from the top.
    """

    image: Picture | None = None


class DensityRequest(VisionRequest):
    """``POST /v1/latents/density``: remembered pictures where they crowd, and in a row below where they are lonely.

    Figures: ``ratio``, how many times as far the loneliest tenth lie from their neighbours as the most crowded tenth;
    where a picture is given ``percentile``, the share of remembered ones, 0 to 100, that lie in a denser place.
    """

    image: Picture | None = None


class Prepared(Contract):
    """What was done to a picture that was handed in before the model saw it."""

    width: int  # pixels of the file's picture, upright
    height: int
    cropped: bool  # it was not square: the middle was cut out
    inverted: bool = False  # the model knows light on dark only, and this was dark on light (or the other way round)


class File(Contract):
    """A PNG, or of an animation a WebP or GIF."""

    b64_json: str


class VisionAnswer(Contract):
    """The pictures and figures of an answer."""

    created: int  # seconds since the epoch
    data: list[File] = Field(min_length=1)  # the first is what to show: one sheet, strip, map or animation
    figures: dict[str, FiniteFloat] = Field(default_factory=dict)  # by name; each operation's request says which
    prepared: list[Prepared] = Field(default_factory=list)  # a picture handed in each
    seed: int | None = None  # of a translation, or of a traversal that began at one
    code: str | None = None  # of a compressed picture
    dimensions: list[int] = Field(default_factory=list)  # of a traversal, a strip each
    lines: Literal["sketch", "photo"] | None = None  # what a translation took its picture for
    system_fingerprint: str  # "model@version": the version that answered
