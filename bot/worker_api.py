"""The only HTTP that the bot sends to the worker, and the errors that can come of it."""

import base64
import secrets
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Container, Iterator, Mapping
from contextlib import aclosing, asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import NoReturn, TypeVar

import aiohttp
from pydantic import ValidationError

from worker.schemas.completions import Completion, CompletionRequest, Logprobs
from worker.schemas.contract import Contract, ErrorBody, ErrorResponse
from worker.schemas.models import ModelInfo, ModelList, Readiness
from worker.schemas.pictures import GenerationRequest, Images, InterpolationRequest, PictureRequest, VariationRequest
from worker.schemas.vision import (
    AnomalyRequest,
    BlendRequest,
    CompressionRequest,
    DecompressionRequest,
    DensityRequest,
    MapRequest,
    Presentation,
    ReconstructionRequest,
    TranslationRequest,
    TraversalRequest,
    VisionAnswer,
)

CONNECT_TIMEOUT = 5  # seconds; a worker that listens accepts at once
SILENCE_TIMEOUT = 120  # seconds without a byte in a stream, queue notices included, before the worker counts as hung
ANSWER_TIMEOUT = 10  # seconds for a short question such as /readyz
FILE_TIMEOUT = 300  # seconds for a file: thousands of pictures that are handed in are looked at one by one

RETRY_AFTER = 5  # seconds, where a full queue does not say how long

STATUSES = {  # that errors in the middle of an answer would have had before it, by their codes and types
    "unavailable": 503,
    "deadline_exceeded": 504,
    "invalid_request_error": 400,
    "authentication_error": 401,
    "not_found_error": 404,
    "rate_limit_error": 429,
}

Address = Callable[[], Awaitable[str]]  # where the worker is; may wait until it is there


class WorkerError(Exception):
    """What can go wrong with a request to the worker::

    WorkerError
    ├── WorkerUnreachable    nobody answers at its address, or not in time
    ├── WorkerBusy           every slot and every place in the queue is taken (retry_after)
    ├── WorkerRefused        it cannot do what was asked (field, code)
    │   └── WorkerLocked     it wants another token than ours
    ├── WorkerFailed         it tried and failed, and said so
    ├── WorkerLate           it gave up, for it took longer than it may
    └── WorkerInterrupted    its answer broke off: it died or the connection did; or it ends, or lacks memory just now
    """

    request_id: str | None = None  # under which the worker logs the request; None when none was sent


class WorkerUnreachable(WorkerError):
    """Nobody answers at the worker's address, or not in time."""


