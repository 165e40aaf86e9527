"""``/v1/files`` and ``/v1/fine_tuning/jobs``: trainings, in the shapes of OpenAI's API, and the versions they leave.

What a training needs beyond that API is in ``hyperparameters`` and in fields of :class:`JobRequest`; what it tells, in
events whose ``data`` has the fields of :class:`Step` or :class:`Report`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import Field, model_validator

from worker.schemas.contract import Contract, OpenAIRequest
from worker.schemas.models import Direction, Metric

MAX_MINUTES = 24 * 60.0
MAX_STEPS_OF_TRAINING = 10_000_000
PAGE, LONGEST_PAGE = 20, 100  # entries of a list, unless told otherwise and at most

JobStatus = Literal["queued", "running", "succeeded", "failed", "cancelled"]
EventLevel = Literal["info", "warn", "error"]
EventType = Literal["message", "metrics", "report"]


class Hyperparameters(OpenAIRequest):
    """How long and how to train; without minutes and steps as long as the recipe says."""

    NEUTRAL: ClassVar[Mapping[str, Any]] = dict.fromkeys(("n_epochs", "batch_size", "learning_rate_multiplier"), "auto")

    minutes: float | None = Field(None, gt=0, le=MAX_MINUTES)
    n_steps: int | None = Field(None, ge=1, le=MAX_STEPS_OF_TRAINING)
    start: Literal["scratch", "current"] = "scratch"  # from random weights, or from those of the version that serves
    balance: Literal["none", "latent"] | None = None  # fair sampling, for families that have it; None: the recipe's
    options: dict[str, str] = Field(default_factory=dict)  # of the family's configuration

    @model_validator(mode="after")
    def check_length(self) -> Hyperparameters:
        """ValueError when both lengths are given."""
        if self.minutes is not None and self.n_steps is not None:
            raise ValueError("give minutes or n_steps, not both.")
        return self


class JobRequest(OpenAIRequest):
    """``POST /v1/fine_tuning/jobs``."""

    NEUTRAL: ClassVar[Mapping[str, Any]] = {"method": {"type": "supervised"}, "metadata": {}, "integrations": []}

    model: str  # a recipe, such as "gan-cats"
    training_file: str | None = None  # a data set's name or an uploaded file's id; None: the recipe's own
    hyperparameters: Hyperparameters = Hyperparameters()
    seed: int | None = Field(None, ge=0, lt=2**32)
    suffix: str | None = Field(None, pattern=r"^[a-z0-9][a-z0-9-]{0,31}$")  # the new version's name; None: the time
    promote: Literal["never", "if_better"] = "never"
    user: str | None = Field(None, max_length=128)  # who asked
    key: str | None = Field(None, max_length=128)  # whoever asks again with the same one gets the job that there is


class Step(Contract):
    """How far a training has come: the ``data`` of an event of type "metrics"."""

    step: int
    fraction: float  # 0 to 1
    seconds: float  # of training so far
    seconds_left: float
    losses: dict[str, float]
    metrics: dict[str, float]  # held-out
    sample: str | None = None  # address of a PNG, below the worker's own


class Figure(Contract):
    """One held-out metric of two versions, by the same command on the same data."""

    name: str
    unit: str
    new: float
    serving: float | None  # None when nothing served, or it has no such figure
    better: Direction | None  # None: neither is, it only describes

    @property
    def improved(self) -> bool | None:
        """Whether the new one is better than the serving one; None when there is nothing to compare."""
        if self.better is None or self.serving is None:
            return None
        return self.new > self.serving if self.better == "higher" else self.new < self.serving


class Report(Contract):
    """What a finished training left: the ``data`` of the event of type "report"."""

    model: str
    version: str
    serving: str | None  # the version that it was compared with
    figures: list[Figure]  # the first decides
    better: bool | None  # whether the deciding figure is better than the serving version's; None: nothing to compare
    promoted: bool
    sample: str  # addresses of sample sheets, below the worker's own
    serving_sample: str | None
    problems: list[str] = Field(default_factory=list)  # a sentence for each version that could not be measured


class JobError(Contract):
    """Why a job failed."""

    code: str  # "disk_full", "out_of_memory", "not_a_number", "data", "interrupted", "broke_off", "failed" and the like
    message: str  # one sentence
    param: str | None = None


class Job(Contract):
    """A training, from its place in the queue to its version."""

    id: str
    object: Literal["fine_tuning.job"] = "fine_tuning.job"
    created_at: int  # seconds since the epoch
    finished_at: int | None = None
    model: str
    fine_tuned_model: str | None = None  # "model@version" of what it left
    status: JobStatus
    position: int | None = None  # in the queue, from 1; None once it runs
    training_file: str
    hyperparameters: Hyperparameters
    seed: int
    promote: Literal["never", "if_better"] = "never"
    user: str | None = None
    error: JobError | None = None
    estimated_finish: int | None = None  # seconds since the epoch
    trained_tokens: int | None = None
    validation_file: str | None = None
    result_files: list[str] = Field(default_factory=list)
    organization_id: str = "prospero"

    @property
    def ended(self) -> bool:
        """Whether it neither waits nor runs; one that failed may be resumed."""
        return self.status not in ("queued", "running")


class JobList(Contract):
    object: Literal["list"] = "list"
    data: list[Job]  # the newest first
    has_more: bool = False


class JobEvent(Contract):
    """Something that happened to a job; ids grow with time."""

    id: str
    object: Literal["fine_tuning.job.event"] = "fine_tuning.job.event"
    created_at: int
    level: EventLevel
    type: EventType
    message: str
    data: dict[str, Any] | None = None


class JobEventList(Contract):
    """A page of events; ``after`` in the query is the id of the page before's last."""

    object: Literal["list"] = "list"
    data: list[JobEvent]  # the newest first, as in OpenAI's API
    has_more: bool = False


