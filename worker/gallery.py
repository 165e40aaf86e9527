"""Gallery: the loaded models.

Which version of a model serves is read from the checkpoint store with every request, so a promotion or a rollback takes
effect with the next one, whoever made it; running texts keep the version that they began with.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar
from weakref import WeakValueDictionary

import structlog
import torch

from models.checkpoint import Checkpoint, CheckpointError, Store
from models.configuration import ConfigurationError
from models.registry import families
from models.roles import Role, Writer
from models.training import wants_memory
from worker.engine.hardware import build_decoder
from worker.engine.text_model import TextModel
from worker.errors import NotFound, Unavailable
from worker.settings import Settings

log = structlog.get_logger()

LOADERS = 4  # versions loaded at once
LOOK = 2.0  # seconds between looks for a first version

Taken = TypeVar("Taken", bound=Role)
Key = tuple[str, str]  # "model@version", and when it was made: a name can be given again to another


@dataclass(frozen=True, eq=False)
class ImageModel:
    """A loaded model that draws or looks at pictures; ``name`` is "model@version"."""

    name: str
    roles: dict[type[Role], Any]  # each of its own type

    def role(self, kind: type[Taken]) -> Taken:
        """What is asked of it; KeyError when the gallery was not asked for a model with that role."""
        return self.roles[kind]  # type: ignore[no-any-return]


class Gallery:
    """Loads versions when they are first asked for and keeps the most recently used ones."""

    def __init__(self, settings: Settings, store: Store, device: torch.device) -> None:
        self.store = store
        self.device = device
        self.ready = False  # whether everything that serves was loaded, and something does
        self._settings = settings
        self._models: OrderedDict[Key, TextModel | ImageModel] = OrderedDict()  # the most recently used last
        self._used: WeakValueDictionary[Key, TextModel | ImageModel] = WeakValueDictionary()  # forgotten ones, too
        self._loading: dict[Key, asyncio.Future[TextModel | ImageModel]] = {}
        self._damaged: dict[Key, str] = {}  # what is wrong with versions that cannot be loaded
        self._told: set[str] = set()  # what was logged of them
        self._loaders = ThreadPoolExecutor(LOADERS, "loader")  # of its own: the end of the loop waits for its usual one

    @property
    def names(self) -> list[str]:
        """What is loaded, as "model@version"."""
        return [name for name, _ in self._models]

    @property
    def precision(self) -> str:
        """The precision that texts are computed in; before one is loaded, the one that was asked for."""
        for model in self._models.values():
            if isinstance(model, TextModel):
                return str(model.decoder.precision).removeprefix("torch.")
        return self._settings.precision

    async def open(self) -> None:
        """Load the versions that serve, or wait for the first; what cannot be loaded is reported and left out."""
        known = self._pointers()
        await self._load_all()
        if not self._models:
            train, promote = "python -m models train gan-digits", "python -m models promote MODEL VERSION"
            log.error("no model to serve", advice=f"Train one, such as `{train}`, and promote it with `{promote}`.")
        while not self._models:
            await asyncio.sleep(LOOK)
            found = self._pointers()
            if found != known:
                known = found
                await self._load_all()
        self.ready = True

    def _pointers(self) -> list[str | None]:
        """Which versions serve."""
        return [self.store.serving(model) for model in self.store.models()]

    async def _load_all(self) -> None:
        for model in self.store.models():
            try:
                roles = _roles(self.store.open(model))
                if roles:
                    await self._find(model, roles[0])
            except (NotFound, CheckpointError, Unavailable) as error:
                log.error("model not loaded", model=model, reason=str(error))
            except Exception:  # a fault of ours or of the machine's: the other models serve all the same
                log.exception("model not loaded", model=model)

    async def text_model(self, name: str) -> TextModel:
        """The model called ``name``, "model" or "model@version", that writes texts; NotFound says which there are."""
        found = await self._find(name, Writer)
        assert isinstance(found, TextModel)
        return found

    async def image_model(self, name: str, role: type[Taken]) -> tuple[ImageModel, Taken]:
        """The model called ``name``, "model" or "model@version", and its role; NotFound says which models have it."""
        found = await self._find(name, role)
        assert isinstance(found, ImageModel)
        return found, found.role(role)

    async def _find(self, name: str, role: type[Role]) -> TextModel | ImageModel:
        """Where the version that serves is damaged, the one that served before it answers."""
        model, _, pinned = name.partition("@")
        try:
            version = pinned or self.store.current(model)
            try:
                return await self._open(model, version, role)
            except CheckpointError as error:
                previous = None if pinned else self.store.previous(model)
                if previous is None:
                    raise
                if str(error) not in self._told:
                    log.error("version damaged", model=model, version=version, reason=str(error))
                self._told.add(str(error))
                return await self._open(model, previous, role)
        except CheckpointError as error:
            raise NotFound(str(error), param="model") from error

    async def _open(self, model: str, version: str, role: type[Role]) -> TextModel | ImageModel:
        checkpoint = self.store.open(model, version)
        if role not in _roles(checkpoint):
            raise NotFound(f"{model} does not {role.deed}; {self._advice(role)}.", param="model")
        return await self._load(checkpoint)

    def _advice(self, role: type[Role]) -> str:
        """Which models take a role, or which could if they were trained."""
        here = []
        for model in self.store.models():
            try:
                if role in _roles(self.store.open(model)):
                    here.append(model)
            except CheckpointError:  # told when it is asked for itself
                continue
        if here:
            return f"ask {' or '.join(here)}"
        able = sorted(family.default for family in families().values() if role in family.roles)
        return f"train a model that does, such as {able[0]}" if able else "no installed model does"

    async def _load(self, checkpoint: Checkpoint) -> TextModel | ImageModel:
        key = (f"{checkpoint.model}@{checkpoint.version}", checkpoint.card.created)
        used = self._used.get(key)  # a forgotten one may still be waited for: one more would double its memory
        if used is not None:
            self._models[key] = used
            self._models.move_to_end(key)
            self._forget()
            return used
        if key in self._damaged:
            raise CheckpointError(self._damaged[key])
        if key not in self._loading:
            loop = asyncio.get_running_loop()
            self._loading[key] = loop.run_in_executor(self._loaders, self._build, key[0], checkpoint)
            self._loading[key].add_done_callback(lambda loaded: self._take(key, loaded))
        # shielded: others may wait for the same version when this request is cancelled
        return await asyncio.shield(self._loading[key])

    def _take(self, key: Key, loaded: asyncio.Future[TextModel | ImageModel]) -> None:
        """Keep what was loaded, whether or not anybody still waits for it."""
        del self._loading[key]
        if loaded.cancelled():
            return
        error = loaded.exception()
        if error is None:
            self._models[key] = self._used[key] = loaded.result()
            self._forget()
        elif isinstance(error, CheckpointError) and not isinstance(error.__cause__, OSError):  # which may pass
            self._damaged[key] = str(error)

    def _build(self, name: str, checkpoint: Checkpoint) -> TextModel | ImageModel:
        try:
            return self._restore(name, checkpoint)
        except (MemoryError, RuntimeError) as error:
            if wants_memory(error):
                raise Unavailable(f"There is not enough memory to load {name}; try again later.") from error
            raise

    def _restore(self, name: str, checkpoint: Checkpoint) -> TextModel | ImageModel:
        family = families()[checkpoint.card.family]
        assert family.restore is not None  # where there are roles
        try:
            network = family.restore(checkpoint, self.device)
        except (RuntimeError, ConfigurationError) as error:  # the weights do not fit the card
            if wants_memory(error):
                raise
            raise CheckpointError(f"{name} cannot be loaded ({error}); promote another version.") from error
        roles: dict[type[Role], Any] = {role: build(network) for role, build in family.roles.items()}
        if Writer not in roles:
            log.info("model loaded", model=name, operations=family.operations)
            return ImageModel(name, roles)
        network = roles[Writer].network
        decoder = build_decoder(
            network, self._settings.slots, self._settings.precision, torch.get_num_threads(), self._settings.home
        )
        log.info("model loaded", model=name, decoder=type(decoder).__name__, precision=str(decoder.precision))
        return TextModel(name, decoder)

    def _forget(self) -> None:
        """Drop what was not used for longest and is not being written with; pictures take a moment only."""
        for key, model in list(self._models.items())[:-1]:
            busy = isinstance(model, TextModel) and model.running
            if len(self._models) > self._settings.loaded and not busy:
                del self._models[key]


def _roles(checkpoint: Checkpoint) -> tuple[type[Role], ...]:
    """What a version can be asked; nothing when its family is not installed."""
    family = families().get(checkpoint.card.family)
    return tuple(family.roles) if family else ()
