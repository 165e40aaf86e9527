"""GAN: a generator and a discriminator, their objective, their training and what the generator can be asked.

The objective of models.adversarial needs no normalisation. The networks are shallow stacks of 4x4 convolutions with
bottleneck blocks at the coarse resolutions: per second, a CPU learns most from few dense convolutions. Penalties are
taken every few steps, that much stronger (Karras et al. 2020), because a second derivative costs as much as four steps.

Shapes: B batch, C picture's channels, H height, W width, Z latent numbers, K classes (one when there are none).
"""

from __future__ import annotations

import copy
import math
from collections.abc import Generator as Steps
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models import features, fidelity, latents
from models.adversarial import discriminator_loss, generator_loss
from models.augmentation import augment, mirror
from models.batched import Batched
from models.checkpoint import Checkpoint
from models.configuration import Configuration, ConfigurationError, whole_numbers
from models.data import SETS
from models.first_weights import keep_signal
from models.painter import Painter
from models.pictures import Pictures, from_unit, load, sheet, to_unit
from models.registry import Family, Metric, Recipe
from models.training import Progress, Run, Stateful, Trained, cosine, renew, renewal

CHUNK, GPU_CHUNK = 16, 256  # pictures drawn at once: at fewer, a core or a graphics card is hardly quicker


@dataclass(frozen=True)
class Config(Configuration):
    """Shape of both networks and how they are trained."""

    LEAST = dict.fromkeys(("channels", "classes", "base", "latent", "batch", "penalty_every", "average"), 1)

    channels: int = 3
    classes: int = 1
    base: int = 4  # side of the coarsest map in pixels; every stage doubles it
    widths: str = "256,192,96,32"  # channels of the stages, the coarsest first
    blocks: str = "1,1,0,0"  # bottleneck blocks of the stages: fine resolutions cost most and need them least
    latent: int = 64
    batch: int = 64
    rate: float = 2e-4  # learning rate of Adam; falls along a cosine to the next
    rate_end: float = 5e-5
    gamma: float = 2.0  # weight of the penalties; falls along a cosine to the next
    gamma_end: float = 0.2
    penalty_every: int = 4  # steps
    augmentation: float = 0.0  # probability of each change, reached at the end of the run
    mirrored: bool = False
    average: float = 20_000.0  # pictures after which half of the averaged weights is renewed

    def __post_init__(self) -> None:
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


class Generator(nn.Module):
    """Latents (B, Z) and classes (B,), or weights of all classes (B, K), to pictures (B, C, H, W) in [-1, 1]."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        widths = [*config.stages, config.channels]
        self.classes = nn.Embedding(config.classes, config.latent)
        self.enter = nn.Linear(2 * config.latent, widths[0] * config.base**2)
        self.stages = nn.ModuleList(
            nn.Sequential(
                *(Block(inputs) for _ in range(depth)),
                nn.LeakyReLU(0.2),
                nn.ConvTranspose2d(inputs, outputs, 4, stride=2, padding=1),
            )
            for inputs, outputs, depth in zip(widths, widths[1:], config.depths, strict=False)
        )
        keep_signal(self)

    def forward(self, latent: Tensor, classes: Tensor) -> Tensor:
        c = self.config
        kind = classes @ self.classes.weight if classes.is_floating_point() else self.classes(classes)  # (B, Z)
        x = self.enter(torch.cat((latent, kind), 1))  # (B, width * base * base)
        x = x.unflatten(1, (-1, c.base, c.base)).contiguous(memory_format=torch.channels_last)
        for stage in self.stages:
            x = stage(x)
        return x.float().tanh()  # type: ignore[no-any-return]  # (B, C, H, W): black and white are within easy reach


class Discriminator(nn.Module):
    """Pictures (B, C, H, W) and classes (B,) to logits (B,): the higher, the more real as that class."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        widths = [config.channels, *config.stages[::-1]]
        self.stages = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(inputs, outputs, 4, stride=2, padding=1),
                *(Block(outputs) for _ in range(depth)),
                nn.LeakyReLU(0.2),
            )
            for inputs, outputs, depth in zip(widths, widths[1:], config.depths[::-1], strict=False)
        )
        self.leave = nn.Linear(widths[-1] * config.base**2, config.latent)
        self.classes = nn.Embedding(config.classes, config.latent)
        keep_signal(self)

    def forward(self, images: Tensor, classes: Tensor) -> Tensor:
        x = images.contiguous(memory_format=torch.channels_last)
        for stage in self.stages:
            x = stage(x)
        evidence = self.leave(x.flatten(1)).float()  # (B, Z)
        return (evidence * self.classes(classes)).sum(1) / math.sqrt(evidence.shape[1])  # type: ignore[no-any-return]


