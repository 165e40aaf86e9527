"""``/shakespeare``: verse that grows in the channel, from a prompt; ``/letters``: how the model comes to its verse."""

from __future__ import annotations

import re
import time
from contextlib import aclosing
from functools import partial
from typing import TYPE_CHECKING, Any

import discord
from discord import app_commands
from discord.ext import commands

from bot import next_letters
from bot.catalogue import names
from bot.errors import Refusal
from bot.live_message import LiveMessage
from bot.locale import command_text, translate
from bot.next_letters import NextLetters, ShowLetters
from bot.options import named
from bot.passage import Passage
from bot.recipes import Recipe, as_command, as_line, check_range, read_line, read_model, read_seed
from bot.result import perform
from bot.suggestions import choices
from bot.views import continued
from bot.worker_api import Finished, Piece, Queued
from worker.schemas.completions import MAX_TOKENS, MODEL, CompletionRequest

if TYPE_CHECKING:
    from bot.client import Bot

OPERATION = "text"

LONGEST_PROMPT = 2_000  # characters: one Discord message, already more than the model reads
LONGEST_LINE = 2 * LONGEST_PROMPT  # characters of one as it is typed, where a line break takes two
LONGEST_TEXT = MAX_TOKENS
HOTTEST = 2.0  # temperature; beyond it the letters are nearly random
WIDEST_CHOICE = 100  # top_k; the model knows fewer characters than that
SMALLEST_SHARE = 0.01  # top_p; 0 would leave no character to choose
MENTION = re.compile(r"(?P<space> ?)<(?:@[!&]?|#)(?P<id>[0-9]{15,20})>")  # of a person, a role or a channel

TEXTS = {  # of each option: its name and its description
    "prompt": ("option.prompt.name", "option.prompt.description"),
    "length": ("option.length.name", "option.length.description"),
    "temperature": ("option.temperature.name", "option.temperature.description"),
    "top_k": ("option.top_k.name", "option.top_k.description"),
    "top_p": ("option.top_p.name", "option.top_p.description"),
    "seed": ("option.seed.name", "option.seed.description"),
    "model": ("option.model.name", "option.model.description"),
}


async def suggest(interaction: discord.Interaction[Bot], typed: str) -> list[app_commands.Choice[str]]:
    """Models that write texts, and their versions."""
    writers = [model for model in interaction.client.catalogue.models if "completions" in model.operations]
    return choices(((name, name) for name in names(writers)), typed)


