"""Small pictures with known content for the tests: bars whose place and length are their class, and squares."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor


def bars(count: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Grey 28x28 pictures (N, 1, 28, 28) with a bright bar, longer and lower the higher the class (N,), 0 to 9."""
    generator = torch.Generator().manual_seed(seed)
    classes = torch.arange(count) % 10
    pictures = torch.randint(0, 40, (count, 1, 28, 28), generator=generator, dtype=torch.uint8)
    for picture, kind in zip(pictures, classes.tolist(), strict=True):
        picture[0, 2 + 2 * kind : 5 + 2 * kind, 4 : 6 + 2 * kind] = 230
    return pictures, classes


def write_digits(folder: Path) -> None:
    """Lay bars where MNIST's four files are looked for."""
    (folder / "mnist").mkdir(parents=True)
    for part, count in (("train", 200), ("t10k", 60)):
        pictures, classes = bars(count)
        for kind, content in (("images-idx3", pictures[:, 0]), ("labels-idx1", classes.to(torch.uint8))):
            header = bytes([0, 0, 8, content.ndim]) + struct.pack(f">{content.ndim}I", *content.shape)
            file = folder / "mnist" / f"{part}-{kind}-ubyte.gz"
            file.write_bytes(gzip.compress(header + content.numpy().tobytes()))


def write_squares(folder: Path, count: int = 24) -> None:
    """Write 64x64 pictures of one bright square each on a dark ground."""
    folder.mkdir(parents=True)
    generator = np.random.default_rng(0)
    for i in range(count):
        picture = np.full((64, 64, 3), 30, np.uint8)
        y, x, side = generator.integers(4, 24, 3)
        picture[y : y + side + 8, x : x + side + 8] = generator.integers(120, 255, 3)
        Image.fromarray(picture).save(folder / f"{i:02}.png")
