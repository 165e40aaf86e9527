"""Translator: line drawings to pictures, a conditional GAN on pairs (Isola et al. 2017), and its plain baseline.

A U-Net draws from lines and a latent: the lines say what is where, the latent what they leave open, such as the colours
of the fur. The judge sees picture and lines together. Without it (judged=false) the U-Net learns to come close to the
real picture, which is the baseline: closer on average, and blurred.

The U-Net's way up is a GAN's generator, so it can begin as one that draws already, and learns only to heed the lines.

Shapes: B batch, C picture's channels, S its side in pixels, Z latent numbers; lines are (B, 1, S, S), 0 or 1.
"""

from __future__ import annotations

import math
from collections.abc import Generator as Steps
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from models import duel, edges, features, gan
from models.augmentation import mirror
from models.batched import Batched
from models.checkpoint import Checkpoint, CheckpointError
from models.configuration import ConfigurationError
from models.fidelity import compare
from models.first_weights import keep_signal
from models.latents import of_seeds
from models.pictures import Pictures, at_most, from_unit, load, sheet, to_unit
from models.registry import Family, Metric, Recipe
from models.roles import Sight, Translator
from models.shipped import open_shipped
from models.training import Progress, Run, Trained

CHUNK, GPU_CHUNK = 8, 64  # pictures drawn at once, on a CPU and on a graphics card
SHAPE = ("channels", "base", "stages", "depths", "latent")  # what a painter shares


@dataclass(frozen=True)
class Config(duel.Config):
    """Shape of both networks and how they are trained."""

    judged: bool = True  # False: nobody judges, the distance to the real picture is all
    painter: str = ""  # GAN that ships, model or model@version, to begin as; empty: the weights begin at random


