"""What the bot logs of its worker by itself: once that it cannot be asked, or that it is of another release."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, MutableMapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from structlog.testing import capture_logs

from bot import catalogue
from bot.catalogue import Catalogue
from bot.training_api import TrainingAPI
from bot.worker_api import WorkerAPI, at
from tests.bot.trainer import Trainer, answer, refusal
from tests.bot.trainer import serve as serve_trainer
from worker.schemas.fingerprint import FINGERPRINT
from worker.schemas.models import Readiness

Answer = Callable[[], web.Response]


def ready(contract: str | None = FINGERPRINT) -> web.Response:
    return answer(
        Readiness(
            ready=True, device="cpu", precision="float32", threads=1, models=[], running=0, waiting=0, slots=1,
            contract=contract,
        )
    )  # fmt: skip


def locked() -> web.Response:
    return refusal(401, "The token is wrong.")


def failing() -> web.Response:
    return web.Response(status=502, text="<html>Nobody here</html>")


def older() -> web.Response:
    return ready(None)


def newer() -> web.Response:
    return ready("0123456789ab")


class Listed(Trainer):
    """A worker that answers one question after the other about its state as a list says."""

    def __init__(self, answers: Sequence[Answer]) -> None:
        super().__init__()
        self._answers = list(answers)
        self.all_given = asyncio.Event()  # and taken: another question came

    async def readiness(self, _: web.Request) -> web.Response:
        if self._answers:
            return self._answers.pop(0)()
        self.all_given.set()
        return ready()


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalogue, "REFRESH", 0)
    monkeypatch.setattr(catalogue, "RETRY", 0)


@asynccontextmanager
async def keeping_fresh(address: Callable[[], Any]) -> AsyncIterator[None]:
    """A catalogue of the worker at an address, at work."""
    async with aiohttp.ClientSession() as session:
        worker = WorkerAPI(session, address)
        keeper = Catalogue(worker, TrainingAPI(worker))
        keeper.start()
        yield
        await keeper.close()


async def logged(*answers: Answer) -> list[MutableMapping[str, Any]]:
    """What is logged of a worker that gives these answers."""
    worker = Listed(answers)
    with capture_logs() as logs:
        async with serve_trainer(worker) as url, keeping_fresh(at(url)):
            await asyncio.wait_for(worker.all_given.wait(), 30)
            return list(logs)


async def test_a_worker_that_cannot_be_asked_is_logged_once_and_when_it_is_back() -> None:
    away, back = await logged(ready, locked, locked, locked, ready, ready)
    assert (away["log_level"], away["event"]) == ("warning", "the worker cannot be asked")
    assert away["reason"] == "The token is wrong."
    assert len(away["request_id"]) == 8
    assert (back["log_level"], back["event"]) == ("info", "the worker can be asked again")


async def test_another_trouble_is_logged_too() -> None:
    told = await logged(failing, failing, locked, locked, ready)
    assert [entry["event"] for entry in told] == ["the worker cannot be asked"] * 2 + ["the worker can be asked again"]
    assert "502" in told[0]["reason"]


async def test_an_address_where_nobody_answers_is_logged_with_the_address() -> None:
    asked = asyncio.Queue[None]()

    async def address() -> str:
        asked.put_nowait(None)
        return "http://127.0.0.1:9"

    with capture_logs() as logs:
        async with keeping_fresh(address):
            for _ in range(3):
                await asyncio.wait_for(asked.get(), 30)
            (told,) = logs
    assert told["log_level"] == "warning"
    assert "http://127.0.0.1:9" in told["reason"]


@pytest.mark.parametrize(("other", "contract"), [(older, None), (newer, "0123456789ab")])
async def test_a_worker_of_another_release_is_logged_once(other: Answer, contract: str | None) -> None:
    told, again = await logged(ready, other, other, ready, other)
    assert told == again
    assert (told["log_level"], told["event"]) == (
        "warning",
        "bot and worker are of two releases; update both together",
    )
    assert (told["bot"], told["worker"]) == (FINGERPRINT, contract)


async def test_nothing_is_logged_of_a_worker_that_starts_and_answers() -> None:
    worker = Listed([ready, ready])
    started, asked = asyncio.Event(), asyncio.Event()

    async def address() -> str:
        asked.set()
        await started.wait()
        return worker.url

    with capture_logs() as logs:
        async with serve_trainer(worker), keeping_fresh(address):
            await asyncio.wait_for(asked.wait(), 30)
            started.set()
            await asyncio.wait_for(worker.all_given.wait(), 30)
            assert logs == []
