"""``/vae``: pictures from a latent space that is in order: drawn, rebuilt, blended, one dimension at a time, and what
it has seen most and least of.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import discord
from discord import app_commands
from discord.ext import commands

from bot.errors import Refusal
from bot.examined import examine
from bot.imagined import imagine
from bot.locale import command_text
from bot.picture_options import Count, Dimension, Share, Trails, asked, options
from bot.picture_recipes import MOST, STOPS, STRENGTH, command, read_trail, read_trails
from bot.recipes import Recipe

if TYPE_CHECKING:
    from bot.client import Bot

WALK = "vae walk"
ENDS = 2  # pictures that an interpolation leads between


class Vae(commands.Cog):
    """Pictures by variational autoencoders."""

    help_key = "help.vae"
    help_place = 21

    vae = app_commands.Group(name=command_text("command.vae.name"), description=command_text("command.vae.description"))

    def __init__(self, bot: Bot) -> None:
        bot.operations |= dict.fromkeys(("vae sample", "vae vary", WALK), imagine)
        bot.operations |= dict.fromkeys(("vae reconstruct", "vae traverse", "vae density"), examine)
        bot.operations["vae interpolate"] = _interpolate
        bot.commands_of |= {operation.qualified_name: command for operation in self.vae.commands}

    @vae.command(name=command_text("command.sample.name"), description=command_text("command.vae_sample.description"))
    @options("model", "count", "seed", "truncation")
    async def sample(
        self,
        interaction: discord.Interaction[Bot],
        model: str = "",
        count: Count = MOST,
        seed: str | None = None,
        truncation: Share = 1.0,
    ) -> None:
        await imagine(interaction, asked(interaction, model, seed, n=count, truncation=truncation))

    @vae.command(name=command_text("command.vary.name"), description=command_text("command.vae_vary.description"))
    @options("picture", "model", "count", "strength", "seed", "truncation")
    async def vary(
        self,
        interaction: discord.Interaction[Bot],
        picture: Trails,
        model: str = "",
        count: Count = MOST,
        strength: Share = STRENGTH,
        seed: str | None = None,
        truncation: Share = 1.0,
    ) -> None:
        near = {"around": read_trail(picture), "strength": strength}
        await imagine(interaction, asked(interaction, model, seed, **near, n=count, truncation=truncation))

    @vae.command(name=command_text("command.walk.name"), description=command_text("command.vae_walk.description"))
    @options("model", "pictures", "seed", "strength", "truncation")
    async def walk(
        self,
        interaction: discord.Interaction[Bot],
        model: str = "",
        pictures: Trails | None = None,
        seed: str | None = None,
        strength: Share = STRENGTH,
        truncation: Share = 1.0,
    ) -> None:
        way = {"n": STOPS} if pictures is None else {"stops": read_trails(pictures, least=2)}
        await imagine(interaction, asked(interaction, model, seed, strength=strength, truncation=truncation, **way))

    @vae.command(
        name=command_text("command.reconstruct.name"), description=command_text("command.vae_reconstruct.description")
    )
    @options("image", "model")
    async def reconstruct(
        self, interaction: discord.Interaction[Bot], image: discord.Attachment, model: str = ""
    ) -> None:
        await examine(interaction, asked(interaction, model), image)

    @vae.command(
        name=command_text("command.interpolate.name"), description=command_text("command.interpolate.description")
    )
    @options("first", "second", "seeds", "model", "animated")
    async def interpolate(
        self,
        interaction: discord.Interaction[Bot],
        first: discord.Attachment | None = None,
        second: discord.Attachment | None = None,
        seeds: Trails | None = None,
        model: str = "",
        animated: bool = False,
    ) -> None:
        if first is not None and second is not None and seeds is None:
            await examine(interaction, asked(interaction, model, animated=animated), first, second)
            return
        if first is not None or second is not None:
            raise Refusal("error.two_ends")
        ends: dict[str, Any] = {"n": ENDS} if seeds is None else {"stops": read_trails(seeds)}
        if seeds is not None and len(ends["stops"]) != ENDS:
            raise Refusal("error.two_seeds")
        recipe = asked(interaction, model, **ends)
        await imagine(interaction, replace(recipe, operation=WALK) if animated else recipe)

    @vae.command(name=command_text("command.traverse.name"), description=command_text("command.traverse.description"))
    @options("dimension", "image", "seed", "model")
    async def traverse(
        self,
        interaction: discord.Interaction[Bot],
        dimension: Dimension | None = None,
        image: discord.Attachment | None = None,
        seed: str | None = None,
        model: str = "",
    ) -> None:
        if image is not None and seed is not None:
            raise Refusal("error.one_start")
        recipe = asked(interaction, model, seed, dimension=dimension)
        await examine(interaction, recipe, *([] if image is None else [image]))

    @vae.command(name=command_text("command.density.name"), description=command_text("command.density.description"))
    @options("image", "model")
    async def density(
        self, interaction: discord.Interaction[Bot], image: discord.Attachment | None = None, model: str = ""
    ) -> None:
        await examine(interaction, asked(interaction, model), *([] if image is None else [image]))


async def _interpolate(interaction: discord.Interaction[Any], recipe: Recipe) -> None:
    """Performs a recipe again, between pictures that were handed in or between seeds."""
    perform = examine if "pictures" in recipe.parameters else imagine
    await perform(interaction, recipe)


async def setup(bot: Bot) -> None:
    await bot.add_cog(Vae(bot))
