"""``/retrain`` and ``/training``: models are trained anew while everyone goes on using those that serve."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import discord
from discord import app_commands

from bot.acknowledgement import defer
from bot.confirmation import ask
from bot.errors import Refusal
from bot.locale import command_text, ordinal, translate
from bot.markdown import escape, fitting
from bot.operators import OperatorCog, offered_to_operators
from bot.recipes import Recipe, check_range
from bot.training_buttons import TRAINING_BUTTONS, Begin, ask_to_cancel
from bot.training_message import plan, summary
from bot.training_options import options
from worker.schemas.training import (
    MAX_MINUTES,
    MAX_STEPS_OF_TRAINING,
    Hyperparameters,
    Job,
    RecipeInfo,
    TrainingCatalogue,
)

if TYPE_CHECKING:
    from bot.client import Bot

OPERATION = "training"
SHORTEST = 0.1  # minutes: six seconds, enough to see that a training runs
LARGEST_SEED = 2**32 - 1
LONGEST_SETTINGS = 400  # characters: the whole configuration of a model
NAMED = 20  # data sets in a sentence
SHOWN = 10  # trainings in a list
LONGEST_LIST = 2_000  # characters of it that Discord allows; fewer trainings whose data have long names

START = [
    app_commands.Choice(name=command_text("option.start.scratch"), value="scratch"),
    app_commands.Choice(name=command_text("option.start.current"), value="current"),
]
BALANCE = [
    app_commands.Choice(name=command_text("option.balance.none"), value="none"),
    app_commands.Choice(name=command_text("option.balance.latent"), value="latent"),
]
PROMOTE = [
    app_commands.Choice(name=command_text("option.promote.never"), value="never"),
    app_commands.Choice(name=command_text("option.promote.if_better"), value="if_better"),
]


class Training(OperatorCog):
    """Trainings: begun, looked at, cancelled."""

    help_key = "help.training"
    help_place = 50

    training = offered_to_operators(
        app_commands.Group(
            name=command_text("command.training.name"), description=command_text("command.training.description")
        )
    )

    def __init__(self, bot: Bot) -> None:
        super().__init__(bot)
        bot.operations[OPERATION] = self.confirm

    async def cog_load(self) -> None:
        await super().cog_load()
        await self.bot.watches.start()

    async def cog_unload(self) -> None:
        await self.bot.watches.close()

    @offered_to_operators
    @app_commands.command(
        name=command_text("command.retrain.name"), description=command_text("command.retrain.description")
    )
    @app_commands.choices(start=START, balance=BALANCE, promote=PROMOTE)
    @options("recipe", "dataset", "minutes", "steps", "start", "balance", "promote", "seed", "settings")
    async def retrain(
        self,
        interaction: discord.Interaction[Bot],
        recipe: str,
        dataset: str = "",
        minutes: app_commands.Range[float, SHORTEST, MAX_MINUTES] | None = None,
        steps: app_commands.Range[int, 1, MAX_STEPS_OF_TRAINING] | None = None,
        start: Literal["scratch", "current"] = "scratch",
        balance: Literal["none", "latent"] | None = None,
        promote: Literal["never", "if_better"] = "never",
        seed: app_commands.Range[int, 0, LARGEST_SEED] | None = None,
        settings: app_commands.Range[str, 1, LONGEST_SETTINGS] = "",
    ) -> None:
        if minutes is not None and steps is not None:
            raise Refusal("error.two_lengths")
        for option, value, low, high in (
            ("minutes", minutes, SHORTEST, MAX_MINUTES),
            ("steps", steps, 1, MAX_STEPS_OF_TRAINING),
            ("seed", seed, 0, LARGEST_SEED),
        ):
            if value is not None:
                check_range(option, value, low, high)
        how: dict[str, Any] = {"minutes": minutes, "n_steps": steps, "start": start, "balance": balance}
        how["options"] = _read_settings(settings)
        wanted = {"training_file": dataset.strip(), "hyperparameters": how, "promote": promote}
        await self.confirm(interaction, Recipe(interaction.user.id, OPERATION, recipe.strip(), wanted, seed=seed))

    async def confirm(self, interaction: discord.Interaction[Any], recipe: Recipe) -> None:
        """Says what the training would be, and begins it once the operator says yes."""
        self.bot.operators.check(interaction)
        _check_may_write(interaction)
        await defer(interaction, ephemeral=True, thinking=True)
        recipe = _completed(recipe, await self.bot.catalogue.ask_trainable())
        await self.bot.recipes.write(recipe)
        locale, wanted = interaction.locale, recipe.parameters
        how = Hyperparameters(**wanted["hyperparameters"])
        lines = [translate(locale, "training.confirm", plan=plan(recipe.model, wanted["training_file"], how, locale))]
        if how.balance == "latent":
            lines.append(translate(locale, "training.confirm_balance"))
        if how.options:
            chosen = " ".join(f"{key}={value}" for key, value in how.options.items())
            lines.append(translate(locale, "training.confirm_settings", settings=escape(chosen)))
        key = "training.confirm_promote" if wanted["promote"] == "if_better" else "training.confirm_report"
        lines.append(translate(locale, key))
        ahead = [job.status for job in await self.bot.trainings.jobs() if not job.ended]
        if ahead:  # what runs is in line no more
            place = ordinal(locale, ahead.count("queued") + 1)
            lines.append(translate(locale, "training.confirm_queue", ordinal=place))
        await ask(interaction, "\n".join(lines), Begin(recipe.id, locale))

    @training.command(
        name=command_text("command.status.name"), description=command_text("command.training_status.description")
    )
    async def status(self, interaction: discord.Interaction[Bot]) -> None:
        await defer(interaction, ephemeral=True, thinking=True)
        jobs = [job for job in await self.bot.trainings.jobs() if not job.ended]
        await self._list(interaction, jobs[::-1], "training.none_running")  # what runs before what waits

    @training.command(
        name=command_text("command.history.name"), description=command_text("command.training_history.description")
    )
    async def history(self, interaction: discord.Interaction[Bot]) -> None:
        await defer(interaction, ephemeral=True, thinking=True)
        jobs = [job for job in await self.bot.trainings.jobs() if job.ended]
        await self._list(interaction, jobs, "training.none_ended")

    @training.command(
        name=command_text("command.cancel.name"), description=command_text("command.training_cancel.description")
    )
    @options("job")
    async def cancel_one(self, interaction: discord.Interaction[Bot], job: str = "") -> None:
        await defer(interaction, ephemeral=True, thinking=True)
        if not job.strip():
            running = [one for one in await self.bot.trainings.jobs() if not one.ended]
            if len(running) != 1:
                raise Refusal("error.which_training" if running else "error.no_training")
            job = running[0].id
        await ask_to_cancel(interaction, job.strip())

    async def _list(self, interaction: discord.Interaction[Bot], jobs: list[Job], none: str) -> None:
        locale = interaction.locale
        listed = fitting((summary(job, locale) for job in jobs[:SHOWN]), LONGEST_LIST)
        await interaction.edit_original_response(content=listed or translate(locale, none))


def _read_settings(typed: str) -> dict[str, str]:
    """What a person changes in a model's configuration, typed as "batch=32 painter="; Refusal for anything else."""
    settings = {}
    for word in typed.split():
        key, equals, value = word.partition("=")
        if not (key and equals):
            raise Refusal("error.no_setting", word=escape(word))
        settings[key] = value
    return settings


