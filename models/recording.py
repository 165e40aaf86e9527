"""Recording: operations of a graphics card that are launched together (CUDA graphs).

A step of a small model is hundreds of operations that take less time than their launch. A recording launches them
together; it needs every tensor to stay where it is, so what changes from call to call is copied into those that the
function reads.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import TypeVar

import torch

log = logging.getLogger(__name__)

_recording = threading.Lock()  # a process records one at a time, and PyTorch has one stream for it

Answer = TypeVar("Answer")
Replay = Callable[[], Answer]


def recorded(function: Replay[Answer], device: torch.device) -> Replay[Answer]:
    """What does the same as a function that computes on a device; the function where nothing can be recorded.

    It is called a few times meanwhile. What the recording returns is always the same, and holds until the next call.
    """
    if device.type != "cuda":
        return function
    graph = torch.cuda.CUDAGraph()
    current = torch.cuda.current_stream(device)
    with _recording, torch.cuda.stream(current):  # which the thread goes back to, whatever fails
        try:
            aside = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
            aside.wait_stream(current)
            with torch.cuda.stream(aside):  # libraries set themselves up in calls that are not recorded
                for _ in range(3):
                    function()
            current.wait_stream(aside)
            with torch.cuda.graph(graph, capture_error_mode="thread_local"):  # other threads may load models meanwhile
                answer = function()
        except RuntimeError as error:
            if isinstance(error, torch.OutOfMemoryError):
                raise
            log.warning("operations are launched one by one, since they could not be recorded: %s", error)
            return function

    def replay() -> Answer:
        graph.replay()
        return answer

    return replay
