"""Variational: the network of a VAE and what it can be asked.

Kingma & Welling 2014, with a residual convolutional or dense network, and a flow as prior where samples or likelihood
matter. Base vectors are the prior's standard normal ones: arcs between them stay where the prior is at home.

Shapes: B batch, C picture's channels, S its side, Z latents, W and G channels and side of a map.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models import latents
from models.batched import Batched, Rows
from models.checkpoint import Checkpoint
from models.configuration import Configuration, ConfigurationError
from models.convolution import Decoder, Encoder, widths
from models.dense import Dense
from models.flow import Flow, normal_log_density
from models.likelihood import Bounds, bounds
from models.painter import Painter
from models.pictures import from_unit, spread, to_unit
from models.roles import Likelihood, Reconstructor, Role, Sight, Space, Traverser

MEMORY = 1_000  # latents and likelihoods kept in the checkpoint, for the map and for percentiles
WEIGHED = 64  # posterior samples for the likelihood of a single picture
DRAWN = 16  # pictures drawn at once
SEEN = 4  # pictures that are handed in and looked at at once: seldom do more come at the same moment
GLANCED = 50  # remembered pictures that tell what all look like


@dataclass(frozen=True)
class Config(Configuration):
    """Shape of a VAE and how it is trained."""

    LEAST = dict.fromkeys(("channels", "side", "width", "latent", "flow_width", "batch"), 1)

    channels: int = 3
    side: int = 64
    network: str = "convolutional"  # or "dense"
    width: int = 32  # channels of the finest stage, or numbers in every layer of a dense network
    stages: int = 4  # of a convolutional network, each halves the side: 64 pixels to a map of 4x4
    blocks: int = 1  # residual blocks a stage, or in all of a dense encoder or decoder
    latent: int = 128
    flow: int = 6  # coupling layers of the prior; 0: the standard normal
    flow_width: int = 256
    likelihood: str = "normal"  # of pixels: one learnt deviation; or "bernoulli" for black and white
    binarised: bool = False  # draw black or white afresh each time a picture is shown
    beta: float = 1.0  # weight of the KL, or of the total correlation alone
    total_correlation: bool = False
    balance: str = "none"  # or "latent": show pictures with rare latents more often
    batch: int = 64
    rate: float = 1e-3
    weight_decay: float = 0.0
    warmup: int = 100  # steps to the full learning rate
    longest: float = 0.0  # gradient; longer ones are shortened to it, or a single picture can undo a training. 0: any
    kl_start: float = 0.0  # weight of the KL at first: far below 1, or latents die before they are of use; far above 1,
    # where they are to come to life one by one
    kl_warmup: float = 0.05  # share of the run in which the KL's weight goes to 1
    average: float = 0.995  # of the weights' moving average, which is kept
    mirrored: bool = False  # show every picture left to right or right to left by chance
    zoomed: float = 1.0  # least share of a picture's side that is shown, a little turned; 1: pictures as they are

    @property
    def pixels(self) -> int:
        return self.channels * self.side**2

    def __post_init__(self) -> None:
        """ConfigurationError when a setting does not fit the others."""
        for name, allowed in {
            "network": ("convolutional", "dense"),
            "likelihood": ("normal", "bernoulli"),
            "balance": ("none", "latent"),
        }.items():
            if getattr(self, name) not in allowed:
                raise ConfigurationError(f"{name} must be {' or '.join(allowed)}, not {getattr(self, name)!r}.")
        if self.latent % 2 and self.flow:
            raise ConfigurationError("The flow needs an even number of latents; change latent or set flow=0.")
        if self.network == "convolutional" and self.side % 2**self.stages:
            raise ConfigurationError(f"side must be a multiple of {2**self.stages}; change side or stages.")


class Evidence(NamedTuple):
    """The parts of ln p(x, z) - ln q(z | x) for one sample of the posterior: (B,) each but the last three, (B, Z)."""

    likelihood: Tensor  # ln p(x | z)
    divergence: Tensor  # KL from posterior to prior, in closed form where there is one, else its sample
    z: Tensor
    mean: Tensor
    log_variance: Tensor


class VAE(nn.Module):
    """The network; its forward pass takes pictures (B, C, S, S) in [-1, 1] to their evidence."""

    codes: Tensor
    likelihoods: Tensor

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = c = config
        if c.network == "dense":
            self.encoder: nn.Module = nn.Sequential(nn.Flatten(), Dense(c.pixels, c.width, 2 * c.latent, c.blocks))
            self.decoder: nn.Module = nn.Sequential(
                Dense(c.latent, c.width, c.pixels, c.blocks), nn.Unflatten(1, (c.channels, c.side, c.side))
            )
        else:
            last, side = widths(c.width, c.stages)[-1], c.side >> c.stages
            self.encoder = nn.Sequential(
                Encoder(c.channels, c.width, c.stages, c.blocks),
                nn.Flatten(),
                nn.Linear(last * side**2, 2 * c.latent),
            )
            self.decoder = nn.Sequential(
                nn.Linear(c.latent, last * side**2),
                nn.Unflatten(1, (last, side, side)),
                Decoder(c.channels, c.width, c.stages, c.blocks),
            )
        self.prior = Flow(c.latent, c.flow, c.flow_width)
        # of the values in [-1, 1] about a blurred picture; from further off it would take thousands of steps to fall
        self.log_deviation = nn.Parameter(torch.tensor(-1.5), requires_grad=c.likelihood == "normal")
        self.register_buffer("codes", torch.zeros(MEMORY, c.latent))  # posterior means of training pictures
        self.register_buffer("likelihoods", torch.zeros(MEMORY))  # of held-out pictures in nats, ascending

    def forward(self, pictures: Tensor) -> Evidence:
        mean, log_variance = self.posterior(pictures)
        z = mean + torch.randn_like(mean) * (0.5 * log_variance).exp()
        return Evidence(self.log_likelihood(pictures, z), self.divergence(z, mean, log_variance), z, mean, log_variance)

    def posterior(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """Means and logarithms of the variances of q(z | x): (B, Z) each."""
        mean, log_variance = self.encoder(pictures).float().chunk(2, -1)
        return mean, log_variance.clamp(-12, 6)  # beyond that, exp() would leave bfloat16's useful range

    def divergence(self, z: Tensor, mean: Tensor, log_variance: Tensor) -> Tensor:
        """KL (B,) from the posterior to the prior; with a flow, its unbiased estimate from ``z``."""
        if not self.config.flow:
            return 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(1)
        return normal_log_density(z, mean, log_variance) - self.prior.log_density(z)

    def log_likelihood(self, pictures: Tensor, z: Tensor) -> Tensor:
        """ln p(x | z) (B,) in nats; of grey values in [-1, 1] as they are under "normal", as shares of white else."""
        painted: Tensor = self.decoder(z).float()
        if self.config.likelihood == "bernoulli":
            loss = F.binary_cross_entropy_with_logits(painted, (pictures + 1) / 2, reduction="none")
            return -loss.sum((1, 2, 3))
        squares: Tensor = (painted - pictures).square().sum((1, 2, 3)) * (-2 * self.log_deviation).exp()
        return -0.5 * squares - self.config.pixels * (self.log_deviation + 0.5 * math.log(2 * math.pi))

    def paint(self, z: Tensor) -> Tensor:
        """Mean pictures (B, C, S, S) in [-1, 1] of latents (B, Z)."""
        painted: Tensor = self.decoder(z).float()
        return 2 * painted.sigmoid() - 1 if self.config.likelihood == "bernoulli" else painted.clamp(-1, 1)


# What it can be asked: pictures are (B, C, S, S) in [-1, 1], latents and base vectors (B, Z); answers lie on the
# network's device


def restore(checkpoint: Checkpoint, device: torch.device) -> VAE:
    """The network of a checkpoint, ready to be asked."""
    network = VAE(Config.parse(checkpoint.card.config)).eval()
    network.load_state_dict(checkpoint.tensors())
    network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    return network


def encode(network: VAE, pictures: Tensor, batch: int = 500) -> Tensor:
    """Posterior means (B, Z) of pictures, or of uint8 ones."""
    with torch.inference_mode():
        device = network.codes.device
        parts = (part.to(device) for part in torch.split(pictures, batch))
        return torch.cat([network.posterior(to_unit(p) if p.dtype == torch.uint8 else p)[0] for p in parts])


@torch.inference_mode()
def decode(network: VAE, z: Tensor) -> Tensor:
    """Pictures of latents."""
    return network.paint(z.to(network.codes.device))


def reconstruct(network: VAE, pictures: Tensor) -> Tensor:
    """What the posteriors' means say of pictures."""
    return decode(network, encode(network, pictures))


