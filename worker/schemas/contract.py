"""What every message of the worker's API has in common, and the shape of an error."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

SEEDS = 2**63
Seed = Annotated[int, Field(ge=0, lt=SEEDS)]


class Contract(BaseModel):
    """A message that crosses the process boundary; unknown keys are refused by name."""

    model_config = ConfigDict(extra="forbid", frozen=True)


ErrorType = Literal[
    "invalid_request_error", "authentication_error", "not_found_error", "rate_limit_error", "server_error"
]


class ErrorBody(Contract):
    message: str
    type: ErrorType
    param: str | None = None
    code: str | None = None
    position: int | None = None  # place in the queue that the request would have had


class ErrorResponse(Contract):
    error: ErrorBody
