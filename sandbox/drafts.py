"""A message before it is accepted: the request body read, checked against Discord's limits, put into answer form."""

import json
from dataclasses import dataclass, field
from typing import Any

from aiohttp import BodyPartReader, web

from sandbox.cdn import MAX_FILE_BYTES, Upload
from sandbox.components import read_components
from sandbox.embeds import read_embeds
from sandbox.errors import JSON, DiscordError, Form, is_count

MOST_CONTENT = 2000
MOST_FILES = 10
MOST_NONCE = 25
MOST_CAPTION = 1024  # characters of a file's name or description

SUPPRESS_EMBEDS, EPHEMERAL, LOADING, SUPPRESS_NOTIFICATIONS, HAS_SNAPSHOT = 1 << 2, 1 << 6, 1 << 7, 1 << 12, 1 << 14

# where a request keeps its JSON for middlewares, since a multipart body can be read only once
BODY: web.RequestKey[object] = web.RequestKey("body", object)
Uploads = dict[int, Upload]  # by n of the form field files[n]


@dataclass
class Draft:
    """What a request asks of a message. `fields` has only what was given; `kept` is None when nothing was said
    about the attachments that are already there, else the ids of those that stay."""

    fields: JSON
    uploads: list[Upload] = field(default_factory=list)
    kept: set[str] | None = None

    @property
    def flags(self) -> int:
        return int(self.fields.get("flags") or 0)


async def read_body(request: web.Request) -> tuple[Any, Uploads]:
    """The JSON of a request and the files beside it (multipart with `payload_json` and `files[n]`)."""
    payload, uploads = await _read_parts(request)
    request[BODY] = payload
    return payload, uploads


async def _read_parts(request: web.Request) -> tuple[Any, Uploads]:
    if request.content_type == "multipart/form-data":
        return await _read_multipart(request)
    text = await request.text()
    if not text:
        return {}, {}
    if request.content_type != "application/json":
        form = Form()
        form.fault((), "CONTENT_TYPE_INVALID", "Expected \"Content-Type\" header to be 'application/json'.")
        form.check()
    return _parse(text), {}


async def _read_multipart(request: web.Request) -> tuple[Any, Uploads]:
    payload: Any = {}
    uploads: Uploads = {}
    async for part in await request.multipart():
        if not isinstance(part, BodyPartReader):
            continue
        if part.name == "payload_json":
            payload = _parse(await part.text())
        elif part.name and part.name.startswith("files[") and is_count(part.name[6:-1]):
            uploads[int(part.name[6:-1])] = Upload(part.filename or "file", await _read_file(part))
    return payload, uploads


async def _read_file(part: BodyPartReader) -> bytes:
    content = bytearray()
    while chunk := await part.read_chunk(1 << 16):
        content += chunk
        if len(content) > MAX_FILE_BYTES:
            raise DiscordError("too_large")
    return bytes(content)


def _parse(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise DiscordError("invalid_json") from error


def read_draft(payload: Any, uploads: Uploads, allowed_flags: int) -> Draft:
    """The message asked for by `payload`, or `DiscordError` with every fault of the form at once."""
    form = Form()
    payload = form.model(payload, ())
    fields: JSON = {}
    if payload.get("content") is not None:
        form.text(payload["content"], ("content",), MOST_CONTENT)
        fields["content"] = payload["content"]
    elif "content" in payload:
        fields["content"] = ""
    if "embeds" in payload:
        fields["embeds"] = read_embeds(payload["embeds"] or [], form)
    if "components" in payload:
        fields["components"] = read_components(payload["components"] or [], form)
    if payload.get("flags") is not None:
        fields["flags"] = _read_flags(payload["flags"], allowed_flags, form)
    if payload.get("allowed_mentions") is not None:
        fields["allowed_mentions"] = _read_mentions(
            form.model(payload["allowed_mentions"], ("allowed_mentions",)), form
        )
    if payload.get("nonce") is not None:
        form.text(str(payload["nonce"]), ("nonce",), MOST_NONCE)
        fields["nonce"] = payload["nonce"]
    if payload.get("message_reference") is not None:
        fields["message_reference"] = form.model(payload["message_reference"], ("message_reference",))
    for key in ("tts", "enforce_nonce"):
        if payload.get(key):
            fields[key] = True
    new, kept = _read_attachments(payload, uploads, form)
    form.check()
    return Draft(fields, new, kept)


def _read_flags(value: Any, allowed: int, form: Form) -> int:
    if not isinstance(value, int) or value & ~allowed:
        form.fault(("flags",), "INVALID_FLAGS", "Flags must only contain values that may be set here")
        return 0
    return value


def _read_mentions(value: JSON, form: Form) -> JSON:
    read = {
        key: form.count(value.get(key) or [], ("allowed_mentions", key), 100) for key in ("parse", "users", "roles")
    }
    for kind in ("users", "roles"):
        if kind in read["parse"] and read[kind]:
            message = f'parse:["{kind}"] and {kind}: [ids...] are mutually exclusive.'
            form.fault(("allowed_mentions",), "MESSAGE_ALLOWED_MENTIONS_PARSE_EXCLUSIVE", message)
    return read | {"replied_user": bool(value.get("replied_user"))}


def _read_attachments(payload: JSON, uploads: Uploads, form: Form) -> tuple[list[Upload], set[str] | None]:
    kept: set[str] | None
    if payload.get("attachments") is None:
        kept = set() if "attachments" in payload else None
        new = [uploads[n] for n in sorted(uploads)]
    else:
        kept, new = set(), []
        for n, attachment in enumerate(form.count(payload["attachments"], ("attachments",), MOST_FILES)):
            attachment = form.model(attachment, ("attachments", n))
            index = str(attachment.get("id"))
            if not is_count(index):
                form.fault(("attachments", n, "id"), "NUMBER_TYPE_COERCE", f'Value "{index}" is not snowflake.')
            elif int(index) in uploads:
                upload = uploads[int(index)]
                for key in ("filename", "description"):
                    if attachment.get(key) is not None:
                        form.text(attachment[key], ("attachments", n, key), MOST_CAPTION)
                name = attachment.get("filename") or upload.filename
                new.append(Upload(name, upload.content, attachment.get("description")))
            else:
                kept.add(index)
    if len(new) > MOST_FILES:
        form.fault(("attachments",), "BASE_TYPE_BAD_LENGTH", f"Must be {MOST_FILES} or fewer in length.")
    return new, kept
