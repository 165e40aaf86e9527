"""VAE: a variational autoencoder's objective, its training, its figures and its recipes.

The evidence lower bound with a weight beta on its KL (Higgins et al. 2017), or on the total correlation where each
latent is to stand for one factor (Chen et al. 2018). The network is ``models/variational.py``.

Shapes: B batch, C picture's channels, S its side, Z latents, N pictures.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Generator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from models.augmentation import mirror, zoom
from models.balance import Balance
from models.checkpoint import Checkpoint
from models.disentanglement import mutual_information_gap, total_correlation
from models.features import frozen
from models.fidelity import compare
from models.metrics import nearest
from models.pictures import Pictures, at_most, from_unit, load, sheet, spread, to_unit
from models.quality import psnr
from models.registry import Family, Metric, Recipe
from models.sprites import FACTORS
from models.training import Progress, Run, Stateful, Trained, renew
from models.variational import (
    MEMORY,
    ROLES,
    VAE,
    Config,
    Evidence,
    binarise,
    encode,
    log_likelihood,
    painter,
    reconstruct,
    restore,
    shown_once,
    traverser,
    weigh,
)

BOUND_SAMPLES = 5_000  # of the posterior, for the likelihood, as is usual on digits
COLOUR_SAMPLES = 100  # the same of colour pictures: decoding costs far more, and nobody's figures are to be compared
BOUND_PICTURES = 100  # held-out pictures that get so many; the error this leaves is stated with the figure
TURN = 0.1  # radians at most, of pictures that are zoomed in upon
RARE = 10  # the tenth of the held-out pictures farthest from their training neighbours counts as rare


def negative_evidence(evidence: Evidence, config: Config, weight: float, dataset: int) -> Tensor:
    """-ln p(x | z) + beta KL per picture; or, with total correlation, KL + (beta - 1) TC as beta-TCVAE weighs it."""
    if config.total_correlation:
        excess = total_correlation(evidence.z, evidence.mean, evidence.log_variance, dataset)
        regular = evidence.divergence.mean() + (config.beta - 1) * excess
    else:
        regular = config.beta * evidence.divergence.mean()
    return weight * regular - evidence.likelihood.mean()


def kl_weight(config: Config, fraction: float) -> float:
    """The KL's weight after a fraction of the run: from where it starts in a straight line to 1."""
    passed = min(1.0, fraction / config.kl_warmup) if config.kl_warmup else 1.0
    return config.kl_start + (1.0 - config.kl_start) * passed


