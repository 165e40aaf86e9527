"""The adversarial objective against its equations."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from models.adversarial import discriminator_loss, generator_loss, preference, squared_gradient
from models.training import cosine, renew


class Quadratic(nn.Module):
    """D(x) = sum of weight * x^2, whose gradient is 2 * weight * x."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(3, 4, 4, generator=torch.Generator().manual_seed(0)))

    def forward(self, images: Tensor, condition: Tensor) -> Tensor:
        return (self.weight * images.square()).sum((1, 2, 3)) + condition


@pytest.fixture
def pair() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(5, 3, 4, 4, generator=generator), torch.randn(5, 3, 4, 4, generator=generator)


def test_preference_mirrors_its_equation() -> None:
    assert preference(torch.zeros(3), torch.zeros(3)).item() == pytest.approx(math.log(2))
    better, worse = torch.tensor([2.0, 0.0]), torch.tensor([1.0, 3.0])
    expected = (math.log(1 + math.exp(-1)) + math.log(1 + math.exp(3))) / 2
    assert preference(better, worse).item() == pytest.approx(expected)


def test_squared_gradient_is_the_gradients_norm(pair: tuple[Tensor, Tensor]) -> None:
    images = pair[0].requires_grad_()
    judge = Quadratic()
    found = squared_gradient(judge(images, torch.zeros(5)), images)
    by_hand = (2 * judge.weight * images).square().sum((1, 2, 3)).mean()
    assert found.item() == pytest.approx(by_hand.item(), rel=1e-5)
    (gradient,) = torch.autograd.grad(found, judge.weight)  # differentiable once more: d/dw mean |2 w x|^2
    assert torch.allclose(gradient, (8 * judge.weight * images.square()).mean(0), rtol=1e-4)


def test_discriminator_loss_is_preference_and_both_penalties(pair: tuple[Tensor, Tensor]) -> None:
    real, drawn = pair
    judge, condition = Quadratic(), torch.arange(5.0)
    losses = discriminator_loss(judge, real, drawn, condition, gamma=0.5)
    plain = preference(judge(real, condition), judge(drawn, condition))
    r1, r2 = ((2 * judge.weight * images).square().sum((1, 2, 3)).mean() for images in pair)
    assert losses["discriminator"].item() == pytest.approx(plain.item(), rel=1e-5)
    assert losses["penalty"].item() == pytest.approx(0.5 / 2 * (r1 + r2).item(), rel=1e-5)
    assert set(discriminator_loss(judge, real, drawn, condition, gamma=0.0)) == {"discriminator"}


def test_generator_wants_the_opposite(pair: tuple[Tensor, Tensor]) -> None:
    real, drawn = pair
    judge, condition = Quadratic(), torch.zeros(5)
    loss = generator_loss(judge, real, drawn.requires_grad_(), condition)
    assert loss.item() == pytest.approx(preference(judge(drawn, condition), judge(real, condition)).item(), rel=1e-5)
    loss.backward()
    step = drawn.detach() - 0.01 * drawn.grad  # type: ignore[operator]
    assert generator_loss(judge, real, step, condition) < loss


def test_averaged_weights_halve_their_distance_in_a_half_life() -> None:
    average, network = nn.Linear(2, 2), nn.Linear(2, 2)
    before = (average.weight - network.weight).norm().item()
    for _ in range(10):
        renew(average, network, 1 - 0.5 ** (1 / 10))
    assert (average.weight - network.weight).norm().item() == pytest.approx(before / 2, rel=1e-4)


def test_cosine_goes_from_start_to_end() -> None:
    assert [cosine(2.0, 0.2, fraction) for fraction in (0.0, 0.5, 1.0)] == pytest.approx([2.0, 1.1, 0.2])