class WorkerBusy(WorkerError):
    """Every slot and every place in the queue is taken."""

    def __init__(self, message: str, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after  # seconds


class WorkerRefused(WorkerError):
    """The worker cannot do what was asked; ``field`` names the part of the request that is wrong, if one is."""

    def __init__(self, error: ErrorBody) -> None:
        super().__init__(error.message)
        self.field = error.param
        self.code = error.code  # what is wrong, where that has a name


class WorkerLocked(WorkerRefused):
    """The worker wants another token than the one in PROSPERO_WORKER_TOKEN."""


class WorkerFailed(WorkerError):
    """The worker tried and failed, and said so."""


class WorkerLate(WorkerError):
    """The worker gave up, for the request took longer than one may."""


class WorkerInterrupted(WorkerError):
    """The answer broke off before its end, or the worker cannot give one just now."""


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
    logprobs: Logprobs | None = None  # of the characters, when asked for


@dataclass(frozen=True)
class Finished:
    """The text is complete."""


@dataclass(frozen=True)
class Drawing:
    """Pictures as one file, and what pins them."""

    file: bytes
    seed: int  # of the first
    version: str


Event = Queued | Piece | Finished
Shape = TypeVar("Shape", bound=Contract)

PICTURE_PATHS: dict[type[PictureRequest], str] = {
    GenerationRequest: "/v1/images/generations",
    VariationRequest: "/v1/images/variations",
    InterpolationRequest: "/v1/images/interpolations",
}
VISION_PATHS: dict[type[Presentation], str] = {
    ReconstructionRequest: "/v1/images/reconstructions",
    AnomalyRequest: "/v1/images/anomalies",
    BlendRequest: "/v1/images/blends",
    TraversalRequest: "/v1/images/traversals",
    TranslationRequest: "/v1/images/translations",
    CompressionRequest: "/v1/codes/compress",
    DecompressionRequest: "/v1/codes/decompress",
    MapRequest: "/v1/latents/map",
    DensityRequest: "/v1/latents/density",
}


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
        limits = aiohttp.ClientTimeout(total=ANSWER_TIMEOUT)
        accepted = (200, 503)  # 503 is "not ready" and carries the same body
        async with self._request("GET", "/readyz", limits=limits, accepted=accepted) as response:
            return read(Readiness, await response.read())

    async def models(self) -> list[ModelInfo]:
        """The models that can be asked. Raises WorkerError."""
        return (await self.list_models()).data

    async def list_models(self) -> ModelList:
        """The same, and beside them those of which no version serves. Raises WorkerError."""
        return await self.ask("GET", "/v1/models", ModelList)

    async def ask(
        self,
        method: str,
        path: str,
        shape: type[Shape],
        request: Contract | None = None,
        patience: float = ANSWER_TIMEOUT,
    ) -> Shape:
        """One question and its whole answer, within ``patience`` seconds. Raises WorkerError."""
        body = None if request is None else request.model_dump(mode="json", exclude_none=True)
        limits = aiohttp.ClientTimeout(total=patience)
        async with self._request(method, path, json=body, limits=limits) as response:
            return read(shape, await response.read())

    async def fetch(self, path: str) -> bytes:
        """A file of the worker's. Raises WorkerError."""
        limits = aiohttp.ClientTimeout(total=FILE_TIMEOUT)
        async with self._request("GET", path, limits=limits) as response:
            return await response.read()

    async def upload(
        self, path: str, name: str, content: bytes, fields: Mapping[str, str], shape: type[Shape]
    ) -> Shape:
        """Hands a file in, with what is to be said about it, and returns the worker's answer. Raises WorkerError."""
        form = aiohttp.FormData(fields)
        form.add_field("file", content, filename=name, content_type="application/octet-stream")
        limits = aiohttp.ClientTimeout(total=FILE_TIMEOUT)
        async with self._request("POST", path, body=form, limits=limits) as response:
            return read(shape, await response.read())

    async def complete(self, request: CompletionRequest) -> AsyncGenerator[Event, None]:
        """Streams one completion: ``Queued`` as often as the place changes, ``Piece`` by piece, then ``Finished``.

        Closing the generator closes the connection, which frees the worker's slot. Raises WorkerError.
        """
        async with aclosing(self._stream("/v1/completions", request, Completion)) as parts:
            async for part in parts:
                if isinstance(part, Queued):
                    yield part
                    continue
                choice = part.choices[0]
                version = part.system_fingerprint.partition("@")[2]
                yield Piece(choice.text, choice.seed, version, part.replaced, choice.logprobs)
                if choice.finish_reason is not None:
                    yield Finished()
                    return

    async def draw(self, request: PictureRequest) -> AsyncGenerator[Queued | Drawing, None]:
        """Asks for pictures: ``Queued`` as often as the place changes, then the ``Drawing``. Raises WorkerError.

        Closing the generator closes the connection, which gives the place in the queue up.
        """
        async with aclosing(self._stream(PICTURE_PATHS[type(request)], request, Images)) as parts:
            async for part in parts:
                if isinstance(part, Queued):
                    yield part
                    continue
                image = part.data[0]  # a sheet or a walk is one, whatever is on it
                file = base64.b64decode(image.b64_json, validate=True)
                yield Drawing(file, image.seed, part.system_fingerprint.partition("@")[2])
                return

    async def look(self, request: Presentation) -> AsyncGenerator[Queued | VisionAnswer, None]:
        """Asks what a model makes of a picture: ``Queued`` as often as the place changes, then the answer.

        Closing the generator closes the connection, which gives the place in the queue up. Raises WorkerError.
        """
        async with aclosing(self._stream(VISION_PATHS[type(request)], request, VisionAnswer)) as parts:
            async for part in parts:
                yield part
                if isinstance(part, VisionAnswer):
                    return

    async def _stream(self, path: str, request: Contract, shape: type[Shape]) -> AsyncGenerator[Queued | Shape, None]:
        """What comes of a streamed request: places in the queue and the answer's parts.

        Whoever has all that was asked for closes it; WorkerInterrupted when it ends before that.
        """
        body = request.model_copy(update={"stream": True}).model_dump(mode="json", exclude_none=True)
        limits = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT, sock_read=SILENCE_TIMEOUT)
        async with self._request("POST", path, json=body, limits=limits) as response:
            async for line in _lines(response.content):
                if line.startswith(": queued "):
                    yield Queued(int(line.removeprefix(": queued ")))
                elif line.startswith("data: ") and line != "data: [DONE]":
                    yield _part(line.removeprefix("data: "), shape)
            raise WorkerInterrupted(f"the answer from {response.url} ended too early")

    @asynccontextmanager
    async def _request(
        self,
        method: str,
        path: str,
        *,
        limits: aiohttp.ClientTimeout,
        json: object = None,
        body: aiohttp.FormData | None = None,
        accepted: Container[int] = (200,),
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Sends a request and closes its connection at the end, also in the middle of the answer.

        Raises WorkerError, as an answer of another status than those ``accepted`` does.
        """
        url = await self._address() + path
        response: aiohttp.ClientResponse | None = None
        with _numbered() as request_id:
            headers = self._headers | {"X-Request-Id": request_id}
            try:
                response = await self._session.request(
                    method, url, json=json, data=body, headers=headers, timeout=limits
                )
                if response.status not in accepted:
                    await _raise(response)
                yield response
            except (aiohttp.ClientError, TimeoutError) as error:
                if response is None:
                    raise WorkerUnreachable(f"no answer from {url}: {str(error) or 'too late'}") from error
                raise WorkerInterrupted(f"the answer from {url} broke off: {error}") from error
            except ValueError as error:  # not JSON, or JSON of another shape
                raise WorkerFailed(f"the answer from {url} is not one of a worker: {error}") from error
            finally:
                if response is not None:
                    response.close()


@contextmanager
def _numbered() -> Iterator[str]:
    """A new request's id, which every WorkerError that comes of the request names."""
    request_id = secrets.token_hex(4)
    try:
        yield request_id
    except WorkerError as error:
        error.request_id = request_id
        raise


def read(shape: type[Shape], content: str | bytes) -> Shape:
    """An answer of the worker's; what a newer worker says besides is passed over. Raises ValidationError."""
    return shape.model_validate_json(content, extra="ignore")


async def _lines(content: aiohttp.StreamReader) -> AsyncGenerator[str, None]:
    """The lines of an answer, of any length: aiohttp's own end at 128 KiB, which a picture exceeds."""
    begun = bytearray()
    async for some in content.iter_any():
        *ends, rest = some.split(b"\n")
        for end in ends:
            yield (begun + end).decode()
            begun.clear()
        begun += rest
    yield begun.decode()


def _part(data: str, shape: type[Shape]) -> Shape:
    """One server-sent event's content; raises WorkerError when it is an error."""
    try:
        return read(shape, data)
    except ValidationError:
        error = read(ErrorResponse, data).error
        status = STATUSES.get(error.code or "") or STATUSES.get(error.type, 500)
        raise _meant(status, error, RETRY_AFTER) from None


async def _raise(response: aiohttp.ClientResponse) -> NoReturn:
    """Raises the WorkerError that an answer with an error status stands for."""
    content = await response.read()
    try:
        error = read(ErrorResponse, content).error
    except ValidationError:  # not a worker's own answer: a proxy in between, or something else on that port
        told = f"{response.status} {response.reason} from {response.url}"
        if response.status not in (401, 403, 429):
            raise WorkerFailed(told) from None
        error = ErrorBody(message=told, type="server_error")
    raise _meant(response.status, error, int(response.headers.get("Retry-After", RETRY_AFTER)))


def _meant(status: int, error: ErrorBody, retry_after: int) -> WorkerError:
    """The WorkerError that a worker's error stands for."""
    if status == 429:
        return WorkerBusy(error.message, retry_after)
    if status in (401, 403):
        return WorkerLocked(error)
    if 400 <= status < 500:
        return WorkerRefused(error)
    if status == 503:
        return WorkerInterrupted(error.message)
    if status == 504:
        return WorkerLate(error.message)
    return WorkerFailed(error.message)
