"""Latents belong to their seeds, and the way between two stays where the prior is."""

from __future__ import annotations

import pytest
import torch

from models import latents


def test_a_seed_gives_the_same_vector_alone_and_among_others() -> None:
    assert torch.equal(latents.of_seeds([3], 16)[0], latents.of_seeds([1, 2, 3], 16)[2])
    assert not torch.equal(*latents.of_seeds([1, 2], 16))


def test_the_arc_keeps_the_norm_and_meets_its_ends() -> None:
    first, second = latents.of_seeds([0, 1], 64)
    second = second * first.norm() / second.norm()
    for share in (0.0, 0.25, 0.5, 1.0):
        assert latents.spherical(first, second, share).norm().item() == pytest.approx(first.norm().item(), rel=1e-4)
    assert torch.allclose(latents.spherical(first, second, 0.0), first, atol=1e-5)
    assert torch.allclose(latents.spherical(first, second, 1.0), second, atol=1e-5)


def test_equal_ends_have_no_arc_but_a_picture() -> None:
    (only,) = latents.of_seeds([5], 64)
    assert torch.allclose(latents.spherical(only, only, 0.3), only, atol=1e-2)
