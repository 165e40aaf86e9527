"""Crew: threads that do jobs for as long as there are any, one job to its end on each core.

What they have done is handed on in pieces: being woken costs the event loop as much as a small file takes to be
encoded, since by then other memory has taken the cache.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import Protocol

from models.batched import start_lanes

PIECE = 4  # jobs that are handed on together


class Job(Protocol):
    """Something to be done by a thread."""

    def run(self) -> None:
        """Do it, and keep what came of it, errors too."""
        ...

    def end(self) -> None:
        """Pass that on (event loop)."""
        ...


class Crew:
    """Threads, on each of which PyTorch computes alone."""

    def __init__(self, number: int, changed: threading.Condition, take: Callable[[], Job | None]) -> None:
        """``take`` says what is to be done next, under the lock of ``changed``, which tells of new jobs."""
        self._take, self._changed = take, changed
        self._loop = asyncio.get_running_loop()
        self._done: deque[Job] = deque()
        self._called = False  # the loop, to hand on what is done
        self._closed = False
        threads = start_lanes(number)
        for _ in range(number):
            threads.submit(self._work).add_done_callback(Future.result)  # which has an error logged
        threads.shutdown(wait=False)

    def hand_on(self) -> None:
        """End what is done (event loop); happens by itself when a thread has nothing left to do."""
        self._called = False  # first: what is done from now on calls again
        while self._done:
            self._done.popleft().end()

    def close(self) -> None:
        """Finish the jobs at hand and end the threads."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _work(self) -> None:
        while self._do_next():
            pass

    def _do_next(self) -> bool:
        """Wait for a job and do it; False at the end."""
        job = self._next()
        if job is not None:
            job.run()
            self._done.append(job)
            if len(self._done) >= PIECE:
                self._call_loop()
        return job is not None

    def _next(self) -> Job | None:
        with self._changed:
            while not self._closed:
                job = self._take()
                if job is not None:
                    return job
                if self._done:
                    self._call_loop()
                self._changed.wait()
        return None

    def _call_loop(self) -> None:
        if not self._called and not self._closed:  # afterwards nobody waits, and the loop may be closed, too
            self._called = True
            self._loop.call_soon_threadsafe(self.hand_on)
