"""Line: what waits for its turn, served in turns of one per user."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterator
from typing import Generic, TypeVar

Waiting = TypeVar("Waiting")


class Line(Generic[Waiting]):
    """First come, first served for each user, and round-robin between users."""

    def __init__(self) -> None:
        self._users: OrderedDict[str, deque[Waiting]] = OrderedDict()  # in the order of their next turns

    def __len__(self) -> int:
        return sum(map(len, self._users.values()))

    def __iter__(self) -> Iterator[Waiting]:
        """Everything that waits, in the order in which it will be served."""
        rounds = max(map(len, self._users.values()), default=0)
        for i in range(rounds):
            yield from (own[i] for own in self._users.values() if i < len(own))

    def position(self, user: str) -> int:
        """The place, counted from 1, that a newcomer of this user would get."""
        turn = len(self._users.get(user, ()))
        users = list(self._users)
        behind = users.index(user) if user in self._users else len(users)
        return (
            1
            + turn
            + sum(
                min(len(own), turn + (place < behind))
                for place, own in enumerate(self._users.values())
                if place != behind
            )
        )

    def append(self, user: str, item: Waiting) -> None:
        self._users.setdefault(user, deque()).append(item)

    def pop(self) -> Waiting:
        """Take the next one; its user goes to the end of the turns. IndexError when nobody waits."""
        if not self._users:
            raise IndexError("nobody waits")
        user, own = next(iter(self._users.items()))
        item = own[0]
        self.take(user, item)
        return item

    def take(self, user: str, item: Waiting) -> None:
        """Take one before its turn, for which its user goes to the end of the turns; it must wait."""
        own = self._users.pop(user)
        own.remove(item)
        if own:
            self._users[user] = own

    def remove(self, user: str, item: Waiting) -> bool:
        """Take one out of the line, at no cost of turns; False when it does not wait."""
        own = self._users.get(user)
        if own is None or item not in own:
            return False
        own.remove(item)
        if not own:
            del self._users[user]
        return True