# Training


def train(recipe: Recipe, run: Run) -> Steps[Progress, None, Trained]:
    """Train on the recipe's pictures, yielding progress; returns the generator with averaged weights."""
    config = Config.parse(recipe.config)
    data = load(recipe.dataset)
    _check(config, data)
    generator, discriminator = run.build(lambda: Generator(config)), run.build(lambda: Discriminator(config))
    average = copy.deepcopy(generator).requires_grad_(False)
    optimizers = [
        torch.optim.Adam(network.parameters(), lr=config.rate, betas=(0.0, 0.99))
        for network in (generator, discriminator)
    ]
    parts: dict[str, Stateful] = {
        "generator": generator,
        "discriminator": discriminator,
        "average": average,
        "generator_optimizer": optimizers[0],
        "discriminator_optimizer": optimizers[1],
    }
    run.restore(**parts)
    draw_batch = run.compiled(generator)  # the discriminator is not: its penalty needs a second derivative
    for step in run:
        real, classes = (part.to(run.device) for part in batch(data, config, run))
        latent = torch.randn(config.batch, config.latent, device=run.device)
        probability = config.augmentation * min(1.0, 2 * run.fraction)
        for optimizer in optimizers:
            optimizer.param_groups[0]["lr"] = cosine(config.rate, config.rate_end, run.fraction)
        gamma = cosine(config.gamma, config.gamma_end, run.fraction) * config.penalty_every
        with run.autocast():
            drawn = draw_batch(latent, classes)
            shown, judged = augment(real, probability), augment(drawn, probability)
            losses = discriminator_loss(
                discriminator, shown, judged.detach(), classes, gamma if step % config.penalty_every == 0 else 0.0
            )
        torch.stack(list(losses.values())).sum().backward()  # type: ignore[no-untyped-call]
        optimizers[1].step()
        discriminator.requires_grad_(False)
        with run.autocast():
            losses["generator"] = generator_loss(discriminator, shown, judged, classes)
        losses["generator"].backward()  # type: ignore[no-untyped-call]
        optimizers[0].step()
        discriminator.requires_grad_(True)
        for optimizer in optimizers:
            optimizer.zero_grad(set_to_none=True)
        renew(average, generator, renewal(step, config.average / config.batch))
        losses.setdefault("penalty", losses["discriminator"].new_zeros(()))
        run.observe(**losses)
        if run.due():
            picture = run.folder / "samples.png"
            yield run.report(_progress(average, data, picture), picture, **parts)
    return Trained(average.eval(), asdict(config))


def batch(data: Pictures, config: Config, run: Run) -> tuple[Tensor, Tensor]:
    """Random training pictures (B, C, H, W) in [-1, 1] and their classes (B,) for the run's step."""
    chosen = torch.randint(len(data.train), (config.batch,), generator=run.generator())
    images = to_unit(data.train[chosen])
    classes = data.train_labels[chosen] if config.classes > 1 and data.train_labels is not None else 0 * chosen
    return mirror(images) if config.mirrored else images, classes


def _check(config: Config, data: Pictures) -> None:
    """ConfigurationError when the networks do not fit the pictures."""
    _, channels, height, width = data.train.shape
    if (channels, height, width) != (config.channels, config.side, config.side):
        raise ConfigurationError(
            f"{data.name} has {channels} x {height} x {width} pictures, the networks are made for "
            f"{config.channels} x {config.side} x {config.side}; set channels, base, widths and blocks to fit."
        )
    if config.classes > 1 and not data.classified:
        raise ConfigurationError(f"The pictures of {data.name} have no classes; set classes=1.")


def _progress(average: Generator, data: Pictures, picture: Path) -> dict[str, float]:
    """Draw a sheet of what the generator can do now and measure a little of it."""
    drawn = generate(average, range(64))
    picture.parent.mkdir(parents=True, exist_ok=True)
    sheet(drawn, picture)
    spread, real = (part.float().std(0, correction=0).mean() for part in (drawn, data.test[:64]))
    return {"spread against real": float(spread / real.clamp_min(1e-6))}  # far below 1: all pictures are alike


