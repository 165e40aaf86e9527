"""``GET /v1/models`` and ``GET /readyz``: what there is and how it is."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from worker.schemas.contract import Contract

Direction = Literal["higher", "lower"]


class Metric(Contract):
    """A figure of a version, from its card."""

    value: float
    unit: str = ""
    better: Direction | None = None  # None: neither is, it only describes


class ModelInfo(Contract):
    id: str
    object: Literal["model"] = "model"
    created: int
    owned_by: Literal["prospero"] = "prospero"
    family: str
    version: str  # the version that serves
    versions: list[str]
    parameters: int
    metrics: dict[str, Metric]  # the first decides
    quick: bool = False  # they are of a part of the held-out data, and no match for those of the whole
    operations: tuple[str, ...] = ()  # the last words of the addresses that take this model
    classes: int = 1  # that pictures can be asked of; 1 when there are none


class ModelList(Contract):
    object: Literal["list"] = "list"
    data: list[ModelInfo]
    unserved: dict[str, list[str]] = Field(default_factory=dict)  # versions of models of which none serves


class Readiness(Contract):
    """``GET /readyz``."""

    ready: bool
    device: str
    precision: str
    threads: int
    models: list[str]  # "model@version" of everything loaded
    running: int
    waiting: int
    slots: int
    pictures_waiting: int = 0
    contract: str | None = None  # the fingerprint of the worker's schemas; None of a worker older than that
