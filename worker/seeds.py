"""Seeds: what a request begins its random numbers with."""

from __future__ import annotations

import secrets

DRAWN = 2**32  # seeds drawn here stay short enough to be typed


def drawn(seed: int | None) -> int:
    """The seed that a request names; where it names none, one drawn for it."""
    return secrets.randbelow(DRAWN) if seed is None else seed