def log_likelihood(network: VAE, pictures: Tensor, samples: int = WEIGHED, seed: int = 0) -> Tensor:
    """ln p(x) (B,) in nats, importance-weighted; a network of black and white sees grey as its likelier side."""
    if network.config.binarised:
        pictures = torch.where(pictures > 0, 1.0, -1.0)
    return weigh(network, pictures, samples, seed).importance_weighted.float()


@torch.inference_mode()
def weigh(network: VAE, pictures: Tensor, samples: int, seed: int = 0) -> Bounds:
    """Bounds of ln p(x) of pictures, of ``samples`` of the posterior each."""
    generator = torch.Generator().manual_seed(seed)

    def draw_weight(pictures: Tensor) -> Tensor:
        """ln p(x, z) - ln q(z | x) for one sample: (B,)."""
        mean, log_variance = network.posterior(pictures)
        noise = torch.randn(mean.shape, generator=generator).to(mean.device)
        z = mean + noise * (0.5 * log_variance).exp()
        ratio = network.prior.log_density(z) - normal_log_density(z, mean, log_variance)
        return network.log_likelihood(pictures, z) + ratio

    return bounds(draw_weight, pictures.to(network.codes.device), samples)


def shown_once(network: VAE, pictures: Tensor) -> Tensor:
    """uint8 pictures as the network is measured on them, always the same: in [-1, 1], binarised if it wants that."""
    shown = to_unit(pictures)
    return binarise(shown, torch.Generator().manual_seed(0)) if network.config.binarised else shown


