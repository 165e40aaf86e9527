"""Translator: line drawings to pictures, a conditional GAN on pairs (Isola et al. 2017), and its plain baseline.

The U-Net draws, a patch discriminator judges picture and lines together, the distance to the real picture holds both
to what was drawn. Without the judge (adversarial=0) the same U-Net is the baseline: closer on average, and blurred.

Shapes: B batch, C picture's channels, S its side in pixels, P patches of a judgement; lines are (B, 1, S, S), 0 or 1.
"""

from __future__ import annotations

import math
from collections.abc import Generator as Steps
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from models import edges, features
from models.adversarial import discriminator_loss, generator_loss
from models.augmentation import mirror
from models.batched import Batched
from models.checkpoint import Checkpoint
from models.configuration import Configuration, ConfigurationError, whole_numbers
from models.data import SETS
from models.fidelity import compare
from models.first_weights import keep_signal
from models.pictures import Pictures, from_unit, load, sheet, to_unit
from models.registry import Family, Metric, Recipe
from models.roles import Sight, Translator
from models.training import Progress, Run, Stateful, Trained, cosine

CHUNK, GPU_CHUNK = 8, 64  # pictures drawn at once, on a CPU and on a graphics card


@dataclass(frozen=True)
class Config(Configuration):
    """Shape of both networks and how they are trained."""

    LEAST = dict.fromkeys(("channels", "side", "penalty_every", "batch"), 1)

    channels: int = 3
    side: int = 64
    widths: str = "32,64,128,192"  # channels of the U-Net's stages, the finest first; each halves the side
    judge: str = "32,64,128"  # of the discriminator's: its patches are 38 pixels wide, more than half a face
    adversarial: float = 1.0
    distance: float = 3.0  # weight of the mean absolute difference to the real picture; with more, pictures turn grey
    gamma: float = 1.0  # weight of the judge's gradient penalties
    penalty_every: int = 4  # steps
    batch: int = 32
    rate: float = 4e-4  # learning rate of Adam; falls to zero along a cosine

    @property
    def stages(self) -> list[int]:
        return whole_numbers("widths", self.widths)

    @property
    def judge_stages(self) -> list[int]:
        return whole_numbers("judge", self.judge)


class UNet(nn.Module):
    """Lines (B, 1, S, S) to pictures (B, C, S, S), about [-1, 1]; each side's map passes on to the way back up."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        widths = [1, *config.stages]
        self.down = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(inputs, outputs, 4, stride=2, padding=1, bias=False),
                nn.BatchNorm2d(outputs),
                nn.LeakyReLU(0.2),
            )
            for inputs, outputs in zip(widths, config.stages, strict=False)
        )
        rising = config.stages[::-1]
        inputs = [rising[0], *(2 * width for width in rising[1:])]  # from the second on with the skipped map beside
        self.up = nn.ModuleList(
            nn.Sequential(
                nn.ConvTranspose2d(given, width, 4, stride=2, padding=1, bias=False),
                nn.BatchNorm2d(width),
                nn.ReLU(),
            )
            for given, width in zip(inputs, rising[1:], strict=False)
        )
        self.leave = nn.ConvTranspose2d(inputs[-1], config.channels, 4, stride=2, padding=1)

    def forward(self, lines: Tensor) -> Tensor:
        x = (2 * lines - 1).contiguous(memory_format=torch.channels_last)
        skipped = []
        for stage in self.down:
            x = stage(x)
            skipped.append(x)
        skipped.pop()
        for stage in self.up:
            x = torch.cat((stage(x), skipped.pop()), 1)
        return self.leave(x).float()  # type: ignore[no-any-return]


class PatchJudge(nn.Module):
    """Pictures (B, C, S, S) and their lines (B, 1, S, S) to logits (B, P), one for each patch of the pair."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        widths = [config.channels + 1, *config.judge_stages]
        layers: list[nn.Module] = []
        for inputs, outputs in zip(widths, config.judge_stages, strict=False):
            layers += [nn.Conv2d(inputs, outputs, 4, stride=2, padding=1), nn.LeakyReLU(0.2)]
        self.stages = nn.Sequential(*layers, nn.Conv2d(widths[-1], 1, 3, padding=1))
        keep_signal(self)

    def forward(self, images: Tensor, lines: Tensor) -> Tensor:
        pairs = torch.cat((images, lines), 1).contiguous(memory_format=torch.channels_last)
        return self.stages(pairs).flatten(1).float()  # type: ignore[no-any-return]


