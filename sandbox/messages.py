"""The messages of every channel: written, edited, deleted, and shown only to those who may see them."""

import re
from dataclasses import dataclass, field, replace

from sandbox.cdn import Attachment, Files
from sandbox.clock import Clock, Snowflakes
from sandbox.drafts import EPHEMERAL, HAS_SNAPSHOT, LOADING, SUPPRESS_EMBEDS, Draft
from sandbox.embeds import resolve_attached
from sandbox.errors import JSON, DiscordError, Form
from sandbox.events import Events
from sandbox.guild import DM, Channel, Guild, User
from sandbox.permissions import Permission

DEFAULT, REPLY, SLASH_REPLY, CONTEXT_REPLY = 0, 19, 20, 23  # Discord's message types
REPLIES, FORWARDS = 0, 1  # the types of its references to other messages
SNAPSHOT = (  # what is passed on of a message
    "type", "content", "mentions", "mention_roles", "attachments", "embeds", "timestamp", "edited_timestamp", "flags",
    "components",
)  # fmt: skip
GUILD_MESSAGES, GUILD_TYPING, DIRECT_MESSAGES, DIRECT_TYPING = 1 << 9, 1 << 11, 1 << 12, 1 << 14  # gateway intents


@dataclass
class Message:
    """`fields` is Discord's message object without what follows from other messages or the reader."""

    id: str
    channel: Channel
    author: User
    fields: JSON
    attachments: list[Attachment] = field(default_factory=list)
    only_for: str | None = None  # the one user who sees an ephemeral message
    reply_to: str | None = None
    allowed_mentions: JSON | None = None

    @property
    def flags(self) -> int:
        return int(self.fields["flags"])

    @property
    def loading(self) -> bool:
        return bool(self.flags & LOADING)


