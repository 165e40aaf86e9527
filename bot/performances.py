"""The requests in flight: whose they are, how many each person may have, and how one is stopped."""

import asyncio
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from enum import Enum

from bot.errors import Refusal
from bot.recipes import Recipe


class Interruption(Enum):
    """Why a request ended before its result was complete."""

    STOPPED = "stopped"  # the owner or a moderator pressed Stop
    EXPIRED = "expired"  # Discord takes no more edits for it
    RESTARTING = "restarting"  # the bot ends


class Performance:
    """One request in flight."""

    def __init__(self, recipe: Recipe) -> None:
        self.recipe = recipe
        self.interruption: Interruption | None = None
        self.working = True  # afterwards only its last edit is on its way, which is to hold up nothing new
        self.ended = asyncio.Event()
        self._work: asyncio.Task[None] | None = None

    async def until_interrupted(self, work: Coroutine[None, None, None]) -> None:
        """Awaits ``work``, or cancels it as soon as :meth:`interrupt` is called; raises what ``work`` raises."""
        self._work = asyncio.create_task(work)
        if self.interruption is not None:
            self._work.cancel()
        try:
            await asyncio.wait([self._work])
        finally:
            self.working = False
            self._work.cancel()  # also when this very coroutine was cancelled
        if not self._work.cancelled():
            self._work.result()

    def interrupt(self, reason: Interruption) -> None:
        """Ends the work early; the first reason stays."""
        if self.interruption is None:
            self.interruption = reason
            if self._work is not None:
                self._work.cancel()


class Performances:
    """Every request in flight, by the id of its recipe."""

    def __init__(self, limit: int) -> None:
        self._limit = limit  # requests that one person may have in flight
        self._running: dict[str, Performance] = {}
        self._none_running = asyncio.Event()
        self._none_running.set()

    @contextmanager
    def begin(self, recipe: Recipe) -> Iterator[Performance]:
        """Holds a place among its owner's requests; raises Refusal when they have as many as they may."""
        theirs = sum(one.working and one.recipe.owner == recipe.owner for one in self._running.values())
        if theirs >= self._limit:
            raise Refusal("error.too_many", count=theirs)
        performance = self._running[recipe.id] = Performance(recipe)
        self._none_running.clear()
        try:
            yield performance
        finally:
            del self._running[recipe.id]
            performance.ended.set()
            if not self._running:
                self._none_running.set()

    def get(self, recipe_id: str) -> Performance | None:
        """The request with that recipe if it is in flight."""
        return self._running.get(recipe_id)

    async def ended(self, recipe_id: str) -> None:
        """Returns once the request with that recipe is not in flight."""
        performance = self._running.get(recipe_id)
        if performance is not None:
            await performance.ended.wait()

    async def close(self, seconds: float) -> None:
        """Interrupts every request and gives them ``seconds`` to say so in their messages."""
        for performance in list(self._running.values()):
            performance.interrupt(Interruption.RESTARTING)
        try:
            await asyncio.wait_for(self._none_running.wait(), seconds)
        except TimeoutError:
            return
