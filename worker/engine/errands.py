"""Errands: what needs no device, such as files to be read and to be written."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

from worker.engine.line import Line


class Errand:
    """A function that needs no device: a job."""

    def __init__(self, function: Callable[[], Any], told: Callable[[], None]) -> None:
        """``told`` learns when it is done, whatever came of it (the thread that did it)."""
        self.answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._function, self._told = function, told
        self._result: Any = None
        self._error: Exception | None = None

    def run(self) -> None:
        try:
            self._result = self._function()
        except Exception as error:  # whatever it is, who asked is told
            self._error = error
        self._told()

    def end(self) -> None:
        error, self._error = self._error, None  # it holds the frames that it came through, and they this errand
        if self.answer.done():  # the reader left
            return
        if error is None:
            self.answer.set_result(self._result)
        else:
            self.answer.set_exception(error)


class Errands:
    """Those of a kind that wait, of which at most so many are done at the same time, even where readers leave."""

    def __init__(self, changed: threading.Condition, most: int) -> None:
        """``changed`` guards the line, and tells of errands that may be done now."""
        self.line: Line[Errand] = Line()
        self._changed, self._free = changed, most

    @property
    def ready(self) -> bool:
        """Whether one may be done now."""
        return self._free > 0 and bool(self.line)

    def errand(self, function: Callable[[], Any]) -> Errand:
        """One of this kind, which has to stand in line yet."""
        return Errand(function, self._leave)

    def take(self) -> Errand | None:
        """The next one, if it may be done now; its turn lasts until it is done."""
        if not self.ready:
            return None
        self._free -= 1
        return self.line.pop()

    def _leave(self) -> None:
        with self._changed:
            self._free += 1
            if self.line:
                self._changed.notify()