def binarise(pictures: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """Black or white drawn with the grey value as chance of white, all in [-1, 1] (Salakhutdinov & Murray 2008)."""
    return 2 * torch.bernoulli((pictures + 1) / 2, generator=generator) - 1


# Its roles


def sight(network: VAE) -> Sight:
    """How its training pictures look."""
    return Sight.of(decode(network, _glance(network)))


def painter(network: VAE) -> Painter:
    """Pictures of base vectors."""

    def paint(base: Tensor, _: Tensor) -> Rows:
        return (from_unit(network.paint(network.prior.from_base(base))),)

    return Painter(network.config.latent, 1, Batched(DRAWN, network.codes.device, paint))


def reconstructor(network: VAE) -> Reconstructor:
    """What the posteriors' means say of pictures, and how likely those are."""
    device = network.codes.device

    def estimate(pictures: Tensor, portions: Tensor) -> Rows:
        return (log_likelihood(network, pictures, DRAWN, seed=int(portions)),)

    return Reconstructor(
        Batched(SEEN, device, lambda pictures: (reconstruct(network, pictures),)),
        Likelihood(Batched(1, device, estimate), WEIGHED // DRAWN, network.likelihoods.cpu()),
    )


def space(network: VAE) -> Space:
    """Latents are the posteriors' means; ways between them are arcs of the prior's base, where it is at home."""
    encoded, decoded = _coding(network)

    def blend(first: Tensor, second: Tensor, share: Tensor) -> Rows:
        way = latents.spherical(network.prior.to_base(first)[0], network.prior.to_base(second)[0], share)
        return (network.paint(network.prior.from_base(way)),)

    return Space(encoded, decoded, Batched(DRAWN, network.codes.device, blend), network.codes.cpu())


def traverser(network: VAE) -> Traverser:
    """Each latent over what the training pictures take of it."""
    encoded, decoded = _coding(network)
    sample = Batched(SEEN, network.codes.device, lambda base: (network.prior.from_base(base),))
    means = network.codes.cpu()
    return Traverser(encoded, sample, decoded, means.mean(0), means.std(0), telling(network).cpu())


@torch.inference_mode()
def telling(network: VAE) -> Tensor:
    """Nats (Z,) that each latent tells of a picture, as a channel with the posterior's variance as its noise.

    Unlike the KL to the prior it does not depend on how a flow scales a latent.
    """
    _, log_variance = network.posterior(decode(network, _glance(network)))
    return 0.5 * (network.codes.var(0) / log_variance.exp().mean(0)).log1p()


def _coding(network: VAE) -> tuple[Batched, Batched]:
    """Pictures to latents and back."""
    device = network.codes.device
    return (
        Batched(SEEN, device, lambda pictures: (network.posterior(pictures)[0],)),
        Batched(DRAWN, device, lambda z: (network.paint(z),)),
    )


def _glance(network: VAE) -> Tensor:
    """Some of the remembered latents."""
    return spread(network.codes, GLANCED)


ROLES: dict[type[Role], Callable[[VAE], Role]] = {
    Sight: sight,
    Painter: painter,
    Reconstructor: reconstructor,
    Space: space,
    Traverser: traverser,
}
