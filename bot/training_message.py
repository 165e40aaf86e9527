"""What messages say about a training: how far it is, what came of it, and what to do about that."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import discord

from bot import figures
from bot.draft import Attached, Buttons, Draft
from bot.locale import NONE, number, ordinal, translate
from bot.markdown import cut, escape, small
from bot.operators import OperatorButton
from bot.switching import RollBack
from bot.training_buttons import CancelTraining, Discard, Keep, Promote, PromoteBetter, PromoteWorse, Resume
from bot.views import TryAgain
from bot.watch_store import Watch
from worker.schemas.training import Hyperparameters, Job, Report, Step

BAR = 20  # characters: as wide as the line under it on a telephone
LONGEST_REASON = 500  # characters of the worker's about what went wrong
LISTED_REASON = 60  # of them in a list, so that ten of its lines usually fit a message
REASONS = {  # why trainings fail, by the worker's codes; what others stand for only the worker can say
    "broke_off": "training.broke_off",
    "data": "training.data_unfit",
    "data_gone": "training.data_gone",
    "disk_full": "training.disk_full",
    "interrupted": "training.interrupted",
    "not_a_number": "training.not_a_number",
    "out_of_memory": "training.out_of_memory",
    "worker_failed": "training.worker_failed",
}


@dataclass
class LiveTraining:
    """A training as its live message shows it."""

    watch: Watch
    job: Job | None = None
    steps: list[Step] = field(default_factory=list)
    picture: Attached | None = None  # the curve, and what the network draws now
    report: Report | None = None
    samples: Attached | None = None  # of the report's versions
    is_away: bool = False  # the worker does not answer at the moment
    is_lost: bool = False  # the worker knows nothing of this training any more

    @property
    def ended(self) -> bool:
        return self.is_lost or (self.job is not None and self.job.ended)

    def draft(self) -> Draft:
        """The live message's newest state."""
        locale = self.watch.language
        lines = [self._title(), *self._state()]
        if self.is_away:
            lines.append(small(translate(locale, "training.away")))
        buttons: Buttons = [] if self.ended else [CancelTraining(self.watch.job, locale)]
        return Draft(["\n".join(lines)], buttons, self.picture)

    def _title(self) -> str:
        if self.job is None:
            return translate(self.watch.language, "training.unknown_yet")
        return translate(
            self.watch.language,
            "training.title",
            who=self.watch.owner,
            plan=plan(self.job.model, self.job.training_file, self.job.hyperparameters, self.watch.language),
        )

    def _state(self) -> list[str]:
        locale, job = self.watch.language, self.job
        if self.is_lost:
            return [translate(locale, "training.lost")]
        if job is None:
            return []
        if job.status == "queued":
            return [translate(locale, "text.queued", ordinal=ordinal(locale, job.position or 1))]
        progress = self._progress()
        match job.status:
            case "succeeded":
                return [*progress, translate(locale, "training.succeeded", version=job.fine_tuned_model)]
            case "failed":
                return [*progress, translate(locale, "training.failed", reason=_reason(job, locale))]
            case "cancelled":
                return [*progress, translate(locale, "training.cancelled")]
        return progress or [translate(locale, "training.begins")]

    def _progress(self) -> list[str]:
        """The bar, and the newest figures."""
        if not self.steps:
            return []
        locale, step = self.watch.language, self.steps[-1]
        filled = round(BAR * step.fraction)
        bar = f"`{'█' * filled}{'░' * (BAR - filled)}`"
        words = [f"{100 * step.fraction:.0f}%", translate(locale, "training.step", step=number(locale, step.step))]
        if not self.ended:
            if step.fraction < 1:
                end = datetime.now(UTC) + timedelta(seconds=step.seconds_left)
                words.append(translate(locale, "training.ends", at=int(end.timestamp())))
            else:
                words.append(translate(locale, "training.measuring"))
        lines = [f"{bar} {' · '.join(words)}"]
        if step.losses:
            lines.append(translate(locale, "training.losses", figures=_listed(step.losses, locale)))
        measured = next((one.metrics for one in reversed(self.steps) if one.metrics), None)
        if measured:
            lines.append(translate(locale, "training.held_out", figures=_listed(measured, locale)))
        return lines


