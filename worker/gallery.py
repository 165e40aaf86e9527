"""Gallery: the loaded models.

Which version of a model serves is read from the checkpoint store with every request, so a promotion or a rollback takes
effect with the next one, whoever made it; running texts keep the version that they began with.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict

import structlog
import torch

from models import gpt, verse
from models.checkpoint import Checkpoint, CheckpointError, Store
from models.configuration import ConfigurationError
from worker.engine.hardware import build_decoder
from worker.engine.text import TextModel
from worker.errors import NotFound
from worker.settings import Settings

log = structlog.get_logger()


class Gallery:
    """Loads versions when they are first asked for and keeps the most recently used ones."""

    def __init__(self, settings: Settings, store: Store, device: torch.device) -> None:
        self.store = store
        self.device = device
        self.ready = False  # whether everything that serves was loaded, and something does
        self._settings = settings
        self._texts: OrderedDict[str, TextModel] = OrderedDict()  # the most recently used last
        self._loading: dict[str, asyncio.Task[TextModel]] = {}

    @property
    def names(self) -> list[str]:
        """What is loaded, as "model@version"."""
        return list(self._texts)

    @property
    def precision(self) -> str:
        """The precision that the loaded models compute in; before that, the one that was asked for."""
        for model in self._texts.values():
            return str(model.decoder.precision).removeprefix("torch.")
        return self._settings.precision

    async def open(self) -> None:
        """Load the versions that serve; what cannot be loaded is reported and left out."""
        for model in self.store.models():
            try:
                if self.store.open(model).card.family == verse.FAMILY.name:
                    await self.text_model(model)
            except (NotFound, CheckpointError) as error:
                log.error("model not loaded", model=model, reason=str(error))
        if not self._texts:
            log.error("no model to serve", advice="Train one with `python -m models train gpt-shakespeare`.")
        self.ready = bool(self._texts)

    async def text_model(self, name: str) -> TextModel:
        """The GPT called ``name``, "model" or "model@version"; NotFound says which there are.

        Where the version that serves is damaged, the one before it answers.
        """
        model, _, pinned = name.partition("@")
        try:
            serving = self.store.open(model, pinned or None)
        except CheckpointError as error:
            raise NotFound(str(error), param="model") from error
        if serving.card.family != verse.FAMILY.name:
            raise NotFound(f"{model} does not write texts; GET /v1/models lists what does.", param="model")
        try:
            return await self._load(serving)
        except CheckpointError as error:
            log.error("version damaged", model=model, version=serving.version, reason=str(error))
            older = [version for version in self.store.versions(model) if version < serving.version]
            if pinned or not older:
                raise NotFound(str(error), param="model") from error
        return await self.text_model(f"{model}@{older[-1]}")

    async def _load(self, checkpoint: Checkpoint) -> TextModel:
        name = f"{checkpoint.model}@{checkpoint.version}"
        if name not in self._texts:
            loading = self._loading.get(name) or asyncio.create_task(asyncio.to_thread(self._build, name, checkpoint))
            self._loading[name] = loading
            try:  # shielded: others may wait for the same version when this request is cancelled
                self._texts[name] = await asyncio.shield(loading)
            finally:
                if loading.done():
                    self._loading.pop(name, None)
            self._forget()
        self._texts.move_to_end(name)
        return self._texts[name]

    def _build(self, name: str, checkpoint: Checkpoint) -> TextModel:
        try:
            network = gpt.load(checkpoint, self.device)
        except (RuntimeError, ConfigurationError) as error:  # the weights do not fit the card
            raise CheckpointError(f"{name} cannot be loaded ({error}); delete the version.") from error
        decoder = build_decoder(network, self._settings.slots, self._settings.precision, torch.get_num_threads())
        log.info("model loaded", model=name, decoder=type(decoder).__name__, precision=str(decoder.precision))
        return TextModel(name, decoder)

    def _forget(self) -> None:
        """Drop what was not used for longest and is not being written with."""
        for name, model in list(self._texts.items())[:-1]:
            if len(self._texts) > self._settings.loaded and not model.running:
                del self._texts[name]
