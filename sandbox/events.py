"""Carries what happens from the one who did it to those who may know: the bot's gateway and people's pages."""

from collections.abc import Callable, Iterable

from sandbox.errors import JSON

BotListener = Callable[[str, JSON, int], None]
PeopleListener = Callable[[str, JSON, frozenset[str]], None]


class Events:
    """A bot's event names the gateway intent it belongs to (0: none), a person's the ids of who may see it."""

    def __init__(self) -> None:
        self._bot: list[BotListener] = []
        self._people: list[PeopleListener] = []

    def on_bot(self, listener: BotListener) -> None:
        self._bot.append(listener)

    def on_people(self, listener: PeopleListener) -> None:
        self._people.append(listener)

    def to_bot(self, name: str, data: JSON, intent: int) -> None:
        for listener in self._bot:
            listener(name, data, intent)

    def to_people(self, name: str, data: JSON, who: Iterable[str]) -> None:
        seen_by = frozenset(who)
        for listener in self._people:
            listener(name, data, seen_by)
