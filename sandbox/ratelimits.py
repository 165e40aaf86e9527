"""Rate limits as Discord has them: a bucket per route and major parameter, headers with every answer, then 429."""

import math
from dataclasses import dataclass
from hashlib import md5

from sandbox.clock import Clock
from sandbox.errors import JSON


@dataclass(frozen=True)
class Limit:
    """So many requests in so many seconds, counted from the first of them."""

    requests: int
    seconds: float


@dataclass
class Verdict:
    """The headers to send; `body` is that of a 429, or None when the request may pass."""

    headers: dict[str, str]
    body: JSON | None = None


@dataclass
class _Window:
    ends: float
    used: int = 0


GLOBAL = Limit(50, 1.0)  # Discord's limit for a whole bot


class RateLimits:
    """Counts requests in fixed windows on the sandbox's clock."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._windows: dict[tuple[str, str], _Window] = {}

    def take(self, route: str, major: str, limit: Limit, *, counts_globally: bool) -> Verdict:
        """Count one request. `major` is the channel, guild or webhook that the path names."""
        bucket = md5(route.encode(), usedforsecurity=False).hexdigest()  # Discord's bucket ids are opaque hashes, too
        now = self._clock.time()
        if counts_globally:
            whole = self._window("global", "", GLOBAL, now)
            if whole.used >= GLOBAL.requests:
                return self._refusal(
                    {"X-RateLimit-Global": "true", "X-RateLimit-Scope": "global"}, whole.ends - now, True
                )
            whole.used += 1
        window = self._window(bucket, major, limit, now)
        allowed = window.used < limit.requests
        window.used += allowed
        headers = {
            "X-RateLimit-Limit": str(limit.requests),
            "X-RateLimit-Remaining": str(limit.requests - window.used),
            "X-RateLimit-Reset": f"{window.ends:.3f}",
            "X-RateLimit-Reset-After": f"{window.ends - now:.3f}",
            "X-RateLimit-Bucket": bucket,
        }
        if allowed:
            return Verdict(headers)
        return self._refusal(headers | {"X-RateLimit-Scope": "user"}, window.ends - now, False)

    def _window(self, bucket: str, major: str, limit: Limit, now: float) -> _Window:
        window = self._windows.get((bucket, major))
        if window is None or window.ends <= now:
            self._forget_ended(now)
            window = self._windows[bucket, major] = _Window(now + limit.seconds)
        return window

    def _forget_ended(self, now: float) -> None:
        if len(self._windows) > 1000:  # enough for any channel's worth of interactions
            self._windows = {key: window for key, window in self._windows.items() if window.ends > now}

    @staticmethod
    def _refusal(headers: dict[str, str], seconds: float, everywhere: bool) -> Verdict:
        body = {
            "message": "You are being rate limited.",
            "retry_after": round(seconds, 3) + 0.001,  # rounded up, so that waiting this long is enough
            "global": everywhere,
            "code": 0,
        }
        # clients take a 429 without Via for a ban by the network in front of Discord
        return Verdict(headers | {"Retry-After": str(math.ceil(seconds)), "Via": "1.1 google"}, body)
