"""Opens the sandbox and, unless told not to, the bot inside it.

Run: python -m sandbox [--host 127.0.0.1] [--port 8200] [--no-bot]
"""

import argparse
import asyncio
import os
import signal
import sys

from pydantic import ValidationError

from sandbox.app import Sandbox, create_app, serve
from sandbox.settings import Settings

GRACE_SECONDS = 1.5  # for the bot to end its own children; everything is to be gone within two


def main() -> int:
    """Run until Ctrl-C, or until the bot ends; returns the exit status."""
    try:
        settings = _read_settings()
    except ValidationError as error:
        for fault in error.errors():
            print(f"PROSPERO_{str(fault['loc'][0]).upper()}: {fault['msg']}.", file=sys.stderr)
        return 2
    arguments = _read_arguments(settings)
    try:
        return asyncio.run(_run(settings, arguments))
    except OSError as error:
        address = f"{arguments.host}:{arguments.port}"
        print(
            f"The sandbox cannot listen on {address} ({error.strerror}); choose another with --port.", file=sys.stderr
        )
        return 1


def _read_settings() -> Settings:
    return Settings()


def _read_arguments(settings: Settings) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m sandbox", description="A Discord of one's own on loopback.")
    parser.add_argument("--host", default=settings.sandbox_host, help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=settings.sandbox_port, help="port (default: %(default)s)")
    parser.add_argument("--no-bot", action="store_true", help="do not start the bot")
    return parser.parse_args()


async def _run(settings: Settings, arguments: argparse.Namespace) -> int:
    app = create_app(settings)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    if os.environ.pop("PROSPERO_LEASH", None):
        loop.run_in_executor(None, _wait_for_end_of_input, loop, stop)
    async with serve(app, arguments.host, arguments.port) as sandbox:
        print(f"Prospero's island is at {sandbox.url}", flush=True)
        if arguments.no_bot:
            print(f"To bring a bot: DISCORD_TOKEN={sandbox.token} PROSPERO_DISCORD_URL={sandbox.url}", flush=True)
            await stop.wait()
            return 0
        return await _run_bot(sandbox, stop)


async def _run_bot(sandbox: Sandbox, stop: asyncio.Event) -> int:
    """Start the bot as a child on a leash (it ends when its input does) and wait for it or for `stop`."""
    environment = os.environ | {
        "DISCORD_TOKEN": sandbox.token,
        "PROSPERO_DISCORD_URL": sandbox.url,
        "PROSPERO_LEASH": "1",
    }
    bot = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bot", stdin=asyncio.subprocess.PIPE, env=environment, start_new_session=True
    )
    ended = asyncio.create_task(bot.wait())
    stopped = asyncio.create_task(stop.wait())
    await asyncio.wait({ended, stopped}, return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()
    if ended.done():
        status = ended.result()
        print(f"The bot ended with status {status}; the sandbox ends, too.", file=sys.stderr)
        return status if status >= 0 else 128 - status  # a shell's way of naming a signal
    bot.terminate()
    try:
        await asyncio.wait_for(ended, GRACE_SECONDS)
    except TimeoutError:
        bot.kill()
    return 0


def _wait_for_end_of_input(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
    sys.stdin.buffer.read()
    loop.call_soon_threadsafe(stop.set)


if __name__ == "__main__":
    sys.exit(main())
