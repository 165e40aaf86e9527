"""Pictures: what is damaged, missing or dangerous is named in one sentence, and the rest of the data set serves."""

from __future__ import annotations

import gzip
import io
import resource
import zipfile
import zlib
from pathlib import Path

import pytest
import torch
from PIL import Image

from models import data, pictures, sprites
from models.data import DataError


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(data, "BESIDE", tmp_path / "data")
    monkeypatch.setenv("PROSPERO_DATA", str(tmp_path))
    return tmp_path


def picture(colour: str, kind: str = "png", size: tuple[int, int] = (80, 60)) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", size, colour).save(out, kind)
    return out.getvalue()


def write_zip(path: Path, files: dict[str, bytes]) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)


def test_folder_of_pictures_is_a_data_set(folder: Path) -> None:
    (folder / "mine/deeper").mkdir(parents=True)
    for i in range(19):
        (folder / f"mine/{i:02}.png").write_bytes(picture("red"))
    (folder / "mine/deeper/last.jpg").write_bytes(picture("blue", "jpeg"))
    (folder / "mine/notes.txt").write_text("not a picture")
    loaded = pictures.load("mine")
    assert (len(loaded.train), len(loaded.test), loaded.problems) == (18, 2, ())  # every tenth is held out
    assert loaded.train.shape[1:] == (3, 64, 64) and loaded.train.dtype == torch.uint8
    assert loaded.licence == "the operator's own"


def test_archive_keeps_train_and_test_apart(folder: Path) -> None:
    write_zip(
        folder / "mine.zip",
        {"train/a.png": picture("red"), "train/b.png": picture("red"), "test/c.png": picture("blue")},
    )
    loaded = pictures.load("mine")
    assert loaded.train[:, 0].min() == 255 and loaded.test[:, 2].min() == 255
    assert len(loaded.train) == 2 and len(loaded.test) == 1


@pytest.mark.parametrize("part", ["train", "test"])
def test_a_part_alone_is_divided(folder: Path, part: str) -> None:
    write_zip(folder / "mine.zip", {f"kaggle/{part}/{i:02}.png": picture("red") for i in range(20)})
    loaded = pictures.load("mine")
    assert (len(loaded.train), len(loaded.test)) == (18, 2)


def test_one_bad_picture_is_named_and_left_out(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100 * 100 // 2)
    monkeypatch.setattr(pictures, "MAX_BYTES", 10_000)
    files = {f"{i}.png": picture("red") for i in range(5)}
    files["bomb.png"] = picture("white", size=(101, 100))
    files["cut.png"] = picture("red")[:40]
    files["huge.bmp"] = picture("red", "bmp")
    files["text.jpg"] = b"this is no picture"
    files["../slip.png"] = picture("red")
    write_zip(folder / "mine.zip", files)
    loaded = pictures.load("mine")
    assert len(loaded.train) + len(loaded.test) == 5
    said = {problem.split()[1]: problem for problem in loaded.problems}
    assert set(said) == {"bomb.png", "cut.png", "huge.bmp", "text.jpg", "../slip.png"}
    assert "has more than 40,000,000 pixels" in said["bomb.png"]
    assert "no picture that can be decoded" in said["cut.png"] and "no picture that can be decoded" in said["text.jpg"]
    assert "larger than" in said["huge.bmp"]
    assert "outside the archive" in said["../slip.png"]
    assert not (folder.parent / "slip.png").exists()
    assert caplog.messages == list(loaded.problems)


def test_damaged_entry_of_an_archive_is_left_out(folder: Path) -> None:
    path = folder / "mine.zip"
    write_zip(path, {"a.png": picture("red"), "b.png": picture("blue"), "c.png": picture("blue")})
    content = bytearray(path.read_bytes())
    content[content.index(b"IDAT") + 6] ^= 0xFF  # in the first picture: its checksum no longer fits
    path.write_bytes(content)
    loaded = pictures.load("mine")
    assert len(loaded.train) + len(loaded.test) == 2
    assert len(loaded.problems) == 1 and "a.png is damaged in the archive" in loaded.problems[0]


def test_damaged_archive_and_empty_folder_are_named(folder: Path) -> None:
    (folder / "broken.zip").write_bytes(picture("red"))
    with pytest.raises(DataError, match=r"broken\.zip is no folder and no readable zip archive"):
        pictures.load("broken")
    (folder / "empty").mkdir()
    with pytest.raises(DataError, match="empty holds no picture that can be read; put JPEG or PNG files there"):
        pictures.load("empty")
    (folder / "empty/only.png").write_bytes(picture("red"))
    with pytest.raises(DataError, match="empty holds 0 pictures to train on and 1 to hold out; add some"):
        pictures.load("empty")


@pytest.mark.parametrize("compression", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_damage_is_survived_in_whatever_way_an_archive_is_compressed(folder: Path, compression: int) -> None:
    with zipfile.ZipFile(folder / "mine.zip", "w", compression) as archive:
        for name in ("a.png", "b.png", "c.png"):
            archive.writestr(name, picture("red"))
        place = archive.infolist()[1].header_offset - 40  # in the first picture
    content = bytearray((folder / "mine.zip").read_bytes())
    content[place : place + 30] = bytes(30)
    (folder / "mine.zip").write_bytes(content)
    (problem,) = pictures.load("mine").problems
    assert "a.png is damaged in the archive" in problem


def test_pixel_bomb_is_refused_before_it_is_decoded() -> None:
    small = picture("red", size=(8, 8))
    start = small.index(b"IHDR")
    header = b"IHDR" + (9_000).to_bytes(4, "big") * 2 + small[start + 12 : start + 17]
    bomb = small[:start] + header + zlib.crc32(header).to_bytes(4, "big") + small[start + 21 :]
    with pytest.raises(DataError, match="has more than 40,000,000 pixels"):
        pictures.decode(bomb)


def test_a_pixel_bomb_takes_no_memory() -> None:
    side = (65_535).to_bytes(2, "little")
    dispose = b"\x21\xf9\x04\x08\0\0\0\0"  # to the background: four gigabytes, while the file is being opened
    bomb = b"GIF89a" + 2 * side + bytes(3) + dispose + b"," + bytes(4) + 2 * side + b"\0\x08\0"
    limits = resource.getrlimit(resource.RLIMIT_AS)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + 2**30, limits[1]))
    try:
        with pytest.raises(DataError, match="has more than 40,000,000 pixels"):
            pictures.decode(bomb)
    finally:
        resource.setrlimit(resource.RLIMIT_AS, limits)


