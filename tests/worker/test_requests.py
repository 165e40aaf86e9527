"""Requests that are damaged on their way, and faults of the worker's own, over real HTTP."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from models.checkpoint import Store
from tests.conftest import CATS, keep_gan
from tests.worker.conftest import Start, Worker
from worker.engine import encoding

PICTURES = "/v1/images/generations"


async def answer(worker: Worker, head: str, body: bytes = b"") -> tuple[int, dict[str, str], dict[str, str]]:
    """What a request gets that is sent as it is: the status, the headers, and the error."""
    reader, writer = await asyncio.open_connection(worker.session._base_url.host, worker.session._base_url.port)
    lines = f"{head}\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n"
    writer.write(lines.encode("latin-1") + body)
    begin, _, content = (await reader.read()).decode().partition("\r\n\r\n")
    writer.close()
    status, *headers = begin.split("\r\n")
    error = json.loads(content)["error"]
    return int(status.split()[1]), dict(header.split(": ", 1) for header in headers), error


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ("POST /v1/files HTTP/1.1\r\nContent-Type: multipart/form-data", b"no boundary"),
        ("POST /v1/files HTTP/1.1\r\nContent-Type: multipart/form-data; boundary=here", b"without it"),
        (
            "POST /v1/files HTTP/1.1\r\nContent-Type: multipart/form-data; boundary=here",
            b'--here\r\nContent-Disposition: form-data; name="file"; filename="cut.txt"\r\n\r\nno end',
        ),
        ("POST /v1/completions HTTP/1.1\r\nContent-Encoding: gzip", b'{"prompt": "unpacked"}'),
    ],
)
async def test_a_damaged_body_is_said_in_a_sentence(worker: Worker, headers: str, body: bytes) -> None:
    status, _, error = await answer(worker, headers, body)
    assert (status, error["type"]) == (400, "invalid_request_error")
    assert "send it" in error["message"]


async def test_a_token_of_strange_bytes_is_wrong(start: Start) -> None:
    worker = await start(worker_token="open sesame")
    status, _, error = await answer(worker, "GET /v1/models HTTP/1.1\r\nAuthorization: Bearer \xff\xfe")
    assert (status, error["code"]) == (401, "invalid_api_key")


async def test_a_wrong_method_is_told_which_there_are(worker: Worker) -> None:
    status, headers, error = await answer(worker, "POST /v1/models HTTP/1.1")
    assert (status, headers["Allow"]) == (405, "GET, HEAD")
    assert "use GET, HEAD" in error["message"]


async def test_a_fault_in_the_middle_of_a_stream_ends_it_with_a_sentence(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def break_down(*_: object) -> list[bytes]:
        raise RuntimeError("the ink is dry")

    monkeypatch.setattr(encoding, "stills", break_down)
    keep_gan(Store(tmp_path, tmp_path / "none"), "gan-cats", CATS)
    worker = await start(None)
    many = [{"model": "gan-cats", "n": 64, "stream": True, "user": user} for user in "abc"]

    async def read(wanted: dict[str, object]) -> tuple[int, str]:
        async with worker.session.post(PICTURES, json=wanted) as response:
            return response.status, await response.text()

    for status, text in await asyncio.gather(*map(read, many)):
        assert "the ink is dry" in text
        assert "HTTP/1.1" not in text
        assert status == (200 if ": queued" in text else 500)
