"""Roles of the networks that ship: a row gives the same numbers alone, among others, and in any place of a batch."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from models import autoencoder, translator, vae, variational
from models.batched import Batched, cut, join
from models.roles import Coder, Judge, Reconstructor, Sight, Space, Translator, Traverser


def untrained(model: str) -> dict[type, Any]:
    """The roles of a network of a shipped recipe's shape."""
    torch.manual_seed(0)
    for family, config, build in (
        (vae.FAMILY, variational.Config, variational.VAE),
        (autoencoder.FAMILY, autoencoder.Config, autoencoder.Autoencoder),
        (translator.FAMILY, translator.Config, translator.UNet),
    ):
        if model in family.recipes:
            built = build(config.parse(family.recipes[model].config)).eval()  # type: ignore[operator, attr-defined]
            return {role: make(built) for role, make in family.roles.items()}
    raise LookupError(model)


def random(*shape: int) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(1)) * 2 - 1


def functions(roles: dict[type, Any]) -> list[tuple[Batched, tuple[Tensor, ...]]]:
    """What computes, with rows for it."""
    sight = roles[Sight]
    pictures = random(9, sight.channels, sight.side, sight.side)
    found: list[tuple[Batched, tuple[Tensor, ...]]] = []
    if Reconstructor in roles:
        found.append((roles[Reconstructor].reconstruct, (pictures,)))
    if Space in roles:
        latents = random(9, roles[Space].remembered.shape[1])
        found += [
            (roles[Space].encode, (pictures,)),
            (roles[Space].decode, (latents,)),
            (roles[Space].blend, (latents, latents.flip(0), torch.linspace(0, 1, 9)[:, None])),
        ]
    if Traverser in roles:
        found.append((roles[Traverser].sample, (random(9, len(roles[Traverser].mean)),)))
    if Judge in roles:
        found.append((roles[Judge].judge, (pictures,)))
    if Coder in roles:
        found.append((roles[Coder].describe, (pictures,)))
        found.append((roles[Coder].paint, roles[Coder].describe(pictures)))
    if Translator in roles:
        lines = (random(9, 1, sight.side, sight.side) > 0.7).float()
        found.append((roles[Translator].translate, (lines, random(9, roles[Translator].latent))))
    return found


@pytest.mark.parametrize(
    "model", ["vae-digits", "vae-cats", "vae-sprites", "autoencoder-digits", "autoencoder-cats", "translator-cats"]
)
def test_a_row_gives_the_same_numbers_in_any_place_of_any_batch(model: str) -> None:
    for function, rows in functions(untrained(model)):
        together = function(*rows)
        for i in (0, 4, 8):
            own = cut(rows, i, i + 1)
            moved = join([cut(rows, 5, 7), own, cut(rows, 0, 3)])
            for expected, alone, among in zip(together, function(*own), function(*moved), strict=True):
                assert torch.equal(alone[0], expected[i])
                assert torch.equal(among[2], expected[i])


@pytest.mark.parametrize(
    ("telling", "most"), [([1e-5, 2.9, 1.1, 0.06], [1, 2, 3]), ([3.0, 5.0, 4.0, 2.0], [1, 2, 0]), ([1e-5, 2e-5], [1])]
)
def test_latents_that_tell_nothing_are_left_out(telling: list[float], most: list[int]) -> None:
    traverser = untrained("vae-sprites")[Traverser]
    assert replace(traverser, telling=torch.tensor(telling)).most(3) == most


def test_a_ground_is_told_from_edges() -> None:
    light_on_dark = torch.full((4, 1, 8, 8), -1.0)
    light_on_dark[:, :, 2:6, 2:6] = 0.7
    sight = Sight.of(light_on_dark)
    assert sight.ground == -1 and sight.side == 8
    assert sight.inverts(-light_on_dark[0]) and not sight.inverts(light_on_dark[0])
    assert Sight.of(random(4, 3, 8, 8)).ground is None
    assert not Sight(3, 8).inverts(torch.ones(3, 8, 8))
