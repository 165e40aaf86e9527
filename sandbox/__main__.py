"""Opens the sandbox and, unless told not to, the bot inside it.

Run: python -m sandbox [--host 127.0.0.1] [--port 8200] [--no-bot]
"""

import argparse
import asyncio
import errno
import os
import signal
import sys
import threading

from sandbox.app import Sandbox, authority, create_app, serve
from sandbox.settings import Settings, SettingsError, load

GRACE_SECONDS = 1.5  # for the bot to end its own children; everything is to be gone within two


def main() -> int:
    """Run until Ctrl-C or until the bot ends. The exit status is 0, the bot's own if it ended by itself,
    1 if it cannot listen there, 2 for settings that are wrong."""
    arguments = _read_arguments()
    try:
        settings = load(sandbox_host=arguments.host, sandbox_port=arguments.port)
    except SettingsError as error:
        print(error, file=sys.stderr)
        return 2
    try:
        return asyncio.run(_run(settings, with_bot=not arguments.no_bot))
    except OSError as error:
        address = authority(settings.sandbox_host, settings.sandbox_port)
        number = error.errno or 0
        reason = os.strerror(number) if number > 0 else "there is no such host"  # below 0: of looking its name up
        what = "host" if number < 0 or number == errno.EADDRNOTAVAIL else "port"
        advice = f"choose another {what} with --{what} or PROSPERO_SANDBOX_{what.upper()}"
        print(f"The sandbox cannot listen on {address} ({reason}); {advice}.", file=sys.stderr)
        return 1


def _read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m sandbox", description="A Discord of one's own on loopback.")
    parser.add_argument("--host", help="the address to listen on (PROSPERO_SANDBOX_HOST, else 127.0.0.1)")
    parser.add_argument("--port", help="the port to listen on (PROSPERO_SANDBOX_PORT, else 8200)")
    parser.add_argument("--no-bot", action="store_true", help="do not start the bot")
    return parser.parse_args()


async def _run(settings: Settings, with_bot: bool) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    _hold_leash(loop, stop)
    async with serve(create_app(settings), settings.sandbox_host, settings.sandbox_port) as sandbox:
        print(f"Prospero's island is at {sandbox.url}", flush=True)
        if with_bot:
            return await _run_bot(sandbox, stop)
        print(f"To bring a bot: DISCORD_TOKEN={sandbox.token} PROSPERO_DISCORD_URL={sandbox.url}", flush=True)
        await stop.wait()
        return 0


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
    if ended.done() and not stop.is_set():
        status = ended.result()
        print(f"The bot ended with status {status}, and so does the sandbox.", file=sys.stderr)
        return status if status >= 0 else 128 - status  # a shell's way of naming a signal
    if not ended.done():
        bot.terminate()
        try:
            await asyncio.wait_for(ended, GRACE_SECONDS)
        except TimeoutError:
            bot.kill()
    return 0


def _hold_leash(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
    """End with the parent, if it started this process on a leash: its end of our input closes then."""
    if os.environ.pop("PROSPERO_LEASH", None):

        def wait_for_end_of_input() -> None:
            sys.stdin.buffer.read()
            loop.call_soon_threadsafe(stop.set)

        threading.Thread(target=wait_for_end_of_input, daemon=True).start()


if __name__ == "__main__":
    sys.exit(main())
