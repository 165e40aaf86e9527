"""Autoencoder: pictures through a bottleneck of few numbers and back, its training, its figures and its recipes.

Trained on noisy pictures to give clean ones (Vincent et al. 2008), it cannot get away with copying. The network is
``models/bottleneck.py``.

Shapes: B batch, C picture's channels, S its side, N numbers of a code.
"""

from __future__ import annotations

import math
from collections.abc import Generator
from dataclasses import asdict
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.augmentation import mirror
from models.bottleneck import (
    ROLES,
    Autoencoder,
    Config,
    describe,
    home,
    judge,
    pairs,
    reconstruct,
    restore,
    space,
)
from models.checkpoint import Checkpoint
from models.detection import Score, nearest_on_axes, one_vs_rest
from models.outliers import auroc
from models.pictures import Pictures, at_most, from_unit, load, sheet, spread, to_unit
from models.quality import coded, psnr, ssim
from models.registry import Family, Metric, Recipe
from models.training import Progress, Run, Trained, finish

MEASURED = 2_000  # held-out pictures that are compared with codecs
SEEDS = 3  # of the detectors that see one class each
CLASS_STEPS = 600  # of their training: seven passes over a digit; more gains little
WALK = 8  # pictures of a way from one code to another, its ends included


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
    for _ in run:
        chosen = torch.randint(len(data.train), (config.batch,), generator=run.generator())
        pictures = to_unit(data.train[chosen]).to(run.device, memory_format=torch.channels_last)
        pictures = mirror(pictures) if config.mirrored else pictures
        with run.autocast():
            loss = reconstruction_loss(forward, pictures, config.noise)
        run.descend(optimizer, loss, config.rate, warmup=config.warmup)
        run.observe(loss=loss)
        if run.due():
            network.eval()
            shown = at_most(data.test, 256)
            metrics = {
                "held-out PSNR": float(psnr(from_unit(reconstruct(network, to_unit(shown))).cpu(), shown).mean())
            }
            sheet(from_unit(pairs(network, to_unit(at_most(shown, 32)))), run.picture)
            network.train()
            yield run.report(metrics, run.picture, network=network, optimizer=optimizer)
    network.eval()
    remember(network, data)
    return network


def remember(network: Autoencoder, data: Pictures) -> None:
    """Fit the detector: codes of training pictures spread over the set, calibrated on held-out ones."""
    memory = network.config.memory
    kept = to_unit(spread(data.train, memory))
    held_out = to_unit(at_most(data.test, 2 * memory)).to(home(network))
    network.detector.fit(describe(network, kept), reconstruct(network, kept), held_out, reconstruct(network, held_out))


def train(recipe: Recipe, run: Run) -> Generator[Progress, None, Trained]:
    """Train on the recipe's pictures, yielding progress; returns the trained network."""
    config = Config.parse(recipe.config)
    data = load(recipe.dataset)
    data.check(config.channels, config.side)
    network = yield from fit(config, data, run)
    return Trained(network, asdict(config))


# Evaluation


def evaluate(checkpoint: Checkpoint, device: torch.device, quick: bool = False) -> dict[str, Metric]:
    """The figures of the card, on held-out pictures (``quick``: on 50, and none that its weights do not change)."""
    network = restore(checkpoint, device)
    data = load(checkpoint.card.dataset["name"])
    data.check_shape(network.config.channels, network.config.side)  # the dogs, all held out, can be measured on, too
    figures = _compression(network, at_most(data.test, 50 if quick else MEASURED))
    if data.classified and not quick:
        figures |= _one_vs_rest(network.config, data, device)
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
        **{
            f"{name}psnr": Metric(float(psnr(made, originals).mean()), "dB", "", None if name else "higher")
            for name, made in named.items()
        },
        "code_bytes": Metric(budget, "bytes", f"{beside}: their smallest files where none is as small"),
        **{
            f"{name}ssim": Metric(float(ssim(made, originals).mean()), "", "1 is perfect", None if name else "higher")
            for name, made in named.items()
        },
    }


def _one_vs_rest(config: Config, data: Pictures, device: torch.device) -> dict[str, Metric]:
    """Mean AUROC of detectors that saw one class each, trained afresh with this configuration, and of the baseline."""
    classes, areas = range(10), []
    for seed in range(SEEDS):
        areas += one_vs_rest(data, partial(_learn, config, device, seed), classes)
    baseline = one_vs_rest(data, nearest_on_axes, classes)
    reference = f"{SEEDS} seeds x {len(classes)} classes; Deep SVDD 0.948, nearest neighbour 0.975, tuned 0.983"
    return {
        "auroc_one_vs_rest": Metric(sum(areas) / len(areas), "mean AUROC", reference, "higher"),
        "auroc_one_vs_rest_worst": Metric(min(areas), "AUROC", "of the class and seed told worst", "higher"),
        "auroc_nearest_on_axes": Metric(sum(baseline) / len(baseline), "mean AUROC", "pixel PCA, nearest neighbour"),
    }


def _learn(config: Config, device: torch.device, seed: int, data: Pictures) -> Score:
    """The scores of a small network that sees one class only."""
    with TemporaryDirectory() as folder:
        run = Run(Path(folder), device, seed=seed, steps=CLASS_STEPS, report_steps=CLASS_STEPS + 1)
        network = finish(fit(config, data, run))
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


def sample(checkpoint: Checkpoint, out: Path, count: int, seed: int, device: torch.device) -> None:
    """Draw rows of ``WALK``: from what the code keeps of one training picture to what it keeps of another."""
    role = space(restore(checkpoint, device))
    rows = math.ceil(count / WALK)
    ends = torch.randint(len(role.remembered), (2, rows), generator=torch.Generator().manual_seed(seed))
    first, second = role.remembered[ends].repeat_interleave(WALK, 1)  # (rows * WALK, N) each
    share = torch.linspace(0, 1, WALK).repeat(rows)[:, None]
    sheet(from_unit(role.blend(first, second, share)[0]), out, columns=WALK)


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
CATS = {
    "code": 10,
    "levels": 4,  # 64 places x 20 bits are 160 bytes, about WebP's smallest file
    "mirrored": True,
    "centred": True,
}

FAMILY = Family(
    name="autoencoder",
    default="autoencoder-cats",
    recipes={
        "autoencoder-digits": Recipe("autoencoder-digits", "digits", DIGITS, minutes=6),
        "autoencoder-cats": Recipe("autoencoder-cats", "cats", CATS, minutes=50),
    },
    config=Config,
    train=train,
    evaluate=evaluate,
    sample=sample,
    restore=restore,
    roles=ROLES,
    continues=True,
)
