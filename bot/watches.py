"""Trainings that are shown in channels: each is followed from its place in the queue to the report, over restarts."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import aiosqlite
import discord
import structlog
from pydantic import BaseModel, ValidationError

from bot import curve, sheets
from bot.audit import Entry
from bot.draft import Attached, Draft
from bot.errors import Refusal
from bot.locale import number, translate
from bot.post import Post
from bot.recipes import Recipe
from bot.store import logged_if_unwritten
from bot.training_message import LiveTraining, describe, failed, reported
from bot.watch_store import Watch, WatchStore
from bot.worker_api import WorkerError, WorkerLocked, WorkerRefused
from worker.schemas.training import Job, JobEvent, JobRequest, Report, Step

if TYPE_CHECKING:
    from bot.client import Bot

POLL = 8.0  # seconds between questions to the worker: Discord takes about three edits in 20 s of messages an hour old

logger = structlog.get_logger(__name__)

Told = TypeVar("Told", bound=BaseModel)


class Watches:
    """The trainings that are being followed, and the table that remembers them."""

    def __init__(self, bot: Bot) -> None:
        self.store = WatchStore(bot.store)
        self.deciding = asyncio.Lock()  # of several decisions on one version, one takes effect
        self._bot = bot
        self._beginning = asyncio.Lock()
        self._followers: dict[str, Follower] = {}

    async def start(self) -> None:
        """Picks up what was followed before the bot ended."""
        for watch in await self.store.unfinished():
            self._follow(watch)

    async def close(self) -> None:
        """Lets go of all, to be picked up at the next start."""
        tasks = [follower.task for follower in self._followers.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def begin(self, interaction: discord.Interaction[Bot], recipe: Recipe) -> None:
        """Has the worker train what ``recipe`` asks for and shows it where the operator is.

        Raises Refusal if that was begun already or could not be shown there, and WorkerError.
        """
        assert interaction.guild_id is not None and interaction.channel_id is not None  # an operator acts in a server
        bot, who = self._bot, interaction.user.id
        async with self._beginning:
            if await self.store.of_recipe(recipe.id) is not None:
                raise Refusal("error.begun_already")
            try:  # permissions say nothing of a private thread that the bot was not added to
                await bot.get_partial_messageable(interaction.channel_id).typing()
            except discord.HTTPException as error:
                if error.status in (403, 404):  # an outage passes, and the message itself opens an archived thread
                    raise Refusal("error.cannot_write") from error
            request = JobRequest(
                model=recipe.model, seed=recipe.seed, user=str(who), key=recipe.id, **recipe.parameters
            )
            act, begun_from = "retrain", None
            if request.hyperparameters.start == "current":
                act, begun_from = "train on", await bot.switching.serving(request.model)
            job = await bot.trainings.start(request)
            watch = Watch(
                job=job.id,
                recipe=recipe.id,
                guild=interaction.guild_id,
                channel=interaction.channel_id,
                owner=who,
                locale=bot.guild_settings.locale(interaction).value,
            )
            await bot.audit.write(Entry(who, watch.guild, act, job.model, begun_from))
            await self.store.add(watch)  # last of all: until it is there, another try finds the same job by its key
            self._follow(watch)

    async def resume(self, interaction: discord.Interaction[Bot], job: str) -> None:
        """Goes on with a training that failed, in a new live message. Raises Refusal and WorkerError."""
        ended = await self.store.read(job)
        watch = replace(ended, message=None, owner=ended.owner or interaction.user.id)  # whoever asked may be forgotten
        async with self._beginning:
            resumed = await self._resumed(job)
            if job in self._followers:
                self._followers[job].task.cancel()  # it may yet have to note that the end was told
            await self._bot.audit.write(Entry(interaction.user.id, watch.guild, "resume", resumed.model))
            await self.store.follow_again(watch)
            self._follow(watch)

    async def _resumed(self, job: str) -> Job:
        """A training that goes on, perhaps since an earlier try of which nothing could be noted. Raises WorkerError."""
        try:
            return await self._bot.trainings.resume(job)
        except WorkerRefused as error:
            follower = self._followers.get(job)
            is_followed = follower is not None and not follower.shown.ended
            if error.code != "training_not_failed" or is_followed:
                raise
            found = await self._bot.trainings.job(job)
            if found.status == "cancelled":
                raise
            return found

    def hurry(self, job: str) -> None:
        """Asks the worker about a training at once: something happened to it."""
        if job in self._followers:
            self._followers[job].news.set()

    def _follow(self, watch: Watch) -> None:
        follower = self._followers[watch.job] = Follower(self._bot, self.store, watch)
        follower.task.add_done_callback(lambda _: self._let_go(follower))

    def _let_go(self, follower: Follower) -> None:
        if self._followers.get(follower.watch.job) is follower:
            del self._followers[follower.watch.job]
        if not follower.task.cancelled() and (error := follower.task.exception()) is not None:
            logger.error("a training is no longer followed", job=follower.watch.job, exc_info=error)


class Follower:
    """Follows one training: asks the worker, shows the newest state, and at the end tells what came of it."""

    def __init__(self, bot: Bot, store: WatchStore, watch: Watch) -> None:
        self.watch = watch
        self.shown = LiveTraining(watch)
        self.news = asyncio.Event()
        self._bot = bot
        self._store = store
        self._known: str | None = None  # the newest event
        self.task = asyncio.create_task(self._follow(), name=f"training-{watch.job}")

    async def _follow(self) -> None:
        live = Post(
            self._channel(),
            self._bot.scheduler,
            self.shown.draft,
            sent=self._note_message,
            message=self.watch.message,
        )
        while not self.shown.ended:
            self.news.clear()
            if await self._look():
                live.touch()
            if not self.shown.ended:
                with suppress(TimeoutError):
                    await asyncio.wait_for(self.news.wait(), POLL)
        await self._note_promotion()  # first: what follows may have to wait for Discord
        await live.finish()
        if await self._tell_end():
            await _until_written(partial(self._store.note_told, self.watch.job))

    async def _look(self) -> bool:
        """Asks the worker how it goes; whether there is anything new to show."""
        before = (self.shown.job, self._known, self.shown.is_away)
        try:
            await self._ask()
        except WorkerLocked:
            self.shown.is_away = True
        except WorkerRefused:
            self.shown.is_lost = True
        except WorkerError as error:
            reason, request_id = str(error), error.request_id
            logger.debug("a training cannot be asked about", job=self.watch.job, error=reason, request_id=request_id)
            self.shown.is_away = True
        except Exception:  # a fault of ours: its end is told all the same, once it can be
            logger.exception("a training cannot be followed", job=self.watch.job)
            self.shown.is_away = True
        return self.shown.is_lost or before != (self.shown.job, self._known, self.shown.is_away)

    async def _ask(self) -> None:
        trainings, shown = self._bot.trainings, self.shown
        job = await trainings.job(self.watch.job)  # first, so that a job that has ended has told all its events
        events = await trainings.events_since(self.watch.job, self._known)
        steps = _told(events, "metrics", Step)
        report = next(iter(_told(events, "report", Report)), None)
        if steps:
            shown.picture = await self._picture(job.model, [*shown.steps, *steps])
        if report is not None:
            shown.samples = await self._sheets(report)
            shown.report = report
        if events:  # only now: whatever failed above is asked for again
            self._known = events[-1].id
        shown.steps += steps
        shown.job, shown.is_away = job, False

    async def _picture(self, model: str, steps: list[Step]) -> Attached:
        """The curve so far, and beside it the newest samples if there are any."""
        locale = self.watch.language
        drawing = await asyncio.to_thread(curve.draw, steps, locale)
        parts = [(model, await asyncio.to_thread(sheets.opened, drawing))]
        drawn = next((step for step in reversed(steps) if step.sample is not None), None)
        if drawn is not None and drawn.sample is not None:
            sample = await sheets.at(self._bot.trainings, drawn.sample)
            if sample is not None:
                parts.append((translate(locale, "training.step", step=number(locale, drawn.step)), sample))
        described = describe(steps, locale)
        return Attached(f"{self.watch.job}.png", await sheets.side_by_side(parts), described)

    async def _note_promotion(self) -> None:
        """Has the audit log say that the version serves, if that came by itself."""
        report = self.shown.report
        if report is not None and report.promoted:
            act = Entry(self.watch.owner, self.watch.guild, "automatic", report.model, report.serving, report.version)
            await _until_written(partial(self._bot.audit.write_once, act))

    async def _tell_end(self) -> bool:
        """A message of its own, which notifies who asked; a cancelled training needs none. Whether that is done."""
        job, report = self.shown.job, self.shown.report
        if job is None or job.status == "cancelled":
            return True
        if report is not None:
            return await self._tell(reported(self.watch, report, self.shown.samples))
        return job.status != "failed" or await self._tell(failed(self.watch, job))

    async def _tell(self, draft: Draft) -> bool:
        """Whether it is told, or can never be; if not, the next start tells it."""
        post = Post(self._channel(), self._bot.scheduler, lambda: draft, notified=self.watch.owner)
        await post.finish()
        return not post.owed

    async def _sheets(self, report: Report) -> Attached | None:
        """Samples of the new version, and beside them those of the one that served."""
        versions = [(report.version, report.sample)]
        if report.serving is not None and report.serving_sample is not None:
            versions.append((report.serving, report.serving_sample))
        return await sheets.of_versions(self._bot.trainings, report.model, versions, self.watch.language)

    async def _note_message(self, message: int) -> None:
        with logged_if_unwritten():  # or the message would not go on
            await self._store.note_message(self.watch.job, message)

    def _channel(self) -> discord.PartialMessageable:
        return self._bot.get_partial_messageable(self.watch.channel, guild_id=self.watch.guild)


async def _until_written(write: Callable[[], Awaitable[None]]) -> None:
    """Has something written that must be, once the store can be."""
    while True:
        try:
            await write()
            return
        except aiosqlite.Error as error:
            logger.error("what a training came to cannot be written yet", error=str(error))
            await asyncio.sleep(POLL)


def _told(events: Sequence[JobEvent], kind: str, shape: type[Told]) -> list[Told]:
    """What the events of a kind tell; one that is not as it should be is logged and left out."""
    found = []
    for event in events:
        if event.type == kind:
            try:
                found.append(shape.model_validate(event.data, extra="ignore"))
            except ValidationError as error:
                logger.warning("an event cannot be read", event_id=event.id, reason=str(error))
    return found
