"""Quality: how close a picture comes to its original, and what WebP and JPEG make of the same number of bytes."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from models.pictures import to_image

WINDOW = 7  # pixels a side over which SSIM takes its moments (Wang et al. 2004, uniform window)


def psnr(pictures: Tensor, originals: Tensor) -> Tensor:
    """Peak signal-to-noise ratio (B,) of uint8 pictures (B, C, H, W), in decibels."""
    error = (pictures.float() - originals.float()).square().mean((1, 2, 3)).clamp_min(1e-4)
    return 10 * torch.log10(255**2 / error)


def ssim(pictures: Tensor, originals: Tensor) -> Tensor:
    """Structural similarity (B,) of uint8 pictures (B, C, H, W), at most 1 (Wang et al. 2004)."""
    x, y = pictures.float(), originals.float()

    def mean(values: Tensor) -> Tensor:
        return F.avg_pool2d(values, WINDOW, stride=1)

    mx, my = mean(x), mean(y)
    vx, vy, vxy = mean(x * x) - mx * mx, mean(y * y) - my * my, mean(x * y) - mx * my
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    similarity = (2 * mx * my + c1) * (2 * vxy + c2) / ((mx * mx + my * my + c1) * (vx + vy + c2))
    return similarity.mean((1, 2, 3))


@dataclass(frozen=True)
class Coded:
    """Pictures after a codec, and the bytes of each file."""

    pictures: Tensor  # (B, C, H, W), uint8
    sizes: Tensor  # (B,)


def coded(originals: Tensor, codec: str, budget: int) -> Coded:
    """The best that ``codec`` ("webp" or "jpeg") makes of ``budget`` bytes, or its smallest file where none fits."""
    files = [_best(_image(original), codec, budget) for original in originals]
    return Coded(shown(files, originals.shape[1]), torch.tensor([len(file) for file in files]))


def least(original: Tensor, codec: str, quality: float) -> bytes:
    """The smallest file of a picture (C, H, W), uint8, that comes as close to it as ``quality``, in decibels.

    Where none comes so close, the closest.
    """
    image, best, low, high = _image(original), b"", 0, 100
    while low <= high:  # bisection over the codec's quality, which closeness grows with
        middle = (low + high) // 2
        file = _encode(image, codec, middle)
        if float(psnr(shown([file], len(original)), original[None])) >= quality:
            best, high = file, middle - 1
        else:
            low = middle + 1
    return best or _encode(image, codec, 100)


def shown(files: Sequence[bytes], channels: int) -> Tensor:
    """Pictures (B, C, H, W), uint8, of files of equal size."""
    pictures = [torch.from_numpy(np.array(Image.open(io.BytesIO(file)).convert("RGB"))) for file in files]
    return torch.stack(pictures).permute(0, 3, 1, 2)[:, :channels]


def _image(picture: Tensor) -> Image.Image:
    return to_image(picture.permute(1, 2, 0).numpy())


def _best(image: Image.Image, codec: str, budget: int) -> bytes:
    """Bisection over the quality, which a file's size grows with."""
    best, low, high = _encode(image, codec, 0), 1, 100
    while low <= high:
        middle = (low + high) // 2
        file = _encode(image, codec, middle)
        if len(file) <= budget:
            best, low = file, middle + 1
        else:
            high = middle - 1
    return best


def _encode(image: Image.Image, codec: str, quality: int) -> bytes:
    out = io.BytesIO()
    image.save(out, codec, quality=quality, method=6, optimize=True)  # the smallest files: WebP's and JPEG's
    return out.getvalue()
