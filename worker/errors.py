"""Errors that a client is told about, each with its HTTP status.

    WorkerError                 500
    ├── ModelFailed             500
    ├── BadRequest              400   names the field
    │   ├── Forbidden           403   what web pages send, and what calls this machine by another name
    │   ├── TooLong             413
    │   └── MethodNotAllowed    405   names the methods that there are
    ├── Unauthorized            401
    ├── NotFound                404
    ├── QueueFull               429   names the place in the queue that the request would have had
    ├── Unavailable             503
    │   └── Closing             503
    └── DeadlineExceeded        504

The application's middleware turns them into OpenAI's error shape; every message is one sentence that says what to do.
What people meet has a code besides, for programs that say it in words of their own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from worker.schemas.contract import ErrorBody, ErrorResponse, ErrorType


class WorkerError(Exception):
    """The worker's own failure."""

    status: ClassVar[int] = 500
    type: ClassVar[ErrorType] = "server_error"
    code: str | None = None
    position: int | None = None

    def __init__(self, message: str, param: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.message, self.param, self.code = message, param, code or self.code

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


class ModelFailed(WorkerError):
    """A computation of the model's that ended in an error, or in what is no number."""

    def __init__(self, error: Exception) -> None:
        super().__init__(f"The model failed: {error}; try again, and read the worker's log if it recurs.")


class BadRequest(WorkerError):
    status = 400
    type = "invalid_request_error"


class Forbidden(BadRequest):
    status = 403


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
        super().__init__(f"The queue is full (your place would be {position}); try again in {retry_after} s.")
        self.position, self.retry_after = position, retry_after

    @property
    def headers(self) -> dict[str, str]:
        return {"Retry-After": str(self.retry_after)}


class Unavailable(WorkerError):
    status = 503
    code = "unavailable"


class Closing(Unavailable):
    def __init__(self) -> None:
        super().__init__("The worker is ending; try again in a moment.")


class DeadlineExceeded(WorkerError):
    status = 504
    code = "deadline_exceeded"


def forget(error: BaseException | None) -> None:
    """Drop the frames that an error came through: what they hold, a large picture say, would stay for minutes."""
    while error is not None:
        error.__traceback__ = None
        error = error.__cause__ or error.__context__
