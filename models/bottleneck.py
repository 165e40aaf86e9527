"""Bottleneck: the network of an autoencoder and what it can be asked.

Residual convolutions around finite scalar quantisation (Mentzer et al. 2023): each number of the code is squashed and
rounded to one of ``levels`` values, gradients pass through the rounding as if it were not there. So a picture becomes a
short text, and a picture that the code cannot tell is an outlier.

Shapes: B batch, C picture's channels, S its side, N numbers of a code, W and G channels and side of the encoder's map.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from models import codes
from models.batched import Batched, Rows
from models.checkpoint import Checkpoint
from models.configuration import Configuration, ConfigurationError
from models.convolution import Decoder, Encoder, widths
from models.outliers import Detector, Outliers
from models.pictures import spread
from models.roles import Coder, Judge, Reconstructor, Role, Sight, Space

DRAWN, SEEN = 16, 4  # pictures drawn at once, and looked at at once: seldom are more handed in at the same moment
BATCH = 250  # pictures of a data set that are looked at at once
GLANCED = 50  # remembered pictures that tell what all look like
COLUMNS = 8  # of a sheet of pictures and their reconstructions


@dataclass(frozen=True)
class Config(Configuration):
    """Shape of an autoencoder and how it is trained."""

    LEAST = dict.fromkeys(("channels", "side", "width", "code", "batch"), 1) | {"levels": 2, "memory": 3}

    channels: int = 3
    side: int = 64
    width: int = 32  # channels of the finest stage
    stages: int = 3  # each halves the side: 64 pixels to a map of 8x8
    blocks: int = 1  # residual blocks a stage
    whole: bool = False  # one code for the whole picture instead of one for each place of the map
    code: int = 10  # numbers in it
    levels: int = 4  # values that each takes: 2 bits
    memory: int = 1_000  # training pictures whose codes are kept, to tell outliers
    centred: bool = False  # tell outliers without pictures' mean light, or whatever is plain passes for a photograph
    batch: int = 32
    rate: float = 1e-3
    noise: float = 0.0  # standard deviation added to training pictures, whose range is 2
    mirrored: bool = False  # show every picture left to right or right to left by chance
    warmup: int = 100  # steps

    def __post_init__(self) -> None:
        """ConfigurationError when a setting does not fit the others."""
        if self.side % 2**self.stages:
            raise ConfigurationError(f"side must be a multiple of {2**self.stages}; change side or stages.")

    @property
    def places(self) -> int:
        """Side of the map that the code describes."""
        return 1 if self.whole else self.side >> self.stages

    @property
    def numbers(self) -> int:
        """Numbers in a picture's code."""
        return self.code * self.places**2

    @property
    def bytes(self) -> int:
        """Bytes of a picture's code."""
        return codes.size(self.numbers, self.levels)


