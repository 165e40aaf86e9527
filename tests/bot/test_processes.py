"""The bot as a process of its own: how it begins, what it says when it cannot, what is left when it ends."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import gettempdir

import aiohttp
import psutil
import pytest

from bot.store import Store as BotStore
from bot.worker_api import WorkerUnreachable
from bot.worker_process import PATIENCE, WorkerProcess
from models.checkpoint import Store
from sandbox.commands import USER_INSTALL
from tests.bot.conftest import Island, ToldWorker, finished, footer
from tests.person import Person, labels
from worker.schemas.models import Readiness

MOST_MEMORY = 120 * 2**20  # bytes resident that the bot may take


@asynccontextmanager
async def bot_process(*words: str, **variables: str) -> AsyncIterator[Process]:
    """``python -m bot`` and ``words``, away from any .env, with nothing about Prospero but ``variables`` around it."""
    environment = {key: value for key, value in os.environ.items() if "PROSPERO" not in key and "DISCORD" not in key}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "bot",
        *words,
        env=environment | variables,
        cwd=gettempdir(),
        stdin=DEVNULL,
        stdout=PIPE,
        stderr=PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def last_words(process: Process) -> tuple[int, str]:
    """The exit status and the last line on stderr."""
    _, errors = await process.communicate()
    assert process.returncode is not None
    return process.returncode, errors.decode().strip().splitlines()[-1]


async def test_a_wrong_token(island: Island, tmp_path: Path) -> None:
    url = island.sandbox.url
    async with bot_process(DISCORD_TOKEN="wrong", PROSPERO_DISCORD_URL=url, PROSPERO_HOME=str(tmp_path)) as process:
        status, said = await last_words(process)
    assert status == 1
    assert said == "Discord refused DISCORD_TOKEN: copy the bot's token again from Discord's Developer Portal."


async def test_a_word_that_it_does_not_know_starts_nothing() -> None:
    async with bot_process("--tokn", "x") as process:
        status, said = await last_words(process)
    assert status == 2
    assert said == "python -m bot: error: unrecognized arguments: --tokn x"


async def test_commands_that_discord_refuses(island: Island, told_worker: ToldWorker, tmp_path: Path) -> None:
    island.sandbox.state.commands.installs = (USER_INSTALL,)
    async with bot_process(
        DISCORD_TOKEN=island.sandbox.token,
        PROSPERO_DISCORD_URL=island.sandbox.url,
        PROSPERO_WORKER_URL=told_worker.url,
        PROSPERO_HOME=str(tmp_path),
    ) as process:
        _, errors = await process.communicate()
    assert process.returncode == 1
    assert b"Discord refused the commands: Guild Install must be on" in errors


async def test_no_discord_at_the_address(tmp_path: Path) -> None:
    address = "http://127.0.0.1:9"
    async with bot_process(DISCORD_TOKEN="x", PROSPERO_DISCORD_URL=address, PROSPERO_HOME=str(tmp_path)) as process:
        status, said = await last_words(process)
    assert status == 1
    assert said.startswith(f"Discord cannot be reached at {address}")


async def test_a_setting_that_is_wrong() -> None:
    async with bot_process(DISCORD_TOKEN="x", PROSPERO_WORKER_URL="nowhere") as process:
        status, said = await last_words(process)
    assert status == 2
    assert said.startswith("PROSPERO_WORKER_URL is 'nowhere': write the worker's address")


async def test_a_setting_that_is_misspelt() -> None:
    variables = {"PROSPERO_DISCORD_URL": "http://127.0.0.1:9", "PROSPERO_OPERATOR": "5"}
    async with bot_process(DISCORD_TOKEN="x", **variables) as process:
        _, errors = await process.communicate()
    first = json.loads(errors.splitlines()[0])
    assert first["level"] == "warning"
    assert first["event"] == "PROSPERO_OPERATOR is no setting; did you mean PROSPERO_OPERATORS?"


def test_no_token_and_no_sandbox() -> None:
    script = "import sys; sys.modules['sandbox'] = None; from bot.__main__ import main; sys.exit(main())"
    environment = {key: value for key, value in os.environ.items() if "PROSPERO" not in key and "DISCORD" not in key}
    ended = subprocess.run(
        [sys.executable, "-c", script], env=environment, cwd=gettempdir(), capture_output=True, text=True, timeout=60
    )
    assert ended.returncode == 2
    assert ended.stderr == "Set DISCORD_TOKEN to your bot's token: the sandbox, which needs none, is not here.\n"


async def test_a_home_that_cannot_be_used(island: Island, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    home = str(tmp_path / "file")
    url = island.sandbox.url
    async with bot_process(DISCORD_TOKEN="token", PROSPERO_DISCORD_URL=url, PROSPERO_HOME=home) as process:
        status, said = await last_words(process)
    assert status == 1
    assert "set PROSPERO_HOME to another folder" in said


@pytest.mark.parametrize("choices", ["{", "[]", '{"channels": [], "voice": "Ariel\'s"}'])
async def test_choices_that_cannot_be_read(island: Island, tmp_path: Path, choices: str) -> None:
    path = tmp_path / "prospero.sqlite3"
    store = await BotStore.open(path)
    await store.change("INSERT INTO guild_settings VALUES (1, ?)", [choices])
    await store.close()
    url = island.sandbox.url
    async with bot_process(DISCORD_TOKEN="token", PROSPERO_DISCORD_URL=url, PROSPERO_HOME=str(tmp_path)) as process:
        async with asyncio.timeout(30):  # it ends: nothing that was opened keeps it alive
            status, said = await last_words(process)
    assert status == 1
    assert said.startswith(f"{path} is damaged or of a newer Prospero, for what servers chose cannot be read (")


async def test_stop_under_a_text_that_a_crash_left_behind(
    island: Island, told_worker: ToldWorker, tmp_path: Path
) -> None:
    async with island.person() as miranda:
        async with bot_process(
            DISCORD_TOKEN=island.sandbox.token,
            PROSPERO_DISCORD_URL=island.sandbox.url,
            PROSPERO_WORKER_URL=told_worker.url,
            PROSPERO_HOME=str(island.home),
        ) as process:
            await miranda.until_command("shakespeare")
            await miranda.until_online()
            answer = await miranda.slash("shakespeare", prompt="ROMEO:")
            (await told_worker.stream()).write("But soft")
            message = await answer.message()
            process.kill()
            await process.wait()
        for path in (island.home, *island.home.iterdir()):
            assert path.stat().st_mode & 0o077 == 0  # nobody else on the machine can read it
        await island.start_bot(told_worker.url)
        told = await (await miranda.press(message, "Stop")).message(lambda told: told["id"] != message["id"])
        assert told["content"].startswith("Nothing is being made here any more.")
        again = await miranda.press(await miranda.message(message, finished), "Retry")
        (await told_worker.stream()).finish("But soft")
        await again.message(finished)


@pytest.fixture
def small(tiny_store: Store) -> dict[str, str]:
    """Variables for a whole Prospero whose worker has one tiny model to load."""
    return {
        "PROSPERO_SANDBOX_PORT": "0",
        "PROSPERO_HOME": str(tiny_store.written.parent),
        "PROSPERO_SHIPPED": str(tiny_store.folders[1]),
        "PROSPERO_DEVICE": "cpu",
    }


async def island_address(process: Process) -> str:
    """Where the sandbox that a bot without a token became says it is."""
    assert process.stdout is not None
    async for line in process.stdout:
        if b"http://" in line:
            return line.decode().split()[-1]
    raise AssertionError("the sandbox never said where it is")


async def test_everything_from_one_command_and_nothing_left_after_an_interrupt(small: dict[str, str]) -> None:
    async with bot_process(**small) as process:
        url = await island_address(process)
        async with Person(url, "Miranda") as miranda:
            await miranda.until_command("shakespeare")
            await miranda.until_online()
            answer = await miranda.slash("shakespeare", prompt="PROSPERO:")
            message = await answer.message(finished, PATIENCE)
            assert "gpt-shakespeare@tiny" in footer(message)
            bot, worker = psutil.Process(process.pid).children(recursive=True)
            assert bot.memory_info().rss < MOST_MEMORY
            assert "DISCORD_TOKEN" in bot.environ() and "DISCORD_TOKEN" not in worker.environ()
            (listening,) = (one for one in worker.net_connections() if one.status == psutil.CONN_LISTEN)
            models = f"http://127.0.0.1:{listening.laddr.port}/v1/models"
            async with aiohttp.ClientSession() as stranger, stranger.get(models) as response:
                assert response.status == 401
            worker.kill()
            psutil.wait_procs([worker], timeout=10)
            again = await miranda.press(message, "Retry")
            outcome = await again.message(finished, PATIENCE)
            while "gpt-shakespeare@tiny" not in footer(outcome):  # pressed before its absence was noticed
                assert labels(outcome) == ["Retry"]
                outcome = await (await miranda.press(outcome, "Retry")).message(finished, PATIENCE)
        family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
        process.send_signal(signal.SIGINT)
        await process.wait()
        assert psutil.wait_procs(family, timeout=10)[1] == []


async def test_a_killed_parent_takes_its_children_with_it(small: dict[str, str]) -> None:
    async with bot_process(**small) as process:
        url = await island_address(process)
        async with Person(url, "Miranda") as miranda:
            await miranda.until_online()
            answer = await miranda.slash("about")
            await answer.message(lambda message: "gpt-shakespeare@tiny" in str(message["embeds"]), PATIENCE)
        children = psutil.Process(process.pid).children(recursive=True)
        assert len(children) == 2
        process.kill()
        assert psutil.wait_procs(children, timeout=10)[1] == []


WORKER = """#!{python}
import http.server, os, pathlib, socket, sys
class Ready(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'{readiness}')
server = http.server.HTTPServer(("127.0.0.1", 0), Ready, bind_and_activate=False)
server.socket = socket.socket(fileno=int(sys.argv[-1]))
note = pathlib.Path(__file__).with_name("note")
first = not note.exists()
note.write_text(f"{{os.getpid()}} {{server.socket.getsockname()[1]}} ")
if first:
    sys.stdin.read()
