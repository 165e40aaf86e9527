"""What bot and worker log: nothing that people wrote or that is secret, on a terminal and at every level."""

import os
import pty
import subprocess
import sys
from contextlib import suppress

import pytest

FAILING = """
import logging, structlog, sys
from {room} import configure
configure(sys.argv[1])
def ask(prompt):
    raise KeyError("what")
try:
    ask("the words of " + "a person")
except KeyError:
    structlog.get_logger("here").exception("failed")
for name in ("discord.gateway", "aiosqlite", "PIL.TiffImagePlugin"):
    logging.getLogger(name).debug("the words of a person")
    logging.getLogger(name).info("news of " + name)
structlog.get_logger("here").debug("a detail")
"""
HUSHED = {"bot.logs": {"discord.gateway", "aiosqlite"}, "worker.log": {"PIL.TiffImagePlugin"}}


def logged(room: str, level: str) -> str:
    """What is written to a terminal."""
    ours, theirs = pty.openpty()
    words = [sys.executable, "-c", FAILING.format(room=room), level]
    with subprocess.Popen(words, stderr=theirs):
        os.close(theirs)
        written = b""
        with suppress(OSError):  # which is how a terminal ends
            while some := os.read(ours, 4_096):
                written += some
    os.close(ours)
    return written.decode()


@pytest.mark.parametrize("room", ["bot.logs", "worker.log"])
def test_tracebacks_tell_no_values(room: str) -> None:
    told = logged(room, "info")
    assert "Traceback" in told and "in ask" in told
    assert "the words of a person" not in told
    assert "a detail" not in told


@pytest.mark.parametrize("room", ["bot.logs", "worker.log"])
def test_what_others_tell_for_debugging_is_left_out_where_it_is_about_people(room: str) -> None:
    told = logged(room, "debug")
    assert "a detail" in told
    for name in HUSHED[room]:
        assert f"news of {name}" in told
    assert told.count("the words of a person") == 3 - len(HUSHED[room])
    assert "news of" not in logged(room, "warning")
