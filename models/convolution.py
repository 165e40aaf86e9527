"""Convolution: the residual encoder and decoder that the autoencoder and the VAE are made of.

Every stage halves or doubles the picture's side with a 4x4 convolution of stride 2, whose outputs overlap evenly, and
refines it with residual blocks that start as the identity (He et al. 2016). There is no normalisation: in networks this
shallow it costs a CPU more than it gains.

Shapes: B batch, C picture's channels, S its side in pixels, W channels and G side of the last stage's map.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from models.first_weights import keep_signal


class Residual(nn.Module):
    """Two 3x3 convolutions around which the input passes unchanged: (B, W, G, G) to the same."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.second = nn.Conv2d(width, width, 3, padding=1)
        nn.init.zeros_(self.second.weight)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.second(F.silu(self.first(F.silu(x))))  # type: ignore[no-any-return]


def widths(width: int, stages: int) -> list[int]:
    """Channels of each stage, the finest first: doubled whenever the side is halved."""
    return [width * 2**i for i in range(stages)]


class Encoder(nn.Sequential):
    """Pictures (B, C, S, S) to maps (B, W, G, G) with G = S / 2^stages."""

    def __init__(self, channels: int, width: int, stages: int, blocks: int) -> None:
        layers: list[nn.Module] = []
        for out in widths(width, stages):
            layers.append(nn.Conv2d(channels, out, 4, stride=2, padding=1))
            layers += [Residual(out) for _ in range(blocks)]
            channels = out
        super().__init__(*layers, nn.SiLU())
        keep_signal(self)


class Decoder(nn.Sequential):
    """Maps (B, W, G, G) to pictures (B, C, S, S), the encoder's mirror image with transposed convolutions."""

    def __init__(self, channels: int, width: int, stages: int, blocks: int) -> None:
        layers: list[nn.Module] = []
        sides = widths(width, stages)[::-1]
        for inner, out in zip(sides, [*sides[1:], channels], strict=True):
            layers += [Residual(inner) for _ in range(blocks)]
            layers += [nn.SiLU(), nn.ConvTranspose2d(inner, out, 4, stride=2, padding=1)]
        super().__init__(*layers)
        keep_signal(self)
