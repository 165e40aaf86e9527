"""A plain GPT to compare with: learned positions, LayerNorm, GELU, one optimizer, as most tutorials train it.

Its recipe is nanoGPT's for the same text (Karpathy 2022): AdamW at 1e-3, a warm-up of a hundred steps, then half a
cosine down to a tenth of the rate; dropout 0.2.

Shapes: B batch, T time (characters), C width, H heads, D head size, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models import gpt
from models.scoring import nats_per_character
from models.training import Progress, Run, cosine

RATE, DECAYED = 1e-3, 1e-4
WARMUP = 100  # steps
DROPOUT = 0.2
WEIGHT_DECAY = 0.1


class Block(nn.Module):
    def __init__(self, width: int, heads: int, hidden: int) -> None:
        super().__init__()
        self.heads = heads
        self.attention_norm = nn.LayerNorm(width, bias=False)
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.out = nn.Linear(width, width, bias=False)
        self.feed_norm = nn.LayerNorm(width, bias=False)
        self.up = nn.Linear(width, hidden, bias=False)
        self.down = nn.Linear(hidden, width, bias=False)
        self.dropout = nn.Dropout(DROPOUT)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(self.attention_norm(x)).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)  # (B, H, T, D)
        x = x + self.dropout(self.out(y.transpose(1, 2).flatten(2)))
        return x + self.dropout(self.down(F.gelu(self.up(self.feed_norm(x)))))  # type: ignore[no-any-return]


class PlainGPT(nn.Module):
    """Token ids (B, T) to logits (B, T, V), with as many layers, width and parameters as the GPT of a configuration."""

    def __init__(self, config: gpt.Config) -> None:
        super().__init__()
        self.config = config
        width, letters = config.width, len(config.vocabulary)
        attention = (config.heads + config.kv_heads) * config.head_size * 2 * width - 4 * width * width
        hidden = (attention + 3 * width * config.hidden) // (2 * width)  # of what the other's layers have, the rest
        self.embedding = nn.Embedding(letters, width)
        self.position = nn.Embedding(config.context, width)
        self.blocks = nn.Sequential(*(Block(width, config.heads, hidden) for _ in range(config.layers)))
        self.norm = nn.LayerNorm(width, bias=False)
        self.head = nn.Linear(width, letters, bias=False)
        self.head.weight = self.embedding.weight
        for name, parameter in self.named_parameters():
            if parameter.ndim == 2:  # those that end a residual branch are smaller, by how many there are (GPT-2)
                ends_branch = name.endswith(("out.weight", "down.weight"))
                nn.init.normal_(parameter, std=0.02 * (2 * config.layers) ** -0.5 if ends_branch else 0.02)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.embedding(tokens) + self.position.weight[: tokens.shape[1]]  # (B, T, C)
        return self.head(self.norm(self.blocks(x))).float()  # type: ignore[no-any-return]  # (B, T, V)


def train(config: gpt.Config, text: Tensor, held_out: Tensor, run: Run) -> Iterator[Progress]:
    """Train on a text (N,), yielding progress as :func:`models.gpt.train` does."""
    network = run.build(lambda: PlainGPT(config))
    matrices = [p for p in network.parameters() if p.ndim == 2]
    others = [p for p in network.parameters() if p.ndim < 2]
    groups = [{"params": matrices, "weight_decay": WEIGHT_DECAY}, {"params": others, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=RATE, betas=(0.9, 0.99))
    for step in run:
        tokens = gpt.draw(text, config.batch, config.context + 1, run.generator()).to(run.device)
        with run.autocast():
            loss = gpt.next_character_loss(network, tokens)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        for group in optimizer.param_groups:
            group["lr"] = min(1.0, (step + 1) / WARMUP) * cosine(RATE, DECAYED, run.fraction)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        run.observe(loss=loss)
        if run.due():
            network.eval()
            metrics = {"held-out nats/char": nats_per_character(network, held_out)}  # type: ignore[arg-type]
            network.train()
            yield run.report(metrics, network=network, optimizer=optimizer)