def train(recipe: Recipe, run: Run) -> Generator[Progress, None, Trained]:
    """Train on the recipe's pictures, yielding progress; returns the network with averaged weights."""
    config = Config.parse(recipe.config)
    data = load(recipe.dataset)
    data.check(config.channels, config.side)
    network = run.build(lambda: VAE(config))
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    average = copy.deepcopy(network).requires_grad_(False)
    balance = Balance(len(data.train))
    optimizer = torch.optim.AdamW(
        network.parameters(), lr=config.rate, betas=(0.9, 0.99), weight_decay=config.weight_decay, fused=True
    )
    parts: dict[str, Stateful] = {"network": network, "average": average, "balance": balance, "optimizer": optimizer}
    run.restore(**parts)
    forward = run.compiled(network)
    for step in run:
        if config.balance == "latent" and step and step % max(1, len(data.train) // config.batch) == 0:  # a pass
            balance.renew(encode(network, data.train))
        chosen = balance.draw(config.batch, run.generator())
        pictures = to_unit(data.train[chosen]).to(run.device)
        pictures = mirror(pictures) if config.mirrored else pictures
        pictures = zoom(pictures, config.zoomed, TURN) if config.zoomed < 1 else pictures
        pictures = binarise(pictures) if config.binarised else pictures
        with run.autocast():
            evidence: Evidence = forward(pictures)
            loss = negative_evidence(evidence, config, kl_weight(config, run.fraction), len(data.train))
        run.descend(optimizer, loss, config.rate, warmup=config.warmup, longest=config.longest)
        decay = min(config.average, step / (step + 10))  # short at first: early weights are worthless
        renew(average, network, 1 - decay)
        run.observe(elbo=(evidence.likelihood - evidence.divergence).mean(), kl=evidence.divergence.mean())
        if run.due():
            sheet(painter(average).pictures(range(64)), run.picture)
            held_out = shown_once(average, at_most(data.test, 500))
            elbo = float(weigh(average, held_out, samples=1).elbo.mean())
            yield run.report({"held-out ELBO": elbo}, run.picture, **parts)
    remember(average.eval(), data)
    return Trained(average, asdict(config))


def remember(network: VAE, data: Pictures) -> None:
    """Keep latents of training pictures spread over the set, and the likelihoods of held-out ones."""
    network.codes.copy_(encode(network, spread(data.train, MEMORY)))
    scores = log_likelihood(network, to_unit(at_most(data.test, MEMORY))).sort().values
    network.likelihoods.copy_(spread(scores, MEMORY))


# Evaluation


def evaluate(checkpoint: Checkpoint, device: torch.device, quick: bool = False) -> dict[str, Metric]:
    """The figures of the card, on held-out pictures (``quick``: on 100 of them, with few samples)."""
    network = restore(checkpoint, device)
    data = load(checkpoint.card.dataset["name"])
    data.check(network.config.channels, network.config.side)
    figures = _likelihood(network, data, quick)
    if data.name == "sprites":
        factors = _disentanglement(network, data)
        figures = factors | figures if network.config.total_correlation else figures | factors  # its aim decides
    if network.config.likelihood == "normal":
        figures |= _fidelity(network, data, quick)
    return figures


def _likelihood(network: VAE, data: Pictures, quick: bool) -> dict[str, Metric]:
    """ELBO of all held-out pictures, of the rarest of them, and the importance-weighted bound.

    The tighter bound is the ELBO of all pictures plus what many samples gain on some of them: the gain differs so
    little from picture to picture that a few of them tell it to a fraction of a nat.
    """
    held_out = at_most(data.test, 100) if quick else data.test
    shown = shown_once(network, held_out)
    elbo = -weigh(network, shown, samples=1 if quick else 16).elbo.cpu()  # (N,)
    samples = 50 if quick else COLOUR_SAMPLES if network.config.likelihood == "normal" else BOUND_SAMPLES
    tight = weigh(network, at_most(shown, BOUND_PICTURES), samples)
    gain = (tight.importance_weighted - tight.elbo).cpu()
    error = float(gain.std()) / len(gain) ** 0.5
    unit = (
        "nats a picture"
        if network.config.likelihood == "bernoulli"
        else "nats a picture, of a density: may be negative"
    )
    known = data.name == "digits"  # the only set whose figures others publish
    return {
        "elbo": Metric(
            float(elbo.mean()), unit, "VAE of full layers 88 to 90, convolutional 86.5" if known else "", "lower"
        ),
        "nll": Metric(
            float(elbo.mean() - gain.mean()),
            unit,
            f"+- {error:.2f}" + ("; VAE of full layers 86.8, convolutional 81.0, NVAE 78.0" if known else ""),
            "lower",
        ),
        "elbo_rarest_tenth": Metric(
            float(elbo[_rarest(held_out, data.train)].mean()), unit, "far from training pictures", "lower"
        ),
    }


def _rarest(held_out: Tensor, train: Tensor) -> Tensor:
    """Which of the held-out pictures lie farthest from their nearest training picture, in pixels."""
    distances, _ = nearest(to_unit(held_out).flatten(1), to_unit(at_most(train, 10_000)).flatten(1))
    return distances[:, 0].topk(max(1, len(held_out) // RARE)).indices


def _disentanglement(network: VAE, data: Pictures) -> dict[str, Metric]:
    assert data.test_labels is not None
    gap, each = mutual_information_gap(encode(network, data.test).cpu(), data.test_labels)
    reference = "sweeps on dSprites 0.1 to 0.3, best 0.5"
    named = zip(FACTORS, each.tolist(), strict=True)
    return {"mig": Metric(gap, "", reference, "higher"), **{f"mig_{name}": Metric(value, "") for name, value in named}}


def _fidelity(network: VAE, data: Pictures, quick: bool) -> dict[str, Metric]:
    """How close drawn pictures come to real ones, and reconstructions to their originals."""
    originals = at_most(data.test, 100) if quick else data.test
    count = min(1_000, len(data.test)) if quick else len(data.test)
    closeness = psnr(from_unit(reconstruct(network, to_unit(originals))).cpu(), originals)
    drawn = painter(network).pictures(range(count))
    judge = frozen(network.config.channels, network.codes.device)
    return {
        "psnr": Metric(float(closeness.mean()), "dB", "reconstructions of held-out pictures", "higher"),
        **compare(judge, drawn, data, quick),
    }


def sample(checkpoint: Checkpoint, out: Path, count: int, seed: int, device: torch.device) -> None:
    """Draw ``count`` new pictures; of a network made to traverse, rows in which one latent moves."""
    network = restore(checkpoint, device)
    if network.config.total_correlation:
        start = network.codes[torch.randint(MEMORY, (1,), generator=torch.Generator().manual_seed(seed))].cpu()
        role = traverser(network)
        strips = role.decode(role.strips(start[0], role.most(math.ceil(count / 8)), steps=8))[0]
        sheet(from_unit(strips), out)
    else:
        sheet(painter(network).pictures(range(seed, seed + count)), out)


DIGITS: dict[str, Any] = {
    "channels": 1,
    "side": 28,
    "network": "dense",
    "width": 512,
    "blocks": 2,
    "latent": 40,
    "likelihood": "bernoulli",
    "binarised": True,
    "batch": 256,
    "weight_decay": 0.05,
}
SPRITES: dict[str, Any] = {
    "channels": 1,
    "side": 32,
    "network": "dense",
    "width": 256,
    "blocks": 1,
    "latent": 10,
    "flow": 0,  # a flow would entangle what the total correlation takes apart
    "likelihood": "bernoulli",
    "beta": 2.0,
    "total_correlation": True,
    "kl_start": 20.0,  # all latents at once share the factors out among them; one by one each takes a whole one
    "kl_warmup": 0.6,
    "batch": 256,  # the total correlation is estimated within a batch
}
PLAIN: dict[str, Any] = {**SPRITES, "beta": 1.0, "total_correlation": False, "kl_start": 0.0, "kl_warmup": 0.05}
CATS: dict[str, Any] = {"mirrored": True, "zoomed": 0.85, "rate": 6e-4, "longest": 1e4}

RECIPES: dict[str, tuple[str, dict[str, Any], float]] = {  # data set, configuration, minutes
    "vae-digits": ("digits", DIGITS, 20),
    "vae-digits-balanced": ("digits", {**DIGITS, "balance": "latent"}, 20),
    "vae-sprites": ("sprites", SPRITES, 5),
    "vae-sprites-plain": ("sprites", PLAIN, 5),
    "vae-cats": ("cats", CATS, 50),
}

FAMILY = Family(
    name="vae",
    default="vae-digits",
    recipes={model: Recipe(model, dataset, config, minutes) for model, (dataset, config, minutes) in RECIPES.items()},
    config=Config,
    train=train,
    evaluate=evaluate,
    sample=sample,
    restore=restore,
    roles=ROLES,
    continues=True,
)
