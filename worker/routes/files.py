"""``/v1/files``: data sets that people hand in, in the shapes of OpenAI's files API."""

from __future__ import annotations

import re
import secrets
from collections.abc import AsyncIterator
from pathlib import Path, PurePosixPath

from aiohttp import BodyPartReader, web
from aiohttp.http import HttpProcessingError

from worker.datasets import Datasets
from worker.errors import BadRequest, NotFound, TooLong
from worker.job_words import needed_words
from worker.replies import reply
from worker.routes import DATASETS, JOBS
from worker.schemas.training import Deleted, File, FileList, Upload

MOST = 256 * 2**20  # bytes of an upload
MOST_FIELD = 1_000  # bytes of a plain field
# aiohttp's, about parts that do not begin or end, and about their headers
MALFORMED = (ValueError, RuntimeError, HttpProcessingError, web.RequestPayloadError)

routes = web.RouteTableDef()


@routes.post("/v1/files")
async def upload(request: web.Request) -> web.Response:
    """Take a zip of pictures or a text in; the field ``name`` names the data set, else the file does."""
    datasets = request.app[DATASETS]
    if not request.content_type.startswith("multipart/"):
        raise BadRequest("Send the file as multipart/form-data with the fields file, purpose and name.", param="file")
    datasets.folder.mkdir(parents=True, exist_ok=True)
    received = datasets.folder / f".{secrets.token_hex(8)}.upload"
    try:
        try:
            fields = await receive(request, received)
        except MALFORMED as error:
            raise BadRequest(f"The form is broken off or damaged ({error}); send it again.", param="file") from error
        if "file" not in fields:
            raise BadRequest("file is missing; add it.", param="file")
        if fields.get("purpose") != "fine-tune":
            raise BadRequest("purpose must be fine-tune.", param="purpose")
        filename = PurePosixPath(fields["file"].replace("\\", "/")).name
        file = await datasets.add(received, filename, fields.get("name") or named_after(filename))
    finally:
        received.unlink(missing_ok=True)
    return reply(file)


@routes.get("/v1/files")
async def list_files(request: web.Request) -> web.Response:
    """The data sets that were handed in, the newest first."""
    return reply(FileList(data=request.app[DATASETS].all()))


@routes.get("/v1/files/{id}")
async def show(request: web.Request) -> web.Response:
    """One of them."""
    return reply(known(request))


@routes.get("/v1/files/{id}/sheet")
async def show_sheet(request: web.Request) -> web.FileResponse:
    """Some of its pictures, PNG."""
    sheet = request.app[DATASETS].sheet(known(request).id)
    if not sheet.exists():
        raise NotFound("The file is a text and has no sheet; its excerpt is in what was found.", param="id")
    return web.FileResponse(sheet)


@routes.get("/v1/files/{id}/content")
async def show_content(request: web.Request) -> web.FileResponse:
    """What is kept of it."""
    content = request.app[DATASETS].content(known(request))
    if content is None:
        raise NotFound("The data set has vanished from the data home; hand it in again.", param="id")
    return web.FileResponse(content)


@routes.delete("/v1/files/{id}")
async def delete(request: web.Request) -> web.Response:
    """Forget a data set that no training needs."""
    file = known(request)
    for record in request.app[JOBS].unfinished():
        if record.dataset == file.name:
            raise BadRequest(needed_words(record, file.name), "id", "still_needed")
    request.app[DATASETS].delete(file)
    return reply(Deleted(id=file.id, object="file"))


async def receive(request: web.Request, to: Path) -> dict[str, str]:
    """Write the field ``file`` there; returns the other fields, and the file's name under ``file``."""
    fields: dict[str, str] = {}
    async for part in await request.multipart():
        if not isinstance(part, BodyPartReader) or part.name not in Upload.model_fields:
            raise BadRequest("Send the fields file, purpose and name only.", param="file")
        if part.name == "file":
            with to.open("wb") as out:
                async for chunk in pieces(part, MOST):
                    out.write(chunk)
            fields["file"] = (part.filename or "upload").encode(errors="replace").decode()  # UTF-8, whatever came
        else:
            fields[part.name] = b"".join([chunk async for chunk in pieces(part, MOST_FIELD)]).decode(errors="replace")
    return fields


async def pieces(part: BodyPartReader, most: int) -> AsyncIterator[bytes]:
    """A field's content; TooLong when there is more than is allowed."""
    length = 0
    while chunk := await part.read_chunk():
        length += len(chunk)
        if length > most:
            raise TooLong(f"{part.name} is too long; send at most {most:,} bytes.", param=part.name)
        yield chunk


def named_after(filename: str) -> str:
    """A data set's name made of a file's."""
    return re.sub(r"[^a-z0-9]+", "-", PurePosixPath(filename).stem.lower()).strip("-")[:32]


def known(request: web.Request) -> File:
    """The file of the address; NotFound when there is none."""
    datasets: Datasets = request.app[DATASETS]
    file = datasets.get(request.match_info["id"])
    if file is None:
        message = f"There is no file {request.match_info['id']!r}; GET /v1/files lists them."
        raise NotFound(message, "id", "file_not_found")
    return file
