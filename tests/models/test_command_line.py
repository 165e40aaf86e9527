"""The models' command line, from a training to a rollback, and its sentences about what cannot be done."""

from __future__ import annotations

import errno
import json
import os
import resource
import subprocess
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

import pytest
import torch

from models import training
from models.__main__ import main
from models.checkpoint import Store
from models.registry import Recipe, resolve
from models.training import Trained
from tests.conftest import TINY, save_version

Run = Callable[..., int]
MODEL = "gpt-shakespeare"
SMALL = [word for key, value in TINY.items() for word in ("--set", f"{key}={value}")]


@pytest.fixture
def run(verse_data: Path, tmp_path: Path) -> Run:
    """Runs a command in a home of its own; returns its exit status."""
    return lambda *words: main(["--home", str(tmp_path / "home"), *words])


def test_the_versions_that_ship_lie_where_the_worker_was_told(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("train", "gpt", "--steps", "1", "--name", "ours", *SMALL) == 0
    monkeypatch.setenv("PROSPERO_SHIPPED", str(tmp_path / "home" / "checkpoints"))
    assert main(["--home", str(tmp_path / "other"), "list"]) == 0
    assert f"{MODEL}@ours " in capsys.readouterr().out


def test_from_training_to_rollback(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("first", "second"):
        assert run("train", "gpt", "--steps", "2", "--name", name, *SMALL) == 0
        assert run("promote", MODEL, name) == 0
    capsys.readouterr()

    assert run("list") == 0
    listed = capsys.readouterr().out
    assert f"  {MODEL}@first " in listed
    assert f"* {MODEL}@second " in listed
    assert run("rollback", MODEL) == 0
    assert "serves first again" in capsys.readouterr().err
    assert run("promote", "gpt", "second") == 0
    assert run("rollback", "gpt") == 0
    assert capsys.readouterr().err == f"{MODEL} serves first again.\n"

    assert run("evaluate", "gpt", "--quick") == 0
    figures = json.loads(capsys.readouterr().out)
    card = json.loads((tmp_path / "home" / "checkpoints" / MODEL / "first" / "card.json").read_text())
    assert figures["version"] == "first"
    assert card["training"]["steps"] == 2
    assert card["training"]["command"].endswith(card["training"]["hardware"].rpartition(" ")[2])  # where it is the same
    assert card["metrics"]["nats_per_character"]["command"] == f"python -m models evaluate {MODEL} --version first"

    assert run("compare", "gpt", "second", "first", "--quick", "--data", "shakespeare", "--annotate") == 0
    card = json.loads((tmp_path / "home" / "checkpoints" / MODEL / "second" / "card.json").read_text())
    assert card["metrics"]["nats_per_character"]["command"].endswith("--version second --data shakespeare --quick")

    assert run("sample", "gpt", "--count", "2", "--seed", "7", "-o", str(tmp_path / "verse.txt")) == 0
    assert len((tmp_path / "verse.txt").read_text().split("\n\n---\n\n")) == 2


def test_versions_whose_family_is_not_installed_any_more_can_be_promoted(run: Run, tmp_path: Path) -> None:
    store = Store(tmp_path / "home")
    for version in ("first", "second"):
        save_version(store, f"storm-owls@{version}", "storm", torch.nn.Linear(1, 1), {})
        assert run("promote", "storm-owls", version) == 0
    assert store.current("storm-owls") == "second"
    assert run("rollback", "storm-owls") == 0
    assert store.current("storm-owls") == "first"


def test_models_are_listed_whatever_is_wrong_with_one(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("first", "second"):
        assert run("train", "gpt-tiny-shakespeare", "--steps", "1", "--name", name, "--unmeasured", *SMALL) == 0
    (tmp_path / "home" / "checkpoints" / "gpt-tiny-shakespeare" / "first" / "card.json").write_text("{")
    capsys.readouterr()
    assert run("list") == 0
    listed = capsys.readouterr().out
    assert "  gpt-tiny-shakespeare@second " in listed  # no version serves yet
    assert "first/card.json is damaged" in listed


def test_of_the_settings_file_it_takes_what_is_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".env").write_text("DISCORD_TOKEN=secret\nPROSPERO_HOME=written\nPROSPERO_DATA=written\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(os, "environ", {"PROSPERO_DATA": "said"})
    assert main(["list"]) == 0
    assert os.environ == {"PROSPERO_DATA": "said", "PROSPERO_HOME": "written"}


def test_an_unfinished_training_is_not_begun_anew(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    snapshot = tmp_path / "home" / "training" / MODEL / "snapshot.pt"
    snapshot.parent.mkdir(parents=True)
    snapshot.write_bytes(b"hours of work")
    assert run("train", "gpt", "--steps", "1", *SMALL) == 1
    assert "--resume" in capsys.readouterr().err
    assert snapshot.read_bytes() == b"hours of work"
    for damaged in (b"", b"no snapshot"):
        snapshot.write_bytes(damaged)
        assert run("train", "gpt", "--steps", "1", "--resume", *SMALL) == 1
        assert "or damaged; delete it and train anew" in capsys.readouterr().err


def interrupted(trained: Trained) -> NoReturn:
    """In the place of a trained network's check: the training ends with its last snapshot and no version."""
    raise KeyboardInterrupt


def test_a_training_goes_on_as_what_it_was(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--report-every", "0", "--unmeasured", *SMALL]
    begun = ["--seed", "3", "--set", "other_rate=1e-3"]
    with monkeypatch.context() as patch:
        patch.setattr(Trained, "check", interrupted)
        assert run("train", "gpt", "--steps", "2", *begun, *words) == 130
    assert run("train", "gpt", "--steps", "4", "--resume", *words) == 1
    assert (
        "is of a training with --seed 3 --set other_rate=0.001; go on with the same, or delete it"
        in capsys.readouterr().err
    )
    begun[-1] = "other_rate=0.001"  # the same in other letters
    assert run("train", "gpt", "--steps", "3", "--minutes", "5", "--resume", *begun, *words, "--name", "done") == 0
    card = json.loads((tmp_path / "home" / "checkpoints" / MODEL / "done" / "card.json").read_text())
    assert "--seed 3 --steps 3 --minutes 5" in card["training"]["command"]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["train", "gtp"], "There is no model 'gtp'; choose from"),
        (["train", "gpt", "--set", "layer=2"], "Unknown setting 'layer'"),
        (["promote", MODEL, "lost"], f"{MODEL} has no version 'lost'"),
        (["train", "gan", "--start", "current"], "start from scratch"),
        (["train", "gpt", "--balance", "latent"], "no fair sampling"),
        (["data", "add", "owls"], "data add owls owls.zip"),
        (["sample", "translator-cats-plain", "-o", "cats.png"], "'translator-cats-plain'; train it, or choose from"),
        (["sample", "features-cats", "-o", "cats.png"], "only measure; sample one that makes something"),
        (["sample", "gpt", "--neighbours", "-o", "verse.png"], "draw no pictures of their own; leave neighbours out"),
        (["sample", "gan-digits", "-o", "no/such/folder.png"], "no/such/folder.png cannot be used"),
        (["train", "gan", "--set", "widths=many"], "widths must be whole numbers such as 64,32, not 'many'"),
        (["train", "gpt", "--set", "other_rate=nan"], "other_rate must be at least 0 and finite, not 'nan'"),
        (["train", "gan", "--set", "batch=-1"], "batch must be at least 1"),
        (["train", "gan", "--set", "penalty_every=0"], "penalty_every must be at least 1"),
        (["train", "vae", "--set", "latent=0"], "latent must be at least 1"),
        (["train", "autoencoder", "--set", "levels=1"], "levels must be at least 2"),
        (["train", "gpt", "--set", "heads=0"], "heads must be at least 1"),
        (["train", "gpt", "--resume"], "leave --resume out"),
        (["train", "gan-cats", "--data", "shakespeare"], "shakespeare is a text; name a data set of pictures"),
        (["train", "gpt", "--name", "../evil"], "names no model or version"),
        (["data", "add", "owls", "owls.zip"], "There is no file owls.zip"),
        (["data", "add", "owls", "."], "There is no file ."),
    ],
)
def test_what_cannot_be_done_is_said_in_a_sentence(
    run: Run, words: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*words) == 1
    assert sentence in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["train", "gpt", "--steps", "0"], "it must be a whole number above 0, not '0'"),
        (["train", "gpt", "--steps", "few"], "it must be a whole number above 0, not 'few'"),
        (["train", "gpt", "--minutes", "-1"], "it must be a number above 0, not '-1'"),
        (["train", "gpt", "--minutes", "nan"], "it must be a number above 0, not 'nan'"),
        (["train", "gpt", "--seed", "-1"], "it must be a whole number from 0"),
        (["train", "gpt", "--report-every", "-1"], "it must be a number of seconds"),
        (["train", "gpt", "--memory-share", "2"], "it must be a number above 0, 1 at most"),
        (["sample", "gpt", "-o", "verse.txt", "--count", "0"], "it must be a whole number above 0"),
        (["sample", "gpt", "-o", "verse.txt", "--device", "abacus"], "there is no device 'abacus' here"),
    ],
)
def test_numbers_and_devices_that_cannot_be_are_refused(
    run: Run, words: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        run(*words)
    assert sentence in capsys.readouterr().err


def test_a_home_where_nothing_can_be_written_is_told_before_any_work(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "home").write_text("no folder")
    assert run("train", "gpt", *SMALL) == 1  # of the recipe's hour and a half, nothing
    assert "home/training/gpt-shakespeare cannot be used (Not a directory)" in capsys.readouterr().err


def test_a_kernel_that_refuses_the_last_place_in_line_stops_nothing(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("models.__main__.GROUP", tmp_path)  # a folder takes no niceness either
    monkeypatch.setattr("os.nice", lambda by: by)
    assert run("data", "list", "--background") == 0


def test_a_training_tells_programs_what_it_does(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--report-every", "0", "--unmeasured", "--json", "--folder", str(tmp_path / "run")]
    assert run("train", "gpt", "--steps", "3", "--name", "first", *words, *SMALL) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["step"] for line in lines] == [1, 2, 3]
    assert lines[-1]["fraction"] == 1
    assert lines[-1]["seconds_left"] == 0
    assert lines[0]["seconds_left"] > 0
    assert not (tmp_path / "run").exists()  # the snapshot of a finished training is of no use


def test_what_a_family_prints_is_no_message(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def train(recipe: Recipe, run: training.Run) -> Generator[training.Progress, None, training.Trained]:
        print("loading, please wait")
        return (yield from family.train(recipe, run))

    family, recipe = resolve("gpt")
    monkeypatch.setattr("models.__main__.resolve", lambda _: (replace(family, train=train), recipe))
    assert run("train", "gpt", "--steps", "2", "--report-every", "0", "--unmeasured", "--json", *SMALL) == 0
    said = capsys.readouterr()
    assert [json.loads(line)["step"] for line in said.out.splitlines()] == [1, 2]
    assert "loading, please wait" in said.err


def test_data_of_the_recipes_keep_its_licence(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    family, recipe = resolve("gpt")
    owned = replace(recipe, licence="CC0")
    monkeypatch.setattr("models.__main__.resolve", lambda _: (family, owned))
    for name, licence in ((recipe.dataset, "CC0"), ("rimbaud", "the operator's own")):
        (tmp_path / "home" / "data").mkdir(parents=True, exist_ok=True)
        (tmp_path / "home" / "data" / "rimbaud.txt").write_text("O seasons, O castles!\n" * 600)
        words = ("--steps", "1", "--unmeasured", "--name", name, "--data", name)
        assert run("train", "gpt", *words, *SMALL) == 0
        card = tmp_path / "home" / "checkpoints" / MODEL / name / "card.json"
        assert json.loads(card.read_text())["dataset"] == {"name": name, "licence": licence}


def test_a_training_begins_with_the_weights_that_serve(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("train", "gpt", "--steps", "40", "--name", "first", "--unmeasured", *SMALL) == 0
    assert run("promote", MODEL, "first") == 0
    assert run("train", "gpt", "--steps", "1", "--start", "current", "--name", "second", "--unmeasured") == 0
    assert run("train", "gpt", "--steps", "1", "--name", "third", "--unmeasured", *SMALL) == 0
    card = json.loads((tmp_path / "home" / "checkpoints" / MODEL / "second" / "card.json").read_text())
    assert "--start first" in card["training"]["command"]
    assert card["config"]["width"] == TINY["width"]

    capsys.readouterr()
    assert run("compare", MODEL, "second", "third", "--quick") == 0
    comparison = json.loads(capsys.readouterr().out)
    second, third = (comparison["metrics"][name]["nats_per_character"]["value"] for name in ("second", "third"))
    assert second < third - 0.3  # nats: it knew the letters already

    assert run("train", "gpt", "--start", "current", "--set", "width=64") == 1
    assert "do not fit" in capsys.readouterr().err


def test_fair_sampling_is_written_on_the_card(run: Run, tmp_path: Path) -> None:
    small = ["--set", "width=8", "--set", "batch=4", "--unmeasured", "--name", "fair"]
    assert run("train", "vae-sprites", "--steps", "1", "--balance", "latent", *small) == 0
    card = json.loads((tmp_path / "home" / "checkpoints" / "vae-sprites" / "fair" / "card.json").read_text())
    assert card["config"]["balance"] == "latent"
    assert "--balance latent" in card["training"]["command"]


@contextmanager
def little_room() -> Generator[None, None, None]:
    """Files of 20 kB and no more, as on a disk that is nearly full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_is_said_in_a_sentence_and_costs_no_training(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused() -> None:
        with little_room():
            assert run("train", "gpt", *words) == 1
        error = json.loads(capsys.readouterr().out.splitlines()[-1])["error"]
        assert error["code"] == "disk_full"
        assert "free some" in error["message"]

    words = ["--steps", "2", "--folder", str(tmp_path / "run"), "--name", "first", "--unmeasured", "--json", *SMALL]
    snapshot, versions = tmp_path / "run" / "snapshot.pt", tmp_path / "home" / "checkpoints" / MODEL
    refused()  # the snapshot
    assert not list((tmp_path / "run").glob("*"))
    with monkeypatch.context() as patch:
        patch.setattr(Trained, "check", interrupted)
        assert run("train", "gpt", *words) == 130
    words.append("--resume")
    refused()  # the version
    assert not any(versions.iterdir())
    assert snapshot.exists()
    assert run("train", "gpt", *words) == 0
    assert capsys.readouterr().out == ""  # not a step is trained again
    assert (versions / "first").exists()


def test_figures_are_told_although_the_card_cannot_be_written(
    run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_: object) -> NoReturn:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    assert run("train", "gpt", "--steps", "1", "--name", "first", "--unmeasured", *SMALL) == 0
    monkeypatch.setattr("models.checkpoint.write_json", refuse)
    capsys.readouterr()
    assert run("compare", "gpt", "first", "first", "--quick", "--annotate", "--json") == 0
    said = capsys.readouterr()
    (line,) = said.out.splitlines()
    assert json.loads(line)["metrics"]["first"]["nats_per_character"]["value"] > 0
    assert f"The card of {MODEL}@first cannot be written (No space left on device)." in said.err


@pytest.mark.parametrize(
    ("setting", "code"),
    [("batch=1000000000000", "out_of_memory"), ("other_rate=1e30", "not_a_number")],
)
def test_why_a_training_broke_off_has_a_code(
    run: Run, setting: str, code: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("train", "gpt", "--steps", "20", "--json", *SMALL, "--set", setting) == 1
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["error"]["code"] == code


@pytest.mark.parametrize("ending", ["a signal", "the end of its parent"])
def test_a_training_that_is_ended_keeps_its_snapshot_and_goes_on(
    verse_data: Path, tmp_path: Path, ending: str, run: Run
) -> None:
    words = ["--folder", str(tmp_path / "run"), "--report-every", "0", "--unmeasured", "--json", *SMALL]
    training = subprocess.Popen(
        [sys.executable, "-m", "models", "--home", str(tmp_path / "home"), "train", "gpt", "--steps", "100000", *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=os.environ | {"PROSPERO_LEASH": "1"},
    )
    assert training.stdin is not None
    assert training.stdout is not None
    with training.stdout:
        assert json.loads(training.stdout.readline())["step"] == 1
        if ending == "a signal":
            training.terminate()
        else:
            training.stdin.close()
        rest = training.stdout.readlines()
    assert training.wait(timeout=60) != 0
    if ending == "a signal":
        assert json.loads(rest[-1])["error"]["code"] == "interrupted"
    assert (tmp_path / "run" / "snapshot.pt").exists()
    assert run("train", "gpt", "--steps", "1", *words) == 1  # not over what is there
    assert run("train", "gpt", "--steps", "1", "--resume", *words) == 0
