"""Cores: how many of the processor's this process may use."""

from __future__ import annotations

import math
import os
from pathlib import Path

QUOTA = Path("/sys/fs/cgroup/cpu.max")  # a container's: so many microseconds of work in every so many, or "max"


def cores() -> int:
    """Those that the system lets it have, where it says so (Linux), or all; no more than a container's quota."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        work, period = map(int, QUOTA.read_text().split())
    except (OSError, ValueError):  # there is no quota
        return allowed
    return min(allowed, math.ceil(work / period))
