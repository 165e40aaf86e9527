"""Autoencoder: pictures through a bottleneck of few quantised numbers and back, its training and what it can be asked.

Residual convolutions around finite scalar quantisation (Mentzer et al. 2023): each number of the code is squashed and
rounded to one of ``levels`` values, gradients pass through the rounding as if it were not there. So a picture becomes a
short text, and a picture that the code cannot tell is an outlier. Trained on noisy pictures to give clean ones (Vincent
et al. 2008), it cannot get away with copying.

Shapes: B batch, C picture's channels, S its side, N numbers of a code, W and G channels and side of the encoder's map.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models import codes
from models.augmentation import mirror
from models.batched import Batched, Rows
from models.checkpoint import Checkpoint
from models.configuration import Configuration, ConfigurationError
from models.convolution import Decoder, Encoder, widths
from models.data import SETS
from models.detection import Score, nearest_on_axes, one_vs_rest
from models.outliers import Detector, Outliers, auroc
from models.pictures import Pictures, from_unit, load, sheet, to_unit
from models.quality import coded, psnr, ssim
from models.registry import Family, Metric, Recipe
from models.roles import Coder, Judge, Reconstructor, Role, Sight, Space
from models.training import Progress, Run, Trained, cosine, warm_up

MEASURED = 400  # held-out pictures that are compared with codecs
SEEDS = 3  # of the detectors that see one class each
CLASS_STEPS = 600  # of their training: seven passes over a digit; more gains little
WALK = 8  # pictures of a way from one code to another, its ends included
DRAWN, SEEN = 16, 4  # pictures drawn at once, and looked at at once: seldom are more handed in at the same moment


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
        self.detector = Detector(c.numbers, c.channels, c.side, c.memory)

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


# Training


def reconstruction_loss(network: nn.Module, pictures: Tensor, noise: float) -> Tensor:
    """Mean squared error between pictures and what the network makes of noisy ones; the range of values is 2."""
    return F.mse_loss(network(pictures + noise * torch.randn_like(pictures)), pictures)


def fit(config: Config, data: Pictures, run: Run) -> Generator[Progress, None, Autoencoder]:
    """Train a network on a data set, yielding progress, and let its detector remember."""
    network = run.build(lambda: Autoencoder(config))
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer = torch.optim.AdamW(network.parameters(), lr=config.rate, betas=(0.9, 0.99), fused=True)
    run.restore(network=network, optimizer=optimizer)
    forward = run.compiled(network)
    for step in run:
        chosen = torch.randint(len(data.train), (config.batch,), generator=run.generator())
        pictures = to_unit(data.train[chosen]).to(run.device, memory_format=torch.channels_last)
        pictures = mirror(pictures) if config.mirrored else pictures
        with run.autocast():
            loss = reconstruction_loss(forward, pictures, config.noise)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.param_groups[0]["lr"] = cosine(config.rate, 0.0, run.fraction) * warm_up(step, config.warmup)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        run.observe(loss=loss)
        if run.due():
            network.eval()
            shown = data.test[:256]
            metrics = {
                "held-out PSNR": float(psnr(from_unit(reconstruct(network, to_unit(shown))).cpu(), shown).mean())
            }
            picture = run.folder / "samples.png"
            run.folder.mkdir(parents=True, exist_ok=True)
            sheet(from_unit(pairs(network, to_unit(shown[:32]))), picture)
            network.train()
            yield run.report(metrics, picture, network=network, optimizer=optimizer)
    network.eval()
    remember(network, data)
    return network


def remember(network: Autoencoder, data: Pictures) -> None:
    """Fit the detector: codes of training pictures spread over the set, calibrated on held-out ones."""
    memory = network.config.memory
    kept = to_unit(data.train[torch.linspace(0, len(data.train) - 1, memory).long()])
    held_out = to_unit(data.test[: 2 * memory]).to(home(network))
    network.detector.fit(describe(network, kept), reconstruct(network, kept), held_out, reconstruct(network, held_out))


def train(recipe: Recipe, run: Run) -> Generator[Progress, None, Trained]:
    """Train on the recipe's pictures, yielding progress; returns the trained network."""
    config = Config.parse(recipe.config)
    data = load(recipe.dataset)
    data.check(config.channels, config.side)
    network = yield from fit(config, data, run)
    return Trained(network, asdict(config))


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
def describe(network: Autoencoder, pictures: Tensor, batch: int = 250) -> Tensor:
    """Codes (B, N) in [-1, 1] before rounding."""
    return torch.cat([network.describe(part.to(home(network))) for part in torch.split(pictures, batch)])


