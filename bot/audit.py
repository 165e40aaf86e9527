"""The audit log: what operators did, when, and from which version to which. It is only ever added to."""

from __future__ import annotations

import time
from dataclasses import astuple, dataclass, field, fields

import discord

from bot.locale import NONE, translate
from bot.store import Store

ACTS = {
    "retrain": "audit.retrain",
    "train on": "audit.train_on",
    "resume": "audit.resume",
    "cancel": "audit.cancel",
    "promote": "audit.promote",
    "automatic": "audit.automatic",
    "keep": "audit.keep",
    "discard": "audit.discard",
    "rollback": "audit.rollback",
    "delete": "audit.delete",
    "add dataset": "audit.add_dataset",
    "delete dataset": "audit.delete_dataset",
}


@dataclass(frozen=True)
class Entry:
    """One thing that an operator did."""

    who: int  # Discord user
    guild: int
    act: str  # a key of ACTS
    subject: str  # the model, or the data set
    before: str | None = None  # the version that served, or that it was done to
    after: str | None = None  # the version that serves since, or was made
    at: int = field(default_factory=lambda: int(time.time()))  # seconds since the epoch

    def sentence(self, locale: discord.Locale) -> str:
        """Who did what, in Discord's markdown."""
        before, after = self.before or NONE, self.after or NONE
        return translate(locale, ACTS[self.act], who=self.who, subject=self.subject, before=before, after=after)


COLUMNS = ", ".join(column.name for column in fields(Entry))


class Audit:
    """The log in the store, whose triggers refuse changes to it."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def write(self, entry: Entry) -> None:
        places = ", ".join("?" for _ in fields(Entry))
        await self._store.change(f"INSERT INTO audit ({COLUMNS}) VALUES ({places})", astuple(entry))

    async def write_once(self, entry: Entry) -> None:
        """The same for what happens to a version no more than once, and may be found out again after a restart."""
        same = "SELECT 1 FROM audit WHERE guild = ? AND act = ? AND subject = ? AND after = ?"
        if await self._store.row(same, [entry.guild, entry.act, entry.subject, entry.after]) is None:
            await self.write(entry)

    async def promotion(self, model: str, version: str) -> Entry | None:
        """The last promotion of a version in place of another; None when no operator of any server asked for one."""
        rows = await self._store.rows(
            f"SELECT {COLUMNS} FROM audit WHERE act IN ('promote', 'automatic')"
            " AND subject = ? AND after = ? AND before <> after ORDER BY id DESC LIMIT 1",
            [model, version],
        )
        return Entry(*rows[0]) if rows else None

    async def newest_first(self) -> list[Entry]:
        """Everything that was done, in whichever server: they all share the models."""
        rows = await self._store.rows(f"SELECT {COLUMNS} FROM audit ORDER BY id DESC")
        return [Entry(*row) for row in rows]