server.serve_forever()
"""


async def test_whoever_waits_for_a_worker_that_dies_in_its_start_is_told_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = Readiness(
        ready=True, device="cpu", precision="float32", threads=1, models=[], running=0, waiting=0, slots=64
    )
    worker, note = tmp_path / "worker", tmp_path / "note"
    worker.write_text(WORKER.format(python=sys.executable, readiness=state.model_dump_json()))
    worker.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(worker))
    async with aiohttp.ClientSession() as session:
        process = WorkerProcess(session, "token")
        process.start()
        waiting = asyncio.create_task(process.address())
        while not (note.exists() and note.read_text().endswith(" ")):  # noqa: ASYNC110 (it is another process's)
            await asyncio.sleep(0.01)
        pid, port = map(int, note.read_text().split())
        with pytest.raises(OSError, match="in use"):  # though it answers nobody yet
            socket.create_server(("127.0.0.1", port))
        os.kill(pid, signal.SIGKILL)
        with pytest.raises(WorkerUnreachable, match="ended while it started"):
            await asyncio.wait_for(waiting, PATIENCE / 2)
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port))
        assert (await process.address()).startswith("http://127.0.0.1:")
        await process.close()


async def test_a_worker_that_cannot_even_be_started_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "missing"))
    async with aiohttp.ClientSession() as session:
        process = WorkerProcess(session, "token")
        process.start()
        for _ in range(2):
            with pytest.raises(WorkerUnreachable, match="ended while it started"):
                await asyncio.wait_for(process.address(), PATIENCE / 2)
        await process.close()
