"""Duel: a network that draws and one that judges, trained against each other; what a GAN and a translator share.

The objective of models.adversarial needs no normalisation. The networks are shallow stacks of 4x4 convolutions with
bottleneck blocks at the coarse resolutions: per second, a CPU learns most from few dense convolutions. Penalties are
taken every few steps, that much stronger (Karras et al. 2020), because a second derivative costs as much as four steps.

Shapes: B batch, C picture's channels, H height, W width, Z latent numbers.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Generic, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.adversarial import discriminator_loss, generator_loss
from models.augmentation import augment
from models.configuration import Configuration, ConfigurationError, whole_numbers
from models.first_weights import keep_signal
from models.training import Run, Stateful, cosine, renew, renewal

Painting = TypeVar("Painting", bound=nn.Module)  # a network that draws
FITTED = "channels, base, widths and blocks"  # settings that say which pictures the networks are for


@dataclass(frozen=True)
class Config(Configuration):
    """Shape of both networks and how they are trained."""

    LEAST: ClassVar[Mapping[str, int]] = dict.fromkeys(
        ("channels", "base", "latent", "batch", "penalty_every", "average"), 1
    )

    channels: int = 3
    base: int = 4  # side of the coarsest map in pixels; every stage doubles it
    widths: str = "256,192,96,48"  # channels of the stages, the coarsest first
    blocks: str = "2,2,1,0"  # bottleneck blocks of the stages: fine resolutions cost most and need them least
    latent: int = 64
    batch: int = 64
    rate: float = 2e-4  # learning rate of Adam; falls along a cosine to the next
    rate_end: float = 5e-5
    warmup: int = 0  # steps over which the drawing network's rate rises, while the judge learns to see
    gamma: float = 2.0  # weight of the penalties; falls along a cosine to the next
    gamma_end: float = 0.2
    penalty_every: int = 4  # steps
    augmentation: float = 0.0  # probability of each change, reached in the middle of the run
    mirrored: bool = False
    average: float = 20_000.0  # pictures after which half of the averaged weights is renewed

    def __post_init__(self) -> None:
        """ConfigurationError when a setting does not fit the others."""
        if len(self.stages) != len(self.depths):
            raise ConfigurationError("widths and blocks must name the same number of stages.")

    @property
    def stages(self) -> list[int]:
        return whole_numbers("widths", self.widths)

    @property
    def depths(self) -> list[int]:
        return whole_numbers("blocks", self.blocks)

    @property
    def side(self) -> int:
        """Of the pictures, in pixels."""
        return self.base << len(self.stages)


class Block(nn.Module):
    """x + a bottleneck of 1x1, 3x3 and 1x1 convolutions that starts at zero: (B, width, H, W) to the same."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.enter = nn.Conv2d(width, width // 2, 1)
        self.mix = nn.Conv2d(width // 2, width // 2, 3, padding=1)
        self.leave = nn.Conv2d(width // 2, width, 1, bias=False)
        nn.init.zeros_(self.leave.weight)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.leave(activate(self.mix(activate(self.enter(activate(x))))))  # type: ignore[no-any-return]


def activate(x: Tensor) -> Tensor:
    return F.leaky_relu(x, 0.2)


def rising(widths: Sequence[int], depths: Sequence[int]) -> nn.ModuleList:
    """Stages from (B, widths[0], H, W) to (B, widths[-1], ...), each of which doubles the side."""
    return nn.ModuleList(
        nn.Sequential(
            *(Block(inputs) for _ in range(depth)),
            nn.LeakyReLU(0.2),
            nn.ConvTranspose2d(inputs, outputs, 4, stride=2, padding=1),
        )
        for inputs, outputs, depth in zip(widths, widths[1:], depths, strict=False)
    )


def falling(widths: Sequence[int], depths: Sequence[int]) -> nn.ModuleList:
    """Stages from (B, widths[0], H, W) to (B, widths[-1], ...), each of which halves the side."""
    return nn.ModuleList(
        nn.Sequential(
            nn.Conv2d(inputs, outputs, 4, stride=2, padding=1),
            *(Block(outputs) for _ in range(depth)),
            nn.LeakyReLU(0.2),
        )
        for inputs, outputs, depth in zip(widths, widths[1:], depths, strict=False)
    )


class Discriminator(nn.Module):
    """Pictures (B, C, H, W) and classes (B,) to logits (B,): the higher, the more real as that class."""

    def __init__(self, config: Config, channels: int, classes: int) -> None:
        super().__init__()
        widths = [channels, *config.stages[::-1]]
        self.stages = falling(widths, config.depths[::-1])
        self.leave = nn.Linear(widths[-1] * config.base**2, config.latent)
        self.classes = nn.Embedding(classes, config.latent)
        keep_signal(self)

    def forward(self, images: Tensor, classes: Tensor) -> Tensor:
        x = images.contiguous(memory_format=torch.channels_last)
        for stage in self.stages:
            x = stage(x)
        evidence = self.leave(x.flatten(1)).float()  # (B, Z)
        return (evidence * self.classes(classes)).sum(1) / math.sqrt(evidence.shape[1])  # type: ignore[no-any-return]


class Duel(Generic[Painting]):
    """Both networks of a run with their optimizers, and the averaged weights of the one that draws, which ship."""

    def __init__(self, config: Config, run: Run, generator: Painting, discriminator: nn.Module) -> None:
        self.config, self.run = config, run
        self.generator, self.discriminator = generator, discriminator
        self.average = copy.deepcopy(generator).requires_grad_(False)
        self.generator_optimizer, self.discriminator_optimizer = (
            torch.optim.Adam(network.parameters(), lr=config.rate, betas=(0.0, 0.99))
            for network in (generator, discriminator)
        )

    @property
    def parts(self) -> dict[str, Stateful]:
        """What a snapshot keeps."""
        names = ("generator", "discriminator", "average", "generator_optimizer", "discriminator_optimizer")
        return {name: getattr(self, name) for name in names}

    def step(self, real: Tensor, drawn: Tensor, condition: Tensor) -> dict[str, Tensor]:
        """One step of each network on pictures (B, C, H, W) of the same conditions (B,); returns the losses."""
        config, run, discriminator = self.config, self.run, self.discriminator
        probability = config.augmentation * min(1.0, 2 * run.fraction)
        gamma = cosine(config.gamma, config.gamma_end, run.fraction) * config.penalty_every
        with run.autocast():
            shown, judged = augment(real, probability), augment(drawn, probability)
            losses = discriminator_loss(
                discriminator, shown, judged.detach(), condition, 0.0 if run.step % config.penalty_every else gamma
            )
        run.descend(
            self.discriminator_optimizer, torch.stack(list(losses.values())).sum(), config.rate, config.rate_end
        )
        discriminator.requires_grad_(False)
        with run.autocast():
            losses["generator"] = generator_loss(discriminator, shown, judged, condition)
        self.follow(losses["generator"])
        discriminator.requires_grad_(True)
        losses.setdefault("penalty", losses["discriminator"].new_zeros(()))
        return losses

    def follow(self, loss: Tensor) -> None:
        """One step of the generator, down any loss."""
        config = self.config
        self.run.descend(self.generator_optimizer, loss, config.rate, config.rate_end, config.warmup)
        renew(self.average, self.generator, renewal(self.run.step, config.average / config.batch))
