"""Data sets handed in over real HTTP: checked, shown, trained on by name and by id, forgotten."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from PIL import Image
from structlog.testing import capture_logs

from tests.conftest import VERSE
from tests.worker.conftest import Start
from tests.worker.operator import Operator
from worker.routes.files import MOST_FIELD
from worker.schemas.training import File

FILES = "/v1/files"

pytestmark = pytest.mark.timeout(900)  # trainers come last of all on a busy machine


def form(content: bytes | None = None, filename: str = "My_Owls.zip", **fields: str) -> aiohttp.FormData:
    data = aiohttp.FormData(default_to_multipart=True)
    for name, value in {"purpose": "fine-tune", **fields}.items():
        data.add_field(name, value)
    if content is not None:
        data.add_field("file", content, filename=filename)
    return data


@pytest.fixture
async def operator(start: Start, verse_data: Path) -> Operator:
    return Operator((await start(None, report_every=0)).session)


async def test_a_zip_is_checked_shown_and_forgotten(operator: Operator, tmp_path: Path) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for i in range(101):
            picture = io.BytesIO()
            Image.new("RGB", (64, 64), (min(i, 99), 50, 200)).save(picture, "PNG")
            archive.writestr(f"{i}.png", picture.getvalue())
    file = File.model_validate(await operator.ask("POST", FILES, data=form(packed.getvalue())))
    assert (file.name, file.filename, file.bytes) == ("my-owls", "My_Owls.zip", len(packed.getvalue()))
    assert (file.found.kind, file.found.items, file.found.left_out) == ("pictures", 100, {"duplicate": 1})
    async with operator.session.get(str(file.found.sheet)) as response:
        assert Image.open(io.BytesIO(await response.read())).format == "PNG"
    assert (await operator.ask("GET", FILES))["data"] == [file.model_dump()]
    assert await operator.ask("GET", f"{FILES}/{file.id}") == file.model_dump()
    catalogue = await operator.ask("GET", "/v1/fine_tuning/catalogue")
    assert {"my-owls"} <= {dataset["name"] for dataset in catalogue["datasets"]}
    for name in ("my-owls", "cats64"):  # of the second, the file would be that of the cats
        error = (await operator.ask("POST", FILES, 400, data=form(packed.getvalue(), name=name)))["error"]
        assert "already" in error["message"]
        assert (error["param"], error["code"]) == ("name", "name_taken")
    assert (await operator.ask("DELETE", f"{FILES}/{file.id}"))["deleted"]
    assert "There is no file" in await operator.refused("GET", f"{FILES}/{file.id}", 404)
    assert not list((tmp_path / "data").iterdir())


async def test_a_text_is_trained_on_by_its_id(operator: Operator, tmp_path: Path) -> None:
    content = VERSE.encode() * 60
    file = File.model_validate(await operator.ask("POST", FILES, data=form(content, "verse.txt", name="island")))
    assert file.found.kind == "text"
    assert str(file.found.excerpt).startswith("MIRANDA")
    assert (tmp_path / "data" / "island.txt").stat().st_mode & 0o077 == 0  # nobody else on the machine reads it
    job = await operator.train(training_file=file.id)
    assert "cancel it first" in await operator.refused("DELETE", f"{FILES}/{file.id}")
    assert (await operator.until_it_ends(job)).status == "succeeded"
    versions = (await operator.ask("GET", f"/v1/models/{job.model}/versions"))["data"]
    assert versions[0]["dataset"] == "island"


async def test_a_file_is_told_from_another_of_its_name_and_from_damaged_ones(
    operator: Operator, tmp_path: Path, verse_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = VERSE.encode() * 60
    begin = b'\r\n--here\r\nContent-Disposition: form-data; name="'
    parts = (b'purpose"\r\n\r\nfine-tune', b'name"\r\n\r\nverse', b'file"; filename="v\xff.txt"\r\n\r\n' + content)
    body = b"".join(begin + part for part in parts) + b"\r\n--here--\r\n"
    kind = {"Content-Type": "multipart/form-data; boundary=here"}
    file = File.model_validate(await operator.ask("POST", FILES, data=body, headers=kind))
    assert file.filename == "v?.txt"  # no UTF-8: it stays readable all the same
    (tmp_path / "files" / "file-damaged.json").write_text("{")
    (tmp_path / "files" / "file-unreadable.json").mkdir()  # as no user may read it
    with capture_logs() as logs:
        for _ in range(3):
            assert (await operator.ask("GET", FILES))["data"] == [file.model_dump()]
    assert [line["event"] for line in logs] == ["card of a data set damaged"] * 2  # each said once
    other = tmp_path / "others" / "verse.txt"
    other.parent.mkdir()
    other.write_text("an operator's own, which is looked up first")
    monkeypatch.setenv("PROSPERO_DATA", str(other.parent))
    async with operator.session.get(f"{FILES}/{file.id}/content") as response:
        assert await response.read() == content
    assert (await operator.ask("DELETE", f"{FILES}/{file.id}"))["deleted"]
    assert other.exists()
    assert not (tmp_path / "data" / "verse.txt").exists()


def damaged(header: str) -> aiohttp.BytesPayload:
    """A form whose only part has such a header."""
    content = f'--edge\r\nContent-Disposition: form-data; name="file"\r\n{header}\r\n\r\ntext\r\n--edge--\r\n'
    return aiohttp.BytesPayload(content.encode(), content_type="multipart/form-data; boundary=edge")


async def test_what_is_wrong_with_a_file_is_said_in_a_sentence(operator: Operator, tmp_path: Path) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("../evil.png", b"")
    error = (await operator.ask("POST", FILES, 400, data=form(packed.getvalue())))["error"]
    assert "leads out of it" in error["message"]
    assert error["code"] == "archive_refused"
    refusals: list[tuple[int, Any, str]] = [
        (400, form(), "file is missing"),
        (400, form(b"text", purpose="batch"), "purpose must be fine-tune"),
        (400, form(b"text", colour="red"), "file, purpose and name only"),
        (400, form(b"text", name="-h"), "use up to 32 small letters"),
        (400, b"text", "multipart"),
        (400, damaged("a header without a colon"), "broken off or damaged"),
        (400, damaged(f"X: {'x' * 100_000}"), "broken off or damaged"),
        (413, form(b"text", name="x" * (MOST_FIELD + 1)), "too long"),
    ]
    for status, body, sentence in refusals:
        assert sentence in await operator.refused("POST", FILES, status, data=body)
    assert not [file for file in (tmp_path / "files").iterdir() if file.name != "log.txt"]
