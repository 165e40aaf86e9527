"""Roles: what loaded networks can be asked for, as whoever asks sees them.

A family says which roles its network takes and how (``models/registry.py``). Each role names the operations that it
serves over HTTP and says in words what it does; its :class:`~models.batched.Batched` functions are all that computes.
What draws pictures from seeds is in ``models/painter.py``.

Shapes: N rows, C picture's channels, S its side, Z numbers of a latent, M remembered pictures; values in [-1, 1].
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Protocol

import torch
from torch import Tensor

from models.batched import Batched, Rows

if TYPE_CHECKING:
    from models.gpt import GPT

EVEN = 0.1  # standard deviation of what counts as one colour, of a range of 2
REACH = 2.0  # standard deviations: beyond, a picture is rare
EDGE = 0.5  # how far the ground must lie from middle grey to be told from its opposite
TELLING = 0.05  # nats: a latent that tells less, as those that training left unused, moves nothing that could be seen


class Role(Protocol):
    """What every role says of itself."""

    operations: ClassVar[tuple[str, ...]]  # the last words of the addresses that need it
    deed: ClassVar[str]  # a verb phrase in the plural


@dataclass(frozen=True)
class Writer:
    """Continues texts."""

    operations: ClassVar[tuple[str, ...]] = ("completions",)
    deed: ClassVar[str] = "write texts"

    network: GPT


@dataclass(frozen=True)
class Sight:
    """How pictures must be for the network: square, and light on dark or dark on light where it knows only that."""

    operations: ClassVar[tuple[str, ...]] = ()
    deed: ClassVar[str] = "look at pictures"

    channels: int
    side: int
    ground: float | None = None  # grey value around what is shown, where all training pictures have the same

    @classmethod
    def of(cls, pictures: Tensor) -> Sight:
        """That of a network trained on pictures (N, C, S, S), by their edges."""
        around = border(pictures)
        even = float(around.std()) < EVEN and abs(float(around.mean())) > EDGE
        return cls(pictures.shape[1], pictures.shape[-1], float(around.mean()) if even else None)

    def inverts(self, picture: Tensor) -> bool:
        """Whether a picture (C, S, S) is the negative of what the network knows: its ground is on the other side."""
        return self.ground is not None and float(border(picture).median()) * self.ground < 0


def border(pictures: Tensor) -> Tensor:
    """The outermost pixels of pictures (..., S, S), in a row."""
    rows = torch.cat((pictures[..., 0, :], pictures[..., -1, :]), -1)
    columns = torch.cat((pictures[..., :, 0], pictures[..., :, -1]), -1)
    return torch.cat((rows, columns), -1).flatten()


@dataclass(frozen=True)
class Likelihood:
    """How probable pictures are to a network."""

    weigh: Batched  # pictures (N, C, S, S) and portions (N,) to estimates of ln p (N,) in nats, each from other samples
    portions: int  # estimates that make a good one, so that none takes long
    remembered: Tensor  # ln p of held-out pictures (M,), ascending

    def rows(self, picture: Tensor) -> Rows:
        """A picture (C, S, S) as what is to be weighed."""
        return picture.expand(self.portions, *picture.shape), torch.arange(self.portions)

    def nats(self, estimates: Tensor) -> float:
        """Its ln p: the mean of the estimated probabilities."""
        return float(estimates.logsumexp(0)) - math.log(self.portions)

    def percentile(self, nats: float) -> float:
        """Share of the held-out pictures, 0 to 100, that are less likely."""
        return 100 * int(torch.searchsorted(self.remembered, nats)) / len(self.remembered)


@dataclass(frozen=True)
class Reconstructor:
    """Takes pictures through a bottleneck and back."""

    operations: ClassVar[tuple[str, ...]] = ("reconstructions",)
    deed: ClassVar[str] = "reconstruct pictures"

    reconstruct: Batched  # pictures (N, C, S, S) to pictures
    likelihood: Likelihood | None = None


@dataclass(frozen=True)
class Judge:
    """Tells how unlike the training pictures a picture is, and where."""

    operations: ClassVar[tuple[str, ...]] = ("anomalies",)
    deed: ClassVar[str] = "tell outliers"

    # pictures (N, C, S, S) to reconstructions, scores (N,), percentiles among held-out pictures (N,), 0 to 100, and
    # heat (N, S, S), 1 where the error is the usual one
    judge: Batched


@dataclass(frozen=True)
class Space:
    """A latent space with remembered pictures in it."""

    operations: ClassVar[tuple[str, ...]] = ("blends", "map", "density")
    deed: ClassVar[str] = "place pictures in a latent space"

    encode: Batched  # pictures (N, C, S, S) to latents (N, Z)
    decode: Batched  # latents (N, Z) to pictures
    blend: Batched  # latents (N, Z), others (N, Z) and shares (N, 1) of the way to those, to the pictures there
    remembered: Tensor  # latents (M, Z) of training pictures


@dataclass(frozen=True)
class Traverser:
    """Moves single latents."""

    operations: ClassVar[tuple[str, ...]] = ("traversals",)
    deed: ClassVar[str] = "move single latents"

    encode: Batched  # pictures (N, C, S, S) to latents (N, Z)
    sample: Batched  # standard normal vectors (N, Z) to latents from the prior (N, Z)
    decode: Batched  # latents (N, Z) to pictures
    mean: Tensor  # (Z,), of the training pictures' latents
    deviation: Tensor  # (Z,)
    telling: Tensor  # (Z,): nats that each latent tells of a picture

    def most(self, count: int) -> list[int]:
        """The latents that tell most, the one that tells most first; after that one, only those that tell anything."""
        ranked = self.telling.argsort(descending=True)[:count].tolist()
        return [ranked[0], *(latent for latent in ranked[1:] if self.telling[latent] >= TELLING)]

    def strips(self, start: Tensor, dimensions: Sequence[int], steps: int) -> Tensor:
        """Latents (len(dimensions) * steps, Z): strip by strip one of them moves, the others stay as in ``start`` (Z,).

        Each goes over ``REACH`` standard deviations to either side of its mean.
        """
        latents = start.repeat(len(dimensions), steps, 1)  # (D, steps, Z)
        for strip, latent in zip(latents, dimensions, strict=True):
            strip[:, latent] = self.mean[latent] + self.deviation[latent] * torch.linspace(-REACH, REACH, steps)
        return latents.flatten(0, 1)


@dataclass(frozen=True)
class Coder:
    """Writes pictures as codes of whole numbers, and reads them."""

    operations: ClassVar[tuple[str, ...]] = ("compress", "decompress")
    deed: ClassVar[str] = "compress pictures"

    describe: Batched  # pictures (N, C, S, S) to numbers (N, count)
    paint: Batched  # numbers (N, count) to pictures
    count: int
    levels: int  # each number is below


@dataclass(frozen=True)
class Translator:
    """Paints over lines."""

    operations: ClassVar[tuple[str, ...]] = ("translations",)
    deed: ClassVar[str] = "paint over lines"

    translate: Batched  # lines (N, 1, S, S), 1 on 0, and latents (N, Z) to pictures (N, C, S, S)
    latent: int  # numbers that say what the lines leave open
