"""Scoring: how well a GPT foretells texts that it did not write, and how sure it may be of what it foretells.

Shapes: B batch, T time (characters), V vocabulary, N characters of a text.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

if TYPE_CHECKING:
    from models.gpt import GPT

TOGETHER = 32  # windows that the network sees at once


@torch.inference_mode()
def nats_per_character(network: GPT, tokens: Tensor, before: int = 0) -> float:
    """Mean negative log-likelihood over ``tokens`` (N,), in nats per character, one deterministic pass.

    Windows and ``before`` are those of :func:`predictions`.
    """
    total, count = 0.0, 0
    for logits, targets in predictions(network, tokens, before):
        total += F.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="sum").item()
        count += targets.numel()
    return total / count


def predictions(network: GPT, tokens: Tensor, before: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
    """Logits (B, T, V) for the characters of ``tokens`` (N,), and those characters (B, T).

    The text is cut into non-overlapping windows of ``context`` characters, each predicted from its own beginning (as
    nanoGPT's figure is) or, with ``before`` > 0, from that many characters of the text before it as well. The first
    character of the text has nothing before it and is not predicted.
    """
    device = next(network.parameters()).device
    context = network.config.context
    windows: list[tuple[Tensor, int]] = []  # (characters, how many of the last ones are predicted)
    for start in range(0, len(tokens) - 1, context):
        first = max(0, start - before)
        end = min(start + context, len(tokens) - 1)
        windows.append((tokens[first : end + 1], end - start))
    while windows:
        length, predicted = len(windows[0][0]), windows[0][1]
        group = [w for w in windows[:TOGETHER] if len(w[0]) == length and w[1] == predicted]
        windows = windows[len(group) :]
        excerpt = torch.stack([w[0] for w in group]).to(device)
        yield network(excerpt[:, :-1])[:, -predicted:], excerpt[:, -predicted:]


@torch.inference_mode()
def calibrate(network: GPT, tokens: Tensor) -> float:
    """Scale the logits so that the network is as sure as it is right on ``tokens`` (N,), which it did not learn.

    What was learnt by heart makes it too sure of everything else. The likelihood is greatest where the network expects
    of the next character's logit what it is in the mean: temperature scaling (Guo et al. 2017), done once and for all.
    Returns the factor.
    """
    found = list(predictions(network, tokens))  # logits (B, T, V) and characters (B, T)
    observed = sum(float(logits.gather(2, targets[..., None]).sum()) for logits, targets in found)
    low, high = 0.25, 4.0
    for _ in range(30):
        factor = (low + high) / 2
        # the larger, the larger the factor is
        expected = sum(float(((factor * logits).softmax(-1) * logits).sum()) for logits, _ in found)
        low, high = (factor, high) if expected < observed else (low, factor)
    network.head.weight.mul_(factor)
    return factor
