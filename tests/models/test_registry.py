"""Families and their recipes, as they are trained on a processor and on a graphics card."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from models.checkpoint import Store
from models.configuration import ConfigurationError
from models.registry import Family, Recipe, families, resolve
from models.roles import Sight
from tests.conftest import DIGITS, keep_gan

CPU, GPU = torch.device("cpu"), torch.device("cuda")  # named, not used: none has to be there
PLAIN = Recipe("gan-owls", "owls", {"batch": 64, "mirrored": True}, minutes=90)
LARGER = Recipe("gan-owls", "owls", PLAIN.config, minutes=90, gpu_config={"batch": 256, "latent": 128}, gpu_minutes=10)


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


@pytest.mark.parametrize("name", ["vae", "autoencoder", "translator"])
def test_a_family_that_looks_at_pictures_says_how_they_must_be(name: str) -> None:
    family = families()[name]
    blind = {role: take for role, take in family.roles.items() if role is not Sight}
    with pytest.raises(ConfigurationError, match=rf"The family {name} has the role \w+, .* add the role Sight"):
        replace(family, roles=blind)
    assert replace(family, roles={}).operations == ()  # one that only measures has nothing to see


def test_a_training_begins_with_a_versions_configuration_or_the_recipes(tmp_path: Path) -> None:
    family, recipe = resolve("gan-digits")
    store = Store(tmp_path, tmp_path / "none")
    keep_gan(store, "gan-digits", DIGITS, "first")
    begun, version = family.begin(recipe, store, "scratch", {"batch": "7"}, None)
    assert (begun.config, version) == ({**recipe.config, "batch": "7"}, None)
    with pytest.raises(ConfigurationError, match="cannot go on from a version"):
        family.begin(recipe, store, "current", {}, None)
    begun, version = replace(family, continues=True).begin(recipe, store, "current", {"batch": "7"}, None)
    assert version is not None
    assert begun.config == {**version.card.config, "batch": "7"}
    with pytest.raises(ConfigurationError, match="no fair sampling"):
        family.begin(recipe, store, "scratch", {}, "latent")