def _check_may_write(interaction: discord.Interaction[Any]) -> None:
    """Raises Refusal unless the bot may send pictures where it is asked to show a training."""
    may = interaction.app_permissions
    in_thread = isinstance(interaction.channel, discord.Thread)
    may_send = may.send_messages_in_threads if in_thread else may.send_messages
    if not (may.view_channel and may_send and may.attach_files):
        raise Refusal("error.cannot_write")


def _completed(recipe: Recipe, trainable: TrainingCatalogue) -> Recipe:
    """The recipe with what its model's usual training fills in; raises Refusal for what that model cannot do."""
    usual = next((one for one in trainable.recipes if one.model == recipe.model), None)
    if usual is None:
        known = ", ".join(one.model for one in trainable.recipes)
        raise Refusal("error.not_trainable", model=escape(recipe.model), known=known)
    wanted = recipe.parameters
    how = Hyperparameters(**wanted["hyperparameters"])
    _check_possible(how, usual)
    dataset = wanted["training_file"] or usual.dataset
    states = {one.name: one.state for one in trainable.datasets}
    if dataset not in states and dataset != usual.dataset:  # a plug-in finds its own
        raise Refusal("error.no_dataset", name=escape(dataset), known=", ".join(list(states)[:NAMED]))
    if states.get(dataset) == "missing":
        raise Refusal("error.dataset_missing")
    if how.minutes is None and how.n_steps is None:
        how = how.model_copy(update={"minutes": usual.minutes})
    parameters = wanted | {"training_file": dataset, "hyperparameters": how.model_dump(mode="json")}
    return recipe.again(recipe.owner, parameters=parameters)


def _check_possible(how: Hyperparameters, usual: RecipeInfo) -> None:
    if how.start == "current" and not usual.continues:
        raise Refusal("error.cannot_continue", model=usual.model)
    if how.balance == "latent" and not usual.balances:
        raise Refusal("error.cannot_balance", model=usual.model)
    for setting in how.options:
        if setting not in usual.settings:
            known = escape(", ".join(usual.settings))
            raise Refusal("error.setting_unknown", model=usual.model, setting=escape(setting), known=known)


async def setup(bot: Bot) -> None:
    bot.add_buttons(*TRAINING_BUTTONS)
    await bot.add_cog(Training(bot))
