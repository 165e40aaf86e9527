"""The one place where an error becomes a sentence that a person reads, whatever they pressed or typed."""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import discord
import structlog
from discord import app_commands

from bot.acknowledgement import is_acknowledged
from bot.locale import translate
from bot.markdown import cut, escape
from bot.worker_api import (
    WorkerBusy,
    WorkerError,
    WorkerFailed,
    WorkerInterrupted,
    WorkerLate,
    WorkerLocked,
    WorkerRefused,
    WorkerUnreachable,
)

REFUSALS = {  # sentences for what the worker calls wrong with a request, where it has a name for it
    "picture_unreadable": "error.picture_type",
    "picture_too_large": "error.picture_pixels",
    "label_out_of_range": "error.label_range",
    "no_classes": "error.no_classes",
    "dimensions_out_of_range": "error.dimension_range",
    "code_unreadable": "error.code_unreadable",
    "training_not_found": "error.no_such_training",
    "version_serves": "error.version_serves",
    "version_shipped": "error.version_shipped",
    "training_not_failed": "error.training_not_failed",
    "training_ended": "error.training_ended",
    "too_many_trainings": "error.too_many_trainings",
    "settings_unfit": "error.settings_unfit",
    "dataset_missing": "error.dataset_missing",
    "dataset_unfit": "error.dataset_unfit",
    "name_taken": "error.name_taken",
    "name_unfit": "error.name_unfit",
    "too_few_pictures": "error.too_few_pictures",
    "too_few_held_out": "error.too_few_held_out",
    "archive_unreadable": "error.archive_unreadable",
    "archive_refused": "error.archive_refused",
    "archive_locked": "error.archive_locked",
    "neither_zip_nor_text": "error.neither_zip_nor_text",
    "text_too_short": "error.text_too_short",
    "text_too_long": "error.text_too_long",
    "check_broke_off": "error.check_broke_off",
    "measuring_killed": "error.measuring_killed",
    "still_needed": "error.still_needed",
    "file_not_found": "error.dataset_gone",
}
VERSION_FIELDS = ("model", "version")  # of a request, that name what may be there no more
LONGEST_MESSAGE = 500  # characters of the worker's own sentence that are passed on
LONGEST_ANSWER = 2_000  # characters that Discord allows; a sentence that repeats what a person typed may have more

logger = structlog.get_logger(__name__)


class Refusal(Exception):
    """The bot will not do what was asked; ``key`` names the sentence that says why and what to do."""

    def __init__(self, key: str, **values: object) -> None:
        super().__init__(key)
        self.key = key
        self.values = values


def is_version_gone(error: BaseException) -> bool:
    """Whether the worker has no such model or version, so that another try is in vain."""
    return isinstance(error, WorkerRefused) and error.code == "not_found" and error.field in VERSION_FIELDS


def sentence(error: BaseException, interaction: discord.Interaction[Any], locale: discord.Locale) -> str:
    """What to tell a person about ``error``; one that nobody foresaw is logged under the number that they are told."""
    error = _cause(error)
    log = logger.bind(command=_command(interaction))
    if isinstance(error, WorkerError):
        log = log.bind(request_id=error.request_id)
    match error:
        case Refusal():
            return translate(locale, error.key, **error.values)
        case WorkerUnreachable():
            log.warning("worker unreachable", error=str(error))
            return translate(locale, "error.worker_unreachable")
        case WorkerBusy():
            return translate(locale, "error.worker_busy", seconds=error.retry_after)
        case WorkerLocked():
            log.error("the worker wants another PROSPERO_WORKER_TOKEN", error=str(error))
            return translate(locale, "error.worker_locked")
        case WorkerRefused() if error.code in REFUSALS:
            return translate(locale, REFUSALS[error.code], message=escape(cut(str(error), LONGEST_MESSAGE)))
        case WorkerRefused() if is_version_gone(error):
            return translate(locale, "error.version_gone")
        case WorkerRefused():
            log.info("worker refused", field=error.field, code=error.code)  # its sentence repeats what people typed
            return translate(locale, "error.worker_refused", message=escape(cut(str(error), LONGEST_MESSAGE)))
        case WorkerInterrupted():
            log.warning("worker interrupted", error=str(error))
            return translate(locale, "error.worker_interrupted")
        case WorkerLate():
            log.warning("worker too slow", error=str(error))
            return translate(locale, "error.worker_late")
        case WorkerFailed():
            log.error("worker failed", error=str(error))
            return translate(locale, "error.worker_failed")
        case app_commands.CommandNotFound() | app_commands.CommandSignatureMismatch():
            return translate(locale, "error.command_outdated")
        case app_commands.CheckFailure():
            return translate(locale, "error.forbidden")
        case _:
            reference = secrets.token_hex(3)
            log.error("unforeseen error", reference=reference, exc_info=error)
            return translate(locale, "error.unforeseen", reference=reference)


def _cause(error: BaseException) -> BaseException:
    return error.original if isinstance(error, app_commands.CommandInvokeError) else error


def _command(interaction: discord.Interaction[Any]) -> str:
    """What a person used: a command by its name, a button or form by the first word of its id."""
    if interaction.command is not None:
        return interaction.command.qualified_name
    return (interaction.custom_id or "").partition(":")[0]


async def answer(interaction: discord.Interaction[Any], error: BaseException) -> None:
    """Tells the person who acted, and only them where Discord allows it, what went wrong."""
    if is_acknowledged(_cause(error)):  # what was to be the first response is there
        return
    content = cut(sentence(error, interaction, interaction.locale), LONGEST_ANSWER)
    try:
        if interaction.response.type is discord.InteractionResponseType.deferred_channel_message:
            await interaction.edit_original_response(content=content)
        elif interaction.response.is_done() or not await _respond(interaction, content):
            await interaction.followup.send(content, ephemeral=True)  # in the place of what may be "thinking…"
    except discord.HTTPException as failure:  # Discord no longer knows the interaction, or is down
        logger.warning("an error could not be told", sentence=content, failure=str(failure))


async def _respond(interaction: discord.Interaction[Any], content: str) -> bool:
    """Answers with a first response; whether there was none that the bot does not know of."""
    try:
        await interaction.response.send_message(content, ephemeral=True)
    except discord.HTTPException as error:
        if not is_acknowledged(error):
            raise
        return False
    return True


@asynccontextmanager
async def answering(interaction: discord.Interaction[Any]) -> AsyncIterator[None]:
    """Answers whatever goes wrong inside; for callbacks whose errors discord.py would only log."""
    try:
        yield
    except Exception as error:  # every error becomes a sentence here, and an unforeseen one a log entry
        await answer(interaction, error)
