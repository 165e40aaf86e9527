"""The metrics against closed forms and small cases done by hand."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from models.metrics import blur, density_coverage, frechet_distance, kernel_distance, ladder, nearest


def normal(count: int, width: int, seed: int = 0) -> Tensor:
    return torch.randn(count, width, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def whitened(count: int, width: int) -> Tensor:
    """Points whose mean is exactly 0 and whose covariance is exactly the identity."""
    points = normal(count, width)
    points = points - points.mean(0)
    values, vectors = torch.linalg.eigh(points.T.cov())
    return points @ vectors / values.sqrt()


def test_frechet_distance_to_itself_is_zero() -> None:
    points = normal(300, 8)
    assert frechet_distance(points, points) == pytest.approx(0.0, abs=1e-8)


def test_frechet_distance_matches_the_closed_form_of_gaussians() -> None:
    points = whitened(500, 4)
    scale, mean = torch.tensor([1.0, 2.0, 0.5, 3.0]).double(), torch.tensor([1.0, 0.0, -2.0, 0.5]).double()
    turn = torch.linalg.qr(normal(4, 4, seed=1)).Q
    expected = (mean.square().sum() + (1 - scale).square().sum()).item()
    assert frechet_distance(points, points * scale @ turn + mean) == pytest.approx(expected, rel=1e-6)


def test_frechet_distance_of_covariances_that_do_not_commute() -> None:
    first, second = normal(400, 3) @ normal(3, 3, 1), normal(400, 3, 2) @ normal(3, 3, 3)
    covariance, other = first.T.cov(), second.T.cov()
    roots = torch.linalg.eigvals(covariance @ other).real.sqrt().sum()  # the trace of the product's root
    expected = (first.mean(0) - second.mean(0)).square().sum() + covariance.trace() + other.trace() - 2 * roots
    assert frechet_distance(first, second) == pytest.approx(expected.item(), rel=1e-6)


def test_kernel_distance_by_hand() -> None:
    first, second = torch.tensor([[1.0, 0.0], [0.0, 1.0]]), torch.tensor([[1.0, 1.0], [2.0, 0.0]])

    def kernel(a: Tensor, b: Tensor) -> float:
        return float((a @ b / 2 + 1) ** 3)

    within = kernel(first[0], first[1]) + kernel(second[0], second[1])
    between = sum(kernel(a, b) for a in first for b in second) / 4
    assert kernel_distance(first, second) == pytest.approx(within - 2 * between)


def test_kernel_distance_is_unbiased() -> None:
    same = kernel_distance(normal(4_000, 8), normal(4_000, 8, 1))
    shifted = kernel_distance(normal(4_000, 8), normal(4_000, 8, 1) + 0.3)
    assert abs(same) < 0.01 < shifted


def test_density_and_coverage() -> None:
    points = normal(200, 4)
    for drawn in (points, points.repeat(2, 1)):  # how many there are does not count
        assert density_coverage(points, drawn) == (1.0, 1.0)
    assert density_coverage(points, points + 100) == (0.0, 0.0)
    collapsed = points[:1].repeat(200, 1)  # a dense spot, and nothing else reached
    assert density_coverage(points, collapsed)[1] < 0.2
    alike = density_coverage(points, normal(200, 4, 1))
    assert alike[0] == pytest.approx(1.0, abs=0.3) and alike[1] > 0.85


def test_nearest_finds_what_was_hidden_among_others() -> None:
    references = normal(2_500, 6)
    distances, indices = nearest(references[[7, 2_100]] + 1e-6, references, 2)
    assert indices[:, 0].tolist() == [7, 2_100]
    assert (distances[:, 0] < distances[:, 1]).all()


def test_blur_keeps_flat_pictures_and_the_mean_of_others() -> None:
    flat = torch.full((1, 3, 16, 16), 0.25)
    assert torch.allclose(blur(flat, 2.0), flat, atol=1e-6)
    point = torch.zeros(1, 1, 33, 33)
    point[0, 0, 16, 16] = 1.0
    spread = blur(point, 1.5)
    assert spread.sum().item() == pytest.approx(1.0, abs=1e-5)
    y = torch.arange(33.0) - 16
    assert (spread[0, 0].sum(1) * y.square()).sum().item() == pytest.approx(1.5**2, rel=0.05)


def test_the_ladder_moves_the_distance() -> None:
    pictures = blur(torch.randn(64, 1, 12, 12, generator=torch.Generator().manual_seed(0)), 0.7).clamp(-1, 1)
    plain = pictures.flatten(1)[:, ::6]  # every sixth pixel serves as a feature
    rungs = {name: frechet_distance(damaged.flatten(1)[:, ::6], plain) for name, damaged in ladder(pictures)}
    for rail in ("blurred", "noised"):
        heights = [distance for name, distance in rungs.items() if name.startswith(rail)]
        assert len(heights) == 3 and heights == sorted(heights) and heights[0] > 0
