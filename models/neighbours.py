"""Neighbours: drawn pictures beside the training pictures most like them, to see whether any is learnt by heart."""

from __future__ import annotations

from pathlib import Path

import torch

from models.checkpoint import Checkpoint
from models.configuration import ConfigurationError
from models.features import features, frozen
from models.metrics import nearest
from models.painter import Painter
from models.pictures import load, sheet
from models.registry import Family

BESIDE = 7  # training pictures beside each drawn one


def show(family: Family, version: Checkpoint, out: Path, count: int, seed: int, device: torch.device) -> None:
    """Write the pictures of ``count`` successive seeds, each a row with its nearest training pictures at its right.

    Nearest in the frozen features, which take a picture and its mirror image for much the same; the row with the
    nearest of all is the first. ConfigurationError when the family draws no pictures of its own.
    """
    if family.restore is None or Painter not in family.roles:
        raise ConfigurationError(f"{version.model} and its like draw no pictures of their own; leave neighbours out.")
    painter = family.roles[Painter](family.restore(version, device))
    assert isinstance(painter, Painter)
    drawn = painter.pictures(range(seed, seed + count))  # (N, C, H, W)
    train = load(version.card.dataset["name"]).train
    judge = frozen(drawn.shape[1], device)
    distances, alike = nearest(features(judge, drawn), features(judge, train), min(BESIDE, len(train)))
    rows = torch.cat((drawn[:, None], train[alike]), 1)  # (N, 1 + BESIDE, C, H, W)
    sheet(rows[distances[:, 0].argsort()].flatten(0, 1), out, columns=rows.shape[1])
