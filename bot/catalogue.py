"""The models that the worker has, as last heard, so that suggestions never wait for the network."""

import asyncio
from collections.abc import Sequence

import structlog

from bot.training_api import TrainingAPI
from bot.worker_api import WorkerAPI, WorkerError
from worker.schemas.fingerprint import FINGERPRINT
from worker.schemas.models import ModelInfo, ModelList
from worker.schemas.training import File, TrainingCatalogue

REFRESH = 30.0  # seconds; a model that was just trained is suggested after at most this long
RETRY = 2.0  # seconds, while the worker is away or starting

logger = structlog.get_logger(__name__)


def names(models: Sequence[ModelInfo]) -> list[str]:
    """What can be typed for models and their versions, the newest first."""
    versions = [f"{model.id}@{version}" for model in models for version in reversed(model.versions)]
    return [model.id for model in models] + versions


class Catalogue:
    """Asks the worker for its models from time to time."""

    def __init__(self, worker: WorkerAPI, trainings: TrainingAPI) -> None:
        self._worker = worker
        self._trainings = trainings
        self._models = ModelList(data=[])
        self._trainable = TrainingCatalogue(recipes=[], datasets=[])
        self._files: list[File] = []
        self._refreshing: asyncio.Task[None] | None = None
        self._trouble: type[WorkerError] | None = None  # that was last logged, while it lasts
        self._contract: str | None = FINGERPRINT  # the worker's, as last heard

    def start(self) -> None:
        """Begins to ask; call once."""
        self._refreshing = asyncio.create_task(self._keep_fresh(), name="catalogue")

    async def close(self) -> None:
        if self._refreshing is not None:
            self._refreshing.cancel()
            await asyncio.wait([self._refreshing])

    @property
    def models(self) -> list[ModelInfo]:
        """All models that can be asked, as far as the worker told already."""
        return self._models.data

    @property
    def unserved(self) -> dict[str, list[str]]:
        """The versions of models of which none serves, as far as the worker told already."""
        return self._models.unserved

    @property
    def trainable(self) -> TrainingCatalogue:
        """What can be trained and on what, as far as the worker told already."""
        return self._trainable

    @property
    def files(self) -> list[File]:
        """The data sets that were handed in, as far as the worker told already."""
        return self._files

    async def ask_trainable(self) -> TrainingCatalogue:
        """What can be trained now, and on what; raises WorkerError."""
        self._trainable = await self._trainings.catalogue()
        return self._trainable

    async def ask_files(self) -> list[File]:
        """The data sets that were handed in until now; raises WorkerError."""
        self._files = await self._trainings.files()
        return self._files

    async def ask(self) -> list[ModelInfo]:
        """The models that can be asked now; raises WorkerError."""
        self._models = await self._worker.list_models()
        return self._models.data

    async def _keep_fresh(self) -> None:
        while True:
            try:
                await self._check_contract()  # first: what else a worker of another release says may be of no use
                await self.ask()
                await self.ask_trainable()
                await self.ask_files()
            except WorkerError as error:
                if self._trouble is not type(error):
                    self._trouble = type(error)
                    logger.warning("the worker cannot be asked", reason=str(error), request_id=error.request_id)
                await asyncio.sleep(RETRY)
            else:
                if self._trouble is not None:
                    self._trouble = None
                    logger.info("the worker can be asked again")
                await asyncio.sleep(REFRESH)

    async def _check_contract(self) -> None:
        """Has it logged when bot and worker no longer are of one release; raises WorkerError."""
        contract = (await self._worker.readiness()).contract
        if contract not in (self._contract, FINGERPRINT):
            logger.warning("bot and worker are of two releases; update both together", bot=FINGERPRINT, worker=contract)
        self._contract = contract
