"""Job words: the commands that perform a job, the same ones that a person would type, and where results are found."""

from __future__ import annotations

from pathlib import Path

import torch

from models.registry import resolve
from worker.job_store import Record

REPORTS = 30  # of a training, about: a curve's points
SHORTEST, LONGEST = 5.0, 60.0  # seconds between reports, each of which takes a part of one and writes a snapshot


def train_words(
    record: Record, folder: Path, device: torch.device, report_every: float | None, again: bool
) -> list[str]:
    """The command that trains in a job's folder on a device, or goes on ``again`` from the snapshot there."""
    job, wanted = record.job, record.job.hyperparameters
    minutes = wanted.minutes or resolve(job.model)[1].on(device).minutes
    length = ["--steps", str(wanted.n_steps)] if wanted.n_steps else ["--minutes", f"{minutes:g}"]
    seconds = min(max(60 * minutes / REPORTS, SHORTEST), LONGEST)
    if wanted.n_steps:
        seconds = 2 * SHORTEST  # nobody knows how long a step takes
    return [
        *("train", job.model, *length),
        *("--seed", str(job.seed)),
        *("--start", record.start),
        *("--data", record.dataset),
        *(("--balance", wanted.balance) if wanted.balance else ()),
        *(word for key, value in wanted.options.items() for word in ("--set", f"{key}={value}")),
        *("--name", record.version),
        *("--folder", str(folder / "run"), "--samples", str(folder / "samples")),
        *("--report-every", f"{seconds if report_every is None else report_every:g}"),
        *(("--resume",) if again else ()),
        *("--unmeasured", "--json"),
    ]


def compare_words(model: str, version: str, against: str, annotate: bool) -> list[str]:
    """The command that measures two versions on the data that the first was trained on."""
    return ["compare", model, version, against, "--quick", "--json", *(["--annotate"] if annotate else [])]


def log_named(log: Path, home: Path) -> str:
    """Where a log is, for people in a channel, to whom a path says nothing and need not be told."""
    return f"{log.relative_to(home)} in the data home"


def needed_words(record: Record, what: str) -> str:
    """Why something has to stay that a job needs, and what to do."""
    if record.job.status == "failed":
        return f"{record.job.id} failed and may be resumed, which needs {what}; cancel it to give it up."
    return f"{record.job.id} needs {what} to go on; cancel it first, or wait."


def sample_address(id: str, step: int) -> str:
    """Where the picture of a job's step is."""
    return f"/v1/fine_tuning/jobs/{id}/samples/{step}"


def sheet_address(model: str, version: str) -> str:
    """Where the sample sheet of a version is."""
    return f"/v1/models/{model}/versions/{version}/samples"
