"""Roles: what loaded networks can be asked for, as whoever asks sees them.

A family says which roles its network takes and how (``models/registry.py``). Each role names the operations that it
serves over HTTP and says in words what it does; its :class:`~models.batched.Batched` functions are all that computes.
What draws pictures from seeds is in ``models/painter.py``.

Shapes: N rows, C picture's channels, S its side, Z numbers of a latent, M remembered pictures; values in [-1, 1].
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Protocol

import torch
from torch import Tensor

from models.batched import Batched

if TYPE_CHECKING:
    from models.gpt import GPT

EVEN = 0.1  # standard deviation of what counts as one colour, of a range of 2
EDGE = 0.5  # how far the ground must lie from middle grey to be told from its opposite


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

    weigh: Batched  # pictures (N, C, S, S) to ln p (N,) in nats
    remembered: Tensor  # that of held-out pictures (M,), ascending

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
