"""The worker's command: ``python -m worker --port 8100``.

Options not given come from the environment or ``.env`` (``PROSPERO_…``). Ctrl-C or SIGTERM ends it; so does, when
``PROSPERO_LEASH`` is set, the end of its standard input, which is how a parent makes sure that no worker outlives it.
"""

from __future__ import annotations

import argparse
import asyncio
import errno
import os
import signal
import socket
import sys
import threading
from contextlib import suppress
from ipaddress import ip_address

from worker.log import configure
from worker.settings import Settings, SettingsError, read_settings


def main() -> int:
    """Serve until told to end; returns the exit status."""
    try:
        flags = vars(parse_flags())
        fd = flags.pop("fd")
        settings = read_settings(**flags)
        configure(settings.log_level)
        listener = listen(settings, fd)  # before torch is imported: early requests wait instead of being refused
    except (SettingsError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    host, port = listener.getsockname()[:2]
    with suppress(OSError):  # of a full disk: it answers all the same
        print(f"Prospero's worker answers on http://{host}:{port}", flush=True)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: os._exit(0))  # while there is nothing to close yet
    if os.environ.get("PROSPERO_LEASH"):
        threading.Thread(target=follow_leash, name="leash", daemon=True).start()
    return asyncio.run(run(settings, listener))


def parse_flags() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m worker", description="Prospero's inference service.")
    parser.add_argument("--host", dest="worker_host", help="address to listen on (127.0.0.1)")
    parser.add_argument("--port", dest="worker_port", help="port to listen on (8100)")
    parser.add_argument("--fd", type=int, help="an open socket to listen on, instead of an address, by its descriptor")
    parser.add_argument("--device", help="auto, cpu, cuda or mps")
    parser.add_argument("--precision", help="auto, int8, bfloat16 or float32")
    parser.add_argument("--slots", help="texts written at the same time (64)")
    parser.add_argument("--home", help="folder of versions trained here (var)")
    parser.add_argument("--log-level", help="debug, info, warning or error")
    return parser.parse_args()


def listen(settings: Settings, fd: int | None) -> socket.socket:
    """The parent's open socket with that descriptor, or one on the settings' address.

    OSError and SettingsError say what to change.
    """
    listener = bind(settings.worker_host, settings.worker_port) if fd is None else inherit(fd)
    host = listener.getsockname()[0]
    if not settings.worker_token and not ip_address(host).is_loopback:
        listener.close()
        raise SettingsError(f"Others reach the worker on {host}: set PROSPERO_WORKER_TOKEN to any long random text.")
    return listener


def bind(host: str, port: int) -> socket.socket:
    """An open socket on that address; OSError says what to change."""
    try:
        return socket.create_server((host, port), backlog=1024)
    except OSError as error:
        number = error.errno or 0
        reason = os.strerror(number) if number > 0 else "there is no such host"  # below 0: of looking its name up
        what = "host" if number < 0 or number == errno.EADDRNOTAVAIL else "port"
        raise OSError(
            f"The worker cannot listen on {host}:{port} ({reason}); choose another {what} with --{what} or "
            f"PROSPERO_WORKER_{what.upper()}."
        ) from error


def inherit(fd: int) -> socket.socket:
    """The parent's open socket with that descriptor; OSError says what to change."""
    try:
        return socket.socket(fileno=fd)
    except (OSError, ValueError) as error:
        raise OSError(f"The worker cannot listen on descriptor {fd} ({error}); give --fd an open socket's.") from error


def follow_leash() -> None:
    """End this process when standard input ends, that is, when the parent is gone."""
    while os.read(0, 1024):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


async def run(settings: Settings, listener: socket.socket) -> int:
    """Serve until SIGINT or SIGTERM."""
    from worker.engine.hardware import HardwareError  # these import torch, which takes seconds
    from worker.job_store import JobStoreError
    from worker.service import serve

    ended = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    try:
        async with serve(settings, listener):
            await ended.wait()
    except (HardwareError, JobStoreError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    os.umask(0o077)  # what people write and hand in is for nobody else on this machine
    os.environ.pop("DISCORD_TOKEN", None)  # the bot's: trainings, which open what people hand in, are not to know it
    status = main()
    with suppress(OSError):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(status)  # everything is closed; taking torch apart object by object would take longer than all that
