"""Cores: how many of the processor's this process may use."""

from __future__ import annotations

import os


def cores() -> int:
    """Those that the system lets it have, where it says so (Linux), or all."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
