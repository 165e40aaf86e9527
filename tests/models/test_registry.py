"""Recipes, as they are trained on a processor and on a graphics card."""

from __future__ import annotations

import pytest
import torch

from models.registry import Family, Recipe, families

CPU, GPU = torch.device("cpu"), torch.device("cuda")  # named, not used: none has to be there
PLAIN = Recipe("gan-owls", "gan", "owls", "MIT", {"batch": 64, "mirrored": True}, minutes=90)
LARGER = Recipe(
    "gan-owls", "gan", "owls", "MIT", PLAIN.config, minutes=90, gpu_config={"batch": 256, "latent": 128}, gpu_minutes=10
)


def test_a_recipe_may_differ_on_a_graphics_card() -> None:
    there = LARGER.on(GPU)
    assert there.config == {"batch": 256, "mirrored": True, "latent": 128}
    assert there.minutes == 10
    assert there.on(GPU) == there


def test_a_recipe_is_the_same_everywhere_else() -> None:
    assert LARGER.on(CPU) == LARGER
    assert PLAIN.on(GPU) == PLAIN


@pytest.mark.parametrize("device", [CPU, GPU], ids=str)
@pytest.mark.parametrize("family", families().values(), ids=families())
def test_every_recipe_is_a_configuration_of_its_family(family: Family, device: torch.device) -> None:
    for recipe in family.recipes.values():
        family.config.parse(recipe.on(device).config)
