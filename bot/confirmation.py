"""A question before something is done: whoever asked for it alone sees it, with a button that does it and one that
leaves everything as it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import discord

from bot.draft import view_of
from bot.locale import translate
from bot.operators import OperatorButton

if TYPE_CHECKING:
    from bot.client import Bot


class Leave(OperatorButton, action="leave", label_key="button.leave", style=discord.ButtonStyle.secondary):
    """Leaves everything as it is."""

    async def press(self, interaction: discord.Interaction[Bot]) -> None:
        said = translate(interaction.locale, "confirm.left")
        await interaction.response.edit_message(content=said, view=None)


async def ask(interaction: discord.Interaction[Bot], question: str, yes: OperatorButton) -> None:
    """Puts ``question`` as the answer to an interaction that is deferred; pressing ``yes`` does what it is about."""
    view = view_of([yes, Leave(yes.subject, interaction.locale)])
    await interaction.edit_original_response(content=question, view=view)
