"""Features: the frozen networks in whose features pictures are compared, trained here and never changed once published.

Digits: a classifier. Pictures without classes: contrastive learning (Chen et al. 2020), which brings two changed copies
of a picture together and holds those of different pictures apart. Figures are comparable only on the same weights, so
their hash is pinned below.

Shapes: B batch, C channels, H height, W width, F features, K classes.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Generator, Iterator
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models import metrics
from models.augmentation import augment, mirror, zoom
from models.checkpoint import WEIGHTS, Checkpoint, CheckpointError
from models.configuration import Configuration, whole_numbers
from models.pictures import Pictures, at_most, load, to_unit
from models.registry import Family, Metric, Recipe
from models.shipped import open_shipped
from models.training import Progress, Run, Trained

PUBLISHED = {  # the version, and the SHA-256 of its weights
    "features-digits": ("v1", "b179af5679504ec012fb829f693cd08e0a85e9c7f0d19934ad68b86e70ed955e"),
    "features-cats": ("v1", "2055ac4af97c48f2a1a4abc61ab2d19e6b02774339ee36c9f2255f5fc93bb815"),
}
BATCH = 500  # pictures that pass through a frozen network at once
REPORTED = 1_000  # held-out pictures looked at during the training


@dataclass(frozen=True)
class Config(Configuration):
    """Shape of a feature network and how it is trained."""

    LEAST = dict.fromkeys(("channels", "projection", "batch"), 1)

    channels: int = 3
    widths: str = "32,64,128"  # of the stages, each at half the resolution of the one before; the last is F
    classes: int = 0  # none: contrastive learning
    projection: int = 64  # width in which copies are compared; thrown away with the training
    temperature: float = 0.2  # of the contrast
    smoothing: float = 0.05  # of the classes' targets
    batch: int = 128
    rate: float = 3e-3
    weight_decay: float = 0.02
    warmup: int = 100  # steps until the full rate; then a cosine to zero

    @property
    def stages(self) -> list[int]:
        return whole_numbers("widths", self.widths)


class Network(nn.Module):
    """Pictures (B, C, H, W) in [-1, 1] to features (B, F), and those to classes or to the space of contrast."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        inputs = [config.channels, *config.stages]
        self.stages = nn.Sequential(*(_stage(i, o) for i, o in zip(inputs, config.stages, strict=False)))
        width = config.stages[-1]
        self.head: nn.Module = (
            nn.Linear(width, config.classes)
            if config.classes
            else nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, config.projection))
        )

    def forward(self, images: Tensor) -> Tensor:
        x = self.stages(images.contiguous(memory_format=torch.channels_last))  # (B, F, h, w)
        return x.mean((2, 3)).float()  # type: ignore[no-any-return]  # (B, F)


def _stage(inputs: int, outputs: int) -> nn.Sequential:
    """Halve the resolution, look around, normalise."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 4, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(),
        nn.Conv2d(outputs, outputs, 3, padding=1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(),
    )


# Training


def classification_loss(network: Network, images: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy of the classes (B,), smoothed, in nats."""
    return F.cross_entropy(network.head(network(images)), labels, label_smoothing=network.config.smoothing)


