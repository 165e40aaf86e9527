"""Dense: residual networks of full layers, which a CPU multiplies many times faster than it convolves.

For pictures as small as digits and sprites they learn more in a minute than convolutions do.

Shapes: B batch, I numbers in, O numbers out, H width.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn


class Gated(nn.Module):
    """Pre-normalised SwiGLU (Shazeer 2020) around which the input passes unchanged: (B, H) to the same."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.gate_up = nn.Linear(width, 2 * width)
        self.down = nn.Linear(width, width)
        nn.init.zeros_(self.down.weight)

    def forward(self, x: Tensor) -> Tensor:
        gate, up = self.gate_up(self.norm(x)).chunk(2, -1)
        return x + self.down(F.silu(gate) * up)  # type: ignore[no-any-return]


class Dense(nn.Sequential):
    """Numbers (B, I) to numbers (B, O) through ``blocks`` gated layers of one width."""

    def __init__(self, inputs: int, width: int, outputs: int, blocks: int) -> None:
        super().__init__(
            nn.Linear(inputs, width),
            *(Gated(width) for _ in range(blocks)),
            nn.LayerNorm(width),
            nn.Linear(width, outputs),
        )
