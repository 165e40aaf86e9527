"""Shipped: the versions that came with Prospero, which no later training takes the place of."""

from __future__ import annotations

from models.checkpoint import SHIPPED, Checkpoint, Store


def open_shipped(name: str) -> Checkpoint:
    """A version by its name, "model@version" or "model" for the one that serves; CheckpointError when there is none."""
    model, _, version = name.partition("@")
    return Store(SHIPPED.parent).open(model, version or None)
