"""The REST routes of channels: messages and the typing indicator."""

from aiohttp import web

from sandbox.drafts import EPHEMERAL, SUPPRESS_EMBEDS, SUPPRESS_NOTIFICATIONS, Draft, read_body, read_draft
from sandbox.errors import DiscordError
from sandbox.guild import DM, Channel
from sandbox.messages import DEFAULT, DIRECT_TYPING, GUILD_TYPING, REPLY, Message
from sandbox.permissions import EVERY_PERMISSION, Permission
from sandbox.ratelimits import Limit, RateLimits
from sandbox.rest import API, no_content, number, reply
from sandbox.state import State

NONCE_SECONDS = 300.0  # how long a nonce is remembered; Discord says "the past few minutes"
OLD_SECONDS = 3600.0  # the age at which a message becomes one whose edits are limited beside all else
OLD_EDITS = Limit(3, 20.0)  # in a channel; what people measured


class ChannelRoutes:
    """The routes under /channels, as far as the bot's permissions there allow them."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._old_edits = RateLimits(state.clock)

    def routes(self) -> list[web.RouteDef]:
        channel = f"{API}/channels/{{channel_id}}"
        return [
            web.get(channel, self.channel),
            web.post(f"{channel}/typing", self.typing),
            web.get(f"{channel}/messages", self.history),
            web.post(f"{channel}/messages", self.create),
            web.get(f"{channel}/messages/{{message_id}}", self.message),
            web.patch(f"{channel}/messages/{{message_id}}", self.edit),
            web.delete(f"{channel}/messages/{{message_id}}", self.delete),
        ]

    async def channel(self, request: web.Request) -> web.Response:
        return reply(self._channel(request).payload())

    async def typing(self, request: web.Request) -> web.Response:
        channel = self._channel(request, Permission.SEND_MESSAGES)
        bot = self._state.bot
        seen_by = [one.user.id for one in self._state.people.values() if self._state.may_view(one.user, channel)]
        self._state.events.to_people("TYPING_START", {"channel_id": channel.id, "user_id": bot.id}, seen_by)
        event = {"channel_id": channel.id, "user_id": bot.id, "timestamp": int(self._state.clock.time())}
        if channel.guild_id is not None:
            event |= {"guild_id": channel.guild_id, "member": self._state.guild.member(bot.id).full_payload()}
        self._state.events.to_bot("TYPING_START", event, DIRECT_TYPING if channel.type == DM else GUILD_TYPING)
        return no_content()

    async def history(self, request: web.Request) -> web.Response:
        channel = self._channel(request)
        limit = number(request, "limit", 50, 1, 100)
        if not self._granted(channel) & Permission.READ_MESSAGE_HISTORY:
            return reply([])
        messages = self._state.messages.in_channel(channel)
        if "before" in request.query:
            before = number(request, "before", 0, 0, 2**63)
            messages = [one for one in messages if int(one.id) < before]
        if "after" in request.query:
            after = number(request, "after", 0, 0, 2**63)
            messages = [one for one in messages if int(one.id) > after][:limit]
        newest_first = messages[-limit:][::-1]
        return reply([self._state.messages.payload_for_bot(message) for message in newest_first])

    async def create(self, request: web.Request) -> web.Response:
        channel = self._channel(request, Permission.SEND_MESSAGES)
        payload, uploads = await read_body(request)
        draft = read_draft(payload, uploads, SUPPRESS_EMBEDS | SUPPRESS_NOTIFICATIONS)
        self._refuse_ungranted(channel, draft)
        messages = self._state.messages
        if draft.fields.get("enforce_nonce") and "nonce" in draft.fields:
            for earlier in messages.in_channel(channel):
                same = earlier.author is self._state.bot and earlier.fields.get("nonce") == draft.fields["nonce"]
                if same and self._state.clock.age(earlier.id) < NONCE_SECONDS:
                    return reply(messages.payload(earlier))
        reply_to = messages.replied(channel, draft)
        message = messages.create(
            channel, self._state.bot, draft, kind=REPLY if reply_to else DEFAULT, reply_to=reply_to
        )
        return reply(messages.payload(message))

    async def message(self, request: web.Request) -> web.Response:
        message = self._message(request, Permission.READ_MESSAGE_HISTORY)
        return reply(self._state.messages.payload_for_bot(message))

    async def edit(self, request: web.Request) -> web.Response:
        message = self._message(request)
        payload, uploads = await read_body(request)
        if message.author is not self._state.bot:
            raise DiscordError("not_the_author")
        draft = read_draft(payload, uploads, SUPPRESS_EMBEDS | EPHEMERAL)
        self._refuse_ungranted(message.channel, draft)
        if self._state.clock.age(message.id) > OLD_SECONDS:
            verdict = self._old_edits.take("old edits", message.channel.id, OLD_EDITS, counts_globally=False)
            if verdict.body is not None:  # the answer's bucket is still the route's, which has more left
                return reply(verdict.body | DiscordError("too_many_old_edits").body(), 429, verdict.headers)
        self._state.messages.edit(message, draft)
        return reply(self._state.messages.payload(message))

    async def delete(self, request: web.Request) -> web.Response:
        message = self._message(request)
        if message.author is not self._state.bot:
            if message.channel.type == DM:
                raise DiscordError("direct_channel")
            if not self._granted(message.channel) & Permission.MANAGE_MESSAGES:
                raise DiscordError("missing_permissions")
        self._state.messages.delete(message)
        return no_content()

    def _channel(self, request: web.Request, needed: Permission | None = None) -> Channel:
        channel = self._state.channel(request.match_info["channel_id"])
        granted = self._granted(channel)
        if not granted & Permission.VIEW_CHANNEL:
            raise DiscordError("missing_access")
        if needed is not None and not granted & needed:
            raise DiscordError("missing_permissions")
        return channel

    def _granted(self, channel: Channel) -> int:
        if channel.type == DM:
            return EVERY_PERMISSION
        return self._state.guild.permissions(self._state.bot.id, channel)

    def _refuse_ungranted(self, channel: Channel, draft: Draft) -> None:
        granted = self._granted(channel)
        if draft.uploads and not granted & Permission.ATTACH_FILES:
            raise DiscordError("missing_permissions")
        if draft.fields.get("embeds") and not granted & Permission.EMBED_LINKS:
            raise DiscordError("missing_permissions")
        if draft.fields.get("message_reference") and not granted & Permission.READ_MESSAGE_HISTORY:
            raise DiscordError("unreadable_reply")

    def _message(self, request: web.Request, needed: Permission | None = None) -> Message:
        message = self._state.messages.find(self._channel(request, needed), request.match_info["message_id"])
        if message.only_for is not None:  # reachable through its interaction's token alone
            raise DiscordError("unknown_message")
        return message
