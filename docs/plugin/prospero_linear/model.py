"""Linear: the plainest autoencoder, one matrix in and one out, as an example of a family of models.

With nothing between the two, the least squared error leaves the span of the data's principal components (Baldi & Hornik
1989): whatever a deep autoencoder does better, its nonlinearities do.

Shapes: B batch, C picture's channels, S its side, Z numbers of a latent, M remembered pictures.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.batched import Batched
from models.checkpoint import Checkpoint
from models.configuration import Configuration
from models.pictures import at_most, from_unit, load, sheet, spread, to_unit
from models.quality import psnr
from models.registry import Family, Metric, Recipe
from models.roles import Reconstructor, Sight, Space
from models.training import Progress, Run, Trained

BATCH = 16  # pictures computed at once where people ask; fewer are filled up


@dataclass(frozen=True)
class Config(Configuration):
    """Shape of a linear autoencoder and how it is trained."""

    LEAST = dict.fromkeys(("channels", "side", "latent", "batch"), 1) | {"memory": 2}

    channels: int = 1
    side: int = 32
    latent: int = 24
    memory: int = 500  # training pictures whose latents are kept, for the map
    batch: int = 256
    rate: float = 3e-3  # falls along a cosine to zero


class Linear(nn.Module):
    """The network: pictures (B, C, S, S) in [-1, 1] to their reconstructions."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        pixels = config.channels * config.side**2
        self.enter = nn.Linear(pixels, config.latent)
        self.leave = nn.Linear(config.latent, pixels)
        self.remembered: Tensor
        self.register_buffer("remembered", torch.zeros(config.memory, config.latent))

    def forward(self, pictures: Tensor) -> Tensor:
        return self.decode(self.encode(pictures))

    def encode(self, pictures: Tensor) -> Tensor:
        """Latents (B, Z)."""
        return self.enter(pictures.flatten(1))  # type: ignore[no-any-return]

    def decode(self, latents: Tensor) -> Tensor:
        """Pictures (B, C, S, S)."""
        c = self.config
        return self.leave(latents).view(-1, c.channels, c.side, c.side)  # type: ignore[no-any-return]


def reconstruction_loss(network: Linear, pictures: Tensor) -> Tensor:
    """Mean squared error between pictures and their reconstructions; the range of values is 2."""
    return F.mse_loss(network(pictures), pictures)


def train(recipe: Recipe, run: Run) -> Generator[Progress, None, Trained]:
    """Train on the recipe's pictures, yielding progress; returns the trained network."""
    config = Config.parse(recipe.config)
    data = load(recipe.dataset)
    data.check(config.channels, config.side)
    network = run.build(lambda: Linear(config))
    optimizer = torch.optim.Adam(network.parameters(), lr=config.rate)
    run.restore(network=network, optimizer=optimizer)
    for _ in run:
        chosen = torch.randint(len(data.train), (config.batch,), generator=run.generator())
        loss = reconstruction_loss(network, to_unit(data.train[chosen]).to(run.device))
        run.descend(optimizer, loss, config.rate)
        run.observe(loss=loss)
        if run.due():
            shown = to_unit(at_most(data.test, 64)).to(run.device)
            sheet(from_unit(decode(network, encode(network, shown))), run.picture)
            metrics = {"held-out PSNR": quality(network, at_most(data.test, 256))}
            yield run.report(metrics, run.picture, network=network, optimizer=optimizer)
    kept = to_unit(spread(data.train, config.memory))
    network.remembered.copy_(encode(network, kept.to(run.device)))
    return Trained(network, asdict(config))


# What it can be asked; pictures are in [-1, 1] and lie on the network's device, as do the answers


def restore(checkpoint: Checkpoint, device: torch.device) -> Linear:
    """The network of a checkpoint, ready to be asked."""
    network = Linear(Config.parse(checkpoint.card.config))
    network.load_state_dict(checkpoint.tensors())
    return network.to(device).eval()


@torch.inference_mode()
def encode(network: Linear, pictures: Tensor) -> Tensor:
    """Latents (B, Z) of pictures (B, C, S, S)."""
    return network.encode(pictures)


@torch.inference_mode()
def decode(network: Linear, latents: Tensor) -> Tensor:
    """Pictures (B, C, S, S) of latents (B, Z)."""
    return network.decode(latents).clamp(-1, 1)


def quality(network: Linear, originals: Tensor) -> float:
    """Mean PSNR of the reconstructions of uint8 pictures (B, C, S, S), in decibels."""
    device = network.enter.weight.device
    rebuilt = decode(network, encode(network, to_unit(originals).to(device)))
    return float(psnr(from_unit(rebuilt).cpu(), originals).mean())


def evaluate(checkpoint: Checkpoint, device: torch.device, quick: bool = False) -> dict[str, Metric]:
    """The figures of the card, on held-out pictures (``quick``: on 50)."""
    network = restore(checkpoint, device)
    data = load(checkpoint.card.dataset["name"])
    data.check_shape(network.config.channels, network.config.side)
    held_out = data.test[: 50 if quick else None]
    return {"psnr": Metric(quality(network, held_out), "dB", "the more the closer", "higher")}


def sample(checkpoint: Checkpoint, out: Path, count: int, seed: int, device: torch.device) -> None:
    """Draw pictures from a normal distribution with the moments of the remembered latents."""
    network = restore(checkpoint, device)
    mean, deviation = network.remembered.mean(0), network.remembered.std(0)
    normal = torch.randn(count, network.config.latent, generator=torch.Generator().manual_seed(seed))
    sheet(from_unit(decode(network, mean + deviation * normal.to(device))), out)


# Its roles: what the worker may ask of it, and so what people may


def sight(network: Linear) -> Sight:
    """How its training pictures look."""
    return Sight.of(decode(network, network.remembered[:50]))


def reconstructor(network: Linear) -> Reconstructor:
    """What the latents leave of pictures."""
    device = network.enter.weight.device
    return Reconstructor(Batched(BATCH, device, lambda pictures: (decode(network, encode(network, pictures)),)))


def space(network: Linear) -> Space:
    """Latents, between which ways are straight."""
    device = network.enter.weight.device
    return Space(
        Batched(BATCH, device, lambda pictures: (encode(network, pictures),)),
        Batched(BATCH, device, lambda latents: (decode(network, latents),)),
        Batched(BATCH, device, lambda first, second, share: (decode(network, first.lerp(second, share)),)),
        network.remembered.cpu(),
    )


FAMILY = Family(
    name="linear",
    default="linear-sprites",
    recipes={"linear-sprites": Recipe("linear-sprites", dataset="sprites", minutes=1)},
    config=Config,
    train=train,
    evaluate=evaluate,
    sample=sample,
    continues=True,
    restore=restore,
    roles={Sight: sight, Reconstructor: reconstructor, Space: space},
)
