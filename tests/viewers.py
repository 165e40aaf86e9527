"""Small networks that look at pictures, untrained but calibrated on bars, as versions that serve."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import torch

from models import autoencoder, translator, vae, variational
from models.checkpoint import Store
from models.pictures import Pictures
from tests.conftest import save_version
from tests.models.drawings import bars

SMALL_VAE = {
    "channels": 1,
    "side": 28,
    "network": "dense",
    "width": 32,
    "latent": 6,
    "flow": 2,
    "flow_width": 16,
    "likelihood": "bernoulli",
}
SMALL_AUTOENCODER = {
    "channels": 1,
    "side": 28,
    "width": 4,
    "stages": 2,
    "blocks": 0,
    "whole": True,
    "code": 8,
    "levels": 8,
    "memory": 50,
}
COLOURED = {"channels": 3, "side": 16, "whole": False}  # what differs for colours


def data(channels: int, side: int) -> Pictures:
    """Bars, grey or coloured, cut to size."""
    pictures = bars(120)[0][:, :, :side, :side].repeat(1, channels, 1, 1)
    return Pictures("bars", "MIT", pictures[:80], pictures[80:])


def keep_vae(
    store: Store, model: str = "vae-digits", version: str = "tiny", seed: int = 0, mig: float = 0.0, **changes: Any
) -> None:
    """Let a VAE serve whose pictures are dark at the edges and of a pattern inside; ``mig`` is said of its latents."""
    config = variational.Config.parse({**SMALL_VAE, **changes})
    torch.manual_seed(seed)
    network = variational.VAE(config).eval()
    with torch.no_grad():
        network.log_deviation += 0.1
        *_, last = (module for module in network.decoder.modules() if hasattr(module, "bias"))
        last.bias.fill_(-3.0)
    vae.remember(network, data(config.channels, config.side))
    keep(store, model, "vae", version, network, asdict(config), mig=mig)


def keep_autoencoder(
    store: Store, model: str = "autoencoder-digits", version: str = "tiny", seed: int = 0, **changes: Any
) -> None:
    """Let an autoencoder serve whose pictures are nearly black, or grey where they are coloured."""
    config = autoencoder.Config.parse({**SMALL_AUTOENCODER, **changes})
    torch.manual_seed(seed)
    network = autoencoder.Autoencoder(config).eval()
    with torch.no_grad():
        *_, last = (module for module in network.decoder.modules() if isinstance(module, torch.nn.ConvTranspose2d))
        assert last.bias is not None
        last.bias.fill_(-0.9 if config.channels == 1 else 0.0)
    autoencoder.remember(network, data(config.channels, config.side))
    keep(store, model, "autoencoder", version, network, asdict(config))


SMALL_TRANSLATOR = {"widths": "8,8", "blocks": "0,0", "latent": 4}  # for pictures of 16 x 16 pixels


def keep_translator(store: Store, model: str = "translator-cats", version: str = "tiny") -> None:
    """Let a translator serve that paints over lines what nobody taught it."""
    config = translator.Config.parse(SMALL_TRANSLATOR)
    torch.manual_seed(0)
    network = translator.UNet(config).eval()
    for joint in network.joints.parameters():  # untaught they do not look at the lines
        torch.nn.init.normal_(joint)
    keep(store, model, "translator", version, network, asdict(config))


def keep(
    store: Store,
    model: str,
    family: str,
    version: str,
    network: torch.nn.Module,
    config: dict[str, Any],
    **figures: float,
) -> None:
    """Store a version, with what it reached, and let it serve."""
    save_version(store, f"{model}@{version}", family, network, config, **figures)
    store.promote(model, version)
