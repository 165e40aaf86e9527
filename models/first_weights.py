"""First weights: where a network without normalisation begins, so that its input is not lost on the way through it."""

from __future__ import annotations

import math

from torch import nn

SLOPE = 0.2  # of leaky ReLU below zero; what other activations let through is close enough


def keep_signal(network: nn.Module) -> None:
    """Draw weights that keep the signal's variance through every layer (He et al. 2015); biases start at zero.

    PyTorch's own shrink it about threefold a layer. Layers that start at zero stay so.
    """
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d | nn.Linear) and layer.weight.any():
            summed = layer.weight[0].numel()  # numbers that make up each output
            if isinstance(layer, nn.ConvTranspose2d):  # its weights lie the other way round, and strides share them out
                summed = layer.weight[:, 0].numel() // layer.stride[0] ** 2
            nn.init.normal_(layer.weight, std=math.sqrt(2 / (1 + SLOPE**2) / summed))
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