@torch.inference_mode()
def reconstruct(network: Autoencoder, pictures: Tensor, batch: int = 250) -> Tensor:
    """What is left of the pictures after the bottleneck, in [-1, 1]."""
    return torch.cat([network(part.to(home(network))).clamp(-1, 1) for part in torch.split(pictures, batch)])


@torch.inference_mode()
def show(network: Autoencoder, code: Tensor) -> Tensor:
    """Pictures (B, C, S, S) of codes (B, N), rounded to what can be told."""
    return network.paint(network.quantise(code)).clamp(-1, 1)


@torch.inference_mode()
def judge(network: Autoencoder, pictures: Tensor) -> Outliers:
    """How unlike its training pictures each picture is, and where."""
    return network.detector(pictures.to(home(network)), reconstruct(network, pictures))  # type: ignore[no-any-return]


def pairs(network: Autoencoder, pictures: Tensor, columns: int = 8) -> Tensor:
    """Rows of pictures, each followed by the row of their reconstructions: (2 B, C, S, S)."""
    painted = reconstruct(network, pictures).to(pictures.device)
    rows = zip(torch.split(pictures, columns), torch.split(painted, columns), strict=True)
    return torch.cat([torch.cat(row) for row in rows])


def sample(checkpoint: Checkpoint, out: Path, count: int, seed: int, device: torch.device) -> None:
    """Draw rows of ``WALK``: from what the code keeps of one training picture to what it keeps of another."""
    role = space(restore(checkpoint, device))
    rows = math.ceil(count / WALK)
    ends = torch.randint(len(role.remembered), (2, rows), generator=torch.Generator().manual_seed(seed))
    first, second = role.remembered[ends].repeat_interleave(WALK, 1)  # (rows * WALK, N) each
    share = torch.linspace(0, 1, WALK).repeat(rows)[:, None]
    sheet(from_unit(role.blend(first, second, share)[0]), out, columns=WALK)


# Its roles


def sight(network: Autoencoder) -> Sight:
    """How its training pictures look."""
    return Sight.of(show(network, network.detector.codes[:50]))  # enough to tell


def reconstructor(network: Autoencoder) -> Reconstructor:
    """What the bottleneck leaves of pictures."""
    return Reconstructor(Batched(SEEN, home(network), lambda pictures: (reconstruct(network, pictures),)))


def outliers(network: Autoencoder) -> Judge:
    """How unlike its training pictures each picture is, and where."""

    def look(pictures: Tensor) -> Rows:
        found = judge(network, pictures)
        return reconstruct(network, pictures), found.score, found.percentile, found.heat

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

# Evaluation


def evaluate(checkpoint: Checkpoint, device: torch.device, quick: bool = False) -> dict[str, Metric]:
    """The figures of the card, on held-out pictures (``quick``: on 50, and two classes instead of all)."""
    network = restore(checkpoint, device)
    data = load(checkpoint.card.dataset["name"])
    figures = _compression(network, data.test[: 50 if quick else MEASURED])
    if data.classified:
        figures |= _one_vs_rest(network.config, data, device, range(2) if quick else range(10), 1 if quick else SEEDS)
    elif data.name == "cats":
        figures |= _against_dogs(network, data)
    return figures