def contrastive_loss(projected: Tensor, temperature: float) -> Tensor:
    """Cross-entropy of finding each row's other copy among all others; rows i and i + B of (2B, P) are a pair."""
    directions = F.normalize(projected.float(), dim=1)
    similarities = directions @ directions.T / temperature  # (2B, 2B)
    similarities.fill_diagonal_(-math.inf)  # nothing is its own pair
    partners = torch.arange(len(projected), device=projected.device).roll(len(projected) // 2)
    return F.cross_entropy(similarities, partners)


def train(recipe: Recipe, run: Run) -> Generator[Progress, None, Trained]:
    """Train on the recipe's pictures, yielding progress; returns the trained network."""
    config = Config.parse(recipe.config)
    data = load(recipe.dataset)
    _check(config, data)
    network = run.build(lambda: Network(config))
    optimizer = torch.optim.AdamW(network.parameters(), lr=config.rate, weight_decay=config.weight_decay)
    run.restore(network=network, optimizer=optimizer)
    for _ in run:
        chosen = torch.randint(len(data.train), (config.batch,), generator=run.generator())
        images = to_unit(data.train[chosen]).to(run.device)
        with run.autocast():
            if config.classes:
                assert data.train_labels is not None  # _check has seen to that
                labels = data.train_labels[chosen].to(run.device)
                loss = classification_loss(network, zoom(images, 0.85, 0.2), labels)
            else:
                copies = [augment(zoom(mirror(images), 0.6, 0.2), 0.5) for _ in range(2)]
                loss = contrastive_loss(network.head(network(torch.cat(copies))), config.temperature)
        run.descend(optimizer, loss, config.rate, warmup=config.warmup)
        run.observe(loss=loss)
        if run.due():
            network.eval()
            name, share = _held_out(network, data, REPORTED)
            network.train()
            yield run.report({f"held-out {name}": share}, network=network, optimizer=optimizer)
    return Trained(network.eval(), asdict(config))


def _check(config: Config, data: Pictures) -> None:
    """DataError when the network does not fit the pictures, whose side may be any."""
    data.check(config.channels, data.train.shape[-1], "channels")
    if config.classes:
        data.check_classes(config.classes, none=0)


# Evaluation


@torch.inference_mode()
def features(network: Network, images: Tensor) -> Tensor:
    """Features (N, F) of uint8 pictures, or of pictures in [-1, 1], (N, C, H, W)."""
    device = next(network.parameters()).device
    parts = (part.to(device) for part in torch.split(images, BATCH))
    return torch.cat([network(to_unit(p) if p.dtype == torch.uint8 else p).cpu() for p in parts])


@torch.inference_mode()
def classify(network: Network, images: Tensor) -> Tensor:
    """The likeliest class (N,) of each picture."""
    device = next(network.parameters()).device
    return network.head(features(network, images).to(device)).argmax(1).cpu()  # type: ignore[no-any-return]


def accuracy(network: Network, images: Tensor, labels: Tensor) -> float:
    """Share of the pictures (N, C, H, W) whose class (N,) is recognised."""
    return float((classify(network, images) == labels).float().mean())


def retrieval(network: Network, images: Tensor) -> float:
    """Share of pictures (N, C, H, W) whose nearest neighbour among all their mirror images is their own."""
    plain, mirrored = features(network, images), features(network, images.flip(3))
    return float((metrics.nearest(plain, mirrored)[1][:, 0] == torch.arange(len(plain))).float().mean())


def _held_out(network: Network, data: Pictures, most: int) -> tuple[str, float]:
    """What it is, accuracy, or retrieval where there are no classes, and its share of held-out pictures."""
    test = at_most(data.test, most)
    if not network.config.classes:
        return "retrieval", retrieval(network, test)
    assert data.test_labels is not None  # _check has seen to that
    return "accuracy", accuracy(network, test, at_most(data.test_labels, most))


def evaluate(checkpoint: Checkpoint, device: torch.device, quick: bool = False) -> dict[str, Metric]:
    """Accuracy, and the Frechet distances of ever more damaged held-out pictures to the training pictures."""
    data = load(checkpoint.card.dataset["name"])
    network = restore(checkpoint, device)
    _check(network.config, data)
    test = at_most(data.test, 1_000) if quick else data.test
    train = features(network, at_most(data.train, 10_000) if quick else data.train)
    name, share = _held_out(network, data, len(test))
    figures = {
        name: Metric(share, "share of the held-out pictures", "" if data.test_labels is None else ">= 0.994", "higher")
    }
    floor = metrics.frechet_distance(features(network, test), train)
    figures["frechet_floor"] = Metric(floor, "squared feature units", "held-out pictures against training pictures")
    for name, damaged in metrics.ladder(to_unit(test)):
        distance = metrics.frechet_distance(features(network, damaged), train)
        figures[f"frechet_{name}"] = Metric(distance, "squared feature units", f"floor {floor:.3g}")
    return figures


# What it can be asked


def restore(checkpoint: Checkpoint, device: torch.device) -> Network:
    """The network of a checkpoint, ready to be asked."""
    network = Network(Config.parse(checkpoint.card.config))
    network.load_state_dict(checkpoint.tensors())
    return network.to(device).eval()


def frozen(channels: int, device: torch.device) -> Network:
    """The published network for grey (1) or colour (3) pictures; CheckpointError when its weights are not those."""
    return _frozen("features-digits" if channels == 1 else "features-cats", device)


@cache
def _frozen(model: str, device: torch.device) -> Network:
    if model not in PUBLISHED:
        raise CheckpointError(f"There is no published {model} to measure pictures with; train one and pin its hash.")
    version, published = PUBLISHED[model]
    checkpoint = open_shipped(f"{model}@{version}")  # never one that was trained later
    found = hashlib.sha256((checkpoint.path / WEIGHTS).read_bytes()).hexdigest()
    if found != published:
        raise CheckpointError(f"{checkpoint.path / WEIGHTS} is not the published network; restore it from the project.")
    return restore(checkpoint, device)


def _recipes() -> Iterator[Recipe]:
    digits: dict[str, Any] = {"channels": 1, "widths": "32,96", "classes": 10}
    for dataset, config, minutes in (("digits", digits, 6.0), ("cats", {}, 12.0)):
        yield Recipe(f"features-{dataset}", dataset, config, minutes)


FAMILY = Family(
    name="features",
    default="features-digits",
    recipes={recipe.model: recipe for recipe in _recipes()},
    config=Config,
    train=train,
    evaluate=evaluate,
)
