"""Discord's permission bits, as far as anything here depends on them, and how they combine in a channel."""

from collections.abc import Iterable
from enum import IntFlag


class Permission(IntFlag):
    """The bits, at Discord's places."""

    ADMINISTRATOR = 1 << 3
    MANAGE_GUILD = 1 << 5
    ADD_REACTIONS = 1 << 6
    VIEW_CHANNEL = 1 << 10
    SEND_MESSAGES = 1 << 11
    MANAGE_MESSAGES = 1 << 13
    EMBED_LINKS = 1 << 14
    ATTACH_FILES = 1 << 15
    READ_MESSAGE_HISTORY = 1 << 16
    MENTION_EVERYONE = 1 << 17
    USE_EXTERNAL_EMOJIS = 1 << 18
    USE_APPLICATION_COMMANDS = 1 << 31


EVERY_PERMISSION = (1 << 53) - 1  # all bits that Discord assigns fit in 53
MEMBER_PERMISSIONS = (
    Permission.ADD_REACTIONS
    | Permission.VIEW_CHANNEL
    | Permission.SEND_MESSAGES
    | Permission.EMBED_LINKS
    | Permission.ATTACH_FILES
    | Permission.READ_MESSAGE_HISTORY
    | Permission.USE_EXTERNAL_EMOJIS
    | Permission.USE_APPLICATION_COMMANDS
)


def combine(roles: Iterable[int], denied: int, allowed: int) -> int:
    """The permissions of someone with these roles where a channel denies and allows some.

    An administrator has every permission; without VIEW_CHANNEL none is left in a channel.
    """
    granted = 0
    for role in roles:
        granted |= role
    if granted & Permission.ADMINISTRATOR:
        return EVERY_PERMISSION
    granted = (granted & ~denied) | allowed
    return granted if granted & Permission.VIEW_CHANNEL else 0
