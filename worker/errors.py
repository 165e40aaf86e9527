"""Errors that a client is told about, each with its HTTP status.

    WorkerError                 500
    ├── BadRequest              400   names the field
    │   ├── Unreadable          400   a picture that is none, or damaged
    │   ├── TooManyPixels       400
    │   ├── TooLong             413
    │   └── MethodNotAllowed    405   names the methods that there are
    ├── Unauthorized            401
    ├── NotFound                404
    ├── QueueFull               429   names the place in the queue that the request would have had
    ├── Unavailable             503
    └── DeadlineExceeded        504

The application's middleware turns them into OpenAI's error shape; every message is one sentence that says what to do.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

from worker.schemas.contract import ErrorBody, ErrorResponse

ErrorType = Literal[
    "invalid_request_error", "authentication_error", "not_found_error", "rate_limit_error", "server_error"
]


class WorkerError(Exception):
    """The worker's own failure."""

    status: ClassVar[int] = 500
    type: ClassVar[ErrorType] = "server_error"
    code: ClassVar[str | None] = None

    def __init__(self, message: str, param: str | None = None, position: int | None = None) -> None:
        super().__init__(message)
        self.message, self.param, self.position = message, param, position

    @classmethod
    def of(cls, error: Exception) -> WorkerError:
        """A fault of ours in one sentence."""
        return cls(f"The worker failed: {error!r}; its log says more.")

    @property
    def headers(self) -> dict[str, str]:
        return {}

    def response(self) -> ErrorResponse:
        return ErrorResponse(
            error=ErrorBody(
                message=self.message, type=self.type, param=self.param, code=self.code, position=self.position
            )
        )


class BadRequest(WorkerError):
    status = 400
    type = "invalid_request_error"


class Unreadable(BadRequest):
    code = "picture_unreadable"


class TooManyPixels(BadRequest):
    code = "picture_too_large"


class TooLong(BadRequest):
    status = 413


class MethodNotAllowed(BadRequest):
    status = 405

    def __init__(self, path: str, method: str, allowed: Sequence[str]) -> None:
        super().__init__(f"{path} does not take {method}; use {', '.join(allowed)}.")
        self.allowed = allowed

    @property
    def headers(self) -> dict[str, str]:
        return {"Allow": ", ".join(self.allowed)}


class Unauthorized(WorkerError):
    status = 401
    type = "authentication_error"
    code = "invalid_api_key"

    @property
    def headers(self) -> dict[str, str]:
        return {"WWW-Authenticate": "Bearer"}


class NotFound(WorkerError):
    status = 404
    type = "not_found_error"
    code = "not_found"


class QueueFull(WorkerError):
    status = 429
    type = "rate_limit_error"
    code = "queue_full"

    def __init__(self, position: int, retry_after: int) -> None:
        super().__init__(
            f"The queue is full (your place would be {position}); try again in {retry_after} s.", position=position
        )
        self.retry_after = retry_after

    @property
    def headers(self) -> dict[str, str]:
        return {"Retry-After": str(self.retry_after)}


class Unavailable(WorkerError):
    status = 503
    code = "unavailable"


class DeadlineExceeded(WorkerError):
    status = 504
    code = "deadline_exceeded"
