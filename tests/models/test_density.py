"""Density: who is crowded, who is lonely, and where a newcomer would lie."""

from __future__ import annotations

import pytest
import torch

from models.density import measure


def crowd_and_stragglers() -> torch.Tensor:
    """Ninety latents close together, and ten of which each is farther away than the one before."""
    generator = torch.Generator().manual_seed(0)
    crowd = 0.1 * torch.randn(90, 4, generator=generator)
    stragglers = (
        torch.nn.functional.normalize(torch.randn(10, 4, generator=generator)) * torch.arange(5, 55, 5)[:, None]
    )
    return torch.cat((stragglers, crowd))


def test_stragglers_are_the_loneliest_and_the_crowd_is_not() -> None:
    density = measure(crowd_and_stragglers())
    assert sorted(density.lonely(10).tolist()) == list(range(10))
    assert int(density.lonely(3)[-1]) == 9
    assert all(place >= 10 for place in density.crowded(10).tolist())
    assert density.ratio > 20


def test_evenly_spread_pictures_are_about_as_lonely_as_one_another() -> None:
    grid = torch.cartesian_prod(torch.arange(20.0), torch.arange(20.0))
    assert 1 <= measure(grid).ratio < 1.6  # the edge has fewer neighbours


def test_a_newcomer_is_placed_among_the_remembered() -> None:
    density = measure(crowd_and_stragglers())
    assert density.percentile(torch.zeros(4)) < 20
    assert density.percentile(torch.full((4,), 500.0)) == 100


def test_what_is_remembered_several_times_is_not_crowded_for_that() -> None:
    once = crowd_and_stragglers()
    density = measure(torch.cat((once, once[:5], once[:5])))
    assert torch.equal(density.order, measure(once).order)
    assert torch.equal(density.distances, measure(once).distances)


@pytest.mark.parametrize("count", [2, 3, 6])
def test_few_pictures_are_enough(count: int) -> None:
    density = measure(torch.arange(float(count))[:, None])
    assert len(density.crowded(8)) == len(density.lonely(8)) == 8
    assert density.ratio >= 1
