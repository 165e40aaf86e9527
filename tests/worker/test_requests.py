"""Requests that are damaged on their way, and faults of the worker's own, over real HTTP."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path

import pytest
from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs

from models.checkpoint import Store
from tests.conftest import CATS, keep_gan
from tests.worker.conftest import Start, Worker, keep_busy
from worker.engine import encoding
from worker.routes import METRICS

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


@pytest.mark.parametrize(
    ("given", "taken"),
    [("bot-7f_3", True), ("a" * 64, True), ("a" * 65, False), ("", False), ("a b", False), ("é", False)],
)
async def test_a_request_keeps_its_id_if_that_is_sane(worker: Worker, given: str, taken: bool) -> None:
    async def id_of(path: str, **fields: object) -> str:
        async with worker.session.post(path, json=fields, headers={"X-Request-Id": given}) as response:
            await response.read()
            return response.headers["X-Request-Id"]

    stream = {"prompt": "hello", "max_tokens": 2, "stream": True}
    ids = [await id_of("/v1/completions", **stream), await id_of("/v1/completions"), await id_of("/v2")]
    if taken:
        assert set(ids) == {given}
    else:
        assert all(re.fullmatch("[0-9a-f]{32}", id) for id in ids) and len(set(ids)) == 3


async def test_what_is_logged_of_a_request_has_its_id(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether its answer has begun or not; and the status of how it ended is what is counted."""

    def break_down(*_: object) -> list[bytes]:
        raise RuntimeError("the ink is dry")

    monkeypatch.setattr(encoding, "stills", break_down)
    keep_gan(Store(tmp_path, tmp_path / "none"), "gan-cats", CATS)
    worker = await start(None)
    await worker.until(lambda: worker.gallery.ready)
    with capture_logs(processors=[merge_contextvars]) as logs:
        for id, streamed in (("whole", False), ("streamed", True)):
            release = await keep_busy(worker) if streamed else None
            body, headers = {"model": "gan-cats", "stream": streamed}, {"X-Request-Id": id}
            async with worker.session.post(PICTURES, json=body, headers=headers) as response:
                assert (response.status, response.headers["X-Request-Id"]) == (200 if streamed else 500, id)
                if release:
                    release.set()
                await response.read()
    told = [(line["event"], line["request_id"]) for line in logs if line["log_level"] == "error"]
    assert told == [("request failed", "whole"), ("stream failed", "streamed")]
    counted = b'prospero_requests_total{method="POST",path="/v1/images/generations",status="500"} 2.0'
    await worker.until(lambda: counted in worker.app[METRICS].text())
    assert b'generations",status="200"' not in worker.app[METRICS].text()


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