# Training


def train(recipe: Recipe, run: Run) -> Steps[Progress, None, Trained]:
    """Train on the recipe's pictures and their lines, yielding progress; returns the U-Net."""
    config = Config.parse(recipe.config)
    data = load(recipe.dataset)
    _check(config, data)
    network, judge = run.build(lambda: UNet(config)), run.build(lambda: PatchJudge(config))
    draws = torch.optim.Adam(network.parameters(), lr=config.rate, betas=(0.5, 0.99))
    judges = torch.optim.Adam(judge.parameters(), lr=config.rate, betas=(0.0, 0.99))
    parts: dict[str, Stateful] = {"network": network, "judge": judge, "draws": draws, "judges": judges}
    run.restore(**parts)
    translated = run.compiled(network)
    for step in run:
        real, lines = (part.to(run.device) for part in batch(data, config, run))
        for optimizer in (draws, judges):
            optimizer.param_groups[0]["lr"] = cosine(config.rate, 0.0, run.fraction)
        with run.autocast():
            drawn = translated(lines)
        losses = {"distance": (drawn - real).abs().mean()}
        loss = config.distance * losses["distance"]
        if config.adversarial:
            gamma = config.gamma * config.penalty_every if step % config.penalty_every == 0 else 0.0
            with run.autocast():
                judged = discriminator_loss(judge, real, drawn.detach(), lines, gamma)
            torch.stack(list(judged.values())).sum().backward()  # type: ignore[no-untyped-call]
            judges.step()
            judges.zero_grad(set_to_none=True)
            judge.requires_grad_(False)
            with run.autocast():
                losses["generator"] = generator_loss(judge, real, drawn, lines)
            judge.requires_grad_(True)
            loss = loss + config.adversarial * losses["generator"]
            losses["discriminator"] = judged["discriminator"]
        loss.backward()
        draws.step()
        draws.zero_grad(set_to_none=True)
        run.observe(**losses)
        if run.due():
            network.eval()
            picture = run.folder / "samples.png"
            progress = run.report({"held-out distance": _progress(network, data, picture)}, picture, **parts)
            network.train()
            yield progress
    return Trained(network.eval(), asdict(config))


def batch(data: Pictures, config: Config, run: Run) -> tuple[Tensor, Tensor]:
    """Random training pictures (B, C, S, S) in [-1, 1] and their lines (B, 1, S, S), each of a random strength."""
    generator = run.generator()
    chosen = torch.randint(len(data.train), (config.batch,), generator=generator)
    images = mirror(to_unit(data.train[chosen]))
    strengths = torch.randint(len(edges.STRENGTHS), (config.batch,), generator=generator)
    lines = images.new_empty(config.batch, 1, config.side, config.side)
    for i, strength in enumerate(edges.STRENGTHS.values()):
        if (strengths == i).any():
            lines[strengths == i] = edges.extract(images[strengths == i], strength)
    return images, lines


def _check(config: Config, data: Pictures) -> None:
    """ConfigurationError when the networks do not fit the pictures."""
    _, channels, height, width = data.train.shape
    if (channels, height, width) != (config.channels, config.side, config.side):
        raise ConfigurationError(
            f"{data.name} has {channels} x {height} x {width} pictures, the networks are made for "
            f"{config.channels} x {config.side} x {config.side}; set channels and side to fit."
        )
    if config.side % 2 ** len(config.stages):
        raise ConfigurationError(
            f"A side of {config.side} cannot be halved {len(config.stages)} times; name fewer widths."
        )


