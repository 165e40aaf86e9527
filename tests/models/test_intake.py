"""What people hand in as data sets: good zips and texts, damaged ones, traps."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from models import data, intake, pictures, texts
from models.data import DataError

Pack = Callable[[dict[str, bytes]], Path]


def drawing(number: int, kind: str = "PNG", **more: object) -> bytes:
    """A picture of its own for each number."""
    out = io.BytesIO()
    Image.new("RGB", (80, 64), (number % 256, number // 256, 90)).save(out, kind, **more)
    return out.getvalue()


def plenty(count: int = intake.LEAST_PICTURES) -> dict[str, bytes]:
    return {f"cats/{i}.png": drawing(i) for i in range(count)}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PROSPERO_DATA", raising=False)
    data.look_in(tmp_path / "home")
    return tmp_path / "home"


@pytest.fixture
def pack(tmp_path: Path) -> Pack:
    def write(files: dict[str, bytes]) -> Path:
        with zipfile.ZipFile(tmp_path / "handed-in", "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in files.items():
                archive.writestr(name, content)
        return tmp_path / "handed-in"

    return write


def kept(home: Path) -> list[str]:
    return sorted(file.name for file in (home / "data").glob("*")) if (home / "data").exists() else []


def test_pictures_become_a_data_set_each_once(home: Path, pack: Pack, tmp_path: Path) -> None:
    files = plenty() | {
        "again.png": drawing(3),
        "the same in another file.bmp": drawing(4, "BMP"),
        "broken.jpg": b"no picture",
        "read me.txt": b"hello",
        "test/held out.png": drawing(900),
    }
    found = intake.add(pack(files), "owls", home, tmp_path / "sheet.png")
    assert (found.kind, found.items) == ("pictures", intake.LEAST_PICTURES + 1)
    assert found.left_out == {"duplicate": 2, "unreadable": 1, "no_picture": 1}
    assert Image.open(tmp_path / "sheet.png").format == "PNG"
    loaded = pictures.load("owls")
    assert len(loaded.train) + len(loaded.test) == found.items
    assert not loaded.problems


def test_too_few_pictures_to_hold_out_are_refused(home: Path, pack: Pack) -> None:
    files = {f"train/{name}": content for name, content in plenty().items()} | {"test/one.png": drawing(900)}
    with pytest.raises(DataError, match="test/ holds 1 usable pictures; 10 are the least, or leave it out"):
        intake.add(pack(files), "owls", home)
    assert kept(home) == []


def test_a_text_becomes_a_data_set_with_plain_line_ends(home: Path, tmp_path: Path) -> None:
    file = tmp_path / "handed-in"
    file.write_bytes(b"\xef\xbb\xbf" + "Ô saisons, ô châteaux!\r\n".encode() * 600)
    found = intake.add(file, "rimbaud", home)
    assert (found.kind, found.items) == ("text", 600 * 23)
    assert found.excerpt.startswith("Ô saisons")
    train, held_out = texts.split("rimbaud")
    assert "\r" not in train + held_out


@pytest.mark.parametrize("name", ["../owls.png", "/etc/owls.png", "a/../../owls.png", "..\\owls.png", "C:\\owls.png"])
def test_an_archive_that_leads_out_of_itself_is_refused(home: Path, pack: Pack, name: str) -> None:
    with pytest.raises(DataError, match="leads out of it") as refused:
        intake.add(pack(plenty() | {name: drawing(1)}), "owls", home)
    assert refused.value.code == "archive_refused"
    assert kept(home) == []


def test_an_entry_without_a_name_is_no_picture(home: Path, pack: Pack) -> None:
    assert intake.add(pack(plenty() | {".": b"nothing"}), "owls", home).left_out == {"no_picture": 1}


@pytest.mark.parametrize("compression", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_damaged_picture_is_left_out(home: Path, tmp_path: Path, compression: int) -> None:
    with zipfile.ZipFile(tmp_path / "owls.zip", "w", compression) as archive:
        for name, content in (plenty() | {"zzz.png": drawing(1)}).items():
            archive.writestr(name, content)
        place = archive.start_dir - 40  # in the last picture
    damaged = bytearray((tmp_path / "owls.zip").read_bytes())
    damaged[place : place + 30] = bytes(30)
    (tmp_path / "owls.zip").write_bytes(damaged)
    assert intake.add(tmp_path / "owls.zip", "owls", home).left_out == {"damaged": 1}


def test_a_bomb_is_refused_before_it_is_unpacked(home: Path, pack: Pack) -> None:
    with pytest.raises(DataError, match="would unpack to"):
        intake.add(pack({"owl.bmp": bytes(2**25)}), "owls", home)


def test_a_bomb_that_lies_about_its_size_is_not_unpacked_either(home: Path, pack: Pack) -> None:
    bomb = pack(plenty() | {"owl.bmp": bytes(2**22)})
    content = bytearray(bomb.read_bytes())
    for signature, offset in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):  # the declared size of the last entry
        place = content.rindex(signature) + offset
        content[place : place + 4] = (10).to_bytes(4, "little")
    bomb.write_bytes(content)
    found = intake.add(bomb, "owls", home)
    assert found.items == intake.LEAST_PICTURES
    assert sum(found.left_out.values()) == 1


def test_a_picture_of_too_many_pixels_is_left_out(home: Path, pack: Pack) -> None:
    out = io.BytesIO()
    Image.new("1", (8_000, 6_000)).save(out, "PNG")
    found = intake.add(pack(plenty() | {"large.png": out.getvalue()}), "owls", home)
    assert found.left_out == {"too_large": 1}


def test_links_are_refused(home: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "handed-in", "w") as archive:
        link = zipfile.ZipInfo("owl.png")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
    with pytest.raises(DataError, match="is a link"):
        intake.add(tmp_path / "handed-in", "owls", home)


@pytest.mark.parametrize(
    ("content", "sentence", "code"),
    [
        (b"short", "has 5 characters", "text_too_short"),
        (b"\xff\xfe" * 9_000, "neither a zip archive nor UTF-8 text", "neither_zip_nor_text"),
        (b"\0" * 20_000, "nor a text", "neither_zip_nor_text"),
    ],
)
def test_what_is_no_text_is_refused(home: Path, tmp_path: Path, content: bytes, sentence: str, code: str) -> None:
    (tmp_path / "handed-in").write_bytes(content)
    with pytest.raises(DataError, match=sentence) as refused:
        intake.add(tmp_path / "handed-in", "owls", home)
    assert refused.value.code == code
    assert kept(home) == []


def test_a_locked_archive_is_refused(home: Path, pack: Pack) -> None:
    locked = pack(plenty())
    content = bytearray(locked.read_bytes())
    content[content.index(b"PK\x01\x02") + 8] |= 1  # of the first file's flags
    locked.write_bytes(content)
    with pytest.raises(DataError, match="locked with a password") as refused:
        intake.add(locked, "owls", home)
    assert refused.value.code == "archive_locked"


def test_too_few_pictures_are_refused_with_what_is_wrong_with_the_others(home: Path, pack: Pack) -> None:
    with pytest.raises(DataError, match=r"holds 3 usable pictures \(1 duplicate\); 100 are the least") as refused:
        intake.add(pack(plenty(3) | {"again.png": drawing(2)}), "owls", home)
    assert refused.value.code == "too_few_pictures"


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("cats", "already"),
        ("cats64", "already"),
        ("mnist", "already"),
        ("Owls!", "no name"),
        ("../owls", "no name"),
        ("", "no name"),
        ("here", "already"),
    ],
)
def test_names_must_be_new_and_plain(home: Path, pack: Pack, name: str, sentence: str) -> None:
    (home / "data").mkdir(parents=True)
    (home / "data" / "here.txt").write_text("taken")
    with pytest.raises(DataError, match=sentence):
        intake.add(pack(plenty()), name, home)
    assert kept(home) == ["here.txt"]
