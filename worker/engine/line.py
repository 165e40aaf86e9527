"""Line: what waits for its turn, served in turns of one per user."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterator
from typing import Generic, TypeVar

CROWD = 4  # times as many as may be before a newcomer, and no more, wait in all: many users can be near the front

Waiting = TypeVar("Waiting")


class Line(Generic[Waiting]):
    """First come, first served for each user, and round-robin between users."""

    def __init__(self) -> None:
        self._users: OrderedDict[str, deque[Waiting]] = OrderedDict()  # in the order of their next turns

    def __len__(self) -> int:
        return sum(map(len, self._users.values()))

    def __iter__(self) -> Iterator[Waiting]:
        """Everything that waits, in the order in which it will be served."""
        turns = deque(map(iter, self._users.values()))
        while turns:
            own = turns.popleft()
            for item in own:  # the next one, if there is one
                yield item
                turns.append(own)
                break

    def position(self, user: str, count: int = 1) -> int:
        """The place, counted from 1, that the last of so many newcomers of this user would get."""
        turn = len(self._users.get(user, ())) + count - 1
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