class Autoencoder(nn.Module):
    """The network: pictures (B, C, S, S) in [-1, 1] to their reconstructions."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = c = config
        last, map_side = widths(c.width, c.stages)[-1], c.side >> c.stages
        self.encoder = Encoder(c.channels, c.width, c.stages, c.blocks)
        self.decoder = Decoder(c.channels, c.width, c.stages, c.blocks)
        kernel = map_side if c.whole else 1  # the whole map at once, or each place by itself
        self.squeeze = nn.Conv2d(last, c.code, kernel)
        self.spread = nn.BatchNorm2d(c.code, affine=False)  # keeps every number in the squashing's steep part
        self.expand = nn.ConvTranspose2d(c.code, last, kernel)
        self.detector = Detector(c.numbers, c.channels, c.side, c.memory, c.centred)

    def forward(self, pictures: Tensor) -> Tensor:
        return self.paint(self.quantise(self.describe(pictures)))

    def describe(self, pictures: Tensor) -> Tensor:
        """Codes (B, N) in [-1, 1] before rounding."""
        return self.spread(self.squeeze(self.encoder(pictures)).float()).flatten(1).tanh()  # type: ignore[no-any-return]

    def quantise(self, code: Tensor) -> Tensor:
        """Codes rounded to the nearest level; levels lie evenly in [-1, 1], and the gradient ignores the rounding."""
        return code + (self.values(self.indices(code)) - code).detach()

    def indices(self, code: Tensor) -> Tensor:
        """Codes as whole numbers (B, N) from 0 below ``levels``."""
        return ((code + 1) / 2 * (self.config.levels - 1)).round().long()

    def values(self, indices: Tensor) -> Tensor:
        """Codes (B, N) of whole numbers."""
        return indices.float() * (2 / (self.config.levels - 1)) - 1

    def paint(self, code: Tensor) -> Tensor:
        """Pictures (B, C, S, S) of codes (B, N)."""
        side = self.config.places
        return self.decoder(self.expand(code.view(-1, self.config.code, side, side))).float()  # type: ignore[no-any-return]


# What it can be asked: pictures are (B, C, S, S) in [-1, 1]; answers lie on the network's device


def restore(checkpoint: Checkpoint, device: torch.device) -> Autoencoder:
    """The network of a checkpoint, ready to be asked."""
    network = Autoencoder(Config.parse(checkpoint.card.config)).eval()
    network.load_state_dict(checkpoint.tensors())
    network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    return network


def home(network: Autoencoder) -> torch.device:
    """Where the network lies."""
    return network.squeeze.weight.device


@torch.inference_mode()
def describe(network: Autoencoder, pictures: Tensor) -> Tensor:
    """Codes (B, N) in [-1, 1] before rounding."""
    return torch.cat([network.describe(part.to(home(network))) for part in torch.split(pictures, BATCH)])


@torch.inference_mode()
def reconstruct(network: Autoencoder, pictures: Tensor) -> Tensor:
    """What is left of the pictures after the bottleneck, in [-1, 1]."""
    return torch.cat([network(part.to(home(network))).clamp(-1, 1) for part in torch.split(pictures, BATCH)])


@torch.inference_mode()
def show(network: Autoencoder, code: Tensor) -> Tensor:
    """Pictures (B, C, S, S) of codes (B, N), rounded to what can be told."""
    return network.paint(network.quantise(code)).clamp(-1, 1)


@torch.inference_mode()
def judge(network: Autoencoder, pictures: Tensor) -> Outliers:
    """How unlike its training pictures each picture is, and where."""
    return network.detector(pictures.to(home(network)), reconstruct(network, pictures))  # type: ignore[no-any-return]


def pairs(network: Autoencoder, pictures: Tensor) -> Tensor:
    """Rows of pictures, each followed by the row of their reconstructions: (2 B, C, S, S)."""
    painted = reconstruct(network, pictures).to(pictures.device)
    rows = zip(torch.split(pictures, COLUMNS), torch.split(painted, COLUMNS), strict=True)
    return torch.cat([torch.cat(row) for row in rows])


# Its roles


def sight(network: Autoencoder) -> Sight:
    """How its training pictures look."""
    return Sight.of(show(network, spread(network.detector.codes, GLANCED)))


def reconstructor(network: Autoencoder) -> Reconstructor:
    """What the bottleneck leaves of pictures."""
    return Reconstructor(Batched(SEEN, home(network), lambda pictures: (reconstruct(network, pictures),)))


def outliers(network: Autoencoder) -> Judge:
    """How unlike its training pictures each picture is, and where."""

    def look(pictures: Tensor) -> Rows:
        painted = reconstruct(network, pictures)
        found = network.detector(pictures, painted)
        return painted, found.score, found.percentile, found.heat

    return Judge(Batched(SEEN, home(network), look))


def space(network: Autoencoder) -> Space:
    """Latents are codes before rounding; each place on a straight way between two has a code of its own."""
    return Space(
        Batched(SEEN, home(network), lambda pictures: (describe(network, pictures),)),
        Batched(DRAWN, home(network), lambda code: (show(network, code),)),
        Batched(DRAWN, home(network), lambda first, second, share: (show(network, first.lerp(second, share)),)),
        network.detector.codes.cpu(),
    )


def coder(network: Autoencoder) -> Coder:
    """Pictures as the whole numbers of their codes."""
    return Coder(
        Batched(SEEN, home(network), lambda pictures: (network.indices(describe(network, pictures)),)),
        Batched(SEEN, home(network), lambda numbers: (network.paint(network.values(numbers)).clamp(-1, 1),)),
        network.config.numbers,
        network.config.levels,
    )


ROLES: dict[type[Role], Callable[[Autoencoder], Role]] = {
    Sight: sight,
    Reconstructor: reconstructor,
    Judge: outliers,
    Space: space,
    Coder: coder,
}
