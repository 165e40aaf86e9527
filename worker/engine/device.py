"""Device: the one thread that owns a graphics card, and on a processor the steps of texts.

Engines take turns on it, so that none starves.
"""

from __future__ import annotations

import threading
from typing import Protocol


class Engine(Protocol):
    """Something with work for the device, cut into short turns."""

    def turn(self) -> bool:
        """Do a bounded amount of work; False when there was none."""
        ...

    def fail(self, error: Exception) -> None:
        """A turn broke off with an error: end the work that it was about."""
        ...


class Device:
    """A thread that gives each engine its turn and sleeps when nothing is to be done."""

    def __init__(self) -> None:
        self._engines: list[Engine] = []
        self._work = threading.Event()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="device", daemon=True)
        self._thread.start()

    def add(self, engine: Engine) -> None:
        """Let an engine take turns from now on."""
        self._engines.append(engine)
        self.wake()

    def wake(self) -> None:
        """Tell the thread that there is work; may be called from any thread."""
        self._work.set()

    def close(self) -> None:
        """Finish the turn at hand and end the thread."""
        self._closed = True
        self.wake()
        self._thread.join()

    def _run(self) -> None:
        while not self._closed:
            self._work.clear()  # before looking for work: what arrives later sets it again
            worked = False
            for engine in self._engines:
                try:
                    worked |= engine.turn()
                except Exception as error:  # whatever a turn runs into, the device keeps serving the next
                    engine.fail(error)
                    worked = True
            if not worked:
                self._work.wait()
