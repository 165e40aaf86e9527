"""The only HTTP that the bot sends to the worker, and the errors that can come of it."""

import json
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import NoReturn

import aiohttp
from pydantic import ValidationError

from worker.schemas import Completion, CompletionRequest, ErrorBody, ErrorResponse, FinishReason, Readiness

CONNECT_TIMEOUT = 5  # seconds; a worker that listens accepts at once
SILENCE_TIMEOUT = 120  # seconds without a byte in a stream, queue notices included, before the worker counts as hung
ANSWER_TIMEOUT = 10  # seconds for a short question such as /readyz

Address = Callable[[], Awaitable[str]]  # where the worker is; may wait until it is there


class WorkerError(Exception):
    """What can go wrong with a request to the worker::

    WorkerError
    ├── WorkerUnreachable    nobody answers at its address, or not in time
    ├── WorkerBusy           every slot and every place in the queue is taken (position, retry_after)
    ├── WorkerRefused        it cannot do what was asked (field)
    │   └── WorkerLocked     it wants another token than ours
    ├── WorkerFailed         it tried and failed, and said so
    └── WorkerInterrupted    its answer broke off: it died or the connection did
    """


class WorkerUnreachable(WorkerError):
    """Nobody answers at the worker's address, or not in time."""


class WorkerBusy(WorkerError):
    """Every slot and every place in the queue is taken."""

    def __init__(self, message: str, position: int | None, retry_after: int) -> None:
        super().__init__(message)
        self.position = position  # the place in the queue that the request would have had
        self.retry_after = retry_after  # seconds


class WorkerRefused(WorkerError):
    """The worker cannot do what was asked; ``field`` names the part of the request that is wrong, if one is."""

    def __init__(self, message: str, field: str | None) -> None:
        super().__init__(message)
        self.field = field


class WorkerLocked(WorkerRefused):
    """The worker wants another token than the one in PROSPERO_WORKER_TOKEN."""


class WorkerFailed(WorkerError):
    """The worker tried and failed, and said so."""


class WorkerInterrupted(WorkerError):
    """The answer broke off before its end."""


@dataclass(frozen=True)
class Queued:
    """The request waits for a free slot."""

    position: int  # from 1


@dataclass(frozen=True)
class Piece:
    """Some more characters, and what pins the text they belong to."""

    text: str
    seed: int
    version: str
    replaced: str  # the prompt's characters that the model never saw; each was read as a space


@dataclass(frozen=True)
class Finished:
    """The text is complete."""

    reason: FinishReason


Event = Queued | Piece | Finished


def at(address: str) -> Address:
    """The address of a worker that is always found at the same place."""

    async def fixed() -> str:
        return address

    return fixed


class WorkerAPI:
    """A client of one worker, wherever ``address`` says it is at the moment."""

    def __init__(self, session: aiohttp.ClientSession, address: Address, token: str | None = None) -> None:
        self._session = session
        self._address = address
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}

    async def readiness(self) -> Readiness:
        """What the worker says about itself; it may be alive and not ready. Raises WorkerError."""
        async with self._request("GET", "/readyz", limits=aiohttp.ClientTimeout(total=ANSWER_TIMEOUT)) as response:
            if response.status not in (200, 503):  # 503 is "not ready" and carries the same body
                await _raise(response)
            return Readiness.model_validate_json(await response.read())

    async def complete(self, request: CompletionRequest) -> AsyncGenerator[Event, None]:
        """Streams one completion: ``Queued`` as often as the place changes, ``Piece`` by piece, then ``Finished``.

        Closing the generator closes the connection, which frees the worker's slot. Raises WorkerError.
        """
        body = request.model_copy(update={"stream": True}).model_dump(mode="json", exclude_none=True)
        limits = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT, sock_read=SILENCE_TIMEOUT)
        async with self._request("POST", "/v1/completions", json=body, limits=limits) as response:
            if response.status != 200:
                await _raise(response)
            async for line in response.content:
                for event in _events(line.decode().rstrip("\n")):
                    yield event
                    if isinstance(event, Finished):
                        return
        raise WorkerInterrupted("the worker's answer ended before its text did")

    @asynccontextmanager
    async def _request(
        self, method: str, path: str, *, limits: aiohttp.ClientTimeout, json: object = None
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Sends a request and closes its connection at the end, also in the middle of the answer."""
        url = await self._address() + path
        response: aiohttp.ClientResponse | None = None
        try:
            response = await self._session.request(method, url, json=json, headers=self._headers, timeout=limits)
            yield response
        except (aiohttp.ClientError, TimeoutError) as error:
            if response is None:
                raise WorkerUnreachable(f"no answer from {url}: {error}") from error
            raise WorkerInterrupted(f"the answer from {url} broke off: {error}") from error
        except ValueError as error:  # not JSON, or JSON of another shape
            raise WorkerFailed(f"the answer from {url} is not one of a worker: {error}") from error
        finally:
            if response is not None:
                response.close()


def _events(line: str) -> list[Event]:
    """What one line of the server-sent events says; empty lines and ``[DONE]`` say nothing."""
    if line.startswith(": queued "):
        return [Queued(int(line.removeprefix(": queued ")))]
    if not line.startswith("data: ") or line == "data: [DONE]":
        return []
    data = line.removeprefix("data: ")
    if "error" in json.loads(data):
        raise WorkerFailed(ErrorResponse.model_validate_json(data).error.message)
    chunk = Completion.model_validate_json(data)
    choice = chunk.choices[0]
    version = chunk.system_fingerprint.partition("@")[2]
    events: list[Event] = [Piece(choice.text, choice.seed, version, chunk.replaced)]
    if choice.finish_reason is not None:
        events.append(Finished(choice.finish_reason))
    return events


async def _raise(response: aiohttp.ClientResponse) -> NoReturn:
    """Raises the WorkerError that an answer with an error status stands for."""
    content = await response.read()
    try:
        error = ErrorResponse.model_validate_json(content).error
    except ValidationError:  # not a worker's own answer: a proxy in between, or something else on that port
        error = ErrorBody(message=f"{response.status} {response.reason} from {response.url}", type="server_error")
    if response.status == 429:
        raise WorkerBusy(error.message, error.position, int(response.headers.get("Retry-After", "5")))
    if response.status in (401, 403):
        raise WorkerLocked(error.message, error.param)
    if 400 <= response.status < 500:
        raise WorkerRefused(error.message, error.param)
    raise WorkerFailed(error.message)
