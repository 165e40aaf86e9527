"""``/audit``: what operators did, when, and from which version to which."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import discord
from discord import app_commands

from bot.audit import Entry
from bot.locale import command_text, translate
from bot.markdown import escape, fitting
from bot.operators import OperatorCog, offered_to_operators

if TYPE_CHECKING:
    from bot.client import Bot

SHOWN = 8  # entries in the message; a file has the rest
ROOM = 1_900  # characters for them; Discord allows 2,000 in all


class Audit(OperatorCog):
    """The audit log, for reading."""

    @offered_to_operators
    @app_commands.command(
        name=command_text("command.audit.name"), description=command_text("command.audit.description")
    )
    async def audit(self, interaction: discord.Interaction[Bot]) -> None:
        locale = interaction.locale
        entries = await self.bot.audit.newest_first()
        lines = [self._line(entry, interaction) for entry in entries[:SHOWN]]
        content = fitting(lines, ROOM) or translate(locale, "audit.empty")
        if len(content.split("\n")) >= len(entries):
            await interaction.response.send_message(content, ephemeral=True)
            return
        whole = "\n".join(_row(entry) for entry in entries)
        file = discord.File(io.BytesIO(whole.encode()), "audit-log.csv")
        more = translate(locale, "audit.in_file", count=len(entries))
        await interaction.response.send_message(f"{content}\n-# {more}", file=file, ephemeral=True)

    def _line(self, entry: Entry, interaction: discord.Interaction[Bot]) -> str:
        """When who did what, and in which server if that is another."""
        said = f"<t:{entry.at}:f> {entry.sentence(interaction.locale)}"
        if entry.guild == interaction.guild_id:
            return said
        guild = self.bot.get_guild(entry.guild)
        server = escape(guild.name) if guild is not None else str(entry.guild)  # the bot is there no more
        return f"{said} {translate(interaction.locale, 'audit.elsewhere', server=server)}"


def _row(entry: Entry) -> str:
    when = datetime.fromtimestamp(entry.at, UTC).isoformat()
    return f"{when},{entry.guild},{entry.who},{entry.act},{entry.subject},{entry.before or ''},{entry.after or ''}"


async def setup(bot: Bot) -> None:
    await bot.add_cog(Audit(bot))
