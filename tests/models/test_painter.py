"""The points of pictures: alone and among others, numbers, variations, walks; drawn by a GAN with random weights."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from models import gan
from models.batched import Batched
from models.painter import Painter, Points
from models.pictures import to_unit

SMALL = {"channels": 1, "classes": 10, "base": 7, "widths": "32,16", "blocks": "1,0", "latent": 8}


def drawn(painter: Painter, points: Points) -> Tensor:
    return to_unit(painter.draw(*points.rows)[0])


@pytest.fixture(scope="module")
def network() -> gan.Generator:
    torch.manual_seed(0)
    return gan.Generator(gan.Config.parse(SMALL)).eval()


@pytest.fixture(scope="module")
def painter(network: gan.Generator) -> Painter:
    return gan.painter(network)


@pytest.mark.parametrize("shape", [gan.DIGITS, gan.CATS], ids=["digits", "cats"])
def test_a_point_gives_the_same_numbers_in_any_place_of_any_batch(shape: dict[str, object]) -> None:
    """With the networks that ship: a kernel for another size or place could round differently."""
    torch.manual_seed(1)
    network = gan.Generator(gan.Config.parse(shape)).eval()
    draw = Batched(gan.CHUNK, torch.device("cpu"), lambda *rows: (network(*rows),))  # before it is rounded for people
    points = gan.painter(network).sample(range(gan.CHUNK + 5))
    (together,) = draw(*points.rows)
    for i in (0, 3, gan.CHUNK - 1, gan.CHUNK + 4):
        assert torch.equal(draw(*points[i : i + 1].rows)[0][0], together[i])
        moved = Points.join([points[5:7], points[i : i + 1], points[:6]])
        assert torch.equal(draw(*moved.rows)[0][2], together[i])


def test_seeds_without_a_class_go_through_all_classes(painter: Painter) -> None:
    alone = [drawn(painter, painter.sample([seed], label)) for seed, label in ((17, 7), (18, 8))]
    assert torch.equal(drawn(painter, painter.sample([17, 18])), torch.cat(alone))


def test_a_number_is_written_in_one_hand(painter: Painter) -> None:
    number = drawn(painter, painter.number("2026", seed=3))
    assert torch.equal(number, torch.cat([drawn(painter, painter.sample([3], digit)) for digit in (2, 0, 2, 6)]))


@pytest.mark.parametrize("text", ["", "-4", "12a", "٣", "1.5"])
def test_what_is_no_number_is_refused(painter: Painter, text: str) -> None:
    with pytest.raises(ValueError, match="write a number of digits"):
        painter.number(text, seed=0)


def test_variations_leave_the_picture_as_far_as_asked(painter: Painter) -> None:
    centre = drawn(painter, painter.sample([4]))
    apart = [(drawn(painter, painter.vary([4], range(5, 13), s)) - centre).abs().mean() for s in (0.0, 0.3, 1.0)]
    assert apart[0] < 1e-4 < apart[1] < apart[2]


def test_a_variation_can_be_varied(painter: Painter) -> None:
    first = drawn(painter, painter.vary([4], [70], 0.1))
    second = drawn(painter, painter.vary([4, 70], [71], 0.1))
    assert 1e-4 < (second - first).abs().mean() < (drawn(painter, painter.sample([71], label=4)) - first).abs().mean()


def test_a_variation_keeps_the_class_that_it_began_with(painter: Painter) -> None:
    assert painter.vary([14], [25, 26], 0.4).classes.argmax(1).tolist() == [4, 4]
    assert painter.vary([14], [25, 26], 0.4, label=7).classes.argmax(1).tolist() == [7, 7]


def test_a_walk_among_typical_pictures_alone_stands_still(painter: Painter) -> None:
    points = painter.walk([[1], [11]], between=4, strength=0.4, truncation=0.0)
    assert points.latent.tolist() == [[0.0] * 8] * 5


def test_a_walk_passes_its_stops_and_their_classes(painter: Painter) -> None:
    points = painter.walk([[1], [2], [3, 9]], between=4, strength=0.4)
    assert len(points) == 9
    assert torch.allclose(points.classes.sum(1), torch.ones(9))
    assert points.classes[2, 1] == points.classes[2, 2] == 0.5
    stops = Points.join([painter.sample([1, 2]), painter.vary([3], [9], 0.4)])
    assert torch.allclose(drawn(painter, points[::4]), drawn(painter, stops), atol=0.008)  # a shade
    way = drawn(painter, points)
    assert (way[1:] - way[:-1]).abs().mean((1, 2, 3)).max() < (way[0] - way[4]).abs().mean()
