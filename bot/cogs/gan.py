"""``/gan``: pictures that never existed, from seeds: sheets of them, numbers, variations and walks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import discord
from discord import app_commands
from discord.ext import commands

from bot.errors import Refusal
from bot.imagined import imagine
from bot.locale import command_text
from bot.picture_options import Count, Label, Share, Trails, asked, options
from bot.picture_recipes import MOST, STOPS, STRENGTH, command, read_trail, read_trails
from worker.schemas.pictures import MAX_DIGITS

if TYPE_CHECKING:
    from bot.client import Bot


class Gan(commands.Cog):
    """Pictures by generators that were trained against a judge."""

    help_key = "help.gan"
    help_place = 20

    gan = app_commands.Group(name=command_text("command.gan.name"), description=command_text("command.gan.description"))

    def __init__(self, bot: Bot) -> None:
        for operation in self.gan.commands:
            bot.operations[operation.qualified_name] = imagine
            bot.commands_of[operation.qualified_name] = command

    @gan.command(name=command_text("command.sample.name"), description=command_text("command.gan_sample.description"))
    @options("model", "count", "seed", "truncation", "label")
    async def sample(
        self,
        interaction: discord.Interaction[Bot],
        model: str = "",
        count: Count = MOST,
        seed: str | None = None,
        truncation: Share = 1.0,
        label: Label | None = None,
    ) -> None:
        await imagine(interaction, asked(interaction, model, seed, n=count, truncation=truncation, label=label))

    @gan.command(name=command_text("command.number.name"), description=command_text("command.number.description"))
    @options("digits", "model", "seed", "truncation")
    async def number(
        self,
        interaction: discord.Interaction[Bot],
        digits: app_commands.Range[str, 1, MAX_DIGITS],
        model: str = "",
        seed: str | None = None,
        truncation: Share = 1.0,
    ) -> None:
        if not (digits.isascii() and digits.isdigit() and len(digits) <= MAX_DIGITS):
            raise Refusal("error.digits", most=MAX_DIGITS)
        await imagine(interaction, asked(interaction, model, seed, prompt=digits, truncation=truncation))

    @gan.command(name=command_text("command.vary.name"), description=command_text("command.gan_vary.description"))
    @options("picture", "model", "count", "strength", "seed", "truncation", "label")
    async def vary(
        self,
        interaction: discord.Interaction[Bot],
        picture: Trails,
        model: str = "",
        count: Count = MOST,
        strength: Share = STRENGTH,
        seed: str | None = None,
        truncation: Share = 1.0,
        label: Label | None = None,
    ) -> None:
        near = {"around": read_trail(picture), "strength": strength}
        recipe = asked(interaction, model, seed, **near, n=count, truncation=truncation, label=label)
        await imagine(interaction, recipe)

    @gan.command(name=command_text("command.walk.name"), description=command_text("command.gan_walk.description"))
    @options("model", "pictures", "seed", "strength", "truncation", "label")
    async def walk(
        self,
        interaction: discord.Interaction[Bot],
        model: str = "",
        pictures: Trails | None = None,
        seed: str | None = None,
        strength: Share = STRENGTH,
        truncation: Share = 1.0,
        label: Label | None = None,
    ) -> None:
        way = {"n": STOPS} if pictures is None else {"stops": read_trails(pictures, least=2)}
        recipe = asked(interaction, model, seed, strength=strength, truncation=truncation, label=label, **way)
        await imagine(interaction, recipe)


async def setup(bot: Bot) -> None:
    await bot.add_cog(Gan(bot))
