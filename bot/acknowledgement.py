"""The first response to an interaction, which counts once Discord has it, whatever came back.

A fault of Discord's own or a lost connection can follow a response that it took. discord.py repeats it after a fault,
and Discord refuses the second as one too many.
"""

from __future__ import annotations

from typing import Any

import discord
import structlog

ALREADY_ACKNOWLEDGED = 40060  # Discord's error code

logger = structlog.get_logger(__name__)


def is_acknowledged(error: BaseException) -> bool:
    """Whether a first response was refused because Discord has one."""
    return isinstance(error, discord.HTTPException) and error.code == ALREADY_ACKNOWLEDGED


async def defer(interaction: discord.Interaction[Any], *, ephemeral: bool = False, thinking: bool = False) -> None:
    """Acknowledges an interaction whose answer takes longer, as discord.py does; a second time is as good as one."""
    try:
        await interaction.response.defer(ephemeral=ephemeral, thinking=thinking)
    except discord.HTTPException as error:
        if not is_acknowledged(error):
            raise
        logger.warning("an interaction was acknowledged before", interaction=interaction.id)