class Shakespeare(commands.Cog):
    """Text in the manner of Shakespeare's plays."""

    help_key = "help.shakespeare"
    help_place = 10

    def __init__(self, bot: Bot) -> None:
        self.bot = bot
        bot.operations[OPERATION] = self.perform
        bot.commands_of[OPERATION] = command
        bot.operations[next_letters.OPERATION] = self.foresee
        bot.commands_of[next_letters.OPERATION] = next_letters.command
        bot.add_buttons(ShowLetters)
        self._menu = app_commands.ContextMenu(name=command_text("menu.continue"), callback=self.continue_message)

    async def cog_load(self) -> None:
        self.bot.tree.add_command(self._menu)

    @app_commands.command(
        name=command_text("command.shakespeare.name"), description=command_text("command.shakespeare.description")
    )
    @named(TEXTS, {"model": suggest}, "prompt", "length", "temperature", "top_k", "top_p", "seed", "model")
    async def shakespeare(
        self,
        interaction: discord.Interaction[Bot],
        prompt: app_commands.Range[str, 1, LONGEST_LINE],
        length: app_commands.Range[int, 1, LONGEST_TEXT] | None = None,
        temperature: app_commands.Range[float, 0.0, HOTTEST] | None = None,
        top_k: app_commands.Range[int, 0, WIDEST_CHOICE] = 0,
        top_p: app_commands.Range[float, SMALLEST_SHARE, 1.0] = 1.0,
        seed: str | None = None,
        model: str = MODEL,
    ) -> None:
        prompt = _read_prompt(prompt)
        usual = self.bot.guild_settings.of(interaction)
        length = usual.length if length is None else length
        temperature = usual.temperature if temperature is None else temperature
        for option, value, low, high in (
            ("length", length, 1, LONGEST_TEXT),
            ("temperature", temperature, 0, HOTTEST),
            ("top_k", top_k, 0, WIDEST_CHOICE),
            ("top_p", top_p, SMALLEST_SHARE, 1),
        ):
            check_range(option, value, low, high)
        name, version = read_model(model)
        recipe = Recipe(
            owner=interaction.user.id,
            operation=OPERATION,
            model=name or MODEL,
            version=version,
            parameters=_parameters(prompt, length, temperature, top_k, top_p),
            seed=None if seed is None else read_seed(seed),
        )
        await self.perform(interaction, recipe)

    @app_commands.command(
        name=command_text("command.letters.name"), description=command_text("command.letters.description")
    )
    @named(TEXTS, {"model": suggest}, "prompt", "model")
    async def letters(
        self,
        interaction: discord.Interaction[Bot],
        prompt: app_commands.Range[str, 1, LONGEST_LINE],
        model: str = MODEL,
    ) -> None:
        prompt = _read_prompt(prompt)
        name, version = read_model(model)
        recipe = Recipe(
            owner=interaction.user.id,
            operation=next_letters.OPERATION,
            model=name or MODEL,
            version=version,
            parameters={"prompt": prompt},
        )
        await self.foresee(interaction, recipe)

    async def perform(self, interaction: discord.Interaction[Any], recipe: Recipe) -> None:
        """Streams the text that ``recipe`` asks for into the answer to ``interaction``, and keeps what came of it."""
        passage = Passage(recipe, interaction.locale)
        await perform(interaction, passage, partial(self._write, passage))

    async def continue_message(self, interaction: discord.Interaction[Any], message: discord.Message) -> None:
        """Writes on from a message: from all of a text of ours, else from its words or those that it passes on."""
        known = await self.bot.recipes.shown_by(message.id, message.channel.id)
        words = _words(message) if known is None else ""  # under a picture of ours is only small print
        if known is not None and known.operation == OPERATION:
            await self.perform(interaction, continued(known, interaction.user.id))
            return
        if not words:
            raise Refusal("error.no_text")
        if message.author == self.bot.user:  # its markdown and small print are nothing to go on from
            raise Refusal("error.recipe_unknown")
        usual = self.bot.guild_settings.of(interaction)
        nobodys = bool(message.message_snapshots)  # Discord does not say whose words are passed on
        recipe = Recipe(
            owner=interaction.user.id,
            operation=OPERATION,
            model=MODEL,
            parameters=_parameters(words[-LONGEST_PROMPT:], usual.length, usual.temperature),
            origin=None if nobodys or message.author.id == interaction.user.id else message.author.id,
        )
        await self.perform(interaction, recipe)

    async def foresee(self, interaction: discord.Interaction[Any], recipe: Recipe) -> None:
        """Answers ``interaction`` with what the model would write next."""
        letters = NextLetters(recipe, interaction.locale)
        await perform(interaction, letters, partial(letters.foresee, self.bot.worker))

    async def _write(self, passage: Passage, message: LiveMessage) -> None:
        """Fills ``passage`` with what the worker writes until it is finished or its message is gone."""
        recipe = passage.recipe
        request = CompletionRequest(
            model=recipe.pinned_model, seed=recipe.seed, user=str(recipe.owner), **recipe.parameters
        )
        begun = time.monotonic()
        async with aclosing(self.bot.worker.complete(request)) as events:
            async for event in events:
                match event:
                    case Queued(position):
                        passage.position = position
                    case Piece():
                        passage.grow(event, time.monotonic() - begun)
                    case Finished():
                        passage.finished = True
                        return
                if message.gone:
                    return
                message.touch()


def command(recipe: Recipe, locale: discord.Locale) -> str:
    """The command that writes the same text again, as people of that language type it."""
    parameters = recipe.parameters
    options: dict[str, object] = {
        "option.prompt.name": as_line(parameters["prompt"]),
        "option.length.name": parameters["max_tokens"],
        "option.temperature.name": f"{parameters['temperature']:g}",
    }
    if parameters["top_k"]:
        options["option.top_k.name"] = parameters["top_k"]
    if parameters["top_p"] < 1:
        options["option.top_p.name"] = f"{parameters['top_p']:g}"
    if recipe.seed is not None:
        options["option.seed.name"] = recipe.seed
    options["option.model.name"] = recipe.pinned_model
    return as_command(locale, translate(locale, "command.shakespeare.name"), options)


def _parameters(prompt: str, length: int, temperature: float, top_k: int = 0, top_p: float = 1.0) -> dict[str, Any]:
    """What a text's recipe keeps: fields of the worker's request."""
    return {"prompt": prompt, "max_tokens": length, "temperature": temperature, "top_k": top_k, "top_p": top_p}


def _words(message: discord.Message) -> str:
    """What a message says, or one that it passes on: with people and roles by their names, and no other mentions.

    Discord hides the names of channels that the bot cannot see, discord.py whom a message mentions that is passed on.
    """
    names = {one.id: one.display_name for one in message.mentions} | {one.id: one.name for one in message.role_mentions}

    def named(mention: re.Match[str]) -> str:
        name = names.get(int(mention["id"]))
        return f"{mention['space']}@{name}" if name is not None else ""

    said = [message.content, *(snapshot.content for snapshot in message.message_snapshots)]
    return MENTION.sub(named, "\n".join(said)).strip()


def _read_prompt(typed: str) -> str:
    """The prompt that a person typed; raises Refusal unless a text can begin like that."""
    prompt = read_line(typed)
    if not prompt.strip():
        raise Refusal("error.prompt_empty")
    if len(prompt) > LONGEST_PROMPT:
        raise Refusal("error.prompt_long", length=len(prompt), longest=LONGEST_PROMPT)
    return prompt


async def setup(bot: Bot) -> None:
    await bot.add_cog(Shakespeare(bot))
