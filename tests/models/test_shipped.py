"""What ships: every model opens, fits its card, and says where each of its figures comes from."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from models.checkpoint import SHIPPED, Store
from models.registry import families

CPU = torch.device("cpu")


@pytest.mark.parametrize("model", Store(SHIPPED / "none").models())
def test_a_model_that_ships_opens_and_tells_where_it_comes_from(model: str, tmp_path: Path) -> None:
    store = Store(tmp_path)
    serving = store.current(model)
    for version in store.versions(model):
        checkpoint = store.open(model, version)
        card = checkpoint.card
        family = families()[card.family]
        config = family.config.parse(card.config)
        assert config
        network = family.restore(checkpoint, CPU) if family.restore else None
        assert network is None or sum(p.numel() for p in network.parameters()) == card.parameters
        assert checkpoint.tensors()
        assert {"command", "seed", "steps", "seconds", "hardware"} <= set(card.training)
        assert card.dataset["name"] and card.dataset["licence"]
        assert card.metrics and not card.quick
        for figure in card.metrics.values():
            assert figure["command"].startswith(f"python -m models evaluate {model}")
        assert sum(file.stat().st_size for file in checkpoint.path.iterdir()) < 25 * 2**20
    assert serving in store.versions(model)
