"""Metrics: how close one set of pictures is to another, in the features of a frozen network, and pairs of pictures.

Shapes: N, M pictures of a set, F features, C channels, H height, W width.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

KERNEL_BLOCK = 1_000  # pictures a side of one estimate of the kernel distance, which is averaged over blocks
NEIGHBOURS = 5  # k of density and coverage, as in their paper
CHUNK = 1_000  # rows of a distance matrix held at once


def frechet_distance(first: Tensor, second: Tensor) -> float:
    """|m1 - m2|^2 + tr(S1 + S2 - 2 (S1 S2)^(1/2)) of Gaussians fitted to features (N, F) and (M, F).

    Heusel et al. 2017 with features of our own, hence never called FID. Small sets raise it: compare equal sizes only.
    """
    first, second = first.double(), second.double()
    mean = (first.mean(0) - second.mean(0)).square().sum()
    covariance, other = first.T.cov(), second.T.cov()  # (F, F)
    values, vectors = torch.linalg.eigh(covariance)
    root = vectors * values.clamp(min=0).sqrt() @ vectors.T  # (F, F)
    cross = torch.linalg.eigvalsh(root @ other @ root).clamp(min=0).sqrt().sum()
    return max(0.0, float(mean + covariance.trace() + other.trace() - 2 * cross))


def kernel_distance(first: Tensor, second: Tensor) -> float:
    """Squared maximum mean discrepancy under (x.y / F + 1)^3, unbiased (Binkowski et al. 2018); about 0 for equals."""
    size = min(KERNEL_BLOCK, len(first), len(second))
    blocks = zip(torch.split(first.double(), size), torch.split(second.double(), size), strict=False)
    estimates = [_discrepancy(a, b) for a, b in blocks if len(a) == len(b) == size]
    return float(torch.stack(estimates).mean())


def _discrepancy(first: Tensor, second: Tensor) -> Tensor:
    def kernel(a: Tensor, b: Tensor) -> Tensor:
        return (a @ b.T / a.shape[1] + 1) ** 3

    def within(a: Tensor) -> Tensor:
        products = kernel(a, a)
        return (products.sum() - products.diagonal().sum()) / (len(a) * (len(a) - 1))

    return within(first) + within(second) - 2 * kernel(first, second).mean()


def density_coverage(real: Tensor, drawn: Tensor, k: int = NEIGHBOURS) -> tuple[float, float]:
    """How densely ``drawn`` lies where ``real`` does, and the share of ``real`` it reaches (Naeem et al. 2020).

    Around each real picture lies a ball that just holds its ``k`` nearest real neighbours. Density counts in how many
    balls a drawn picture lies, divided by k (about 1 for real pictures); coverage is the share of balls with any.
    """
    radii = torch.cat(
        [torch.cdist(rows, real).kthvalue(k + 1, 1).values for rows in torch.split(real, CHUNK)]
    )  # itself is 0
    inside, covered = 0, 0
    for rows, radius in zip(torch.split(real, CHUNK), torch.split(radii, CHUNK), strict=True):
        within = torch.cdist(rows, drawn) < radius[:, None]  # (chunk, M)
        inside += int(within.sum())
        covered += int(within.any(1).sum())
    return inside / (k * len(drawn)), covered / len(real)


def nearest(queries: Tensor, references: Tensor, count: int = 1) -> tuple[Tensor, Tensor]:
    """Distances and indices (N, count) of each query's nearest references, nearest first."""
    found = [torch.cdist(rows, references).topk(count, largest=False) for rows in torch.split(queries, CHUNK)]
    return torch.cat([f.values for f in found]), torch.cat([f.indices for f in found])


def ladder(pictures: Tensor) -> Iterator[tuple[str, Tensor]]:
    """Ever more damaged copies of pictures (N, C, H, W) in [-1, 1]: a measure worth its name rises along each rail."""
    for sigma in (0.5, 1.0, 2.0):  # pixels
        yield f"blurred_{sigma:g}", blur(pictures, sigma)
    for deviation in (0.1, 0.2, 0.4):  # of the values, whose range is 2
        noise = torch.randn(pictures.shape, generator=torch.Generator().manual_seed(0)).to(pictures.device)
        yield f"noised_{deviation:g}", (pictures + deviation * noise).clamp(-1, 1)


def blur(pictures: Tensor, sigma: float) -> Tensor:
    """Gaussian blur of (N, C, H, W), ``sigma`` in pixels, borders repeated."""
    reach = max(1, round(3 * sigma))
    offsets = torch.arange(-reach, reach + 1, device=pictures.device)
    kernel = torch.exp(-(offsets**2) / (2 * sigma**2))
    kernel = kernel / kernel.sum()
    channels = pictures.shape[1]
    padded = F.pad(pictures, (reach, reach, reach, reach), mode="replicate")
    columns = F.conv2d(padded, kernel.view(1, 1, -1, 1).expand(channels, 1, -1, 1), groups=channels)
    return F.conv2d(columns, kernel.view(1, 1, 1, -1).expand(channels, 1, 1, -1), groups=channels)
