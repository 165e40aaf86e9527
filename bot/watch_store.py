"""The trainings that are shown in channels, kept so that a restart of the bot picks them up again."""

from __future__ import annotations

from dataclasses import astuple, dataclass, fields

import discord

from bot.errors import Refusal
from bot.store import Store


@dataclass(frozen=True)
class Watch:
    """One training, where it is shown, and what became of its version."""

    job: str  # the worker's id of it
    recipe: str  # what was asked for
    guild: int
    channel: int
    owner: int  # the operator who asked; 0 once they are forgotten
    locale: str
    message: int | None = None  # the live one; None before it is sent
    told: bool = False  # whether its end was
    decision: str | None = None  # the act in the audit log that answered its report
    decider: int | None = None  # whose it was; 0 once they are forgotten

    @property
    def language(self) -> discord.Locale:
        """Where discord.py does not know the language of the operator's Discord, English."""
        known = self.locale in [locale.value for locale in discord.Locale]
        return discord.Locale(self.locale) if known else discord.Locale.american_english


COLUMNS = ", ".join(field.name for field in fields(Watch))


class WatchStore:
    """The table of them."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def add(self, watch: Watch) -> None:
        places = ", ".join("?" for _ in fields(Watch))
        await self._store.change(f"INSERT INTO watches ({COLUMNS}) VALUES ({places})", astuple(watch))

    async def note_message(self, job: str, message: int) -> None:
        """The live message was sent."""
        await self._store.change("UPDATE watches SET message = ? WHERE job = ?", [message, job])

    async def note_told(self, job: str) -> None:
        """The end of the training was told, and whose it was is forgotten with what was asked for."""
        await self._store.change(
            "UPDATE watches SET told = TRUE,"
            " owner = CASE WHEN recipe IN (SELECT id FROM recipes) THEN owner ELSE 0 END WHERE job = ?",
            [job],
        )

    async def follow_again(self, watch: Watch) -> None:
        """A training that ended goes on, in a new live message."""
        await self._store.change(
            "UPDATE watches SET told = FALSE, message = NULL, owner = ? WHERE job = ?", [watch.owner, watch.job]
        )

    async def decide(self, job: str, act: str, who: int) -> None:
        """An operator decided what becomes of the version."""
        await self._store.change("UPDATE watches SET decision = ?, decider = ? WHERE job = ?", [act, who, job])

    async def forget(self, person: int) -> None:
        """Keeps no record of who asked for trainings whose end was told, or decided about their versions."""
        for role in ("owner", "decider"):
            await self._store.change(f"UPDATE watches SET {role} = 0 WHERE {role} = ? AND told", [person])

    async def read(self, job: str) -> Watch:
        """The watch of a job; raises Refusal if there is none."""
        found = await self._find("job = ?", job)
        if not found:
            raise Refusal("error.training_unknown")
        return found[0]

    async def of_recipe(self, recipe: str) -> Watch | None:
        """The watch of the training that a recipe began."""
        return next(iter(await self._find("recipe = ?", recipe)), None)

    async def unfinished(self) -> list[Watch]:
        """Those whose end was not told yet."""
        return await self._find("told = ?", False)

    async def _find(self, condition: str, value: object) -> list[Watch]:
        rows = await self._store.rows(f"SELECT {COLUMNS} FROM watches WHERE {condition}", [value])
        return [Watch(*row) for row in rows]