def _compression(network: Autoencoder, originals: Tensor) -> dict[str, Metric]:
    """PSNR and SSIM of reconstructions, beside what WebP and JPEG make of as many bytes."""
    budget = network.config.bytes
    ours = from_unit(reconstruct(network, to_unit(originals))).cpu()
    named = {"": ours}
    sizes = {}
    for codec in ("webp", "jpeg"):
        file = coded(originals, codec, budget)
        named[f"{codec}_"], sizes[codec] = file.pictures, float(file.sizes.float().mean())
    beside = ", ".join(f"{codec} takes {size:.0f} bytes" for codec, size in sizes.items())
    return {
        "code_bytes": Metric(budget, "bytes", f"{beside}: their smallest files where none is as small"),
        **{
            f"{name}psnr": Metric(float(psnr(made, originals).mean()), "dB", "", None if name else "higher")
            for name, made in named.items()
        },
        **{
            f"{name}ssim": Metric(float(ssim(made, originals).mean()), "", "1 is perfect", None if name else "higher")
            for name, made in named.items()
        },
    }


def _one_vs_rest(
    config: Config, data: Pictures, device: torch.device, classes: Sequence[int], seeds: int
) -> dict[str, Metric]:
    """Mean AUROC of detectors that saw one class each, trained afresh with this configuration, and of the baseline."""
    areas = []
    for seed in range(seeds):
        areas += one_vs_rest(data, lambda own, seed=seed: _learn(config, own, device, seed), classes)  # type: ignore[misc]
    baseline = one_vs_rest(data, nearest_on_axes, classes)
    reference = f"{seeds} seeds x {len(classes)} classes; Deep SVDD 0.948, nearest neighbour 0.975, tuned 0.983"
    return {
        "auroc_one_vs_rest": Metric(sum(areas) / len(areas), "mean AUROC", reference, "higher"),
        "auroc_one_vs_rest_worst": Metric(min(areas), "AUROC", "of the class and seed told worst", "higher"),
        "auroc_nearest_on_axes": Metric(sum(baseline) / len(baseline), "mean AUROC", "pixel PCA, nearest neighbour"),
    }


def _learn(config: Config, data: Pictures, device: torch.device, seed: int) -> Score:
    """The scores of a small network that sees one class only."""
    with TemporaryDirectory() as folder:
        run = Run(Path(folder), device, seed=seed, steps=CLASS_STEPS, report_steps=CLASS_STEPS + 1)
        steps = fit(config, data, run)
        while True:
            try:
                next(steps)
            except StopIteration as end:
                network: Autoencoder = end.value
                return lambda pictures: judge(network, pictures).score


def _against_dogs(network: Autoencoder, data: Pictures) -> dict[str, Metric]:
    """AUROC of the detector that learnt cats, shown dogs."""
    cats, dogs = to_unit(data.test), to_unit(load("dogs").test)
    told = auroc(judge(network, cats).score, judge(network, dogs).score)
    score = nearest_on_axes(data)
    return {
        "auroc_dogs": Metric(told, "AUROC", "0.5 is chance", "higher"),
        "auroc_dogs_nearest_on_axes": Metric(auroc(score(cats), score(dogs)), "AUROC", "pixel PCA, nearest neighbour"),
    }


DIGITS = {
    "channels": 1,
    "side": 28,
    "width": 16,
    "stages": 2,
    "blocks": 0,
    "whole": True,
    "code": 16,
    "levels": 16,  # 8 bytes in all
    "batch": 64,
    "rate": 2e-3,
    "noise": 0.5,  # so much that copying does not pay
}
CATS = {"code": 10, "levels": 4, "mirrored": True}  # 64 places x 20 bits are 160 bytes, about WebP's smallest file

FAMILY = Family(
    name="autoencoder",
    default="autoencoder-cats",
    recipes={
        "autoencoder-digits": Recipe(
            "autoencoder-digits", "autoencoder", "digits", SETS["digits"].licence, DIGITS, minutes=6
        ),
        "autoencoder-cats": Recipe("autoencoder-cats", "autoencoder", "cats", SETS["cats"].licence, CATS, minutes=50),
    },
    config=Config,
    train=train,
    evaluate=evaluate,
    sample=sample,
    restore=restore,
    roles=ROLES,
    continues=True,
)
