"""Models, health, metrics, the API's description and the token, over real HTTP; versions that change meanwhile."""

from __future__ import annotations

import asyncio
import inspect
import json
import math
import re
import shutil
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from runpy import run_path
from typing import Any, NoReturn

import jsonschema
import pytest
import torch
from structlog.testing import capture_logs
from torch import Tensor

from models.checkpoint import SHIPPED, Checkpoint, Store
from models.registry import families
from models.roles import Writer
from tests.conftest import CATS, DIGITS, keep_gan
from tests.worker.conftest import Start, Worker, write_version
from worker import schemas
from worker.routes import METRICS
from worker.schemas.completions import Completion
from worker.schemas.fingerprint import FINGERPRINT


async def get(worker: Worker, path: str, status: int = 200) -> Any:
    async with worker.session.get(path) as response:
        assert response.status == status, await response.text()
        return await response.json()


async def test_models_are_listed_with_their_versions_and_figures(worker: Worker) -> None:
    listed = await get(worker, "/v1/models")
    assert listed["object"] == "list"
    (model,) = listed["data"]
    assert model["id"] == "gpt-shakespeare"
    assert model["versions"] == ["1"]
    assert model["metrics"] == {"nats_per_character": {"value": 3.0, "unit": "nats/char", "better": None}}
    assert await get(worker, "/v1/models/gpt-shakespeare") == model
    assert (await get(worker, "/v1/models/gpt-shakespeare@1"))["version"] == "1"
    error = (await get(worker, "/v1/models/gpt-milton", 404))["error"]
    assert error["type"] == "not_found_error"
    assert "gpt-milton" in error["message"]
    await get(worker, "/v1/models/gpt**", 404)


async def test_a_figure_that_is_no_number_is_left_out(worker: Worker) -> None:
    store = worker.gallery.store
    version = store.open("gpt-shakespeare")
    figures = {"broken": {"value": math.nan}, "endless": {"value": math.inf}, **version.card.metrics}
    store.annotate(version, replace(version.card, metrics=figures))
    (model,) = (await get(worker, "/v1/models"))["data"]
    assert list(model["metrics"]) == ["nats_per_character"]


async def test_weights_that_do_not_fit_their_card_leave_the_choice_of_another_version(worker: Worker) -> None:
    write_version(worker.home, "2")
    version = worker.gallery.store.open("gpt-shakespeare", "2")
    worker.gallery.store.annotate(version, replace(version.card, config=version.card.config | {"layers": 1}))
    message = (await worker.error(404, model="gpt-shakespeare@2"))["message"]
    assert message.startswith("gpt-shakespeare@2 cannot be loaded (")
    assert message.endswith("; promote another version.")


async def test_classes_are_those_that_pictures_can_be_asked_of(start: Start, tmp_path: Path) -> None:
    shipped = tmp_path / "shipped"
    for model in ("features-digits", "features-cats"):  # which have classes of their own, or say that there are none
        shutil.copytree(SHIPPED / model, shipped / model)
    keep_gan(Store(tmp_path, shipped), "gan-digits", DIGITS)
    listed = (await get(await start(shipped=shipped), "/v1/models"))["data"]
    assert {model["id"]: model["classes"] for model in listed} == {
        "features-cats": 1,
        "features-digits": 1,
        "gan-digits": 10,
        "gpt-shakespeare": 1,
    }


async def test_readiness_tells_what_is_loaded(worker: Worker) -> None:
    await worker.until(lambda: worker.gallery.ready)
    state = await get(worker, "/readyz")
    assert state["ready"]
    assert state["models"] == ["gpt-shakespeare@1"]
    assert state["device"] == "cpu"
    assert state["precision"] in ("int8", "float32", "bfloat16")
    assert (state["running"], state["waiting"], state["slots"]) == (0, 0, 64)
    assert state["contract"] == FINGERPRINT
    assert await get(worker, "/healthz") == {"alive": True}


def test_another_contract_has_another_fingerprint(tmp_path: Path) -> None:
    copy = shutil.copytree(Path(schemas.__file__).parent, tmp_path / "schemas")
    assert run_path(str(copy / "fingerprint.py"))["FINGERPRINT"] == FINGERPRINT
    with (copy / "completions.py").open("a") as changed:
        changed.write("\n\nclass Rhymes(Contract):\n    n: int\n")
    assert run_path(str(copy / "fingerprint.py"))["FINGERPRINT"] != FINGERPRINT


