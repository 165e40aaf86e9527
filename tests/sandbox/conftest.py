"""A sandbox on a free port, a small discord.py bot in it, and a bare REST client for what no library would send."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import aiohttp
import discord
import pytest
import yarl
from discord import app_commands

from sandbox.app import Sandbox, create_app, serve
from sandbox.clock import Clock
from sandbox.settings import Settings
from tests.discord_contract import Contract, contract
from tests.person import Person

__all__ = ["contract"]

TOKEN = "the-token-of-these-tests"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def sandbox(clock: Clock, contract: Contract) -> AsyncIterator[Sandbox]:
    app = create_app(Settings(sandbox_token=TOKEN), clock=clock, middlewares=[contract.middleware])
    contract.watch(app)
    async with serve(app) as sandbox:
        yield sandbox


@pytest.fixture
async def miranda(sandbox: Sandbox) -> AsyncIterator[Person]:
    async with Person(sandbox.url, "Miranda") as person:
        yield person


@pytest.fixture
async def caliban(sandbox: Sandbox) -> AsyncIterator[Person]:
    async with Person(sandbox.url, "Caliban") as person:
        yield person


@dataclass
class Answer:
    status: int
    body: Any
    headers: Any

    @property
    def code(self) -> int | None:
        """Discord's error code."""
        return self.body["code"] if self.status >= 400 else None


class Api:
    """The REST API without a library in between."""

    def __init__(self, url: str, http: aiohttp.ClientSession) -> None:
        self._url = f"{url}/api/v10"
        self._http = http

    async def __call__(self, method: str, path: str, json: Any = None, **more: Any) -> Answer:
        headers = {"Authorization": f"Bot {TOKEN}"} | more.pop("headers", {})
        body = {} if json is None else {"json": json}
        async with self._http.request(method, self._url + path, headers=headers, **body, **more) as response:
            text = await response.text()
            return Answer(response.status, await response.json() if text else None, response.headers)


@pytest.fixture
async def api(sandbox: Sandbox) -> AsyncIterator[Api]:
    async with aiohttp.ClientSession() as http:
        yield Api(sandbox.url, http)


class Question(discord.ui.Modal, title="A question"):
    line: discord.ui.TextInput[Question] = discord.ui.TextInput(label="Your line", custom_id="line", max_length=40)

    async def on_submit(self, interaction: discord.Interaction) -> None:
        await interaction.response.send_message(f"You said: {self.line.value}", ephemeral=True)


class Stage(discord.ui.View):
    """Buttons and a select whose custom ids outlive the bot."""

    def __init__(self) -> None:
        super().__init__(timeout=None)

    @discord.ui.button(label="Change", custom_id="change")
    async def change(self, interaction: discord.Interaction, _: discord.ui.Button[Stage]) -> None:
        await interaction.response.edit_message(content="changed", view=self)

    @discord.ui.button(label="Later", custom_id="later")
    async def later(self, interaction: discord.Interaction, _: discord.ui.Button[Stage]) -> None:
        await interaction.response.defer()
        await interaction.edit_original_response(content="changed later")

    @discord.ui.button(label="Ask", custom_id="ask")
    async def ask(self, interaction: discord.Interaction, _: discord.ui.Button[Stage]) -> None:
        await interaction.response.send_modal(Question())

    @discord.ui.select(
        custom_id="role",
        options=[discord.SelectOption(label=name, value=name.lower()) for name in ("Ariel", "Caliban")],
    )
    async def role(self, interaction: discord.Interaction, select: discord.ui.Select[Stage]) -> None:
        await interaction.response.send_message(f"{interaction.user.display_name} plays {select.values[0]}")


class Troupe(discord.Client):
    """A bot that uses everything the sandbox offers; `interactions` keeps what it was given."""

    def __init__(self) -> None:
        intents = discord.Intents(guilds=True, guild_messages=True, dm_messages=True, guild_typing=True)
        super().__init__(
            intents=intents,
            allowed_mentions=discord.AllowedMentions.none(),
            guild_ready_timeout=0.1,  # the one guild comes at once; two seconds of waiting for more would be lost
        )
        self.tree = app_commands.CommandTree(self)
        self.interactions: list[discord.Interaction] = []
        self.heard: list[discord.Message] = []
        self.resumed = asyncio.Event()
        self.connected = asyncio.Event()
        self.connections = 0

    async def setup_hook(self) -> None:
        add_commands(self)
        self.add_view(Stage())
        await self.tree.sync()

    async def on_interaction(self, interaction: discord.Interaction) -> None:
        self.interactions.append(interaction)

    async def on_message(self, message: discord.Message) -> None:
        self.heard.append(message)

    async def before_identify_hook(self, shard_id: int | None, *, initial: bool = False) -> None:
        """Log in again at once; discord.py's own pause of five seconds is for the real Discord's sake."""

    async def on_connect(self) -> None:
        self.connections += 1
        self.connected.set()

    async def on_resumed(self) -> None:
        self.resumed.set()


