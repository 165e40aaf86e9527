"""``/audit``: what operators did, when, and from which version to which."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import discord
from discord import app_commands

from bot.audit import Entry
from bot.locale import command_text, translate
from bot.operators import OperatorCog, offered_to_operators

if TYPE_CHECKING:
    from bot.client import Bot

SHOWN = 8  # entries in the message, which the longest fill; a file has the rest


class Audit(OperatorCog):
    """The audit log, for reading."""

    @offered_to_operators
    @app_commands.command(
        name=command_text("command.audit.name"), description=command_text("command.audit.description")
    )
    async def audit(self, interaction: discord.Interaction[Bot]) -> None:
        assert interaction.guild_id is not None  # an operator acts in a server
        locale = interaction.locale
        entries = await self.bot.audit.newest_first(interaction.guild_id)
        lines = [f"<t:{entry.at}:f> {entry.sentence(locale)}" for entry in entries[:SHOWN]]
        content = "\n".join(lines) or translate(locale, "audit.empty")
        if len(entries) <= SHOWN:
            await interaction.response.send_message(content, ephemeral=True)
            return
        whole = "\n".join(_row(entry) for entry in entries)
        file = discord.File(io.BytesIO(whole.encode()), "audit-log.csv")
        more = translate(locale, "audit.in_file", count=len(entries))
        await interaction.response.send_message(f"{content}\n-# {more}", file=file, ephemeral=True)


def _row(entry: Entry) -> str:
    when = datetime.fromtimestamp(entry.at, UTC).isoformat()
    return f"{when},{entry.who},{entry.act},{entry.subject},{entry.before or ''},{entry.after or ''}"


async def setup(bot: Bot) -> None:
    await bot.add_cog(Audit(bot))
