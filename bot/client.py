"""The Bot: what it is made of, which commands and buttons it has, and when Discord is told about them."""

import asyncio
import hashlib
import json
import secrets
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from importlib.metadata import entry_points
from typing import Any

import aiohttp
import discord
import structlog
import yarl
from discord import app_commands
from discord.ext import commands

from bot import errors, picture_recipes
from bot.audit import Audit
from bot.catalogue import Catalogue
from bot.confirmation import Leave
from bot.guild_settings import ANYWHERE, GuildSettings
from bot.locale import CommandTranslator, check_text
from bot.operators import Operators
from bot.performances import Performances
from bot.picture_buttons import PICTURE_BUTTONS
from bot.picture_models import ASKS
from bot.quota import Quota
from bot.recipes import Recipe, Recipes
from bot.repeating import repeating
from bot.scheduler import Scheduler
from bot.settings import Settings
from bot.store import Store
from bot.switching import RollBack, Switching
from bot.training_api import TrainingAPI
from bot.uploads import MEBI, Uploads
from bot.views import BUTTONS, Lasting
from bot.watches import Watches
from bot.worker_api import WorkerAPI, at
from bot.worker_process import WorkerProcess

COGS = "prospero.cogs"  # the entry-point group through which this package's and other packages' cogs are found
MINUTE, HOUR, DAY = 60.0, 3_600.0, 86_400.0  # seconds
LAST_WORDS = 0.5  # seconds that running requests get to say in their messages that the bot ends
GOODBYE = 0.5  # seconds for Discord to acknowledge the end of the connection

Operation = Callable[[discord.Interaction[Any], Recipe], Awaitable[None]]
Writer = Callable[[Recipe, discord.Locale], str]
Forgetter = Callable[[int], Awaitable[None]]  # erases everything of the person with that Discord id

logger = structlog.get_logger(__name__)


class InstallationError(Exception):
    """Prospero is not installed the way it needs to be; the message is the sentence to show."""


class Tree(app_commands.CommandTree["Bot"]):
    """The commands, which are answered where a server's managers want it, and whose errors become sentences."""

    def __init__(self, client: "Bot") -> None:
        super().__init__(client)
        self._running: dict[asyncio.Task[Any], discord.Interaction[Bot]] = {}

    async def interaction_check(self, interaction: discord.Interaction["Bot"], /) -> bool:
        if interaction.type is discord.InteractionType.autocomplete:
            return True
        task = asyncio.current_task()
        assert task is not None  # of this command alone
        self._running[task] = interaction
        task.add_done_callback(self._running.pop)
        command = interaction.command
        if command and command.extras != ANYWHERE:
            self.client.guild_settings.check_channel(interaction)
        return True

    async def close(self, seconds: float) -> None:
        """Says in what still is "thinking…" that the bot ends, as far as ``seconds`` allow."""
        telling = asyncio.gather(*map(_tell_restart, self._running.values()), return_exceptions=True)
        with suppress(TimeoutError):
            await asyncio.wait_for(telling, seconds)

    async def on_error(self, interaction: discord.Interaction["Bot"], error: app_commands.AppCommandError) -> None:
        await errors.answer(interaction, error)


async def _tell_restart(interaction: discord.Interaction["Bot"]) -> None:
    if interaction.response.type is discord.InteractionResponseType.deferred_channel_message:
        message = await interaction.original_response()
        if message.flags.loading:
            await errors.answer(interaction, errors.Refusal("text.restarting"))


