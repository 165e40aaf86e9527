"""Who and what there is before anyone speaks: users, roles, members, channels and the one guild."""

from dataclasses import dataclass, field
from hashlib import md5

from sandbox.errors import JSON, DiscordError
from sandbox.permissions import EVERY_PERMISSION, combine

TEXT, DM = 0, 1  # Discord's channel types, as far as there are any here


@dataclass
class User:
    id: str
    username: str
    global_name: str
    locale: str = "en-US"
    bot: bool = False

    def payload(self) -> JSON:
        return {
            "id": self.id,
            "username": self.username,
            "global_name": None if self.bot else self.global_name,
            "discriminator": "0",
            "avatar": md5(
                self.username.encode(), usedforsecurity=False
            ).hexdigest(),  # Discord's avatar hashes are 32 hex
            "banner": None,
            "accent_color": None,
            "avatar_decoration_data": None,
            "collectibles": None,
            "primary_guild": None,
            "public_flags": 0,
            "flags": 0,
            "bot": self.bot,
            "system": False,
        }


@dataclass
class Role:
    id: str
    name: str
    position: int
    permissions: int
    color: int = 0
    bot_id: str | None = None  # set for the role that Discord manages for a bot

    def payload(self) -> JSON:
        return {
            "id": self.id,
            "name": self.name,
            "position": self.position,
            "permissions": str(self.permissions),
            "color": self.color,
            "colors": {"primary_color": self.color, "secondary_color": None, "tertiary_color": None},
            "hoist": False,
            "managed": self.bot_id is not None,
            "mentionable": False,
            "icon": None,
            "unicode_emoji": None,
            "flags": 0,
        } | ({"tags": {"bot_id": self.bot_id}} if self.bot_id else {})


@dataclass
class Member:
    user: User
    roles: list[Role]
    joined_at: str

    def payload(self) -> JSON:
        """Discord's member object, without the user (events about a user carry the two side by side)."""
        return {
            "nick": None,
            "avatar": None,
            "banner": None,
            "roles": [role.id for role in self.roles],
            "joined_at": self.joined_at,
            "premium_since": None,
            "communication_disabled_until": None,
            "deaf": False,
            "mute": False,
            "pending": False,
            "flags": 0,
        }

    def full_payload(self) -> JSON:
        return self.payload() | {"user": self.user.payload()}


@dataclass
class Channel:
    """A text channel of the guild, or the conversation of one user with the bot."""

    id: str
    type: int
    name: str = ""
    topic: str | None = None
    position: int = 0
    guild_id: str | None = None
    recipients: list[User] = field(default_factory=list)
    overwrites: list[JSON] = field(default_factory=list)  # Discord's: id, type (0 role, 1 member), allow, deny
    last_message_id: str | None = None

    def payload(self) -> JSON:
        shared: JSON = {
            "id": self.id,
            "type": self.type,
            "flags": 0,
            "last_message_id": self.last_message_id,
            "last_pin_timestamp": None,
        }
        if self.type == DM:
            return shared | {"recipients": [user.payload() for user in self.recipients if not user.bot]}
        return shared | {
            "guild_id": self.guild_id,
            "name": self.name,
            "topic": self.topic,
            "position": self.position,
            "parent_id": None,
            "nsfw": False,
            "rate_limit_per_user": 0,
            "permission_overwrites": self.overwrites,
        }


@dataclass
class Guild:
    id: str
    name: str
    owner: User
    roles: dict[str, Role]
    members: dict[str, Member]
    channels: dict[str, Channel]

    def member(self, user_id: str) -> Member:
        if user_id not in self.members:
            raise DiscordError("unknown_member")
        return self.members[user_id]

    def permissions(self, user_id: str, channel: Channel | None = None) -> int:
        """What the user may do in the guild, or in one of its channels; nothing for strangers."""
        if user_id == self.owner.id:
            return EVERY_PERMISSION
        if user_id not in self.members:
            return 0
        roles = [self.roles[self.id], *self.members[user_id].roles]
        denied = allowed = 0
        holders = {user_id, *(role.id for role in roles)}
        for overwrite in channel.overwrites if channel else []:
            if overwrite["id"] in holders:
                denied |= int(overwrite["deny"])
                allowed |= int(overwrite["allow"])
        return combine((role.permissions for role in roles), denied, allowed)

    def payload(self) -> JSON:
        """Discord's guild object, as REST gives it."""
        return {
            "id": self.id,
            "name": self.name,
            "owner_id": self.owner.id,
            "roles": [role.payload() for role in self.roles.values()],
            "afk_timeout": 300,
            "preferred_locale": "en-US",
            "region": "deprecated",
            "max_members": 500_000,
            "max_stage_video_channel_users": 50,
            "max_video_channel_users": 25,
            **dict.fromkeys(_EMPTY, None),
            **dict.fromkeys(_ZERO, 0),
            **dict.fromkeys(_FALSE, False),
            "features": [],
            "emojis": [],
            "stickers": [],
        }

    def create_payload(self, joined: Member) -> JSON:
        """The GUILD_CREATE event for a bot without the members intent: of the members it sees itself."""
        return self.payload() | {
            "joined_at": joined.joined_at,
            "large": False,
            "unavailable": False,
            "member_count": len(self.members),
            "members": [joined.full_payload()],
            "channels": [channel.payload() for channel in self.channels.values()],
            "threads": [],
            "voice_states": [],
            "presences": [],
            "stage_instances": [],
            "guild_scheduled_events": [],
            "soundboard_sounds": [],
        }


_EMPTY = (
    "icon",
    "description",
    "home_header",
    "splash",
    "discovery_splash",
    "banner",
    "application_id",
    "afk_channel_id",
    "system_channel_id",
    "widget_channel_id",
    "max_presences",
    "vanity_url_code",
    "rules_channel_id",
    "safety_alerts_channel_id",
    "public_updates_channel_id",
    "incidents_data",
)
_ZERO = (
    "system_channel_flags",
    "verification_level",
    "default_message_notifications",
    "mfa_level",
    "explicit_content_filter",
    "premium_tier",
    "premium_subscription_count",
    "nsfw_level",
)
_FALSE = ("widget_enabled", "premium_progress_bar_enabled", "nsfw")
