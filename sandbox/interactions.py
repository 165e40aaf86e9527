"""Interactions from the moment a person starts one: three seconds to be answered, fifteen minutes to be followed up."""

import secrets
from dataclasses import dataclass, field
from typing import Any

from sandbox.cdn import MAX_FILE_BYTES
from sandbox.clock import Clock, Snowflakes, Timer
from sandbox.commands import (
    CHAT_INPUT,
    GROUP,
    INTEGER,
    MESSAGE_COMMAND,
    MOST_CHOICES,
    NUMBER,
    STRING,
    SUBCOMMAND,
    USER_COMMAND,
    read_choice,
)
from sandbox.components import read_modal
from sandbox.drafts import EPHEMERAL, LOADING, SUPPRESS_EMBEDS, SUPPRESS_NOTIFICATIONS, Draft, Uploads, read_draft
from sandbox.errors import JSON, DiscordError, Form
from sandbox.events import Events
from sandbox.guild import DM, Channel, Guild, User
from sandbox.messages import CONTEXT_REPLY, DEFAULT, REPLY, SLASH_REPLY, Message, Messages
from sandbox.permissions import Permission

RESPONSE_SECONDS = 3.0
TOKEN_SECONDS = 15 * 60.0

COMMAND, COMPONENT, AUTOCOMPLETE, MODAL = 2, 3, 4, 5  # Discord's interaction types
REPLY_NOW, REPLY_LATER, UPDATE_LATER, UPDATE_NOW, CHOICES, OPEN_MODAL = 4, 5, 6, 7, 8, 9  # its callback types
ALLOWED_CALLBACKS = {
    COMMAND: (REPLY_NOW, REPLY_LATER, OPEN_MODAL),
    COMPONENT: (REPLY_NOW, REPLY_LATER, UPDATE_LATER, UPDATE_NOW, OPEN_MODAL),
    AUTOCOMPLETE: (CHOICES,),
    MODAL: (REPLY_NOW, REPLY_LATER, UPDATE_LATER, UPDATE_NOW),
}
CREATE_FLAGS = EPHEMERAL | SUPPRESS_EMBEDS | SUPPRESS_NOTIFICATIONS
EDIT_FLAGS = EPHEMERAL | SUPPRESS_EMBEDS  # Discord tolerates EPHEMERAL in an edit, where it changes nothing
DIRECT_PERMISSIONS = (  # what Discord says that an application may do in its own direct messages
    Permission.ATTACH_FILES | Permission.EMBED_LINKS | Permission.MENTION_EVERYONE | Permission.USE_EXTERNAL_EMOJIS
)


@dataclass
class Interaction:
    id: str
    type: int
    token: str
    user: User
    channel: Channel
    data: JSON
    nonce: str
    born: float
    source: Message | None  # the message whose component was used, also through a modal
    metadata: JSON
    opener: "Interaction | None" = None  # what opened the modal that this one submits
    acknowledged: bool = False
    failed: bool = False
    original: Message | None = None  # what @original names
    modal: JSON | None = None  # the modal it opened
    deadline: Timer | None = field(default=None, repr=False)


