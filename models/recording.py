"""Recording: operations of a graphics card that are launched together (CUDA graphs).

A step of a small model is hundreds of operations that take less time than their launch. A recording launches them
together; it needs every tensor to stay where it is, so what changes from call to call is copied to one place.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

import torch
from torch import Tensor

log = logging.getLogger(__name__)

Function = Callable[[Tensor], Tensor]


def recorded(function: Function, example: Tensor) -> Function:
    """What does the same as a function of a tensor shaped like the example; the function where nothing can be recorded.

    It is called with the example a few times meanwhile. What the recording returns holds until it is called again.
    """
    if example.device.type != "cuda":
        return function
    given = example.clone()
    graph = torch.cuda.CUDAGraph()
    try:
        aside = torch.cuda.Stream(example.device)  # type: ignore[no-untyped-call]
        aside.wait_stream(torch.cuda.current_stream(example.device))
        with torch.cuda.stream(aside):  # libraries set themselves up in calls that are not recorded
            for _ in range(3):
                function(given)
        torch.cuda.current_stream(example.device).wait_stream(aside)
        with torch.cuda.graph(graph, capture_error_mode="thread_local"):  # other threads may load models meanwhile
            answer = function(given)
    except RuntimeError as error:
        log.warning("operations are launched one by one, since they could not be recorded: %s", error)
        return function

    def replay(argument: Tensor) -> Tensor:
        given.copy_(argument)
        graph.replay()
        return answer

    return replay