def _progress(network: UNet, data: Pictures, picture: Path) -> float:
    """Draw a sheet of held-out pictures as they come out now; returns their mean absolute difference."""
    picture.parent.mkdir(parents=True, exist_ok=True)
    real = to_unit(data.test[:64])
    _sheet([real[:16], *_translations(network, real[:16])], picture)
    return float((translate(network, edges.extract(real)) - real).abs().mean())


# Evaluation


def evaluate(checkpoint: Checkpoint, device: torch.device, quick: bool = False) -> dict[str, Metric]:
    """The figures of the card: held-out pictures drawn again from their lines, for each strength."""
    network = restore(checkpoint, device)
    data = load(checkpoint.card.dataset["name"])
    test = data.test[:64] if quick else data.test
    real = to_unit(test)
    judge = features.frozen(network.config.channels, device)
    wanted = features.features(judge, test)
    strangers = float((wanted - wanted.roll(1, 0)).norm(dim=1).mean())
    figures: dict[str, Metric] = {}
    for name, strength in edges.STRENGTHS.items():
        drawn = translate(network, edges.extract(real, strength))
        apart = float((drawn - real).abs().mean())
        found = features.features(judge, drawn)
        figures[f"feature_distance_{name}"] = Metric(  # the first figure decides: pixels would favour what is blurred
            float((found - wanted).norm(dim=1).mean()),
            "feature units",
            f"two held-out pictures {strangers:.4g}",
            "lower",
        )
        figures[f"distance_{name}"] = Metric(
            apart, "mean absolute difference of values in [-1, 1]", "0: the same", "lower"
        )
    return figures | compare(judge, from_unit(translate(network, edges.extract(real))), data, quick)


# What it can be asked


def restore(checkpoint: Checkpoint, device: torch.device) -> UNet:
    """The U-Net of a checkpoint, ready to be asked."""
    network = UNet(Config.parse(checkpoint.card.config))
    network.load_state_dict(checkpoint.tensors())
    return network.to(device).eval()


def translate(network: UNet, lines: Tensor) -> Tensor:
    """Pictures (N, C, S, S) in [-1, 1] of line drawings (N, 1, S, S), 0 or 1 (models/edges.py makes them)."""
    return role(network).translate(lines)[0]


def role(network: UNet) -> Translator:
    """The network as what paints over lines."""
    device = next(network.parameters()).device
    size = CHUNK if device.type == "cpu" else GPU_CHUNK
    return Translator(Batched(size, device, lambda lines: (network(lines).clamp(-1, 1),)))


def sight(network: UNet) -> Sight:
    """It takes pictures of any kind, for their lines."""
    return Sight(network.config.channels, network.config.side)


def sample(checkpoint: Checkpoint, out: Path, count: int, seed: int, device: torch.device) -> None:
    """Draw rows of a held-out picture's lines beside what becomes of them, for each strength."""
    data = load(checkpoint.card.dataset["name"])
    rows = math.ceil(count / (2 * len(edges.STRENGTHS)))
    chosen = torch.randperm(len(data.test), generator=torch.Generator().manual_seed(seed))[:rows]
    _sheet(_translations(restore(checkpoint, device), to_unit(data.test[chosen])), out)


def _translations(network: UNet, real: Tensor) -> list[Tensor]:
    """Lines of pictures (N, C, S, S) and what becomes of them, in turn for each strength: (N, C, S, S) each."""
    columns = []
    for strength in edges.STRENGTHS.values():
        lines = edges.extract(real, strength)
        columns += [(1 - 2 * lines).expand_as(real), translate(network, lines)]  # dark on light, as on paper
    return columns


def _sheet(columns: list[Tensor], out: Path) -> None:
    sheet(from_unit(torch.stack(columns, 1).flatten(0, 1)), out, columns=len(columns))


FAMILY = Family(
    name="translator",
    default="translator-cats",
    recipes={
        name: Recipe(name, "translator", "cats", SETS["cats"].licence, config, minutes=60)
        for name, config in (("translator-cats", {}), ("translator-cats-plain", {"adversarial": 0.0}))
    },
    config=Config,
    train=train,
    evaluate=evaluate,
    sample=sample,
    restore=restore,
    roles={Sight: sight, Translator: role},
)
