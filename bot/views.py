"""The buttons under results: each knows its recipe by id, so it works after any restart of bot and worker."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeVar

import discord

from bot.acknowledgement import defer
from bot.draft import view_of
from bot.errors import Refusal, answering
from bot.locale import translate
from bot.performances import Interruption
from bot.recipes import ID_PATTERN, Recipe

if TYPE_CHECKING:
    from bot.client import Bot

CONTINUED_PROMPT = 2_000  # characters of a text that a continuation begins with; far more than the models read
LONGEST_COMMAND = 1_900  # characters of a command that are shown in a message; Discord allows 2,000 in all


Component = TypeVar("Component", bound=discord.ui.Item[Any])


class Lasting(discord.ui.DynamicItem[Component], template="(?!)"):
    """A button or menu whose ``custom_id`` says all that a press needs to know; subclasses say what it does.

    This class itself matches no ``custom_id``. Errors in a press become sentences; discord.py would only log them.
    """

    @classmethod
    def matches(cls, custom_id: str) -> bool:
        """Whether a press on ``custom_id`` is this one's to answer."""
        return cls.__discord_ui_compiled_template__.fullmatch(custom_id) is not None

    async def callback(self, interaction: discord.Interaction[Any]) -> None:
        async with answering(interaction):
            await self.press(interaction)

    async def press(self, interaction: discord.Interaction[Bot]) -> None:
        """Does what the button or menu says; may raise anything."""
        raise NotImplementedError


LastingButton = Lasting[discord.ui.Button[Any]]


class RecipeButton(LastingButton, template="(?!)"):
    """A button whose ``custom_id`` is its action and its recipe's id; subclasses say what a press does.

    A button about one picture of a sheet also has its place there, counted from 1; others have 0.
    """

    action: ClassVar[str]
    label_key: ClassVar[str]
    style: ClassVar[discord.ButtonStyle]
    rank: ClassVar[int | None]

    def __init_subclass__(
        cls, *, action: str, label_key: str, style: discord.ButtonStyle, rank: int | None = None
    ) -> None:
        """``rank`` is the row of buttons that it stands in, from 0; None leaves that to Discord."""
        super().__init_subclass__(template=f"{action}:(?P<recipe>{ID_PATTERN})(?::(?P<place>[1-9]))?")
        cls.action, cls.label_key, cls.style, cls.rank = action, label_key, style, rank

    def __init__(self, recipe_id: str, locale: discord.Locale, place: int = 0) -> None:
        label = translate(locale, self.label_key, place=place)
        custom_id = f"{self.action}:{recipe_id}:{place}" if place else f"{self.action}:{recipe_id}"
        super().__init__(discord.ui.Button(label=label, style=self.style, custom_id=custom_id, row=self.rank))
        self.recipe_id, self.place = recipe_id, place

    @classmethod
    async def from_custom_id(
        cls, interaction: discord.Interaction[Any], item: discord.ui.Item[Any], match: re.Match[str], /
    ) -> Self:
        return cls(match["recipe"], interaction.locale, int(match["place"] or 0))


class Stop(RecipeButton, action="stop", label_key="button.stop", style=discord.ButtonStyle.secondary):
    """Ends a running request: for the person who asked and for those who may delete messages."""

    async def press(self, interaction: discord.Interaction[Bot]) -> None:
        performance = interaction.client.performances.get(self.recipe_id)
        if performance is None:
            if not await interaction.client.recipes.messages(self.recipe_id):
                # the bot ended in the middle of it; nobody is left to take the button away
                again = TryAgain(self.recipe_id, interaction.client.guild_settings.locale(interaction))
                await interaction.response.edit_message(view=view_of([again]))
            raise Refusal("error.not_running")
        if interaction.user.id != performance.recipe.owner and not interaction.permissions.manage_messages:
            raise Refusal("error.stop_not_yours", owner=performance.recipe.owner)
        await defer(interaction)
        performance.interrupt(Interruption.STOPPED)


class Continue(RecipeButton, action="continue", label_key="button.continue", style=discord.ButtonStyle.primary, rank=2):
    """Writes on from where a text ended, as a new message."""

    async def press(self, interaction: discord.Interaction[Bot]) -> None:
        recipe = await interaction.client.recipes.read(self.recipe_id)
        await interaction.client.perform(interaction, continued(recipe, interaction.user.id))


