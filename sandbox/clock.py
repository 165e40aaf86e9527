"""The one clock that everything in the sandbox reads: wall time, timers, and snowflakes made of it."""

import asyncio
import heapq
import itertools
import time
from collections.abc import Callable
from datetime import UTC, datetime

DISCORD_EPOCH_MS = 1_420_070_400_000  # the first second of 2015, from which snowflakes count


class Timer:
    """A callback that will run once; `cancel` takes it back."""

    def __init__(self, callback: Callable[[], None]) -> None:
        self._callback: Callable[[], None] | None = callback

    def cancel(self) -> None:
        self._callback = None

    def fire(self) -> None:
        callback, self._callback = self._callback, None
        if callback is not None:
            callback()


class Clock:
    """Wall time in seconds since 1970 that can jump forward; timers that fall due in a jump run inside it."""

    def __init__(self) -> None:
        self._ahead = 0.0
        self._order = itertools.count()
        self._timers: list[tuple[float, int, Timer]] = []
        self._wakeup: asyncio.TimerHandle | None = None

    def time(self) -> float:
        return time.time() + self._ahead

    def iso(self) -> str:
        """The time in Discord's ISO 8601 form, in UTC."""
        return datetime.fromtimestamp(self.time(), UTC).isoformat(timespec="microseconds")

    def age(self, snowflake: str) -> float:
        """Seconds since that id was given, to the millisecond."""
        return self.time() - ((int(snowflake) >> 22) + DISCORD_EPOCH_MS) / 1000

    def later(self, seconds: float, callback: Callable[[], None]) -> Timer:
        """Run `callback` in the event loop once `seconds` have passed on this clock."""
        timer = Timer(callback)
        heapq.heappush(self._timers, (self.time() + seconds, next(self._order), timer))
        self._rest_until_next()
        return timer

    def advance(self, seconds: float) -> None:
        """Jump forward by `seconds`, running every timer that falls due."""
        self._ahead += seconds
        self._run_due()

    def _run_due(self) -> None:
        while self._timers and self._timers[0][0] <= self.time():
            heapq.heappop(self._timers)[2].fire()
        self._rest_until_next()

    def _rest_until_next(self) -> None:
        if self._wakeup is not None:
            self._wakeup.cancel()
            self._wakeup = None
        if self._timers:
            wait = max(0.0, self._timers[0][0] - self.time())
            self._wakeup = asyncio.get_running_loop().call_later(wait, self._run_due)


class Snowflakes:
    """Discord's ids: milliseconds since its epoch, then 22 bits that keep ids of one millisecond apart."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._last = 0

    def next(self) -> str:
        """A fresh id, larger than every one before it."""
        milliseconds = int(self._clock.time() * 1000) - DISCORD_EPOCH_MS
        self._last = max(milliseconds << 22, self._last + 1)
        return str(self._last)
