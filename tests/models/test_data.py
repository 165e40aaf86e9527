"""Data sets: downloads that break off are resumed, what arrives is checked, names cannot lead out of the folder."""

from __future__ import annotations

import gzip
import hashlib
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from models import data
from models.data import DataError, DataSet, Download

CONTENT = bytes(range(256)) * 4_000  # a million bytes
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Mirror(ThreadingHTTPServer):
    """A server of one file that breaks off after ``patience`` bytes as often as it is told to."""

    def __init__(self, content: bytes) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.content = content
        self.failures = 0
        self.babbling = False
        self.resumes = True
        self.ranges: list[str | None] = []

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/file"


class Handler(BaseHTTPRequestHandler):
    server: Mirror

    def do_GET(self) -> None:
        if self.server.babbling:
            self.wfile.write(b"This is no HTTP.\r\n\r\n")
            return
        asked = self.headers["Range"]
        self.server.ranges.append(asked)
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked and self.server.resumes else 0
        left = self.server.content[start:]
        if not left:
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(left)))
        self.end_headers()
        if self.server.failures:
            self.server.failures -= 1
            left = left[: len(left) // 2]
        self.wfile.write(left)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def mirror() -> Iterator[Mirror]:
    server = Mirror(CONTENT)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(data, "BESIDE", tmp_path / "data")
    monkeypatch.setattr(data, "_told", [])
    monkeypatch.delenv("PROSPERO_DATA", raising=False)
    return tmp_path / "data"


def test_broken_connection_is_resumed_where_it_broke(mirror: Mirror, folder: Path) -> None:
    mirror.failures = 2
    file = data.fetch(Download("set/file", mirror.address, SHA256))
    assert file == folder / "set/file"
    assert file.read_bytes() == CONTENT
    half, quarters = len(CONTENT) // 2, len(CONTENT) * 3 // 4
    assert mirror.ranges == [None, f"bytes={half}-", f"bytes={quarters}-"]
    assert [entry.name for entry in file.parent.iterdir()] == ["file"]  # nothing half-done is left beside


def test_a_server_that_does_not_resume_begins_again(mirror: Mirror) -> None:
    mirror.failures, mirror.resumes = 1, False
    assert data.fetch(Download("set/file", mirror.address, SHA256)).read_bytes() == CONTENT
    assert mirror.ranges == [None, f"bytes={len(CONTENT) // 2}-"]


def test_what_lacks_its_name_alone_is_not_fetched_again(mirror: Mirror, folder: Path) -> None:
    (folder / "set").mkdir(parents=True)
    (folder / "set" / ".file.part").write_bytes(CONTENT)
    assert data.fetch(Download("set/file", mirror.address, SHA256)).read_bytes() == CONTENT
    assert mirror.ranges == [f"bytes={len(CONTENT)}-"]


def test_a_named_folder_is_looked_in_first_and_downloads_go_home(mirror: Mirror, tmp_path: Path) -> None:
    named, home = tmp_path / "named", tmp_path / "home"
    data.look_in(home, named)
    assert data.folders() == [named, home / "data", tmp_path / "data"]
    assert data.fetch(Download("set/file", mirror.address, SHA256)) == home / "data" / "set" / "file"
    (named / "set").mkdir(parents=True)
    (named / "set" / "file").write_text("mine")
    assert data.find("set/file") == named / "set" / "file"


def test_download_given_up_is_taken_up_again_later(mirror: Mirror, folder: Path) -> None:
    mirror.failures = data.ATTEMPTS
    download = Download("set/file", mirror.address, SHA256)
    with pytest.raises(DataError, match=r"cannot be downloaded .* try again"):
        data.fetch(download)
    assert not (folder / "set/file").exists()
    assert data.fetch(download).read_bytes() == CONTENT
    assert mirror.ranges[-1] == f"bytes={len(CONTENT) * 7 // 8}-"


def test_one_of_two_fetches_a_file_and_the_other_waits(mirror: Mirror, folder: Path) -> None:
    mirror.failures = 1
    download = Download("set/file", mirror.address, SHA256)
    with ThreadPoolExecutor(2) as both:
        files = list(both.map(data.fetch, [download, download]))
    assert [file.read_bytes() for file in files] == [CONTENT, CONTENT]
    assert mirror.ranges == [None, f"bytes={len(CONTENT) // 2}-"]
    assert [entry.name for entry in (folder / "set").iterdir()] == ["file"]


def test_what_is_no_answer_is_said_in_a_sentence(mirror: Mirror) -> None:
    mirror.babbling = True
    with pytest.raises(DataError, match="cannot be downloaded"):
        data.fetch(Download("set/file", mirror.address, SHA256))


def test_other_content_than_expected_is_refused(mirror: Mirror, folder: Path) -> None:
    with pytest.raises(DataError, match="other content than expected"):
        data.fetch(Download("set/file", mirror.address, hashlib.sha256(b"something else").hexdigest()))
    assert list((folder / "set").iterdir()) == []


def test_hash_is_of_the_uncompressed_content(mirror: Mirror) -> None:
    mirror.content = gzip.compress(CONTENT, 1)
    assert gzip.decompress(data.fetch(Download("set/file.gz", mirror.address, SHA256)).read_bytes()) == CONTENT
    mirror.content = mirror.content[:-10]
    with pytest.raises(DataError, match="does not unpack"):
        data.fetch(Download("set/other.gz", mirror.address, SHA256))


def noted() -> dict[str, str]:
    return {entry.name: entry.note for entry in data.listing()}


def test_known_sets_download_themselves_once(mirror: Mirror, monkeypatch: pytest.MonkeyPatch) -> None:
    known = DataSet("nobody's", downloads=(Download("set/file", mirror.address, SHA256),))
    monkeypatch.setattr(data, "SETS", {"ours": known})
    assert noted() == {"ours": "to download: `python -m models data get ours`"}
    assert data.get("ours") == data.get("ours")
    assert len(mirror.ranges) == 1
    assert noted() == {"ours": "here"}


def test_named_folder_is_looked_in_first(tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for place in (folder, tmp_path / "mine"):
        (place / "pictures").mkdir(parents=True)
    assert data.locate("pictures") == folder / "pictures"
    monkeypatch.setenv("PROSPERO_DATA", str(tmp_path / "mine"))
    assert data.locate("pictures") == tmp_path / "mine/pictures"
    assert noted()["pictures"] == str(folder / "pictures")


@pytest.mark.parametrize("name", ["../secrets", "/etc", "a/../../b", ""])
def test_names_cannot_lead_out_of_the_data_folder(name: str) -> None:
    with pytest.raises(DataError, match="is no name of a data set"):
        data.locate(name)


def test_missing_set_says_where_it_was_looked_for(folder: Path) -> None:
    with pytest.raises(DataError, match=r"There is no .*data/zebras; set PROSPERO_DATA"):
        data.locate("zebras")
