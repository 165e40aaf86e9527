"""One run of the bot, from connecting to the end that a signal, a lost parent or a failure brings."""

import asyncio
import os
import signal
import sys

import aiohttp
import discord

from bot.client import Bot, InstallationError
from bot.settings import Settings
from bot.store import StoreError


async def run(settings: Settings, token: str) -> str | None:
    """Runs the bot until SIGINT, SIGTERM or the end of its leash; returns a sentence if it could not go on."""
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, told.set)
    if os.environ.get("PROSPERO_LEASH"):
        hold_leash(told)

    bot = Bot(settings)
    running = asyncio.create_task(bot.start(token))
    telling = asyncio.create_task(told.wait())
    await asyncio.wait([running, telling], return_when=asyncio.FIRST_COMPLETED)
    try:
        if running.done():
            running.result()
        running.cancel()
    except discord.LoginFailure:
        return "Discord refused DISCORD_TOKEN: copy the bot's token again from Discord's Developer Portal."
    except (InstallationError, StoreError) as error:
        return str(error)
    except (aiohttp.ClientError, OSError) as error:
        return f"Discord cannot be reached at {discord.http.Route.BASE} ({error}): check the network and start again."
    except discord.app_commands.CommandSyncFailure as error:
        return (
            "Discord refused the commands: Guild Install must be on in Discord's Developer Portal (Installation), and a"
            f" plug-in's commands must be as Discord wants them. {error}"
        )
    except discord.DiscordException as error:
        return f"Discord ended the connection: {error}."
    finally:
        await bot.close()
        telling.cancel()
    return None


def hold_leash(told: asyncio.Event) -> None:
    """Sets ``told`` when standard input ends: the parent that started this process is gone."""
    loop = asyncio.get_running_loop()

    def read() -> None:
        if not os.read(sys.stdin.fileno(), 1024):
            loop.remove_reader(sys.stdin.fileno())
            told.set()

    loop.add_reader(sys.stdin.fileno(), read)
