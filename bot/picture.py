"""Pictures in the making, and how a message shows them: one file with a description, small print, buttons."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace

from bot import markdown
from bot.live_message import Attached, Draft, LiveMessage
from bot.locale import translate
from bot.picture_buttons import Animate, Enlarge, Reroll, Vary
from bot.picture_recipes import kind, request, trails, typed
from bot.result import Result
from bot.views import Delete, RecipeButton, Retry, ShowRecipe, Stop, TryAgain
from bot.worker_api import Drawing, WorkerAPI

SMALL_PRINT = 1_900  # characters of what is said under pictures; Discord allows 2,000 in all


@dataclass
class Picture(Result):
    """One sheet, number or walk from its place in the queue to its file."""

    content: bytes | None = None

    async def draw(self, worker: WorkerAPI, max_bytes: int, message: LiveMessage) -> None:
        """Has the worker draw it; ends early when its message is gone."""
        async with aclosing(worker.draw(request(self.recipe, max_bytes))) as events:
            async for event in events:
                if isinstance(event, Drawing):
                    self.content = event.files[0]
                    self.recipe = replace(self.recipe, seed=event.seed, version=event.version)
                    self.finished = True
                    return
                self.position = event.position
                if message.gone:
                    return
                message.touch()

    def draft(self) -> Draft:
        lines = [self._how_it_was_made()] if self.content is not None else self.news()
        small_print = "\n".join(markdown.small(line) for line in lines)
        return Draft([small_print[:SMALL_PRINT]], self._buttons(), self._file())

    def _file(self) -> Attached | None:
        if self.content is None:
            return None
        recipe = self.recipe
        ending = "gif" if kind(recipe) == "walk" else "png"
        return Attached(f"{recipe.model}-{recipe.seed}.{ending}", self.content, self._description())

    def _description(self) -> str:
        """What a person reads who does not see it."""
        recipe = self.recipe
        values = {"model": recipe.model, "seed": recipe.seed, "count": len(trails(recipe))}
        match kind(recipe):
            case "number":
                return translate(self.locale, "picture.shows_number", digits=recipe.parameters["prompt"], **values)
            case "walk":
                return translate(self.locale, "picture.shows_walk", **values)
            case "vary":
                return translate(self.locale, "picture.shows_variations", **values)
            case _ if values["count"] == 1:
                return translate(self.locale, "picture.shows_one", **values)
            case _:
                return translate(self.locale, "picture.shows_sheet", **values)

    def _how_it_was_made(self) -> str:
        recipe, parameters = self.recipe, self.recipe.parameters
        parts = [recipe.pinned_model]
        if kind(recipe) == "walk":
            parts.append(translate(self.locale, "picture.seeds", seeds=" → ".join(map(typed, trails(recipe)))))
        else:
            parts.append(translate(self.locale, "text.seed", seed=recipe.seed))
        if "around" in parameters:
            near = typed(parameters["around"])
            parts.append(translate(self.locale, "picture.near", picture=near, strength=f"{parameters['strength']:g}"))
        if parameters["truncation"] < 1:
            parts.append(translate(self.locale, "picture.truncation", truncation=f"{parameters['truncation']:g}"))
        if parameters.get("label") is not None:
            parts.append(translate(self.locale, "picture.label", label=parameters["label"]))
        return " · ".join(parts)

    def _buttons(self) -> Sequence[RecipeButton]:
        identity, locale = self.recipe.id, self.locale
        if not self.ended:
            return [Stop(identity, locale)]
        if self.content is None:
            return [(Retry if self.failure is None else TryAgain)(identity, locale)]
        buttons: list[RecipeButton] = []
        whole: list[type[RecipeButton]] = [ShowRecipe, Delete]
        if kind(self.recipe) in ("sample", "vary"):
            places = range(1, len(trails(self.recipe)) + 1)
            buttons += [Enlarge(identity, locale, place) for place in places if len(places) > 1]
            buttons += [Vary(identity, locale, place) for place in places]
            whole.insert(0, Animate)
        if "stops" not in self.recipe.parameters:  # a walk past given pictures has no others
            whole.insert(0, Reroll)
        return buttons + [button(identity, locale) for button in whole]
