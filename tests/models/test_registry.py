"""Families and their recipes, as they are trained on a processor and on a graphics card."""

from __future__ import annotations

import sys
from dataclasses import replace
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType

import pytest
import torch

from models import registry
from models.checkpoint import Store
from models.configuration import ConfigurationError
from models.registry import Family, Metric, Recipe, families, resolve
from models.roles import Sight
from tests.conftest import DIGITS, keep_gan

CPU, GPU = torch.device("cpu"), torch.device("cuda")  # named, not used: none has to be there
PLAIN = Recipe("gan-owls", "owls", {"batch": 64, "mirrored": True}, minutes=90)
GAN = families()["gan"]
TAKEN = "ConfigurationError: The family gan has the name"
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


@pytest.mark.parametrize(
    ("given", "wrong"),
    [
        (None, "ModuleNotFoundError: No module named 'storm'"),
        (torch, "ConfigurationError: It is a module and no Family."),
        (replace(GAN, default="gan-owls", recipes={"gan-owls": PLAIN}), f"{TAKEN} gan already; choose another."),
        (replace(GAN, name="storm"), f"{TAKEN} gan-cats already; choose another."),
    ],
    ids=["not there", "no family", "another's name", "another's models"],
)
def test_what_is_no_family_or_takes_a_name_is_told_and_the_others_are_there(
    given: object, wrong: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    if given is not None:
        storm = ModuleType("storm")
        storm.FAMILY = given  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "storm", storm)
    point = EntryPoint("thunder", "storm:FAMILY", "prospero.models")
    monkeypatch.setattr(registry, "entry_points", lambda group: [point, *entry_points(group=group)])
    assert families.__wrapped__() == families()
    told = "The models 'thunder' (storm:FAMILY) cannot be loaded and are left out; mend or remove them. "
    assert caplog.messages == [told + wrong]


@pytest.mark.parametrize(
    ("changes", "wrong"),
    [
        ({"recipes": {"gan-digits": PLAIN}}, "The family gan has the recipe gan-digits of the model gan-owls;"),
        ({"default": "gan"}, "The family gan has no recipe of its default, gan; choose from gan-digits, gan-cats."),
        ({"restore": None}, "The family gan has roles; add restore,"),
    ],
    ids=str,
)
def test_a_familys_names_agree_and_its_roles_have_a_network(changes: dict[str, object], wrong: str) -> None:
    with pytest.raises(ConfigurationError, match=wrong):
        replace(GAN, **changes)


def test_a_figure_is_a_plain_number() -> None:
    with pytest.raises(ConfigurationError, match=r"A figure is a Tensor; make it a number, as float\(\) does."):
        Metric(torch.tensor(24.0), "dB")  # type: ignore[arg-type]


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
