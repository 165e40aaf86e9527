"""The audit log: what operators did, when, and from which version to which. It is only ever added to."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from bot.store import Store


@dataclass(frozen=True)
class Entry:
    """One thing that an operator did."""

    who: int  # Discord user
    guild: int
    act: str  # what was done, such as "promote"
    subject: str  # the model, or the data set
    before: str | None = None  # version that served, or that it began from
    after: str | None = None
    at: int = field(default_factory=lambda: int(time.time()))  # seconds since the epoch


class Audit:
    """The log in the store, whose triggers refuse changes to it."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def write(self, entry: Entry) -> None:
        await self._store.change(
            "INSERT INTO audit (at, who, guild, act, subject, before, after) VALUES (?, ?, ?, ?, ?, ?, ?)",
            [entry.at, entry.who, entry.guild, entry.act, entry.subject, entry.before, entry.after],
        )

    async def newest_first(self, guild: int) -> list[Entry]:
        """Everything that was done in a server."""
        rows = await self._store.rows(
            "SELECT who, guild, act, subject, before, after, at FROM audit WHERE guild = ? ORDER BY id DESC", [guild]
        )
        return [Entry(*row) for row in rows]
