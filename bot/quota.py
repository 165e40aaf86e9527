"""How many requests each person may make in an hour in a server whose managers set a limit.

What is counted vanishes after that hour, and not by ``/forget-me``, which would be a way around the limit.
"""

import time

from bot.errors import Refusal
from bot.recipes import Recipe
from bot.store import Store

HOUR = 3_600  # seconds


class Quota:
    """The requests of the last hour, by the recipes that they are about."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def take(self, recipe: Recipe, guild: int | None, limit: int) -> None:
        """Counts a request; raises Refusal, which says when to try again, if its owner made ``limit`` of them already.

        Nothing is counted outside servers and where ``limit`` is 0.
        """
        await self.forget_old()
        now = int(time.time())
        if guild is None or not limit:
            return
        taken = await self._store.row(  # one statement, so that requests made at once do not all find the last place
            "INSERT INTO quota (recipe, guild, person, taken) SELECT ?, ?, ?, ?"
            " WHERE (SELECT count(*) FROM quota WHERE guild = ? AND person = ?) < ? RETURNING taken",
            [recipe.id, guild, recipe.owner, now, guild, recipe.owner, limit],
        )
        if taken is None:
            freeing = await self._store.row(
                "SELECT taken FROM quota WHERE guild = ? AND person = ? ORDER BY taken DESC LIMIT 1 OFFSET ?",
                [guild, recipe.owner, limit - 1],
            )
            begun = freeing[0] if freeing else now - HOUR  # given back at this very moment
            raise Refusal("error.quota", limit=limit, when=f"<t:{begun + HOUR}:R>")

    async def forget_old(self) -> None:
        """Erases what was counted more than an hour ago, and by a clock that was ahead, which would lock people out."""
        now = int(time.time())
        await self._store.change("DELETE FROM quota WHERE taken <= ? OR taken > ?", [now - HOUR, now])

    async def give_back(self, recipe: Recipe) -> None:
        """Does not count a request after all."""
        await self._store.change("DELETE FROM quota WHERE recipe = ?", [recipe.id])
