"""What models make of pictures that people hand in, and how a message shows it."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import discord

from bot import vision_words
from bot.errors import Refusal
from bot.live_message import LiveMessage
from bot.locale import translate
from bot.picture import Picture, show
from bot.picture_buttons import Animate, Reroll
from bot.picture_recipes import kind
from bot.recipes import Recipe
from bot.uploads import check
from bot.views import Delete, RecipeButton, ShowRecipe
from bot.vision_recipes import HandedIn, handed_in, request
from bot.worker_api import Queued
from worker.schemas.vision import VisionAnswer

if TYPE_CHECKING:
    from bot.client import Bot


@dataclass
class Examined(Picture[VisionAnswer]):
    """A sheet, strip, animation or map, with figures; ``attachments`` are the pictures that are still to be fetched."""

    attachments: Sequence[discord.Attachment] = ()
    answer: VisionAnswer | None = None
    images: list[str] = field(default_factory=list)  # the files in base64

    @property
    def repeatable(self) -> bool:
        return super().repeatable and all("digest" in picture for picture in handed_in(self.recipe))

    async def make(self, bot: Bot, max_bytes: int, message: LiveMessage) -> None:
        """Fetches the pictures, from Discord or from where they are kept, and has the worker look at them."""
        if self.attachments:
            digests = [
                await bot.uploads.fetch(attachment, self.recipe, picture["owner"])
                for attachment, picture in zip(self.attachments, handed_in(self.recipe), strict=True)
            ]
            pictures = [
                HandedIn(name=picture["name"], owner=picture["owner"], digest=digest)
                for picture, digest in zip(handed_in(self.recipe), digests, strict=True)
            ]
            self.recipe = replace(self.recipe, parameters=self.recipe.parameters | {"pictures": pictures})
        for picture in handed_in(self.recipe):
            try:
                content = await bot.uploads.read(picture.get("digest", ""), picture["owner"], self.recipe)
            except Refusal:
                self.is_lost = True
                raise
            self.images.append((await asyncio.to_thread(base64.b64encode, content)).decode())
        await super().make(bot, max_bytes, message)

    async def ask(self, bot: Bot, max_bytes: int) -> AsyncGenerator[Queued | VisionAnswer, None]:
        async with aclosing(bot.worker.look(request(self.recipe, self.images, max_bytes))) as events:
            async for event in events:
                yield event

    def take(self, answer: VisionAnswer) -> bytes:
        self.answer = answer
        self.images.clear()
        model, _, version = answer.system_fingerprint.partition("@")
        self.recipe = replace(self.recipe, model=model, version=version, seed=answer.seed)
        return base64.b64decode(answer.data[0].b64_json, validate=True)

    def name(self) -> str:
        return "-".join([self.recipe.model, *self.recipe.operation.split()[1:]])

    def description(self) -> str:
        return vision_words.description(self.recipe, self.locale)

    def findings(self) -> list[str]:
        return [] if self.answer is None else vision_words.findings(self.recipe, self.answer, self.locale)

    def how_it_was_made(self) -> list[str]:
        recipe, parameters = self.recipe, self.recipe.parameters
        parts = [recipe.pinned_model]
        if recipe.seed is not None:
            parts.append(translate(self.locale, "text.seed", seed=recipe.seed))
        if self.answer is not None and self.answer.lines == "photo":
            parts.append(translate(self.locale, "vision.strength", strength=f"{parameters['strength']:g}"))
        return parts

    def buttons(self) -> Sequence[RecipeButton]:
        kinds: list[type[RecipeButton]] = [ShowRecipe, Delete]
        if kind(self.recipe.operation) == "interpolate" and not self.recipe.parameters["animated"]:
            kinds.insert(0, Animate)
        if self.recipe.seed is not None:
            kinds.insert(0, Reroll)
        return [button(self.recipe.id, self.locale) for button in kinds]


async def examine(
    interaction: discord.Interaction[Any], recipe: Recipe, *attachments: discord.Attachment, owner: int | None = None
) -> None:
    """Answers ``interaction`` with what comes of ``recipe``, about these pictures if they are new; Refusal if unfit.

    They are ``owner``'s if that is not who asks.
    """
    if attachments:
        for attachment in attachments:
            check(attachment)
        pictures = [HandedIn(name=file.filename, owner=owner or recipe.owner) for file in attachments]
        recipe = replace(recipe, parameters=recipe.parameters | {"pictures": pictures})
    await show(interaction, Examined(recipe, interaction.locale, attachments=attachments))