def describe(steps: Sequence[Step], locale: discord.Locale) -> str:
    """What a person reads who does not see the curve."""
    first, last = steps[0].losses, steps[-1].losses
    losses = "; ".join(
        translate(
            locale,
            "training.from_to",
            name=name,
            first=figures.plain(first.get(name), locale),
            last=figures.plain(value, locale),
        )
        for name, value in last.items()
    )
    return translate(locale, "training.shows_curve", losses=losses, step=number(locale, steps[-1].step))


def plan(model: str, dataset: str, how: Hyperparameters, locale: discord.Locale) -> str:
    """What is trained, on what, for how long and from where, in half a sentence."""
    if how.n_steps is not None:
        length = translate(locale, "training.to_step", step=number(locale, how.n_steps))
    elif how.minutes is not None:
        length = translate(locale, "training.for_minutes", minutes=number(locale, how.minutes, "g"))
    else:
        length = translate(locale, "training.for_usual")
    key = "training.from_current" if how.start == "current" else "training.from_scratch"
    return translate(
        locale, "training.plan", model=model, dataset=escape(dataset), length=length, start=translate(locale, key)
    )


def reported(watch: Watch, report: Report, picture: Attached | None) -> Draft:
    """The message at the end of a training that left a version: its figures beside those of the one that served."""
    locale, name = watch.language, f"{report.model}@{report.version}"
    lines = [translate(locale, "training.report", who=watch.owner, version=name)]
    if report.figures:
        against = report.serving or NONE
        lines.append(figures.side_by_side(report.figures, report.version, against, locale))
    if report.promoted:
        lines.append(translate(locale, "training.promoted_itself", version=report.version, before=report.serving))
        return Draft(["\n".join(lines)], [RollBack(name, locale)], picture)
    lines.append(_verdict(report, locale))
    decisions = [button(watch.job, locale) for button in (_promotion(report), Keep, Discard)]
    return Draft(["\n".join(lines)], decisions, picture)


def failed(watch: Watch, job: Job) -> Draft:
    """The message at the end of a training that failed."""
    locale = watch.language
    told = translate(locale, "training.has_failed", who=watch.owner, model=job.model, reason=_reason(job, locale))
    return Draft([told], [Resume(watch.job, locale), TryAgain(watch.recipe, locale)])


def _promotion(report: Report) -> type[OperatorButton]:
    """The button that lets a version serve: one that invites where it is better, one that asks where it is worse."""
    if not report.better:
        deciding = next((one for one in report.figures if one.improved is not None), None)
        return Promote if deciding is None or deciding.new == deciding.serving else PromoteWorse
    return PromoteBetter


def _verdict(report: Report, locale: discord.Locale) -> str:
    if report.better is not None:
        return translate(locale, "training.is_better" if report.better else "training.is_not_better")
    if not report.problems:
        return translate(locale, "training.nothing_to_compare")
    reason = escape(cut(" ".join(report.problems), LONGEST_REASON))
    if report.serving is None:
        return translate(locale, "training.not_measured", reason=reason)
    return translate(locale, "training.not_compared", serving=report.serving, reason=reason)


def _reason(job: Job, locale: discord.Locale, longest: int = LONGEST_REASON) -> str:
    if job.error is None:
        return NONE
    said = escape(cut(job.error.message, longest))
    return translate(locale, REASONS.get(job.error.code, "training.models_say"), job=job.id, message=said)


def _listed(named: dict[str, float], locale: discord.Locale) -> str:
    return " · ".join(f"{escape(name)} {figures.plain(value, locale)}" for name, value in named.items())


def summary(job: Job, locale: discord.Locale) -> str:
    """A training in a line of a list."""
    said = plan(job.model, job.training_file, job.hyperparameters, locale)
    match job.status:
        case "queued":
            state = translate(locale, "text.queued", ordinal=ordinal(locale, job.position or 1))
        case "running" if job.estimated_finish is not None:
            key = "training.ends" if job.estimated_finish > time.time() else "training.measuring"
            state = translate(locale, key, at=job.estimated_finish)
        case "running":
            state = translate(locale, "training.begins")
        case "succeeded":
            state = translate(locale, "training.left_version", version=job.fine_tuned_model)
        case "failed":
            state = translate(locale, "training.failed", reason=_reason(job, locale, LISTED_REASON))
        case _:
            state = translate(locale, "training.cancelled")
    return f"<t:{job.created_at}:f> {said} · {state}"
