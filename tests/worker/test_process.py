"""The worker as a process: how it starts, what it says when it cannot, and that it always ends."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import gettempdir

import pytest

from tests.worker.conftest import write_version

COMMAND = [sys.executable, "-m", "worker"]


def environment(home: Path, **more: str) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PROSPERO_")}
    settings = {"PROSPERO_HOME": str(home), "PROSPERO_SHIPPED": str(home / "none"), "PROSPERO_THREADS": "1"}
    return {**inherited, **settings, **more}


@contextmanager
def started(home: Path, *flags: str, **more: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A worker and its address."""
    process = subprocess.Popen(
        [*COMMAND, "--port", "0", *flags],
        env=environment(home, **more),
        cwd=gettempdir(),  # away from any .env
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    try:
        yield process, process.stdout.readline().split()[-1]
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def say(home: Path, *flags: str, **more: str) -> str:
    """What a worker that cannot start says."""
    result = subprocess.run(
        [*COMMAND, *flags],
        env=environment(home, **more),
        cwd=gettempdir(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert result.returncode == 1, result.stderr
    assert "Traceback" not in result.stderr
    (sentence,) = result.stderr.splitlines()
    return sentence


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_worker_within_two_seconds_though_it_is_writing(tmp_path: Path, number: int) -> None:
    write_version(tmp_path)
    with started(tmp_path) as (process, address):
        body = b'{"prompt": "hello", "max_tokens": 8192, "stream": true}'
        with urllib.request.urlopen(f"{address}/v1/completions", body) as response:
            assert response.readline().startswith(b"data: ")
            process.send_signal(number)
            begin = time.monotonic()
            assert process.wait(timeout=30) == 0
            assert time.monotonic() - begin < 4  # two are promised; it takes a fraction of them


def test_a_signal_ends_the_worker_within_two_seconds_though_a_model_is_loading(tmp_path: Path) -> None:
    write_version(tmp_path / "home")
    compiler, begun = tmp_path / "slow-cc", tmp_path / "begun"
    compiler.write_text(f"#!/bin/sh\ntouch {begun}\nexec sleep 20\n")
    compiler.chmod(0o755)
    slow = {"CC": str(compiler), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    with started(tmp_path / "home", "--device", "cpu", **slow) as (process, _):
        patience = time.monotonic() + 60
        while not begun.exists():
            assert process.poll() is None
            assert time.monotonic() < patience
            time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        begin = time.monotonic()
        assert process.wait(timeout=30) == 0
        assert time.monotonic() - begin < 4  # two are promised; it takes a fraction of them


def test_a_leashed_worker_ends_with_its_parent(tmp_path: Path) -> None:
    with started(tmp_path, PROSPERO_LEASH="1") as (process, address):
        with urllib.request.urlopen(f"{address}/healthz") as response:
            assert response.status == 200
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(timeout=30) == 0


def test_a_taken_port_is_named_with_a_way_out(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        sentence = say(tmp_path, "--port", port)
    assert port in sentence
    assert "--port" in sentence
    assert "PROSPERO_WORKER_PORT" in sentence


def test_an_open_socket_is_taken_over_from_the_parent(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        words = [*COMMAND, "--fd", str(listener.fileno())]
        process = subprocess.Popen(words, env=environment(tmp_path), pass_fds=[listener.fileno()])
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz") as response:  # it waits, and is not refused
            assert response.status == 200
    finally:
        process.kill()
        process.wait()


def test_what_is_no_open_socket_is_named_with_a_way_out(tmp_path: Path) -> None:
    sentence = say(tmp_path, "--fd", "99")
    assert "99" in sentence
    assert "give --fd an open socket's" in sentence


@pytest.mark.parametrize("host", ["no.such.host.invalid", "192.0.2.1"])  # the second is nobody's (RFC 5737)
def test_a_host_that_is_not_ours_is_named_with_a_way_out(tmp_path: Path, host: str) -> None:
    sentence = say(tmp_path, "--port", "0", "--host", host)
    assert host in sentence
    assert "Unknown error" not in sentence
    assert "choose another host with --host or PROSPERO_WORKER_HOST" in sentence


@pytest.mark.parametrize("command", ["worker", "models"])
def test_settings_that_are_no_text_are_named(tmp_path: Path, command: str) -> None:
    (tmp_path / ".env").write_text("PROSPERO_SLOTS=8", encoding="utf-16")
    words = [sys.executable, "-m", command, *(["list"] if command == "models" else [])]
    root = str(Path(__file__).resolve().parents[2])
    result = subprocess.run(
        words, cwd=tmp_path, env=environment(tmp_path, PYTHONPATH=root), capture_output=True, text=True, check=False
    )
    assert (result.returncode, result.stderr) == (1, ".env is not UTF-8 text; save it as such.\n")


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("PROSPERO_WORKER_PORT", "ninety"),
        ("PROSPERO_WORKER_PORT", "99999"),
        ("PROSPERO_DEVICE", "abacus"),
        ("PROSPERO_SLOTS", "0"),
        ("PROSPERO_DEADLINE", "-1"),
    ],
)
def test_a_wrong_setting_is_named_with_what_to_write(tmp_path: Path, variable: str, value: str) -> None:
    sentence = say(tmp_path, **{variable: value})
    assert variable in sentence
    assert value in sentence


def test_a_device_that_is_not_there_is_named(tmp_path: Path) -> None:
    assert "PROSPERO_DEVICE" in say(tmp_path, "--port", "0", "--device", "mps")


def test_a_home_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    assert "PROSPERO_HOME" in say(tmp_path, "--port", "0", "--home", str(tmp_path / "file"))


@pytest.mark.parametrize("host", ["0.0.0.0", ""])
def test_without_a_token_only_this_machine_is_listened_to(tmp_path: Path, host: str) -> None:
    assert "set PROSPERO_WORKER_TOKEN" in say(tmp_path, "--port", "0", "--host", host)


def test_a_full_disk_that_takes_no_log_ends_nothing(tmp_path: Path) -> None:
    write_version(tmp_path)
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "file-damaged.json").write_text("{")  # which is logged
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with Path("/dev/full").open("w") as full:
        words = [*COMMAND, "--port", str(port)]
        process = subprocess.Popen(words, env=environment(tmp_path), stdout=full, stderr=full)
    try:
        wait_for(process, port)
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/v1/files") as response:
            assert response.status == 200
    finally:
        process.kill()
        process.wait()


def wait_for(process: subprocess.Popen[bytes], port: int) -> None:
    """Wait until a worker takes connections."""
    while True:
        assert process.poll() is None
        with suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            return
        time.sleep(0.05)


def test_what_a_worker_writes_is_its_owners_alone(tmp_path: Path) -> None:
    with started(tmp_path) as (_, address), urllib.request.urlopen(f"{address}/healthz"):
        assert (tmp_path / "jobs.sqlite").stat().st_mode & 0o077 == 0


def test_damaged_jobs_do_not_keep_a_worker_from_serving(tmp_path: Path) -> None:
    write_version(tmp_path)
    (tmp_path / "jobs.sqlite").write_bytes(b"no database" * 1_000)
    with started(tmp_path) as (_, address), urllib.request.urlopen(f"{address}/v1/fine_tuning/jobs") as response:
        assert response.status == 200
    assert (tmp_path / "jobs.damaged").exists()
