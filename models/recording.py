"""Recording: operations of a graphics card that are launched together (CUDA graphs).

A step of a small model is hundreds of operations that take less time than their launch. A recording launches them
together; it needs every tensor to stay where it is, so what changes from call to call is copied into those that the
function reads.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TypeVar

import torch

log = logging.getLogger(__name__)

Answer = TypeVar("Answer")
Replay = Callable[[], Answer]


def recorded(function: Replay[Answer], device: torch.device) -> Replay[Answer]:
    """What does the same as a function that computes on a device; the function where nothing can be recorded.

    It is called a few times meanwhile. What the recording returns is always the same, and holds until the next call.
    """
    if device.type != "cuda":
        return function
    graph = torch.cuda.CUDAGraph()
    try:
        aside = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        aside.wait_stream(torch.cuda.current_stream(device))
        with torch.cuda.stream(aside):  # libraries set themselves up in calls that are not recorded
            for _ in range(3):
                function()
        torch.cuda.current_stream(device).wait_stream(aside)
        with torch.cuda.graph(graph, capture_error_mode="thread_local"):  # other threads may load models meanwhile
            answer = function()
    except RuntimeError as error:
        log.warning("operations are launched one by one, since they could not be recorded: %s", error)
        return function

    def replay() -> Answer:
        graph.replay()
        return answer

    return replay
