"""`python -m sandbox` as a process: what it prints, how it ends, and what it says when it cannot start."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from sandbox.app import create_app, serve
from sandbox.settings import Settings
from tests.person import File, Person

HERE = Path(__file__).parents[2]
ALONE = {"PROSPERO_WORKER_URL": "http://127.0.0.1:9", "PROSPERO_LOG_LEVEL": "error"}  # no worker is started for the bot


def has_ipv6() -> bool:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


@contextmanager
def started(*arguments: str, **environment: str) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-m", "sandbox", "--port", "0", *arguments],
        cwd=HERE,
        env=os.environ | environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def test_it_prints_its_address_and_how_to_bring_a_bot() -> None:
    with started("--no-bot", PROSPERO_SANDBOX_TOKEN="secret") as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("Prospero's island is at http://127.0.0.1:")
        assert "DISCORD_TOKEN=secret PROSPERO_DISCORD_URL=http://127.0.0.1:" in process.stdout.readline()
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6")
@pytest.mark.parametrize("host", ["::1", "::"])
async def test_ipv6_addresses_stand_in_brackets(host: str) -> None:
    async with serve(create_app(Settings()), host) as sandbox, Person(sandbox.url) as ariel:
        assert re.fullmatch(r"http://\[::1\]:\d+", sandbox.url)
        said = await ariel.say("Hark", [File("letter.txt", b"sealed")])
        assert await ariel.fetch(said["attachments"][0]) == b"sealed"


def test_it_ends_when_its_leash_is_let_go() -> None:
    with started("--no-bot", PROSPERO_LEASH="1") as process:
        assert process.stdin is not None and process.stdout is not None
        process.stdout.readline()
        process.stdin.close()
        assert process.wait(10) == 0


def test_ctrl_c_ends_the_bot_as_well_within_two_seconds(tmp_path: Path) -> None:
    with started(**ALONE, PROSPERO_HOME=str(tmp_path)) as process:
        assert process.stdout is not None
        process.stdout.readline()
        (bot,) = wait_for_children(process.pid)
        begun = time.monotonic()
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0
        assert time.monotonic() - begun < 4  # two are promised; a busy machine may take longer to tell us
        assert not bot.is_running() or bot.status() == psutil.STATUS_ZOMBIE


def wait_for_children(pid: int) -> list[psutil.Process]:
    until = time.monotonic() + 30
    while not (children := psutil.Process(pid).children()):
        assert time.monotonic() < until, "no bot was started"
        time.sleep(0.05)
    return children


def test_it_ends_with_the_bots_status(tmp_path: Path) -> None:
    with started(PROSPERO_WORKER_URL="nonsense", PROSPERO_HOME=str(tmp_path)) as process:
        _, told = process.communicate(timeout=60)
        assert process.returncode == 2
        assert "PROSPERO_WORKER_URL" in told and "The bot ended with status 2" in told


def test_a_taken_port_is_said_in_one_sentence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        with started("--port", port) as process:
            _, told = process.communicate(timeout=60)
    assert process.returncode == 1
    assert told.splitlines() == [
        f"The sandbox cannot listen on 127.0.0.1:{port} (Address already in use); choose another port with "
        "--port or PROSPERO_SANDBOX_PORT."
    ]


def test_a_host_that_is_not_this_machine_is_not_blamed_on_the_port() -> None:
    with started("--host", "192.0.2.1", "--port", "0") as process:  # RFC 5737: nobody's
        _, told = process.communicate(timeout=60)
    assert process.returncode == 1
    assert told.endswith("; choose another host with --host or PROSPERO_SANDBOX_HOST.\n")


@pytest.mark.parametrize("port", ["99999", "eight"])
def test_an_impossible_port_is_named(port: str) -> None:
    with started("--port", port) as process:
        _, told = process.communicate(timeout=60)
    assert process.returncode == 2
    assert told == f"PROSPERO_SANDBOX_PORT is '{port}': write a port from 1 to 65535, or 0 for any that is free.\n"
