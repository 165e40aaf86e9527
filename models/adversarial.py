"""Adversarial: the objective of two networks of which one draws and the other judges, after R3GAN (Huang et al. 2024).

Each real picture is paired with a drawn one of the same condition (a class; the lines that a picture was drawn from are
channels of its own), and the judge is asked which is real, its gradient held small on both (R1, R2).

Shapes: B batch, C channels, H height, W width.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def preference(better: Tensor, worse: Tensor) -> Tensor:
    """-log sigmoid(better - worse), the mean over pairs of logits (B,)."""
    return F.softplus(worse - better).mean()


def squared_gradient(logits: Tensor, images: Tensor) -> Tensor:
    """|dD(x)/dx|^2, the mean over pictures (B, C, H, W) with logits (B,); differentiable once more."""
    (gradient,) = torch.autograd.grad(logits.sum(), images, create_graph=True)
    return gradient.square().sum((1, 2, 3)).mean()


def discriminator_loss(
    discriminator: nn.Module, real: Tensor, drawn: Tensor, condition: Tensor, gamma: float
) -> dict[str, Tensor]:
    """-log sigmoid(D(x) - D(G(z))) and gamma / 2 (R1 + R2), whose sum is minimised; no penalty at gamma 0."""
    images = torch.cat((real, drawn)).requires_grad_(gamma > 0)  # (2B, C, H, W)
    logits = discriminator(images, torch.cat((condition, condition)))
    losses = {"discriminator": preference(*logits.chunk(2))}
    if gamma > 0:  # the mean over both halves is (R1 + R2) / 2
        losses["penalty"] = gamma * squared_gradient(logits, images)
    return losses


def generator_loss(discriminator: nn.Module, real: Tensor, drawn: Tensor, condition: Tensor) -> Tensor:
    """-log sigmoid(D(G(z)) - D(x))."""
    with torch.no_grad():
        real_logits = discriminator(real, condition)
    return preference(discriminator(drawn, condition), real_logits)
