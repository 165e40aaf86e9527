"""GAN: a generator and a discriminator, their training (see models/duel.py) and what the generator can be asked.

Shapes: B batch, C picture's channels, H height, W width, Z latent numbers, K classes (one when there are none).
"""

from __future__ import annotations

from collections.abc import Generator as Steps
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor, nn

from models import duel, features, fidelity
from models.augmentation import mirror
from models.batched import Batched
from models.checkpoint import Checkpoint
from models.first_weights import keep_signal
from models.painter import Painter
from models.pictures import Pictures, at_most, from_unit, load, sheet, to_unit
from models.registry import Family, Metric, Recipe
from models.training import Progress, Run, Trained

CHUNK, GPU_CHUNK = 16, 256  # pictures drawn at once: at fewer, a core or a graphics card is hardly quicker


@dataclass(frozen=True)
class Config(duel.Config):
    """Shape of both networks and how they are trained; of pictures with classes their number."""

    LEAST: ClassVar[Mapping[str, int]] = {**duel.Config.LEAST, "classes": 1}

    classes: int = 1


class Generator(nn.Module):
    """Latents (B, Z) and classes (B,), or weights of all classes (B, K), to pictures (B, C, H, W) in [-1, 1]."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        widths = [*config.stages, config.channels]
        self.classes = nn.Embedding(config.classes, config.latent)
        self.enter = nn.Linear(2 * config.latent, widths[0] * config.base**2)
        self.stages = duel.rising(widths, config.depths)
        keep_signal(self)

    def forward(self, latent: Tensor, classes: Tensor) -> Tensor:
        c = self.config
        kind = classes @ self.classes.weight if classes.is_floating_point() else self.classes(classes)  # (B, Z)
        x = self.enter(torch.cat((latent, kind), 1))  # (B, width * base * base)
        x = x.unflatten(1, (-1, c.base, c.base)).contiguous(memory_format=torch.channels_last)
        for stage in self.stages:
            x = stage(x)
        return x.float().tanh()  # type: ignore[no-any-return]  # (B, C, H, W): black and white are within easy reach


# Training


def train(recipe: Recipe, run: Run) -> Steps[Progress, None, Trained]:
    """Train on the recipe's pictures, yielding progress; returns the generator with averaged weights."""
    config = Config.parse(recipe.config)
    data = load(recipe.dataset)
    _check(config, data)
    generator = run.build(lambda: Generator(config))
    discriminator = run.build(lambda: duel.Discriminator(config, config.channels, config.classes))
    contest = duel.Duel(config, run, generator, discriminator)
    run.restore(**contest.parts)
    draw_batch = run.compiled(generator)  # the discriminator is not: its penalty needs a second derivative
    for _ in run:
        real, classes = (part.to(run.device) for part in batch(data, config, run))
        latent = torch.randn(config.batch, config.latent, device=run.device)
        with run.autocast():
            drawn = draw_batch(latent, classes)
        run.observe(**contest.step(real, drawn, classes))
        if run.due():
            yield run.report(_progress(contest.average, data, run.picture), run.picture, **contest.parts)
    return Trained(contest.average.eval(), asdict(config))


def batch(data: Pictures, config: Config, run: Run) -> tuple[Tensor, Tensor]:
    """Random training pictures (B, C, H, W) in [-1, 1] and their classes (B,) for the run's step."""
    chosen = torch.randint(len(data.train), (config.batch,), generator=run.generator())
    images = to_unit(data.train[chosen])
    classes = data.train_labels[chosen] if config.classes > 1 and data.train_labels is not None else 0 * chosen
    return mirror(images) if config.mirrored else images, classes


def _check(config: Config, data: Pictures) -> None:
    """DataError when the networks do not fit the pictures."""
    data.check(config.channels, config.side, duel.FITTED)
    if config.classes > 1:
        data.check_classes(config.classes, none=1)


def _progress(average: Generator, data: Pictures, picture: Path) -> dict[str, float]:
    """Draw a sheet of what the generator can do now and measure a little of it."""
    drawn = painter(average).pictures(range(64))
    sheet(drawn, picture)
    spread, real = (part.float().std(0, correction=0).mean() for part in (drawn, at_most(data.test, 64)))
    return {"spread against real": float(spread / real.clamp_min(1e-6))}  # far below 1: all pictures are alike


# Evaluation


def evaluate(checkpoint: Checkpoint, device: torch.device, quick: bool = False) -> dict[str, Metric]:
    """The figures of the card against the held-out pictures; ``quick`` with fewer of them."""
    network = restore(checkpoint, device)
    data = load(checkpoint.card.dataset["name"])
    _check(network.config, data)
    count = 1_000 if quick else max(5_000, len(data.test))
    role = painter(network)
    points = role.sample(range(count))
    (images,) = role.draw(*points.rows)
    judge = features.frozen(network.config.channels, device)
    figures: dict[str, Metric] = {}
    if network.config.classes > 1:
        agreed = features.classify(judge, images) == points.classes.argmax(1)
        assert data.test_labels is not None  # _check has seen to that
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


def painter(network: Generator) -> Painter:
    """The generator as what draws at any point."""
    device = next(network.parameters()).device

    def drawn(latent: Tensor, classes: Tensor) -> tuple[Tensor]:
        with torch.autocast(device.type, torch.float16, enabled=device.type == "cuda"):  # as exact as TF32, and faster
            return (from_unit(network(latent, classes)),)

    draw = Batched(GPU_CHUNK if device.type == "cuda" else CHUNK, device, drawn)
    return Painter(network.config.latent, network.config.classes, draw)


def sample(checkpoint: Checkpoint, out: Path, count: int, seed: int, device: torch.device) -> None:
    """Draw the pictures of ``count`` successive seeds; with classes, one column for each."""
    network = restore(checkpoint, device)
    classes = network.config.classes
    sheet(painter(network).pictures(range(seed, seed + count)), out, columns=classes if classes > 1 else 8)


DIGITS = {"channels": 1, "classes": 10, "base": 7, "widths": "128,64", "blocks": "1,0", "rate": 4e-4, "gamma": 1.0}
CATS = {
    "augmentation": 0.4,  # 7,000 pictures are learnt by heart without
    "mirrored": True,
    "average": 50_000.0,
}

FAMILY = Family(
    name="gan",
    default="gan-digits",
    recipes={
        "gan-digits": Recipe("gan-digits", "digits", DIGITS, minutes=20),
        "gan-cats": Recipe("gan-cats", "cats", CATS, minutes=120),
    },
    config=Config,
    train=train,
    evaluate=evaluate,
    sample=sample,
    restore=restore,
    roles={Painter: painter},
)