class Retry(RecipeButton, action="retry", label_key="button.retry", style=discord.ButtonStyle.secondary, rank=2):
    """Performs the same request once more, with another seed."""

    async def press(self, interaction: discord.Interaction[Bot]) -> None:
        recipe = await interaction.client.recipes.read(self.recipe_id)
        await interaction.client.perform(interaction, recipe.again(interaction.user.id, seed=None))


class TryAgain(RecipeButton, action="again", label_key="button.retry", style=discord.ButtonStyle.primary, rank=2):
    """Performs a request that failed once more, with the same seed."""

    async def press(self, interaction: discord.Interaction[Bot]) -> None:
        recipe = await interaction.client.recipes.read(self.recipe_id)
        await interaction.client.perform(interaction, recipe.again(interaction.user.id))


class ShowRecipe(RecipeButton, action="recipe", label_key="button.recipe", style=discord.ButtonStyle.secondary, rank=2):
    """Tells whoever asks, and only them, the command that makes the same again."""

    async def press(self, interaction: discord.Interaction[Bot]) -> None:
        await show_recipe(interaction, await interaction.client.recipes.read(self.recipe_id))


class Delete(RecipeButton, action="delete", label_key="button.delete", style=discord.ButtonStyle.danger, rank=2):
    """Removes the result, of whose messages it may be the last, and what is kept about it.

    That is for the person who asked and for those who may delete messages anyway.
    """

    async def press(self, interaction: discord.Interaction[Bot]) -> None:
        recipe = await interaction.client.recipes.read(self.recipe_id)
        if interaction.user.id != recipe.owner and not interaction.permissions.manage_messages:
            raise Refusal("error.delete_not_yours", owner=recipe.owner)
        await defer(interaction)
        await interaction.client.performances.ended(self.recipe_id)  # it may just be noting its messages
        messages = await interaction.client.recipes.messages(self.recipe_id)
        all_reached = await self._delete_earlier(interaction, messages)  # the button goes last: it may be needed again
        with suppress(discord.NotFound):  # someone else deletes it at this moment
            await interaction.delete_original_response()
        await interaction.client.recipes.erase(self.recipe_id)
        await interaction.client.uploads.release(recipe)
        await interaction.client.store.scrub()
        if not all_reached:
            raise Refusal("error.delete_rest")

    async def _delete_earlier(self, interaction: discord.Interaction[Bot], messages: Sequence[int]) -> bool:
        """Deletes all but the message with the button; whether the bot could reach them."""
        last = interaction.message
        channel = interaction.client.get_partial_messageable(interaction.channel_id or 0)
        for message in messages:
            if last is None or message != last.id:
                try:
                    await channel.get_partial_message(message).delete()
                except discord.NotFound:  # someone did already
                    continue
                except discord.Forbidden:
                    return False
        return True


def continued(recipe: Recipe, owner: int) -> Recipe:
    """The request for ``owner`` to write on from where a text ended."""
    parameters = recipe.parameters | {"prompt": end_of(recipe)}
    return recipe.again(owner, parameters=parameters, seed=None, parent=recipe.id)


def end_of(recipe: Recipe) -> str:
    """What a text goes on from: as much of its prompt and itself as a prompt may hold."""
    whole: str = recipe.parameters["prompt"] + recipe.result
    return whole[-CONTINUED_PROMPT:]


async def show_recipe(interaction: discord.Interaction[Bot], recipe: Recipe) -> None:
    """Answers only the person who asks with the command that makes the same again: to paste, or as a file if long."""
    command = interaction.client.as_command(recipe, interaction.locale)
    if len(command) <= LONGEST_COMMAND and "```" not in command:
        await interaction.response.send_message(f"```\n{command}\n```", ephemeral=True)
    else:
        file = discord.File(io.BytesIO(command.encode()), "recipe.txt")
        await interaction.response.send_message(file=file, ephemeral=True)


BUTTONS = (Stop, Continue, Retry, TryAgain, ShowRecipe, Delete)