class Messages:
    """Keeps messages by channel, oldest first, and tells the events about every change."""

    def __init__(self, clock: Clock, ids: Snowflakes, files: Files, guild: Guild, bot: User, events: Events) -> None:
        self._clock = clock
        self._ids = ids
        self._files = files
        self._guild = guild
        self._bot = bot
        self._events = events
        self._kept: dict[str, dict[str, Message]] = {}

    # reading

    def find(self, channel: Channel, message_id: str) -> Message:
        message = self._kept.get(channel.id, {}).get(message_id)
        if message is None:
            raise DiscordError("unknown_message")
        return message

    def keeps(self, message: Message) -> bool:
        """Whether the message is still there."""
        return message.id in self._kept[message.channel.id]

    def in_channel(self, channel: Channel, reader: str | None = None) -> list[Message]:
        """Oldest first; with a reader's id also the ephemeral ones that only they see."""
        kept = self._kept.get(channel.id, {}).values()
        return [message for message in kept if message.only_for in (None, reader)]

    def payload(self, message: Message) -> JSON:
        """Discord's message object, as REST and people's pages get it."""
        payload = message.fields | {
            "id": message.id,
            "channel_id": message.channel.id,
            "author": message.author.payload(),
            "attachments": [file.payload(self._files.origin) for file in self._listed(message)],
        }
        if message.flags & SUPPRESS_EMBEDS:
            payload["embeds"] = []
        if message.reply_to is not None:
            replied = self._kept.get(message.channel.id, {}).get(message.reply_to)
            if replied and replied.only_for not in (None, message.only_for):
                replied = None  # not everyone who sees the reply sees this
            payload["message_reference"] = _reference(REPLIES, message.channel, message.reply_to)
            payload["referenced_message"] = self.payload(replace(replied, reply_to=None)) if replied else None
        return payload

    def payload_for_bot(self, message: Message) -> JSON:
        """The same with the contents emptied where a bot without the message content intent may not read them."""
        payload = self.payload(message)
        mentioned = any(user["id"] == self._bot.id for user in payload["mentions"])
        if message.author is not self._bot and message.channel.type != DM and not mentioned:
            payload |= {"content": "", "embeds": [], "attachments": [], "components": []}
            payload.pop("message_snapshots", None)
        return payload

    # writing

    def create(
        self,
        channel: Channel,
        author: User,
        draft: Draft,
        *,
        kind: int = DEFAULT,
        only_for: str | None = None,
        reply_to: str | None = None,
        extra: JSON | None = None,
    ) -> Message:
        """Write a message and announce it. `extra` holds fields such as `webhook_id` and `interaction_metadata`."""
        fields: JSON = {
            "type": kind,
            "content": "",
            "embeds": [],
            "components": [],
            "mentions": [],
            "mention_roles": [],
            "mention_everyone": False,
            "timestamp": self._clock.iso(),
            "edited_timestamp": None,
            "flags": EPHEMERAL if only_for else 0,
            "pinned": False,
            "tts": bool(draft.fields.get("tts")),
            **(extra or {}),
        }
        if "nonce" in draft.fields:
            fields["nonce"] = draft.fields["nonce"]
        message = Message(self._ids.next(), channel, author, fields, only_for=only_for, reply_to=reply_to)
        self._apply(message, draft)
        self._kept.setdefault(channel.id, {})[message.id] = message
        channel.last_message_id = message.id
        self._announce("MESSAGE_CREATE", message)
        return message

    def edit(self, message: Message, draft: Draft) -> None:
        """Change what the draft names. Filling in a deferred response does not count as an edit."""
        changed = replace(message, fields=dict(message.fields))
        if message.loading:
            changed.fields["flags"] &= ~LOADING
        else:
            changed.fields["edited_timestamp"] = self._clock.iso()
        self._apply(changed, draft)
        for file in message.attachments:
            if file not in changed.attachments:
                self._files.drop(file.id)
        vars(message).update(vars(changed))
        self._announce("MESSAGE_UPDATE", message)

    def delete(self, message: Message) -> None:
        del self._kept[message.channel.id][message.id]
        for file in message.attachments:
            self._files.drop(file.id)
        gone: JSON = {"id": message.id, "channel_id": message.channel.id}
        if message.channel.guild_id is not None and message.only_for is None:
            gone["guild_id"] = message.channel.guild_id
        self._events.to_bot("MESSAGE_DELETE", gone, self._intent(message))
        self._events.to_people(
            "MESSAGE_DELETE", {"id": message.id, "channel_id": message.channel.id}, self._seen_by(message)
        )

    def forwarded(self, message: Message) -> JSON:
        """The fields of another one that passes a message on, as that is now."""
        payload = self.payload(message)
        return {
            "flags": HAS_SNAPSHOT,
            "message_reference": _reference(FORWARDS, message.channel, message.id),
            "message_snapshots": [{"message": {key: payload[key] for key in SNAPSHOT}}],
        }

    def replied(self, channel: Channel, draft: Draft) -> str | None:
        """The id of the message that the draft answers; a missing one is a fault unless the draft allows it."""
        reference = draft.fields.get("message_reference")
        if not reference:
            return None
        message_id = str(reference.get("message_id"))
        if message_id not in self._kept.get(channel.id, {}):
            if reference.get("fail_if_not_exists") is False:
                return None
            form = Form()
            form.fault(("message_reference",), "REPLIES_UNKNOWN_MESSAGE", "Unknown message")
            form.check()
        return message_id

    # how

    def _apply(self, message: Message, draft: Draft) -> None:
        """Put the draft's changes into the message; raises `DiscordError("empty_message")` if nothing would be left."""
        for key in ("content", "embeds", "components"):
            if key in draft.fields:
                message.fields[key] = draft.fields[key]
        if "flags" in draft.fields:
            message.fields["flags"] = message.flags & EPHEMERAL | draft.flags & ~EPHEMERAL  # who sees it stays
        if "allowed_mentions" in draft.fields:
            message.allowed_mentions = draft.fields["allowed_mentions"]
        kept = [file for file in message.attachments if draft.kept is None or file.id in draft.kept]
        visible = message.fields["content"].strip() or message.fields["embeds"] or kept or draft.uploads
        if not visible and not message.flags & (LOADING | HAS_SNAPSHOT):
            raise DiscordError("empty_message")
        private = message.only_for is not None
        message.attachments = kept + [self._files.keep(message.channel.id, upload, private) for upload in draft.uploads]
        files = {file.filename: file.payload(self._files.origin) for file in message.attachments}
        resolve_attached(message.fields["embeds"], files)
        self._set_mentions(message)

    def _listed(self, message: Message) -> list[Attachment]:
        """The attachments that are not already shown inside an embed."""
        embedded = {
            part.get("url") for embed in message.fields["embeds"] for part in embed.values() if isinstance(part, dict)
        }
        return [file for file in message.attachments if self._files.origin + file.path not in embedded]

    def _set_mentions(self, message: Message) -> None:
        content = message.fields["content"]
        allowed = message.allowed_mentions
        everyone, users, roles = True, None, None  # None: all
        if allowed is not None:
            parse = allowed.get("parse") or []
            everyone = "everyone" in parse
            users = None if "users" in parse else {str(item) for item in allowed.get("users") or []}
            roles = None if "roles" in parse else {str(item) for item in allowed.get("roles") or []}
        people = {user.id: user for user in message.channel.recipients}
        people |= {member.user.id: member.user for member in self._guild.members.values()}
        named = [found for found in dict.fromkeys(re.findall(r"<@!?(\d+)>", content)) if found in people]
        mentioned = [people[found] for found in named if users is None or found in users]
        if message.reply_to is not None and (allowed is None or allowed.get("replied_user")):
            replied = self._kept.get(message.channel.id, {}).get(message.reply_to)
            if replied is not None and replied.author not in (message.author, *mentioned):
                mentioned.append(replied.author)
        message.fields["mentions"] = [user.payload() for user in mentioned]
        message.fields["mention_roles"] = [
            found
            for found in dict.fromkeys(re.findall(r"<@&(\d+)>", content))
            if found in self._guild.roles and (roles is None or found in roles)
        ]
        may = self._guild.permissions(message.author.id, message.channel) & Permission.MENTION_EVERYONE
        called = re.search(r"@(everyone|here)\b", content)
        message.fields["mention_everyone"] = bool(called and may and everyone and message.channel.guild_id)

    def _seen_by(self, message: Message) -> list[str]:
        if message.only_for is not None:
            return [message.only_for]
        if message.channel.type == DM:
            return [user.id for user in message.channel.recipients]
        can_view = Permission.VIEW_CHANNEL
        return [one for one in self._guild.members if self._guild.permissions(one, message.channel) & can_view]

    @staticmethod
    def _intent(message: Message) -> int:
        direct = message.channel.type == DM or message.only_for is not None
        return DIRECT_MESSAGES if direct else GUILD_MESSAGES

    def _announce(self, name: str, message: Message) -> None:
        seen_by = self._seen_by(message)
        if message.only_for is not None or self._bot.id in seen_by:
            data = self.payload_for_bot(message)
            if message.channel.guild_id is not None and message.only_for is None:
                data["guild_id"] = message.channel.guild_id
                data["member"] = self._guild.member(message.author.id).payload()
            data["channel_type"] = message.channel.type
            self._events.to_bot(name, data, self._intent(message))
        self._events.to_people(name, self.payload(message), seen_by)


def _reference(kind: int, channel: Channel, message_id: str) -> JSON:
    reference: JSON = {"type": kind, "channel_id": channel.id, "message_id": message_id}
    return reference if channel.guild_id is None else reference | {"guild_id": channel.guild_id}
