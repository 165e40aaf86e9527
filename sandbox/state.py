"""Everything the sandbox knows, in memory and clean with every run, and how it is furnished at the start.

What a person or the server could do to a bot unasked (delete a message, take a permission) is a method here.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from sandbox.cdn import Files
from sandbox.clock import Clock, Snowflakes
from sandbox.commands import Commands
from sandbox.errors import JSON, DiscordError
from sandbox.events import Events
from sandbox.guild import DM, TEXT, Channel, Guild, Member, Role, User
from sandbox.interactions import Interactions
from sandbox.messages import Message, Messages
from sandbox.permissions import MEMBER_PERMISSIONS, Permission


@dataclass(frozen=True)
class Example:
    """A command that the page offers to write for whoever finds a channel empty."""

    command: str
    options: Mapping[str, str] = field(default_factory=dict)
    role: str | None = None  # of those who may use it; None: everybody


VERSE = Example("shakespeare", {"prompt": "Our revels now are ended."})
CHANNELS = (
    ("the-stage", "Verse, performed. Type /shakespeare.", VERSE),
    ("gallery", "Pictures that never existed.", Example("gan sample", {"model": "gan-cats"})),
    ("workshop", "Where models are trained and compared.", Example("model list", role="operator")),
)


@dataclass
class Person:
    user: User
    role: str  # "operator" or "member"
    direct: Channel  # the conversation with the bot


class State:
    """One guild, its people and one bot, whose application belongs to the operator."""

    def __init__(self, token: str, clock: Clock) -> None:
        self.token = token
        self.clock = clock
        self.ids = ids = Snowflakes(clock)
        self.events = Events()
        self.files = Files(ids)
        self.application_id = ids.next()
        self.bot = User(self.application_id, "Prospero", "Prospero", bot=True)
        operator = User(ids.next(), "ariel", "Ariel")
        members = [User(ids.next(), "miranda", "Miranda"), User(ids.next(), "caliban", "Caliban", locale="pt-BR")]
        self.guild = self._found_guild(operator, members)
        self.people = {user.id: self._welcome(user, operator) for user in [operator, *members]}
        self.messages = Messages(clock, ids, self.files, self.guild, self.bot, self.events)
        self.commands = Commands(ids, self.application_id, self.guild)
        self.interactions = Interactions(
            clock, ids, self.application_id, self.bot, self.guild, self.messages, self.events
        )

    def _found_guild(self, owner: User, others: list[User]) -> Guild:
        guild_id = self.ids.next()
        everyone = Role(guild_id, "@everyone", 0, MEMBER_PERMISSIONS)
        managed = Role(self.ids.next(), "Prospero", 1, MEMBER_PERMISSIONS, color=0x5B4B8A, bot_id=self.bot.id)
        now = self.clock.iso()
        members = {user.id: Member(user, [], now) for user in [owner, *others]}
        members[self.bot.id] = Member(self.bot, [managed], now)
        channels = [
            Channel(self.ids.next(), TEXT, name, topic, position, guild_id)
            for position, (name, topic, _) in enumerate(CHANNELS)
        ]
        roles = {role.id: role for role in (everyone, managed)}
        return Guild(guild_id, "The Island", owner, roles, members, {channel.id: channel for channel in channels})

    def _welcome(self, user: User, operator: User) -> Person:
        direct = Channel(self.ids.next(), DM, recipients=[user, self.bot])
        return Person(user, "operator" if user is operator else "member", direct)

    # finding

    @property
    def operator(self) -> User:
        return self.guild.owner

    def person(self, user_id: str) -> Person:
        if user_id not in self.people:
            raise DiscordError("unknown_user")
        return self.people[user_id]

    def user(self, user_id: str) -> User:
        return self.bot if user_id == self.bot.id else self.person(user_id).user

    def named(self, global_name: str) -> Person:
        """The person of that display name, such as "Miranda"."""
        return next(person for person in self.people.values() if person.user.global_name == global_name)

    def channel(self, channel_id: str) -> Channel:
        """A channel of the guild or a direct one, by id."""
        direct = {person.direct.id: person.direct for person in self.people.values()}
        channel = self.guild.channels.get(channel_id) or direct.get(channel_id)
        if channel is None:
            raise DiscordError("unknown_channel")
        return channel

    def channels_of(self, person: Person) -> list[Channel]:
        """What the person sees: the guild's channels in order, then the conversation with the bot."""
        return [one for one in self.guild.channels.values() if self.may_view(person.user, one)] + [person.direct]

    def example(self, person: Person, channel: Channel) -> Example:
        """What the person may begin with in a channel: its own example if it has one for them, else verse."""
        own = next((example for name, _, example in CHANNELS if name == channel.name), VERSE)
        return own if own.role in (None, person.role) else VERSE

    def may_view(self, user: User, channel: Channel) -> bool:
        if channel.type == DM:
            return user in channel.recipients
        return bool(self.guild.permissions(user.id, channel) & Permission.VIEW_CHANNEL)

    # what happens to a bot unasked

    def delete_message(self, message_id: str) -> None:
        """Delete a message as a person with the right to would."""
        self.messages.delete(self.any_message(message_id))

    def any_message(self, message_id: str) -> Message:
        for channel in [*self.guild.channels.values(), *(person.direct for person in self.people.values())]:
            for message in self.messages.in_channel(channel):
                if message.id == message_id:
                    return message
        raise DiscordError("unknown_message")

    def delete_channel(self, channel: Channel) -> None:
        """Delete a channel of the guild as its owner would, and tell the bot."""
        del self.guild.channels[channel.id]
        self.events.to_bot("CHANNEL_DELETE", channel.payload(), 1)

    def forbid(self, channel: Channel, user: User, permission: Permission) -> None:
        """Take a permission from a user in one channel, and tell the bot that the channel changed."""
        overwrite: JSON = {"id": user.id, "type": 1, "allow": "0", "deny": str(int(permission))}
        channel.overwrites = [*(one for one in channel.overwrites if one["id"] != user.id), overwrite]
        self.events.to_bot("CHANNEL_UPDATE", channel.payload(), 1)

    def grant(self, user: User, permission: Permission) -> None:
        """Give a member a permission in the whole guild, through a role of their own."""
        role = Role(self.ids.next(), permission.name or "granted", len(self.guild.roles), int(permission))
        self.guild.roles[role.id] = role
        self.guild.members[user.id].roles.append(role)
        self.events.to_bot("GUILD_ROLE_CREATE", {"guild_id": self.guild.id, "role": role.payload()}, 1)
