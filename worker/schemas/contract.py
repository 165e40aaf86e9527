"""What every message of the worker's API has in common, and the shape of an error."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

SEEDS = 2**63
Seed = Annotated[int, Field(ge=0, lt=SEEDS)]


class Contract(BaseModel):
    """A message that crosses the process boundary; unknown keys are refused by name."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class OpenAIRequest(Contract):
    """A request in OpenAI's shape: its clients may also say what asks for nothing, such as null."""

    NEUTRAL: ClassVar[Mapping[str, Any]] = {}  # of OpenAI's fields that are not taken, the value that is their default

    @model_validator(mode="before")
    @classmethod
    def leave_out(cls, given: Any) -> Any:
        """What is left when nothing is said that could as well be left out."""
        if not isinstance(given, dict):
            return given
        return {key: value for key, value in given.items() if value is not None and value != cls.NEUTRAL.get(key)}


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