class JobCheckpoint(Contract):
    """A snapshot that the job would go on from."""

    id: str
    object: Literal["fine_tuning.job.checkpoint"] = "fine_tuning.job.checkpoint"
    created_at: int
    fine_tuning_job_id: str
    fine_tuned_model_checkpoint: str
    step_number: int
    metrics: dict[str, float]


class JobCheckpointList(Contract):
    object: Literal["list"] = "list"
    data: list[JobCheckpoint]
    has_more: bool = False


class Found(Contract):
    """What a check of an uploaded data set found."""

    kind: Literal["pictures", "text"]
    items: int  # pictures or characters that can be used
    left_out: dict[str, int] = Field(default_factory=dict)  # how many others and why, such as {"duplicate": 3}
    sheet: str | None = None  # address of a PNG that shows some of it, below the worker's own
    excerpt: str | None = None  # the beginning of a text


class Upload(Contract):
    """``POST /v1/files``, as multipart/form-data."""

    file: bytes  # a zip of pictures, or a text in UTF-8
    purpose: Literal["fine-tune"]
    name: str = ""  # the data set's; empty: after the file


class File(Contract):
    """An uploaded data set, usable as ``training_file`` by its name or its id."""

    id: str
    object: Literal["file"] = "file"
    bytes: int
    created_at: int
    filename: str
    name: str  # the data set's
    purpose: Literal["fine-tune"] = "fine-tune"
    status: Literal["processed"] = "processed"
    found: Found


class FileList(Contract):
    object: Literal["list"] = "list"
    data: list[File]
    has_more: bool = False


class Deleted(Contract):
    id: str
    object: str
    deleted: Literal[True] = True


class RecipeInfo(Contract):
    """A model that can be trained: what ``GET /v1/fine_tuning/catalogue`` lists."""

    model: str
    family: str
    dataset: str
    minutes: float  # of its usual training
    continues: bool  # whether it can start from the version that serves
    balances: bool  # whether it has fair sampling
    settings: list[str]  # the keys of its configuration


class DatasetInfo(Contract):
    name: str
    kind: Literal["pictures", "text"]
    state: Literal["here", "to_download", "missing"]


class TrainingCatalogue(Contract):
    """``GET /v1/fine_tuning/catalogue``: what can be trained, and on what."""

    recipes: list[RecipeInfo]
    datasets: list[DatasetInfo]


class VersionInfo(Contract):
    """A version of a model, from its card."""

    model: str
    version: str
    serving: bool
    shipped: bool  # it came with Prospero and cannot be deleted
    created: str  # ISO 8601
    parameters: int
    dataset: str
    command: str  # that trained it
    metrics: dict[str, Metric]  # the first decides
    quick: bool = False  # they are of a part of the held-out data, and no match for those of the whole
    sample: str  # address of its sample sheet, below the worker's own


class VersionList(Contract):
    object: Literal["list"] = "list"
    data: list[VersionInfo]  # the newest first
    serving: str | None = None  # not among them if it is damaged
    previous: str | None = None  # what served before the last promotion; not among them if it was deleted


class Comparison(Contract):
    """``GET /v1/models/{model}/comparison?versions=a,b``: two versions side by side."""

    model: str
    versions: tuple[str, str]
    figures: list[Figure]  # of the first beside the second
    samples: tuple[str, str]


class Promotion(Contract):
    """``POST /v1/models/{model}/promote``; ``.../rollback`` takes no body."""

    version: str


class Switched(Contract):
    """A promotion or rollback: which version served, and which serves now."""

    model: str
    before: str | None
    now: str
