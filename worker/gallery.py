"""Gallery: the loaded models.

Which version of a model serves is read from the checkpoint store with every request, so a promotion or a rollback takes
effect with the next one, whoever made it; running texts keep the version that they began with.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict

import structlog
import torch

from models import gpt
from models.checkpoint import Checkpoint, CheckpointError, Store
from models.decoder import Decoder
from worker.engine.device import Device
from worker.engine.hardware import pick_precision
from worker.engine.text import TextModel
from worker.errors import NotFound

log = structlog.get_logger()


class Gallery:
    """Loads versions when they are first asked for and keeps the most recently used ones."""

    def __init__(
        self, store: Store, device: Device, torch_device: torch.device, slots: int, precision: str, loaded: int
    ):
        """Each version has ``slots`` texts' worth of cache; up to ``loaded`` versions are kept."""
        self.store = store
        self.device = device
        self.torch_device = torch_device
        self.slots = slots
        self.precision = precision
        self.loaded = loaded
        self.ready = False
        self._models: OrderedDict[str, asyncio.Task[TextModel]] = OrderedDict()  # the most recently used last

    @property
    def names(self) -> list[str]:
        """What is loaded, as "model@version"."""
        return [name for name, task in self._models.items() if task.done()]

    @property
    def used_precision(self) -> str:
        """The precision of what is loaded; the wanted one before that."""
        models = [task.result() for task in self._models.values() if task.done()]
        return str(models[-1].decoder.precision).removeprefix("torch.") if models else self.precision

    async def open(self) -> None:
        """Load the versions that serve; what cannot be loaded is reported and left out."""
        for model in self.store.models():
            try:
                await self.text_model(model)
            except NotFound as error:
                log.error("model not loaded", model=model, reason=error.message)
        if not self._models:
            log.error("no model to serve", advice="Train one with `python -m models train gpt-shakespeare`.")
        self.ready = bool(self._models)

    async def text_model(self, name: str) -> TextModel:
        """The GPT called ``name``, "model" or "model@version"; NotFound says which there are."""
        model, _, pinned = name.partition("@")
        try:
            versions = [pinned] if pinned else self._candidates(model)
            checkpoint, *older = [self.store.open(model, version) for version in versions]
        except CheckpointError as error:
            raise NotFound(str(error), param="model") from error
        if checkpoint.card.family != gpt.FAMILY.name:
            raise NotFound(f"{model} does not write texts; GET /v1/models lists what does.", param="model")
        for candidate in (checkpoint, *older):
            try:
                return await self._load(candidate)
            except CheckpointError as error:
                log.error("checkpoint damaged", model=model, version=candidate.version, reason=str(error))
                reason = str(error)
        raise NotFound(reason, param="model")

    def _candidates(self, model: str) -> list[str]:
        """The version that serves, then older ones for the case that it is damaged."""
        current = self.store.current(model)
        return [current, *reversed([version for version in self.store.versions(model) if version < current])]

    async def _load(self, checkpoint: Checkpoint) -> TextModel:
        name = f"{checkpoint.model}@{checkpoint.version}"
        if name not in self._models:
            self._models[name] = asyncio.ensure_future(self._read(name, checkpoint))
        self._models.move_to_end(name)
        try:
            model = await asyncio.shield(self._models[name])
        except CheckpointError:
            self._models.pop(name, None)
            raise
        self._forget()
        return model

    async def _read(self, name: str, checkpoint: Checkpoint) -> TextModel:
        network = await asyncio.to_thread(gpt.load, checkpoint, self.torch_device)

        def build() -> TextModel:
            return TextModel(name, Decoder(network, self.slots, pick_precision(self.precision, network)))

        model = await self.device.call(build)
        log.info("model loaded", model=name, precision=str(model.decoder.precision).removeprefix("torch."))
        return model

    def _forget(self) -> None:
        """Drop what was not used for longest, as long as nothing is being written with it."""
        for name, task in list(self._models.items()):
            if len(self._models) <= self.loaded:
                return
            if task.done() and not task.result().running:
                del self._models[name]
