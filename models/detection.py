"""Detection: how well a score tells outliers from pictures like the training ones, and a baseline without a network.

Shapes: N pictures, M training pictures, K principal axes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import torch.nn.functional as F
from torch import Tensor

from models.metrics import nearest
from models.outliers import auroc
from models.pictures import HELD_OUT, Pictures, to_unit
from models.projection import principal_axes

AXES = 64  # of the baseline: they hold nine tenths of the variance of digits
SIDE = 28  # pixels, about, to which larger pictures are shrunk first: finding axes takes the cube of the pixels

Score = Callable[[Tensor], Tensor]  # pictures (N, C, S, S) in [-1, 1] to scores (N,), the higher the odder


def one_vs_rest(data: Pictures, learn: Callable[[Pictures], Score], classes: Sequence[int]) -> list[float]:
    """AUROC of each class: ``learn`` sees its training pictures alone, then all test pictures are scored."""
    if data.train_labels is None or data.test_labels is None:
        raise ValueError(f"{data.name} has no classes")
    pictures = to_unit(data.test)
    areas = []
    for kind in classes:
        own = data.train[data.train_labels == kind]
        cut = len(own) // HELD_OUT
        score = learn(replace(data, train=own[cut:], test=own[:cut], train_labels=None, test_labels=None))(pictures)
        areas.append(auroc(score[data.test_labels == kind], score[data.test_labels != kind]))
    return areas


def nearest_on_axes(data: Pictures) -> Score:
    """The baseline: distance to the nearest training picture on the principal axes of the pixels."""
    shrink = max(1, data.train.shape[-1] // SIDE)

    def pixels(pictures: Tensor) -> Tensor:
        return F.avg_pool2d(pictures, shrink).flatten(1)  # (N, D)

    train = pixels(to_unit(data.train))  # (M, D)
    axes = principal_axes(train, AXES)
    known = axes.project(train)  # (M, K)

    def score(pictures: Tensor) -> Tensor:
        return nearest(axes.project(pixels(pictures)), known)[0][:, 0]

    return score
