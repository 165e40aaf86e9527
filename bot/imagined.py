"""Pictures that models draw from seeds: sheets, numbers, variations, walks and strips, and how a message shows them."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Collection, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import discord

from bot.locale import translate
from bot.picture import Picture, show
from bot.picture_buttons import Animate, Enlarge, Reroll, Vary
from bot.picture_recipes import kind, passes, request, sibling, trails, typed
from bot.recipes import Recipe
from bot.views import Delete, RecipeButton, ShowRecipe
from bot.worker_api import Drawing, Queued

if TYPE_CHECKING:
    from bot.client import Bot


@dataclass
class Imagined(Picture[Drawing]):
    """A sheet, number, walk or strip; of the ``operations`` that the bot performs, some go on from it."""

    operations: Collection[str] = ()

    def ask(self, bot: Bot, max_bytes: int) -> AsyncGenerator[Queued | Drawing, None]:
        return bot.worker.draw(request(self.recipe, max_bytes))

    def take(self, answer: Drawing) -> bytes:
        self.recipe = replace(self.recipe, seed=answer.seed, version=answer.version)
        return answer.file

    def name(self) -> str:
        return f"{self.recipe.model}-{self.recipe.seed}"

    def description(self) -> str:
        recipe = self.recipe
        values = {"model": recipe.model, "seed": recipe.seed, "count": len(trails(recipe))}
        match kind(recipe.operation):
            case "number":
                return translate(self.locale, "picture.shows_number", digits=recipe.parameters["prompt"], **values)
            case "walk":
                return translate(self.locale, "picture.shows_walk", **values)
            case "interpolate":
                return translate(self.locale, "picture.shows_strip", **values)
            case _ if values["count"] == 1:
                return translate(self.locale, "picture.shows_one", **values)
            case "vary":
                return translate(self.locale, "picture.shows_variations", **values)
            case _:
                return translate(self.locale, "picture.shows_sheet", **values)

    def how_it_was_made(self) -> list[str]:
        recipe, parameters = self.recipe, self.recipe.parameters
        parts = [recipe.pinned_model]
        if passes(recipe):
            parts.append(translate(self.locale, "picture.seeds", seeds=" → ".join(map(typed, trails(recipe)))))
        else:
            parts.append(translate(self.locale, "text.seed", seed=recipe.seed))
        if "around" in parameters:
            near = typed(parameters["around"])
            parts.append(translate(self.locale, "picture.near", picture=near, strength=f"{parameters['strength']:g}"))
        if parameters.get("truncation", 1) < 1:
            parts.append(translate(self.locale, "picture.truncation", truncation=f"{parameters['truncation']:g}"))
        if parameters.get("label") is not None:
            parts.append(translate(self.locale, "picture.label", label=parameters["label"]))
        return parts

    def buttons(self) -> Sequence[RecipeButton]:
        identity, locale = self.recipe.id, self.locale
        buttons: list[RecipeButton] = []
        whole: list[type[RecipeButton]] = [ShowRecipe, Delete]
        if kind(self.recipe.operation) in ("sample", "vary"):
            places = range(1, len(trails(self.recipe)) + 1)
            buttons += [Enlarge(identity, locale, place) for place in places if len(places) > 1]
            if sibling(self.recipe, "vary") in self.operations:
                buttons += [Vary(identity, locale, place) for place in places]
        animable = kind(self.recipe.operation) in ("sample", "vary", "interpolate")
        if animable and sibling(self.recipe, "walk") in self.operations:
            whole.insert(0, Animate)
        if "stops" not in self.recipe.parameters:  # a walk past given pictures has no others
            whole.insert(0, Reroll)
        return buttons + [button(identity, locale) for button in whole]


async def imagine(interaction: discord.Interaction[Any], recipe: Recipe) -> None:
    """Answers ``interaction`` with the pictures that ``recipe`` asks for, and keeps what came of it."""
    await show(interaction, Imagined(recipe, interaction.locale, operations=interaction.client.operations))