def test_a_picture_of_endless_scans_is_refused() -> None:
    out = io.BytesIO()
    Image.effect_noise((64, 64), 60).save(out, "JPEG", progressive=True)
    content = out.getvalue()
    assert pictures.decode(content).shape == (3, 64, 64)
    last = content[content.rindex(b"\xff\xda") : -2]
    with pytest.raises(DataError, match="is no picture that can be decoded") as refused:
        pictures.decode(content[:-2] + pictures.MAX_SCANS * last + content[-2:])
    assert "scans" in str(refused.value.__cause__)


def test_transparent_and_turned_pictures_look_as_in_a_browser() -> None:
    out = io.BytesIO()
    Image.new("RGBA", (64, 64), (0, 0, 0, 0)).save(out, "png")
    assert pictures.decode(out.getvalue()).min() == 255
    turned = Image.new("L", (64, 64))
    turned.paste(255, (0, 0, 64, 32))  # white above
    exif = Image.Exif()
    exif[0x0112] = 3  # to be shown upside down
    out = io.BytesIO()
    turned.save(out, "png", exif=exif)
    decoded = pictures.middle(pictures.opened(out.getvalue()), channels=1, size=64)
    assert decoded.shape == (1, 64, 64)
    assert decoded[0, 0, 0] == 0 and decoded[0, -1, 0] == 255


def test_damaged_digits_are_named(folder: Path) -> None:
    (folder / "mnist").mkdir()
    file = folder / "mnist/train-images-idx3-ubyte.gz"
    for content, said in ((b"no gzip", "is damaged"), (gzip.compress(b"\0\0\x08\x01\0\0\0\x09abc"), "is no idx file")):
        file.write_bytes(content)
        with pytest.raises(DataError, match=f"{said}.*data get digits"):
            pictures.load("digits")


def test_unit_range_round_trips() -> None:
    grey = torch.arange(256, dtype=torch.uint8).reshape(1, 1, 16, 16)
    assert torch.equal(pictures.from_unit(pictures.to_unit(grey)), grey)
    assert pictures.to_unit(grey).min() == -1 and pictures.to_unit(grey).max() == 1


def test_sheet_enlarges_without_blurring(tmp_path: Path) -> None:
    checks = (torch.arange(4).reshape(1, 1, 2, 2) % 3 == 0).to(torch.uint8) * 255
    pictures.sheet(checks.expand(3, 1, 2, 2), tmp_path / "sheet.png", columns=2)
    with Image.open(tmp_path / "sheet.png") as written:
        assert written.size == (2 * 3 * 2 + 2, 2 * 3 * 2 + 2)
        assert set(written.tobytes()) == {0, 255}


def test_sprites_are_every_combination_once() -> None:
    factors = sprites.factors()
    assert factors.shape == (sprites.COUNT, 5) and len(factors.unique(dim=0)) == sprites.COUNT
    some = factors[:: sprites.COUNT // 300]
    drawn = sprites.draw(*some.unbind(1))
    assert drawn.shape[1:] == (1, 32, 32)
    assert drawn.flatten(1).max(1).values.min() == 255  # each shows something
    lit = drawn.float().sum((1, 2, 3)) / 255
    assert lit[some[:, 1] == 5].min() > lit[some[:, 1] == 0].max()  # the largest is larger than the smallest
    moved = sprites.draw(*torch.tensor([[0, 3, 2, 4, 4], [0, 3, 2, 7, 5]]).unbind(1))
    assert torch.equal(moved[0].roll((1, 3), (1, 2)), moved[1])


def test_sets_that_do_not_fit_a_network_say_so() -> None:
    with pytest.raises(DataError, match="sprites has 82,944 training pictures of 1x32x32, not of 3x64x64"):
        pictures.load("sprites").check(3, 64)


def test_outliers_and_texts_are_not_learnt_from(folder: Path) -> None:
    write_zip(folder / "dogs64.zip", {f"train/{i}.png": picture("red") for i in range(20)})
    with pytest.raises(DataError, match="No picture of dogs is to be learnt from: all are held out; name another"):
        pictures.load("dogs").check(3, 64)
    with pytest.raises(DataError, match="shakespeare is a text; name a data set of pictures"):
        pictures.load("shakespeare")


def test_some_stand_for_all_whatever_their_order() -> None:
    assert pictures.at_most(torch.arange(100), 4).tolist() == [0, 33, 66, 99]
    assert pictures.at_most(torch.arange(3), 4).tolist() == [0, 1, 2]
    assert pictures.spread(torch.arange(3), 4).tolist() == [0, 0, 1, 2]


def test_a_file_of_a_kind_that_starts_programs_is_never_opened() -> None:
    drawing = io.BytesIO()
    Image.new("RGB", (70, 70)).save(drawing, "EPS")  # which Pillow has Ghostscript read
    with pytest.raises(DataError, match="is no picture that can be decoded"):
        pictures.decode(drawing.getvalue())