class Bot(commands.Bot):
    """Prospero on Discord.

    The cogs find here what they share: the ``worker``, the ``catalogue`` of its models, the ``recipes`` and the
    ``uploads`` that some need, the ``performances`` in flight, the ``scheduler`` of edits, and for those who may do
    more, the ``operators``, the worker's ``trainings``, the ``watches`` that show them, the ``switching`` of versions
    and the ``audit``; and they
    register in ``operations`` what performs a recipe, in ``commands_of`` how an operation's recipes are written as
    commands, and in ``forgetters`` what erases a person's data.
    """

    store: Store
    recipes: Recipes
    guild_settings: GuildSettings
    quota: Quota
    uploads: Uploads
    worker: WorkerAPI
    trainings: TrainingAPI
    catalogue: Catalogue
    operators: Operators
    watches: Watches
    switching: Switching
    audit: Audit

    def __init__(self, settings: Settings) -> None:
        if settings.discord_url is not None:
            discord.http.Route.BASE = f"{settings.discord_url}/api/v10"
            address = yarl.URL(settings.discord_url)
            gateway = address.with_scheme("wss" if address.scheme == "https" else "ws") / "gateway"
            discord.gateway.DiscordWebSocket.DEFAULT_GATEWAY = gateway
        discord.VoiceClient.warn_nacl = discord.VoiceClient.warn_dave = False  # there is no voice here to warn about
        self.scheduler = Scheduler()
        super().__init__(
            command_prefix=commands.when_mentioned,  # there are no text commands; this prefix needs no message content
            help_command=None,
            tree_cls=Tree,
            intents=discord.Intents(guilds=True),
            allowed_mentions=discord.AllowedMentions.none(),  # generated text can contain @everyone
            allowed_contexts=app_commands.AppCommandContext(guild=True, dm_channel=True, private_channel=True),
            activity=discord.CustomActivity("/help"),
            member_cache_flags=discord.MemberCacheFlags.none(),  # nothing here looks members or messages up
            chunk_guilds_at_startup=False,
            max_messages=None,
            http_trace=self.scheduler.trace(),
        )
        self.settings = settings
        self.performances = Performances(settings.requests_per_person)
        self.operations: dict[str, Operation] = {}
        self.commands_of: dict[str, Writer] = {}
        self.forgetters: list[Forgetter] = []
        self._buttons: list[type[Lasting[Any]]] = []
        self._opened = AsyncExitStack()  # what is to be closed at the end, however far the start came
        self._worker_process: WorkerProcess | None = None

    async def setup_hook(self) -> None:
        """Opens the store, finds the worker, loads the cogs and tells Discord about commands that changed."""
        self.store = await Store.open(self.settings.home / "prospero.sqlite3")
        self._opened.push_async_callback(self.store.close)
        self.recipes = Recipes(self.store)
        self.guild_settings = await GuildSettings.load(self.store)
        self.quota = Quota(self.store)
        await self._opened.enter_async_context(repeating(self.quota.forget_old, MINUTE))
        self.audit = Audit(self.store)
        assert self.application is not None  # whoever logs in is told
        self.operators = Operators(self.settings, self.application)
        await self._opened.enter_async_context(repeating(self._update_operators, HOUR))
        session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))  # the worker sets the limit
        self._opened.push_async_callback(session.close)
        self.uploads = Uploads(self.store, self.settings.home / "uploads", session, self.settings.uploads_mib * MEBI)
        await self.uploads.sweep()
        if self.settings.keep_days:
            await self._opened.enter_async_context(repeating(self._erase_old, DAY))
        token = self.settings.worker_token.get_secret_value() if self.settings.worker_token else None
        if self.settings.worker_url is not None:
            self.worker = WorkerAPI(session, at(self.settings.worker_url), token)
        else:
            token = token or secrets.token_urlsafe(32)
            self._worker_process = WorkerProcess(session, token)
            self._worker_process.start()
            self.worker = WorkerAPI(session, self._worker_process.address, token)
        self.trainings = TrainingAPI(self.worker)
        self.switching = Switching(self.trainings, self.audit)
        self.watches = Watches(self)
        self.catalogue = Catalogue(self.worker, self.trainings)
        self.catalogue.start()
        self._opened.push_async_callback(self.catalogue.close)
        self.forgetters += [self.recipes.forget, self.uploads.forget, self.watches.store.forget]
        self.add_buttons(*BUTTONS, *PICTURE_BUTTONS, Leave, RollBack)
        await self._load_cogs()
        by_users = self.application.user_integration_config is not None  # Discord refuses commands that go beyond it
        self.tree.allowed_installs = app_commands.AppInstallationType(guild=True, user=by_users)
        await self.tree.set_translator(CommandTranslator())
        await self._sync_changed_commands()

    async def close(self) -> None:
        """Ends the requests in flight, the worker and the connection to Discord, in less than two seconds."""
        if self.is_closed():
            return
        await asyncio.gather(self._leave_discord(), self._end_worker())
        await self._opened.aclose()

    async def on_message(self, message: discord.Message, /) -> None:
        """Nothing: there are no text commands to look for."""

    async def on_interaction(self, interaction: discord.Interaction[Any]) -> None:
        """Answers presses and forms that nothing here knows any more, which discord.py would drop in silence."""
        if interaction.type not in (discord.InteractionType.component, discord.InteractionType.modal_submit):
            return
        custom_id = interaction.custom_id or ""
        if not any(button.matches(custom_id) for button in self._buttons):
            await errors.answer(interaction, errors.Refusal("error.component_unknown"))

    def add_buttons(self, *buttons: type[Lasting[Any]]) -> None:
        """Makes presses on these buttons and menus reach them, under messages of any age."""
        self.add_dynamic_items(*buttons)
        self._buttons.extend(buttons)

    async def perform(self, interaction: discord.Interaction[Any], recipe: Recipe) -> None:
        """Has the operation that ``recipe`` names carried out as the answer to ``interaction``."""
        operation = self.operations.get(recipe.operation)
        if operation is None:
            raise errors.Refusal("error.operation_unknown", operation=recipe.operation)
        await operation(interaction, recipe)

    def as_command(self, recipe: Recipe, locale: discord.Locale) -> str:
        """The command that makes the same again, as people of that language type it."""
        writer = self.commands_of.get(recipe.operation)
        if writer is None:
            raise errors.Refusal("error.operation_unknown", operation=recipe.operation)
        return writer(recipe, locale)

    async def _update_operators(self) -> None:
        """Whoever left the application's team since is an operator no more."""
        self.operators.update(await self.application_info())

    async def _erase_old(self) -> None:
        """Forgets results that are older than the settings say."""
        await self.recipes.erase_before(int(time.time() - self.settings.keep_days * DAY))
        await self.uploads.release_orphaned()
        await self.store.scrub()

    async def _load_cogs(self) -> None:
        found = sorted(entry_points(group=COGS), key=lambda entry: entry.value.partition(".")[0] != __package__)
        if not found:
            raise InstallationError(f"No commands are installed under {COGS!r}: run make env, or pip install -e .")
        for entry in found:  # the built-in ones first, so that none of them finds its names taken
            try:
                setup = entry.load()
                await setup(self)
                self._check_cogs()
            except Exception as error:  # whatever a plug-in fails with
                raise InstallationError(
                    f"The commands {entry.name!r} ({entry.value}) cannot be loaded; mend or remove them. "
                    f"{type(error).__name__}: {error}"
                ) from error

    def _check_cogs(self) -> None:
        """ValueError for what would go wrong only once people use it: texts that are missing, names without meaning."""
        for cog in self.cogs.values():
            if hasattr(cog, "help_key"):
                check_text(cog.help_key)
        for operation, writer in self.commands_of.items():
            if writer is picture_recipes.command:
                for word in operation.split():
                    check_text(f"command.{word}.name")
                if picture_recipes.kind(operation) not in ASKS:
                    raise ValueError(f"The last word of {operation!r} must be one of: {', '.join(ASKS)}.")

    async def _sync_changed_commands(self) -> None:
        """Registers the commands unless Discord has exactly what was last registered for this application."""
        payload = [
            await command.get_translated_payload(self.tree, self.tree.translator or CommandTranslator())
            for command in self.tree.get_commands()
        ]
        digest = hashlib.sha256(json.dumps(payload, sort_keys=True).encode()).hexdigest()
        there = sorted(command.id for command in await self.tree.fetch_commands())
        name = f"commands {self.application_id}"
        if await self.store.note(name) == json.dumps([digest, there]):
            logger.info("commands unchanged", count=len(payload))
            return
        registered = sorted(command.id for command in await self.tree.sync())
        await self.store.set_note(name, json.dumps([digest, registered]))
        logger.info("commands registered", count=len(payload))

    async def _leave_discord(self) -> None:
        await self.performances.close(LAST_WORDS)
        assert isinstance(self.tree, Tree)
        await self.tree.close(LAST_WORDS)
        try:
            await asyncio.wait_for(super().close(), GOODBYE)
        except TimeoutError:
            logger.warning("Discord did not acknowledge the end of the connection")

    async def _end_worker(self) -> None:
        if self._worker_process is not None:
            await self._worker_process.close()