async def test_without_a_checkpoint_the_worker_answers_and_says_what_to_do(start: Start) -> None:
    worker = await start(version=None)
    assert not (await get(worker, "/readyz", 503))["ready"]
    assert (await get(worker, "/v1/models"))["data"] == []
    error = await worker.error(404)
    assert "python -m models train gpt-shakespeare" in error["message"]


async def test_a_worker_without_models_logs_a_way_to_the_first_that_needs_nothing_else(start: Start) -> None:
    with capture_logs() as logs:
        worker = await start(version=None)
        await worker.until(lambda: any(line["event"] == "no model to serve" for line in logs))
    (advice,) = [line["advice"] for line in logs if line["event"] == "no model to serve"]
    assert "`python -m models train gan-digits`" in advice
    assert "`python -m models promote MODEL VERSION`" in advice


async def test_who_mistypes_a_model_is_told_which_there_are(worker: Worker) -> None:
    error = await worker.error(404, model="gpt-3.5-turbo-instruct")
    assert error["message"] == "There is no model 'gpt-3.5-turbo-instruct'; train it, or choose from: gpt-shakespeare."


async def test_a_worker_without_models_becomes_ready_with_the_first(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.gallery.LOOK", 0.01)
    worker = await start(version=None)
    assert not (await get(worker, "/readyz", 503))["ready"]
    write_version(worker.home)
    await worker.until(lambda: worker.gallery.ready)
    assert (await get(worker, "/readyz"))["models"] == ["gpt-shakespeare@1"]


async def test_a_promotion_serves_the_next_request_and_old_versions_stay_answerable(worker: Worker) -> None:
    old = await worker.complete(max_tokens=30, seed=1)
    running = worker.stream(max_tokens=2_000, seed=1)
    assert (await anext(running))["system_fingerprint"] == "gpt-shakespeare@1"
    write_version(worker.home, "2", seed=5)
    new = await worker.complete(max_tokens=30, seed=1)
    assert new["system_fingerprint"] == "gpt-shakespeare@2"
    assert new["choices"][0]["text"] != old["choices"][0]["text"]
    async for chunk in running:  # it ends on the version that it began with
        assert chunk == "[DONE]" or chunk["system_fingerprint"] == "gpt-shakespeare@1"
    pinned = await worker.complete(model="gpt-shakespeare@1", max_tokens=30, seed=1)
    assert pinned["choices"][0]["text"] == old["choices"][0]["text"]
    Store(worker.home, worker.home / "none").promote("gpt-shakespeare", "1")
    assert await worker.text(max_tokens=30, seed=1) == old["choices"][0]["text"]


@pytest.mark.parametrize("file", ["model.safetensors", "card.json"])
async def test_of_a_damaged_version_the_previous_one_serves(worker: Worker, file: str) -> None:
    write_version(worker.home, "2", seed=5)
    damaged = worker.home / "checkpoints" / "gpt-shakespeare" / "2" / file
    damaged.write_bytes(damaged.read_bytes()[:100])
    assert (await worker.complete(max_tokens=3))["system_fingerprint"] == "gpt-shakespeare@1"
    (listed,) = (await get(worker, "/v1/models"))["data"]
    assert listed["version"] == ("1" if file == "card.json" else "2")  # what the card cannot tell, nobody can
    error = await worker.error(404, model="gpt-shakespeare@2")
    assert "damaged" in error["message"]


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The versions whose weights were read, one after the other."""
    loaded: list[str] = []
    tensors = Checkpoint.tensors

    def count(checkpoint: Checkpoint) -> dict[str, Tensor]:
        loaded.append(checkpoint.version)
        return tensors(checkpoint)

    monkeypatch.setattr(Checkpoint, "tensors", count)
    return loaded


async def test_a_damaged_version_is_loaded_and_logged_once(worker: Worker, loaded: list[str]) -> None:
    await worker.until(lambda: worker.gallery.ready)
    write_version(worker.home, "2", seed=5)
    damaged = worker.home / "checkpoints" / "gpt-shakespeare" / "2" / "model.safetensors"
    damaged.write_bytes(damaged.read_bytes()[:100])
    with capture_logs() as logs:
        for _ in range(3):
            assert (await worker.complete(max_tokens=3))["system_fingerprint"] == "gpt-shakespeare@1"
    assert loaded.count("2") == 1
    assert [line["event"] for line in logs].count("version damaged") == 1


@pytest.mark.parametrize(
    "field",
    [
        {"model": "gpt-milton"},
        {"created": "yesterday"},
        {"created": 2026},
        {"config": []},
        {"metrics": {"nats_per_character": 3.0}},
        {"metrics": {"nats_per_character": {"value": "three"}}},
        {"parameters": "few"},
        {"dataset": {}},
    ],
)
async def test_a_card_made_by_hand_breaks_no_list(worker: Worker, field: dict[str, object]) -> None:
    write_version(worker.home, "2", model="gpt-owls")
    card = worker.home / "checkpoints" / "gpt-owls" / "2" / "card.json"
    card.write_text(json.dumps(json.loads(card.read_text()) | field))
    assert [model["id"] for model in (await get(worker, "/v1/models"))["data"]] == ["gpt-shakespeare"]
    assert (await get(worker, "/v1/models/gpt-owls/versions"))["data"] == []
    assert "gpt-owls/2/card.json is damaged" in (await get(worker, "/v1/models/gpt-owls", 404))["error"]["message"]


async def test_a_pointer_that_cannot_be_read_hides_its_own_model_only(worker: Worker) -> None:
    write_version(worker.home, "1", model="gpt-owls")
    pointer = worker.home / "checkpoints" / "gpt-owls" / "current.json"
    pointer.unlink()
    pointer.mkdir()  # no user may read that, whoever runs this
    assert [model["id"] for model in (await get(worker, "/v1/models"))["data"]] == ["gpt-shakespeare"]
    assert "gpt-owls/current.json cannot be read" in (await get(worker, "/v1/models/gpt-owls", 404))["error"]["message"]


@pytest.mark.parametrize("file", ["model.safetensors", "card.json"])
async def test_of_a_version_that_cannot_be_read_the_previous_one_serves(worker: Worker, file: str) -> None:
    write_version(worker.home, "2", seed=5)
    unreadable = worker.home / "checkpoints" / "gpt-shakespeare" / "2" / file
    unreadable.unlink()
    unreadable.mkdir()  # no user may read that, whoever runs this
    assert (await worker.complete(max_tokens=3))["system_fingerprint"] == "gpt-shakespeare@1"
    (listed,) = (await get(worker, "/v1/models"))["data"]
    assert listed["version"] == ("1" if file == "card.json" else "2")
    error = await worker.error(404, model="gpt-shakespeare@2")
    assert "see to its rights" in error["message"]


async def test_a_version_that_could_not_be_read_for_a_moment_serves_from_then_on(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*given: object) -> NoReturn:
        raise OSError("too many open files")

    await worker.until(lambda: worker.gallery.ready)
    write_version(worker.home, "2", seed=5)
    with monkeypatch.context() as short:
        short.setattr("models.checkpoint.load_file", broken)
        assert (await worker.complete(max_tokens=3))["system_fingerprint"] == "gpt-shakespeare@1"
    assert (await worker.complete(max_tokens=3))["system_fingerprint"] == "gpt-shakespeare@2"


async def test_after_an_update_what_ships_now_serves_and_not_what_was_rolled_back(start: Start, tmp_path: Path) -> None:
    def ship(version: str) -> Path:
        write_version(tmp_path / version, version)
        return tmp_path / version / "checkpoints"

    store = Store(tmp_path, ship("v1"))
    write_version(tmp_path, "mine", seed=5)
    store.promote("gpt-shakespeare", "v1")  # as a rollback does
    worker = await start(None, shipped=ship("v2"))
    await worker.until(lambda: worker.gallery.ready)
    assert (await worker.complete(max_tokens=3))["system_fingerprint"] == "gpt-shakespeare@v2"
    listed = await get(worker, "/v1/models/gpt-shakespeare/versions")
    assert {one["version"]: one["serving"] for one in listed["data"]} == {"mine": False, "v2": True}
    assert (listed["serving"], listed["previous"]) == ("v2", None)


async def test_classes_that_are_no_number_are_none(worker: Worker) -> None:
    card = worker.home / "checkpoints" / "gpt-shakespeare" / "1" / "card.json"
    content = json.loads(card.read_text())
    card.write_text(json.dumps(content | {"config": content["config"] | {"classes": "many"}}))
    assert (await get(worker, "/v1/models/gpt-shakespeare"))["classes"] == 1


async def test_one_model_that_cannot_be_loaded_leaves_the_others_serving(
    start: Start, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def broken(*given: object) -> NoReturn:
        raise OSError("file too short")

    monkeypatch.setattr("worker.gallery.build_decoder", broken)
    keep_gan(Store(tmp_path, tmp_path / "none"), "gan-cats", CATS)
    worker = await start()
    async with asyncio.timeout(60):
        while (await worker.session.get("/readyz")).status != 200:  # noqa: ASYNC110 (as any client would wait)
            await asyncio.sleep(0.01)
    assert worker.gallery.names == ["gan-cats@tiny"]


@pytest.mark.parametrize("step", ["role", "decoder"])
async def test_a_model_that_finds_no_memory_is_tried_again_later(
    worker: Worker, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def broken(*given: object) -> NoReturn:
        raise torch.OutOfMemoryError("out of memory")

    await worker.until(lambda: worker.gallery.ready)
    write_version(worker.home, "2", seed=5)
    with monkeypatch.context() as short:
        if step == "role":
            short.setitem(families()["gpt"].roles, Writer, broken)
        else:
            short.setattr("worker.gallery.build_decoder", broken)
        error = await worker.error(503)
        assert error["message"] == "There is not enough memory to load gpt-shakespeare@2; try again later."
    assert (await worker.complete(max_tokens=3))["system_fingerprint"] == "gpt-shakespeare@2"


async def test_only_so_many_versions_stay_loaded(start: Start) -> None:
    worker = await start(loaded=2)
    for version in ("2", "3", "4"):
        write_version(worker.home, version, seed=int(version))
        await worker.text(max_tokens=1)
    assert worker.gallery.names == ["gpt-shakespeare@3", "gpt-shakespeare@4"]
    assert len(await worker.text(model="gpt-shakespeare@1", max_tokens=5)) == 5


async def test_a_version_that_somebody_still_waits_for_is_not_loaded_twice(start: Start) -> None:
    worker = await start(loaded=1)
    waited_for = await worker.gallery.text_model("gpt-shakespeare@1")
    write_version(worker.home, "2", seed=2)
    await worker.text(max_tokens=1)
    assert worker.gallery.names == ["gpt-shakespeare@2"]
    assert await worker.gallery.text_model("gpt-shakespeare@1") is waited_for
    assert worker.gallery.names == ["gpt-shakespeare@1"]


async def test_many_requests_for_an_unloaded_version_load_it_once(worker: Worker, loaded: list[str]) -> None:
    await worker.until(lambda: worker.gallery.ready)
    loaded.clear()
    write_version(worker.home, "2", seed=5)
    texts = await asyncio.gather(*(worker.text(max_tokens=5, seed=1) for _ in range(8)))
    assert len(set(texts)) == 1
    assert loaded == ["2"]


async def test_who_waits_for_a_version_gets_it_although_whoever_asked_first_left(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, release, tensors = threading.Event(), threading.Event(), Checkpoint.tensors

    def wait(checkpoint: Checkpoint) -> dict[str, Tensor]:
        begun.set()
        release.wait(30)
        return tensors(checkpoint)

    await worker.until(lambda: worker.gallery.ready)
    write_version(worker.home, "2", seed=5)
    monkeypatch.setattr(Checkpoint, "tensors", wait)
    first, second = (asyncio.create_task(worker.gallery.text_model("gpt-shakespeare@2")) for _ in range(2))
    await asyncio.to_thread(begun.wait, 30)
    first.cancel()
    release.set()
    assert (await second).name == "gpt-shakespeare@2"


async def test_the_token_is_asked_for_when_set(start: Start) -> None:
    worker = await start(worker_token="open sesame")
    error = await worker.error(401)
    assert error["type"] == "authentication_error"
    assert "PROSPERO_WORKER_TOKEN" in error["message"]
    for wrong in ("Bearer nonsense", "Bearer ", "Bearer öpen"):
        async with worker.session.get("/v1/models", headers={"Authorization": wrong}) as response:
            assert response.status == 401
    for path in ("/v1/files", "/metrics"):
        await get(worker, path, 401)
    async with worker.session.get("/v1/models", headers={"Authorization": "Bearer open sesame"}) as response:
        assert response.status == 200
    assert await get(worker, "/healthz") == {"alive": True}


async def test_web_pages_are_refused_whatever_name_they_use(start: Start) -> None:
    async def status(worker: Worker, **headers: str) -> int:
        async with worker.session.get("/v1/models", headers=headers) as response:
            assert response.status == 200 or (await response.json())["error"]["message"].endswith(".")
            return response.status

    worker = await start()
    assert await status(worker, Origin="https://milan.example") == 403
    assert await status(worker, Origin="null") == 403
    for host in ("milan.example", "milan.example:8100", "worker", "127.0.0.1.milan.example"):  # led here by its DNS
        assert await status(worker, Host=host) == 403
    for host in ("localhost:8100", "127.0.0.1", "192.0.2.1:8100", "[::1]:8100"):
        assert await status(worker, Host=host) == 200
    locked = await start(None, worker_token="open sesame")
    token = {"Authorization": "Bearer open sesame"}
    assert await status(locked, Host="worker:8100", **token) == 200
    assert await status(locked, Origin="https://milan.example", **token) == 403


@pytest.mark.parametrize(
    ("method", "path", "status"), [("GET", "/v1/completions", 405), ("GET", "/v2", 404), ("POST", "/v1/models", 405)]
)
async def test_a_wrong_address_or_method_is_answered_in_the_same_shape(
    worker: Worker, method: str, path: str, status: int
) -> None:
    async with worker.session.request(method, path) as response:
        assert response.status == status
        assert (await response.json())["error"]["message"].endswith(".")


async def test_a_body_beyond_all_measure_is_refused(worker: Worker) -> None:
    async with worker.session.post("/v1/completions", data=b"x" * 2**21) as response:
        assert response.status == 413
        assert "at most" in (await response.json())["error"]["message"]


async def test_the_description_fits_what_is_answered(worker: Worker) -> None:
    document = await get(worker, "/openapi.json")
    assert document["openapi"].startswith("3.1")
    served = {resource.canonical for resource in worker.app.router.resources()}
    assert set(document["paths"]) == served
    named = set(re.findall(r'"#/components/schemas/(\w+)"', json.dumps(document)))
    assert named == set(document["components"]["schemas"])
    schema = {"$ref": "#/components/schemas/Completion", "components": document["components"]}
    answer = await worker.complete(max_tokens=3, logprobs=2)
    jsonschema.validate(answer, schema)
    assert Completion.model_validate(answer).choices[0].logprobs is not None


def query_of(handler: Callable[..., Any]) -> set[str]:
    """The query parameters that a handler reads, itself or through a function that it calls."""
    called = [handler.__globals__.get(name) for name in handler.__code__.co_names]
    source = "".join(inspect.getsource(function) for function in (handler, *called) if inspect.isfunction(function))
    return set(re.findall(r'request\.query(?:\.get\("(\w+)")?', source))


async def test_the_description_names_what_is_read_from_addresses_and_forms(worker: Worker) -> None:
    paths = (await get(worker, "/openapi.json"))["paths"]
    for route in worker.app.router.routes():
        if route.method != "HEAD" and route.resource is not None:
            described = paths[route.resource.canonical][route.method.lower()].get("parameters", [])
            named = {parameter["name"] for parameter in described if parameter["in"] == "query"}
            assert named == query_of(route.handler), route
    assert all(parameter["required"] for parameter in paths["/v1/models/{model}/comparison"]["get"]["parameters"])
    assert list(paths["/v1/files"]["post"]["requestBody"]["content"]) == ["multipart/form-data"]


async def test_metrics_count_what_happened(worker: Worker) -> None:
    await worker.text(max_tokens=12)
    await worker.error(400, temperature=99)
    async with worker.session.get("/metrics") as response:
        lines = (await response.text()).splitlines()
    assert "prospero_characters_total 12.0" in lines
    assert 'prospero_requests_total{method="POST",path="/v1/completions",status="400"} 1.0' in lines
    assert "prospero_texts_running 0.0" in lines
    assert "prospero_first_character_seconds_count 1.0" in lines
    assert "prospero_trainings_running 0.0" in lines
    assert "# HELP prospero_pictures_total Pictures drawn or looked at" in lines
    assert any(line.startswith("process_resident_memory_bytes ") for line in lines) == (sys.platform == "linux")


async def test_who_leaves_is_counted(worker: Worker) -> None:
    body = {"prompt": "hello", "max_tokens": 8_000, "stream": True}
    async with worker.session.post("/v1/completions", json=body) as response:
        await response.content.readline()
        response.close()
    left = b'prospero_requests_total{method="POST",path="/v1/completions",status="499"} 1.0'
    await worker.until(lambda: left in worker.app[METRICS].text())
    assert b'path="/v1/completions",status="200"' not in worker.app[METRICS].text()