def add_commands(bot: Troupe) -> None:
    tree = bot.tree

    @tree.command()
    async def recite(interaction: discord.Interaction, prompt: str, length: app_commands.Range[int, 1, 9] = 3) -> None:
        """Grow a text in a deferred response"""
        await interaction.response.defer(thinking=True)
        for n in range(1, length + 1):
            await interaction.edit_original_response(content=" ".join([prompt] * n))
        await interaction.edit_original_response(content=" ".join([prompt] * length), view=Stage())

    @tree.command()
    async def quick(interaction: discord.Interaction, secret: bool = False) -> None:
        """Answer at once"""
        embed = discord.Embed(title="A title", description="of verse", colour=0x5B4B8A).add_field(name="a", value="b")
        callback = await interaction.response.send_message("here", embed=embed, view=Stage(), ephemeral=secret)
        assert callback.message_id is not None

    @tree.command()
    async def show(interaction: discord.Interaction, picture: discord.Attachment) -> None:
        """Hand a file back, then swap it for another"""
        await interaction.response.defer(thinking=True)
        content = await picture.read()
        first = discord.File(io.BytesIO(content), "first.png", description="what was given")
        message = await interaction.followup.send(f"{len(content)} bytes", file=first, wait=True)
        second = discord.File(io.BytesIO(content[::-1]), "second.bin")
        message = await message.edit(attachments=[*message.attachments, second])
        await message.edit(content="swapped", attachments=message.attachments[1:])

    @tree.command()
    async def picture(interaction: discord.Interaction) -> None:
        """Show a file inside an embed"""
        file = discord.File(io.BytesIO(b"not really a picture"), "curve.png")
        embed = discord.Embed(title="curve").set_image(url="attachment://curve.png")
        await interaction.response.send_message(embed=embed, file=file)

    @tree.command()
    async def silent(interaction: discord.Interaction) -> None:
        """Never answer"""

    @tree.command()
    async def choose(interaction: discord.Interaction, model: str, seed: int | None = None) -> None:
        """Take a suggestion"""
        await interaction.response.send_message(f"{model} {seed}")

    @choose.autocomplete("model")
    async def models(_: discord.Interaction, current: str) -> list[app_commands.Choice[str]]:
        names = [name for name in ("gpt-shakespeare", "gan-cats") if name.startswith(current)]
        return [app_commands.Choice(name=name, value=name) for name in names]

    @tree.context_menu(name="Count words")
    async def count(interaction: discord.Interaction, message: discord.Message) -> None:
        await interaction.response.send_message(f"{len(message.content.split())} words", ephemeral=True)

    @tree.context_menu(name="Greet")
    async def greet(interaction: discord.Interaction, user: discord.Member) -> None:
        await interaction.response.send_message(f"Hail, {user.display_name}")

    @tree.command()
    @app_commands.default_permissions(manage_guild=True)
    @app_commands.guild_only()
    async def promote(interaction: discord.Interaction) -> None:
        """For operators"""
        await interaction.response.send_message("promoted")

    group = app_commands.Group(name="gan", description="Pictures")

    @group.command()
    async def sample(interaction: discord.Interaction, who: discord.Member, where: discord.TextChannel) -> None:
        """Sample for someone"""
        await interaction.response.defer(ephemeral=True)
        await interaction.followup.send(f"for {who.display_name} in {where.name}")
        await interaction.followup.send("and more", ephemeral=True)

    tree.add_command(group)


@pytest.fixture
async def bot(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Troupe]:
    monkeypatch.setattr(discord.http.Route, "BASE", f"{sandbox.url}/api/v10")
    gateway = yarl.URL(sandbox.url.replace("http", "ws") + "/gateway")
    monkeypatch.setattr(discord.gateway.DiscordWebSocket, "DEFAULT_GATEWAY", gateway)
    async with Troupe() as bot:
        running = asyncio.create_task(bot.start(TOKEN))
        ready = asyncio.create_task(bot.wait_until_ready())
        await asyncio.wait({running, ready}, return_when=asyncio.FIRST_COMPLETED)
        assert ready.done(), f"the bot did not start: {running.exception()!r}"
        yield bot
        await bot.close()
        await running