class Interactions:
    """Starts interactions on behalf of people, and takes the bot's answers."""

    def __init__(
        self,
        clock: Clock,
        ids: Snowflakes,
        application_id: str,
        bot: User,
        guild: Guild,
        messages: Messages,
        events: Events,
    ) -> None:
        self._clock = clock
        self._ids = ids
        self._application_id = application_id
        self._bot = bot
        self._guild = guild
        self._messages = messages
        self._events = events
        self._by_id: dict[str, Interaction] = {}
        self._by_token: dict[str, Interaction] = {}

    # from people

    def begin(
        self,
        kind: int,
        user: User,
        channel: Channel,
        data: JSON,
        nonce: str,
        *,
        source: Message | None = None,
        opener: Interaction | None = None,
    ) -> Interaction:
        """Start an interaction and send it to the bot. `source` is the message of a component,
        `opener` the interaction that opened a submitted modal."""
        interaction = Interaction(
            id=self._ids.next(),
            type=kind,
            token=secrets.token_urlsafe(48),
            user=user,
            channel=channel,
            data=data,
            nonce=nonce,
            born=self._clock.time(),
            source=opener.source if opener else source,
            metadata={},
            opener=opener,
        )
        interaction.metadata = self._metadata(interaction)
        self._by_id[interaction.id] = self._by_token[interaction.token] = interaction
        interaction.deadline = self._clock.later(RESPONSE_SECONDS, lambda: self._fail(interaction))
        self._tell(interaction, "INTERACTION_CREATE")
        self._events.to_bot("INTERACTION_CREATE", self._payload(interaction), 0)
        return interaction

    def opened_modal(self, user: User, custom_id: str) -> Interaction | None:
        """The user's latest interaction that was answered with the modal of that custom id."""
        for interaction in reversed(self._by_id.values()):
            if interaction.user is user and interaction.modal and interaction.modal["custom_id"] == custom_id:
                return interaction
        return None

    # from the bot

    def answer(self, interaction_id: str, token: str, payload: Any, uploads: Uploads) -> tuple[Interaction, int]:
        """Take the bot's first response; returns the interaction and the callback type."""
        interaction = self._by_id.get(interaction_id)
        if interaction is None or interaction.token != token or interaction.failed:
            raise DiscordError("unknown_interaction")
        if interaction.acknowledged:
            raise DiscordError("already_acknowledged")
        form = Form()
        body = form.model(payload, ())
        kind: Any = body.get("type")
        form.one_of(kind, ("type",), ALLOWED_CALLBACKS[interaction.type])
        form.check()
        if kind in (UPDATE_LATER, UPDATE_NOW) and interaction.source is None:
            form.one_of(kind, ("type",), (REPLY_NOW, REPLY_LATER, OPEN_MODAL))
            form.check()
        data = form.model(body.get("data") or {}, ("data",))
        if kind == OPEN_MODAL:
            interaction.modal = read_modal(data, form)
            form.check()
        choices = self._read_choices(interaction, data, form) if kind == CHOICES else []
        if kind in (REPLY_NOW, UPDATE_NOW, REPLY_LATER):
            self._respond(interaction, kind, data, uploads)
        elif kind == UPDATE_LATER:
            interaction.original = interaction.source
        interaction.acknowledged = True
        if interaction.deadline is not None:
            interaction.deadline.cancel()
        if interaction.opener is not None:
            interaction.opener.modal = None  # until here it could be submitted again
        if kind == OPEN_MODAL and interaction.modal is not None:
            self._tell(interaction, "INTERACTION_MODAL_CREATE", interaction.modal)
        if kind == CHOICES:
            self._tell(interaction, "INTERACTION_AUTOCOMPLETE", {"choices": choices})
            self._forget(interaction)
        self._tell(interaction, "INTERACTION_SUCCESS")
        return interaction, kind

    def by_token(self, webhook_id: str, token: str) -> Interaction:
        """The interaction whose token a webhook request bears, if that may still be used."""
        interaction = self._by_token.get(token)
        if webhook_id != self._application_id or interaction is None or not interaction.acknowledged:
            raise DiscordError("unknown_webhook")
        if self._clock.time() - interaction.born > TOKEN_SECONDS:
            raise DiscordError("expired_token")
        return interaction

    def follow_up(self, interaction: Interaction, payload: Any, uploads: Uploads) -> Message:
        """A further message; the first one after a deferred response takes that one's place."""
        draft = read_draft(payload, uploads, CREATE_FLAGS)
        original = interaction.original
        if original is not None and original.loading and self._messages.keeps(original):
            self._messages.edit(original, draft)
            return original
        return self._write(interaction, draft, REPLY, original.id if original else None)

    def message(self, interaction: Interaction, message_id: str) -> Message:
        """The message of that id, or of `@original`, if this interaction's token may touch it."""
        if message_id == "@original":
            if interaction.original is None:
                raise DiscordError("unknown_message")
            message_id = interaction.original.id
        found = self._messages.find(interaction.channel, message_id)
        written_so = found.fields.get("webhook_id") == self._application_id
        if not (written_so or found is interaction.source) or found.only_for not in (None, interaction.user.id):
            raise DiscordError("unknown_message")
        return found

    # how

    def _respond(self, interaction: Interaction, kind: int, data: JSON, uploads: Uploads) -> None:
        if kind == UPDATE_NOW and interaction.source is not None:
            if not self._messages.keeps(interaction.source):
                raise DiscordError("unknown_message")
            self._messages.edit(interaction.source, read_draft(data, uploads, EDIT_FLAGS))
            interaction.original = interaction.source
            return
        draft = read_draft(data, uploads, CREATE_FLAGS)
        if kind == REPLY_LATER:
            draft = Draft({"flags": draft.flags | LOADING})
        message_type, reply_to = DEFAULT, None
        if interaction.type == COMMAND:
            message_type = SLASH_REPLY if interaction.data["type"] == CHAT_INPUT else CONTEXT_REPLY
        elif interaction.source is not None:
            message_type, reply_to = REPLY, interaction.source.id
        interaction.original = self._write(interaction, draft, message_type, reply_to)

    def _write(self, interaction: Interaction, draft: Draft, kind: int, reply_to: str | None) -> Message:
        extra: JSON = {
            "application_id": self._application_id,
            "webhook_id": self._application_id,
            "interaction_metadata": dict(interaction.metadata),
        }
        if interaction.original is not None:
            extra["interaction_metadata"]["original_response_message_id"] = interaction.original.id
        elif interaction.type == COMMAND:
            extra["interaction"] = {
                "id": interaction.id,
                "type": COMMAND,
                "name": _full_name(interaction.data),
                "user": interaction.user.payload(),
            }
        only_for = interaction.user.id if draft.flags & EPHEMERAL else None
        return self._messages.create(
            interaction.channel, self._bot, draft, kind=kind, only_for=only_for, reply_to=reply_to, extra=extra
        )

    @staticmethod
    def _read_choices(interaction: Interaction, data: JSON, form: Form) -> list[JSON]:
        focused = _focused(interaction.data.get("options", []))
        kind = focused["type"] if focused and focused["type"] in (INTEGER, NUMBER) else STRING
        values = form.count(data.get("choices") or [], ("data", "choices"), MOST_CHOICES)
        paths = [("data", "choices", n) for n in range(len(values))]
        choices = [
            read_choice(form.model(value, path), path, form, kind) for value, path in zip(values, paths, strict=True)
        ]
        form.check()
        return choices

    def _fail(self, interaction: Interaction) -> None:
        interaction.failed = True
        if interaction.type == AUTOCOMPLETE:
            self._forget(interaction)
        self._tell(interaction, "INTERACTION_FAILURE", {"message": "The application did not respond"})

    def _forget(self, interaction: Interaction) -> None:
        """Let go of an autocomplete, of which there is one for every few letters typed; nothing can follow it."""
        del self._by_id[interaction.id], self._by_token[interaction.token]

    def _tell(self, interaction: Interaction, name: str, more: JSON | None = None) -> None:
        data = {"id": interaction.id, "nonce": interaction.nonce} | (more or {})
        self._events.to_people(name, data, [interaction.user.id])

    def _owners(self, channel: Channel) -> JSON:
        return {"0": channel.guild_id or "0"}  # installed to the guild; "0" is what Discord gives in the bot's own DM

    def _metadata(self, interaction: Interaction) -> JSON:
        metadata: JSON = {
            "id": interaction.id,
            "type": interaction.type,
            "user": interaction.user.payload(),
            "authorizing_integration_owners": self._owners(interaction.channel),
        }
        if interaction.type == COMMAND and interaction.data["type"] == MESSAGE_COMMAND:
            metadata["target_message_id"] = interaction.data["target_id"]
        elif interaction.type == COMMAND and interaction.data["type"] == USER_COMMAND:
            metadata["target_user"] = interaction.data["resolved"]["users"][interaction.data["target_id"]]
        elif interaction.type == COMPONENT and interaction.source is not None:
            metadata["interacted_message_id"] = interaction.source.id
        elif interaction.opener is not None:
            metadata["triggering_interaction_metadata"] = interaction.opener.metadata
        return metadata

    def _payload(self, interaction: Interaction) -> JSON:
        """The INTERACTION_CREATE event."""
        user, channel = interaction.user, interaction.channel
        payload: JSON = {
            "id": interaction.id,
            "application_id": self._application_id,
            "type": interaction.type,
            "token": interaction.token,
            "version": 1,
            "data": interaction.data,
            "channel_id": channel.id,
            "locale": user.locale,
            "entitlements": [],
            "entitlement_sku_ids": [],
            "authorizing_integration_owners": self._owners(channel),
            "attachment_size_limit": MAX_FILE_BYTES,
        }
        if interaction.source is not None:
            payload["message"] = self._messages.payload(interaction.source)
        if channel.type == DM:
            return payload | {
                "context": 1,
                "channel": channel.payload(),
                "user": user.payload(),
                "app_permissions": str(int(DIRECT_PERMISSIONS)),
            }
        permissions = str(self._guild.permissions(user.id, channel))
        return payload | {
            "context": 0,
            "channel": channel.payload() | {"permissions": permissions},
            "guild_id": channel.guild_id,
            "guild": {"id": self._guild.id, "locale": "en-US", "features": []},
            "guild_locale": "en-US",
            "member": self._guild.member(user.id).full_payload() | {"permissions": permissions},
            "app_permissions": str(self._guild.permissions(self._bot.id, channel)),
        }


def _full_name(data: JSON) -> str:
    """The command's name with its subcommands, as in "gan sample"."""
    names = [data["name"]]
    options = data.get("options", [])
    while options and options[0]["type"] in (SUBCOMMAND, GROUP):
        names.append(options[0]["name"])
        options = options[0].get("options", [])
    return " ".join(names)


def _focused(options: list[JSON]) -> JSON | None:
    for option in options:
        found = option if option.get("focused") else _focused(option.get("options", []))
        if found:
            return found
    return None