class UNet(nn.Module):
    """Lines (B, 1, S, S) and latents (B, Z) to pictures (B, C, S, S) in [-1, 1].

    What is seen in the lines at each side is added to the map of that side on the way back up.
    """

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        seen = [width // 2 for width in config.stages]  # channels: lines are simpler than pictures
        self.down = duel.falling([1, *seen[::-1]], [0] * len(seen))
        self.enter = nn.Linear(config.latent, config.stages[0] * config.base**2)
        joints = [nn.Conv2d(*widths, 1, bias=False) for widths in zip(seen, config.stages, strict=True)]
        for joint in joints:  # the latent speaks first: one that comes second is not listened to
            nn.init.zeros_(joint.weight)
        self.joints = nn.ModuleList(joints)
        self.up = duel.rising([*config.stages, config.channels], config.depths)
        keep_signal(self)

    def forward(self, lines: Tensor, latent: Tensor) -> Tensor:
        base = self.config.base
        seen = [(2 * lines - 1).contiguous(memory_format=torch.channels_last)]
        for stage in self.down:
            seen.append(stage(seen[-1]))
        x = self.enter(latent).unflatten(1, (-1, base, base)).contiguous(memory_format=torch.channels_last)
        for joint, stage in zip(self.joints, self.up, strict=True):
            x = stage(x + joint(seen.pop()))
        return x.float().tanh()  # type: ignore[no-any-return]  # (B, C, S, S)

    @torch.no_grad()
    def begin_as(self, generator: gan.Generator) -> None:
        """Draw what a generator without classes draws, whatever the lines; ConfigurationError when it does not fit."""
        mine, its = self.config, generator.config
        if its.classes != 1 or any(getattr(mine, name) != getattr(its, name) for name in SHAPE):
            same = f"{duel.FITTED.replace(' and', ',')} and latent"
            raise ConfigurationError(f"The painter must have one class and the same {same}; leave painter empty.")
        latent, kind = generator.enter.weight.chunk(2, 1)  # (W, Z) each
        self.enter.weight.copy_(latent)
        self.enter.bias.copy_(generator.enter.bias + kind @ generator.classes.weight[0])
        self.up.load_state_dict(generator.stages.state_dict())


def discriminator(config: Config) -> duel.Discriminator:
    """The judge, to whom the lines are one more channel of the picture."""
    return duel.Discriminator(config, config.channels + 1, classes=1)


def pair(images: Tensor, lines: Tensor) -> Tensor:
    """Pictures (B, C, S, S) and their lines (B, 1, S, S) as the judge sees them: (B, C + 1, S, S) in [-1, 1]."""
    return torch.cat((images, 2 * lines - 1), 1)


# Training


def resolved(config: Config) -> Config:
    """The same, with the version of its painter, so that the card tells what the network began as."""
    if not config.painter:
        return config
    painter = _painter(config.painter)
    return replace(config, painter=f"{painter.model}@{painter.version}")


def beginner(config: Config) -> UNet:
    """The network before its first step."""
    network = UNet(config)
    if config.painter:
        network.begin_as(gan.restore(_painter(config.painter), torch.device("cpu")))
    return network


def _painter(name: str) -> Checkpoint:
    """The GAN that ships under a name; ConfigurationError when there is none."""
    try:
        if (painter := open_shipped(name)).card.family == gan.FAMILY.name:
            return painter
    except CheckpointError:
        pass
    raise ConfigurationError(f"No GAN ships as {name!r}; set painter to one that does, or leave it empty.")


def train(recipe: Recipe, run: Run) -> Steps[Progress, None, Trained]:
    """Train on the recipe's pictures and their lines, yielding progress; returns the U-Net with averaged weights."""
    config = resolved(Config.parse(recipe.config))
    data = load(recipe.dataset)
    data.check(config.channels, config.side, duel.FITTED)
    network, judge = run.build(lambda: beginner(config)), run.build(lambda: discriminator(config))
    contest = duel.Duel(config, run, network, judge)
    run.restore(**contest.parts)
    translated = run.compiled(network)
    same = torch.zeros(config.batch, dtype=torch.long, device=run.device)  # class of all pairs
    for _ in run:
        real, lines = (part.to(run.device) for part in batch(data, config, run))
        latent = torch.randn(config.batch, config.latent, device=run.device)
        with run.autocast():
            drawn = translated(lines, latent)
        distance = (drawn - real).abs().mean()
        losses = {"distance": distance}
        if config.judged:
            losses |= contest.step(pair(real, lines), pair(drawn, lines), same)
        else:
            contest.follow(distance)
        run.observe(**losses)
        if run.due():
            metrics = {"held-out distance": _progress(contest.average, data, run.picture)}
            yield run.report(metrics, run.picture, **contest.parts)
    return Trained(contest.average.eval(), asdict(config))


def batch(data: Pictures, config: Config, run: Run) -> tuple[Tensor, Tensor]:
    """Random training pictures (B, C, S, S) in [-1, 1] and their lines (B, 1, S, S), each of a random strength."""
    generator = run.generator()
    chosen = torch.randint(len(data.train), (config.batch,), generator=generator)
    images = to_unit(data.train[chosen])
    if config.mirrored:
        images = mirror(images)
    strengths = torch.randint(len(edges.STRENGTHS), (config.batch,), generator=generator)
    lines = images.new_empty(config.batch, 1, config.side, config.side)
    for i, strength in enumerate(edges.STRENGTHS.values()):
        if (strengths == i).any():
            lines[strengths == i] = edges.extract(images[strengths == i], strength)
    return images, lines


def _progress(network: UNet, data: Pictures, picture: Path) -> float:
    """Draw a sheet of held-out pictures as they come out now; returns their mean absolute difference."""
    real = to_unit(at_most(data.test, 64))
    shown = at_most(real, 16)
    _sheet([shown, *_translations(network, shown)], picture)
    return float((translate(network, edges.extract(real)) - real).abs().mean())


# Evaluation


def evaluate(checkpoint: Checkpoint, device: torch.device, quick: bool = False) -> dict[str, Metric]:
    """The figures of the card: held-out pictures drawn again from their lines, for each strength."""
    network = restore(checkpoint, device)
    data = load(checkpoint.card.dataset["name"])
    data.check(network.config.channels, network.config.side, duel.FITTED)
    test = at_most(data.test, 64) if quick else data.test
    real = to_unit(test)
    judge = features.frozen(network.config.channels, device)
    wanted = features.features(judge, test)
    strangers = float((wanted - wanted.roll(1, 0)).norm(dim=1).mean())
    figures: dict[str, Metric] = {}
    for name, strength in edges.STRENGTHS.items():
        lines = edges.extract(real, strength)
        drawn = translate(network, lines)
        found = features.features(judge, drawn)
        figures[f"feature_distance_{name}"] = Metric(  # the first figure decides: pixels would favour what is blurred
            float((found - wanted).norm(dim=1).mean()),
            "feature units",
            f"two held-out pictures {strangers:.4g}",
            "lower",
        )
        figures[f"lines_kept_{name}"] = Metric(
            edges.kept(lines, drawn, strength),
            f"share of the lines, to {edges.NEAR} pixels",
            f"held-out pictures of other lines {edges.kept(lines, real.roll(1, 0), strength):.4g}",
            "higher",
        )
        figures[f"distance_{name}"] = Metric(
            float((drawn - real).abs().mean()), "mean absolute difference of values in [-1, 1]", "0: the same", "lower"
        )
    lines = edges.extract(real)
    drawn, others = (translate(network, lines, first) for first in (0, len(lines)))
    found, other = (features.features(judge, pictures) for pictures in (drawn, others))
    figures["variety"] = Metric(
        float((found - other).norm(dim=1).mean()),
        "feature units between two of the same lines",
        f"two held-out pictures {strangers:.4g}; 0: the latent is not heeded",
        "higher",
    )
    return figures | compare(judge, from_unit(drawn), data, quick)


# What it can be asked


def restore(checkpoint: Checkpoint, device: torch.device) -> UNet:
    """The U-Net of a checkpoint, ready to be asked."""
    network = UNet(Config.parse(checkpoint.card.config))
    network.load_state_dict(checkpoint.tensors())
    return network.to(device).eval()


def translate(network: UNet, lines: Tensor, first: int = 0) -> Tensor:
    """Pictures (N, C, S, S) in [-1, 1] of line drawings (N, 1, S, S), 0 or 1 (models/edges.py makes them).

    What the lines leave open is drawn from successive seeds, of which that is the first.
    """
    asked = role(network)
    return asked.translate(lines, of_seeds(range(first, first + len(lines)), asked.latent))[0]


def role(network: UNet) -> Translator:
    """The network as what paints over lines."""
    device = next(network.parameters()).device
    size = GPU_CHUNK if device.type == "cuda" else CHUNK
    return Translator(Batched(size, device, lambda *given: (network(*given),)), network.config.latent)


def sight(network: UNet) -> Sight:
    """It takes pictures of any kind, for their lines."""
    return Sight(network.config.channels, network.config.side)


def sample(checkpoint: Checkpoint, out: Path, count: int, seed: int, device: torch.device) -> None:
    """Draw rows of a held-out picture's lines beside what becomes of them, for each strength."""
    data = load(checkpoint.card.dataset["name"])
    rows = math.ceil(count / (3 * len(edges.STRENGTHS)))
    chosen = torch.randperm(len(data.test), generator=torch.Generator().manual_seed(seed))[:rows]
    _sheet(_translations(restore(checkpoint, device), to_unit(data.test[chosen])), out)


def _translations(network: UNet, real: Tensor) -> list[Tensor]:
    """Lines of pictures (N, C, S, S) and two things that become of them, for each strength: (N, C, S, S) each."""
    columns = []
    for strength in edges.STRENGTHS.values():
        lines = edges.extract(real, strength)
        columns.append((1 - 2 * lines).expand_as(real))  # dark on light, as on paper
        columns += [translate(network, lines, first) for first in (0, len(lines))]
    return columns


def _sheet(columns: list[Tensor], out: Path) -> None:
    sheet(from_unit(torch.stack(columns, 1).flatten(0, 1)), out, columns=len(columns))


TAUGHT = {"painter": "gan-cats", "warmup": 100}
PLAIN = {"judged": False}

FAMILY = Family(
    name="translator",
    default="translator-cats",
    recipes={
        name: Recipe(name, "cats", {**gan.CATS, **config}, minutes=120)
        for name, config in (("translator-cats", TAUGHT), ("translator-cats-plain", PLAIN))
    },
    config=Config,
    train=train,
    evaluate=evaluate,
    sample=sample,
    restore=restore,
    roles={Sight: sight, Translator: role},
)