# Evaluation


def evaluate(checkpoint: Checkpoint, device: torch.device, quick: bool = False) -> dict[str, Metric]:
    """The figures of the card against the held-out pictures; ``quick`` with fewer of them."""
    network = restore(checkpoint, device)
    data = load(checkpoint.card.dataset["name"])
    count = 1_000 if quick else max(5_000, len(data.test))
    images = generate(network, range(count))
    judge = features.frozen(network.config.channels, device)
    figures: dict[str, Metric] = {}
    if network.config.classes > 1:
        agreed = features.classify(judge, images) == default_classes(range(count), network.config.classes)
        assert data.test_labels is not None
        real = features.accuracy(judge, data.test, data.test_labels)
        reference = f">= 0.985; real held-out pictures {real:.4f}"
        agreement = Metric(float(agreed.float().mean()), "share of drawn pictures", reference, "higher")
        figures["class_agreement"] = agreement
    return fidelity.compare(judge, images, data, quick) | figures


# What it can be asked


def restore(checkpoint: Checkpoint, device: torch.device) -> Generator:
    """The generator of a checkpoint, ready to be asked."""
    network = Generator(Config.parse(checkpoint.card.config))
    network.load_state_dict(checkpoint.tensors())
    return network.to(device).eval()


def draw(network: Generator, latent: Tensor, classes: Tensor) -> Tensor:
    """Pictures (N, C, H, W), uint8, from latents (N, Z) and the weights (N, K) of the classes."""
    return _batched(network)(latent, classes)[0]


def _batched(network: Generator) -> Batched:
    device = next(network.parameters()).device

    def drawn(latent: Tensor, classes: Tensor) -> tuple[Tensor]:
        with torch.autocast(device.type, torch.float16, enabled=device.type == "cuda"):  # as exact as TF32, and faster
            return (from_unit(network(latent, classes)),)

    return Batched(CHUNK if device.type == "cpu" else GPU_CHUNK, device, drawn)


def default_classes(seeds: Sequence[int], classes: int) -> Tensor:
    """The class (N,) of a seed whose class is left open: successive seeds go through all classes."""
    return torch.tensor([seed % classes for seed in seeds])


def generate(
    network: Generator, seeds: Sequence[int], classes: Sequence[int] | None = None, truncation: float = 1.0
) -> Tensor:
    """The pictures (N, C, H, W), uint8, of the seeds; truncation below 1 trades variety for typical pictures."""
    kinds = default_classes(seeds, network.config.classes) if classes is None else torch.tensor(classes)
    weights = F.one_hot(kinds, network.config.classes).float()
    return draw(network, truncation * latents.of_seeds(seeds, network.config.latent), weights)


def painter(network: Generator) -> Painter:
    """The generator as what draws at any point."""
    return Painter(network.config.latent, network.config.classes, _batched(network))


def sample(checkpoint: Checkpoint, out: Path, count: int, seed: int, device: torch.device) -> None:
    """Draw the pictures of ``count`` successive seeds; with classes, one column for each."""
    network = restore(checkpoint, device)
    classes = network.config.classes
    sheet(generate(network, range(seed, seed + count)), out, columns=classes if classes > 1 else 8)


DIGITS = {"channels": 1, "classes": 10, "base": 7, "widths": "128,64", "blocks": "1,0", "rate": 4e-4, "gamma": 1.0}
CATS = {
    "widths": "256,192,96,48",
    "blocks": "2,2,1,0",
    "augmentation": 0.4,  # 7,000 pictures are learnt by heart without
    "mirrored": True,
    "average": 50_000.0,
}

FAMILY = Family(
    name="gan",
    default="gan-digits",
    recipes={
        "gan-digits": Recipe("gan-digits", "gan", "digits", SETS["digits"].licence, DIGITS, minutes=20),
        "gan-cats": Recipe("gan-cats", "gan", "cats", SETS["cats"].licence, CATS, minutes=120),
    },
    config=Config,
    train=train,
    evaluate=evaluate,
    sample=sample,
    restore=restore,
    roles={Painter: painter},
)
