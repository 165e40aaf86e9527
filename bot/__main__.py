"""Starts the bot: ``python -m bot``. Without DISCORD_TOKEN it becomes the sandbox, a Discord of one's own."""

import argparse
import asyncio
import os
import sys
from importlib.util import find_spec

from bot.settings import SettingsError, load, misspelt


def main() -> int:
    """Runs until told to end; the exit status is 0, 1 after a failure, 2 for settings that are wrong."""
    description = "Start Prospero on Discord or, without DISCORD_TOKEN, in the sandbox. Settings: see .env.example."
    argparse.ArgumentParser(prog="python -m bot", description=description).parse_args()
    os.umask(0o077)  # what people write and hand in is kept, and is not for others on this machine
    try:
        settings = load()
    except SettingsError as error:
        print(error, file=sys.stderr)
        return 2
    if settings.discord_token is None:
        if find_spec("sandbox") is None:  # the container's image is for Discord alone
            print("Set DISCORD_TOKEN to your bot's token: the sandbox, which needs none, is not here.", file=sys.stderr)
            return 2
        os.execv(sys.executable, [sys.executable, "-m", "sandbox"])

    import structlog  # these take a while to load, and the sandbox would wait for them in vain

    from bot import logs, session

    logs.configure(settings.log_level)
    for sentence in misspelt():
        structlog.get_logger(__name__).warning(sentence)
    trouble = asyncio.run(session.run(settings, settings.discord_token.get_secret_value()))
    if trouble is not None:
        print(trouble, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
