"""Who may train models and change what serves: operators, in the home server, asked on every command and press."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeVar

import discord
from discord import app_commands
from discord.ext import commands

from bot.errors import Refusal, answering
from bot.guild_settings import ANYWHERE
from bot.locale import translate
from bot.settings import Settings
from bot.views import LastingButton

if TYPE_CHECKING:
    from bot.client import Bot

LONGEST_SUBJECT = 80  # characters: Discord takes a hundred for a button's id, with what it does

Offered = TypeVar("Offered", app_commands.Group, app_commands.Command[Any, Any, Any])


class NotForYou(Refusal, app_commands.CheckFailure):
    """Someone who is no operator acted like one, or an operator did elsewhere than in the home server."""


class Operators:
    """The application's owner or team, and the people and roles that the settings name."""

    def __init__(self, settings: Settings, application: discord.AppInfo) -> None:
        self._home = settings.home_guild
        self._roles = settings.operator_roles
        self._named = settings.operators
        self.update(application)

    def update(self, application: discord.AppInfo) -> None:
        """Takes note of who owns the application now."""
        if application.team is None:
            owners = {application.owner.id}
        else:  # the owner of a team's application is the team itself, which presses nothing
            owners = {member.id for member in application.team.members if _works_on(member)}
        self._people = self._named | owners

    def accept(self, interaction: discord.Interaction[Any]) -> bool:
        """Whether an operator acts where operators may."""
        try:
            self.check(interaction)
        except NotForYou:
            return False
        return True

    def check(self, interaction: discord.Interaction[Any]) -> None:
        """Raises NotForYou unless an operator acts where operators may."""
        if interaction.guild_id is None or self._home not in (None, interaction.guild_id):
            raise NotForYou("error.not_at_home")
        user = interaction.user
        # Every interaction brings all ids; Member.roles leaves out what is not cached, as where the bot is no member.
        roles = {interaction.guild_id, *user._roles} if isinstance(user, discord.Member) else set()  # with @everyone's
        if user.id not in self._people and not roles & self._roles:
            raise NotForYou("error.operators_only")


def _works_on(member: discord.TeamMember) -> bool:
    return (
        member.membership_state is discord.TeamMembershipState.accepted
        and member.role is not discord.TeamMemberRole.read_only
    )


async def by_operator(interaction: discord.Interaction[Bot]) -> bool:
    """Whether to go on: true, or NotForYou; a check of suggestions, which discord.py leaves empty when it fails."""
    interaction.client.operators.check(interaction)
    return True


def offered_to_operators(command: Offered) -> Offered:
    """Offers a command in servers alone, to those who manage them: Discord's menus, and no check of ours."""
    command.allowed_installs = app_commands.AppInstallationType(guild=True, user=False)
    command.allowed_contexts = app_commands.AppCommandContext(guild=True, dm_channel=False, private_channel=False)
    command.default_permissions = discord.Permissions(manage_guild=True)
    return command


class OperatorCog(commands.Cog):
    """Commands for operators alone."""

    def __init__(self, bot: Bot) -> None:
        self.bot = bot

    async def cog_load(self) -> None:
        for command in self.walk_app_commands():
            command.extras |= ANYWHERE  # operators are heard in every channel

    async def interaction_check(self, interaction: discord.Interaction[Bot]) -> bool:  # type: ignore[override]
        return await by_operator(interaction)


class OperatorButton(LastingButton, template="(?!)"):
    """A button for operators alone, about a ``subject``: a training's id, or a version as "model@version"."""

    action: ClassVar[str]
    label_key: ClassVar[str]
    style: ClassVar[discord.ButtonStyle]

    def __init_subclass__(cls, *, action: str, label_key: str, style: discord.ButtonStyle) -> None:
        super().__init_subclass__(template=rf"{action}:(?P<subject>.{{1,{LONGEST_SUBJECT}}})")
        cls.action, cls.label_key, cls.style = action, label_key, style

    def __init__(self, subject: str, locale: discord.Locale) -> None:
        label = translate(locale, self.label_key)
        super().__init__(discord.ui.Button(label=label, style=self.style, custom_id=f"{self.action}:{subject}"))
        self.subject = subject

    @classmethod
    async def from_custom_id(
        cls, interaction: discord.Interaction[Any], item: discord.ui.Item[Any], match: re.Match[str], /
    ) -> Self:
        return cls(match["subject"], interaction.locale)

    async def callback(self, interaction: discord.Interaction[Any]) -> None:
        async with answering(interaction):
            await by_operator(interaction)
            await self.press(interaction)
