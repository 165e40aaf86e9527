"""The buttons under pictures: others like these, near one, one alone, a walk past all."""

from __future__ import annotations

from typing import TYPE_CHECKING

import discord

from bot import picture_recipes
from bot.views import RecipeButton, Retry

if TYPE_CHECKING:
    from bot.client import Bot


class Enlarge(RecipeButton, action="enlarge", label_key="button.enlarge", style=discord.ButtonStyle.secondary, rank=0):
    """Shows one picture of a sheet alone."""

    async def press(self, interaction: discord.Interaction[Bot]) -> None:
        recipe = await interaction.client.recipes.read(self.recipe_id)
        alone = picture_recipes.enlarged(recipe, self.place, interaction.user.id)
        await interaction.client.perform(interaction, alone)


class Vary(RecipeButton, action="vary", label_key="button.vary", style=discord.ButtonStyle.secondary, rank=1):
    """Draws pictures near one of a sheet."""

    async def press(self, interaction: discord.Interaction[Bot]) -> None:
        recipe = await interaction.client.recipes.read(self.recipe_id)
        near = picture_recipes.varied(recipe, self.place, interaction.user.id)
        await interaction.client.perform(interaction, near)


class Reroll(Retry, action="reroll", label_key="button.reroll", style=discord.ButtonStyle.primary, rank=2):
    """Draws as many others with the same parameters."""


class Animate(RecipeButton, action="animate", label_key="button.animate", style=discord.ButtonStyle.secondary, rank=2):
    """Walks past the pictures of a sheet, or from one end of a strip to the other."""

    async def press(self, interaction: discord.Interaction[Bot]) -> None:
        recipe = await interaction.client.recipes.read(self.recipe_id)
        walk = picture_recipes.walked(recipe, interaction.user.id)
        await interaction.client.perform(interaction, walk)


PICTURE_BUTTONS = (Enlarge, Vary, Reroll, Animate)
