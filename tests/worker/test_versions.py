"""Versions over real HTTP: listed, compared, promoted, rolled back and deleted while eight people draw."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest

from models.checkpoint import Store
from tests.conftest import CATS, keep_gan
from tests.worker.conftest import Start, write_version
from tests.worker.operator import JOBS, MODEL, Operator
from worker.schemas.training import Comparison, Figure
from worker.trainer import Hear, Trainer

MODELS = "/v1/models"

pytestmark = pytest.mark.timeout(900)  # trainers come last of all on a busy machine


def drawn(path: Path, names: tuple[str, ...]) -> None:
    """Let there be GANs that draw different pictures, the last of which serves."""
    for seed, name in enumerate(names):
        keep_gan(Store(path, path / "none"), "gan-cats", CATS, name, seed)


@pytest.fixture
async def operator(start: Start, tmp_path: Path) -> Operator:
    drawn(tmp_path, ("a", "b"))
    return Operator((await start(None)).session)


async def test_each_of_eight_people_gets_whole_pictures_while_versions_change(operator: Operator) -> None:
    async def draw(model: str) -> tuple[str, str]:
        answer = await operator.ask("POST", "/v1/images/generations", json={"model": model, "seed": 3})
        return answer["system_fingerprint"], answer["data"][0]["b64_json"]

    pictures = dict([await draw("gan-cats@a"), await draw("gan-cats@b")])
    assert len(set(pictures.values())) == 2
    seen: list[str] = []
    switching = True

    async def person() -> None:
        while switching:
            version, picture = await draw("gan-cats")
            assert picture == pictures[version]
            seen.append(version)

    people = [asyncio.create_task(person()) for _ in range(8)]
    for i in range(20):
        before = len(seen)
        if i % 2:
            await operator.ask("POST", f"{MODELS}/gan-cats/rollback")
        else:
            await operator.ask("POST", f"{MODELS}/gan-cats/promote", json={"version": "a"})
        now = "gan-cats@b" if i % 2 else "gan-cats@a"
        assert (await draw("gan-cats"))[0] == now
        while now not in seen[before:]:
            assert not any(one.done() for one in people)
            await asyncio.sleep(0.001)
    switching = False
    await asyncio.gather(*people)


async def test_versions_are_listed_with_what_their_cards_say(operator: Operator, tmp_path: Path) -> None:
    newer = (store := Store(tmp_path, tmp_path / "none")).open("gan-cats", "b")
    store.annotate(newer, replace(newer.card, created="2026-02-02T00:00:00+00:00"))
    listed = (await operator.ask("GET", f"{MODELS}/gan-cats/versions"))["data"]
    assert [(one["version"], one["serving"]) for one in listed] == [("b", True), ("a", False)]
    assert not listed[0]["shipped"]
    assert listed[0]["dataset"] == "none"
    assert "gan-milton" in await operator.refused("GET", f"{MODELS}/gan-milton/versions", 404)


@pytest.mark.parametrize("linked", [False, True])
async def test_samples_are_a_file_of_the_version_and_no_link(operator: Operator, tmp_path: Path, linked: bool) -> None:
    (tmp_path / "secret.txt").write_text("of this machine")
    samples = tmp_path / "checkpoints" / "gan-cats" / "a" / "samples.txt"
    if linked:
        samples.symlink_to(tmp_path / "secret.txt")
    else:
        samples.write_text("of the version")
    async with operator.session.get(f"{MODELS}/gan-cats/versions/a/samples") as response:
        assert response.status == (404 if linked else 200)


async def test_programs_are_told_by_a_code_what_stays(start: Start, tmp_path: Path) -> None:
    drawn(tmp_path / "theirs", ("v1",))
    drawn(tmp_path, ("ours",))
    operator = Operator((await start("1", shipped=tmp_path / "theirs" / "checkpoints")).session)

    async def code(method: str, path: str) -> object:
        return (await operator.ask(method, f"{MODELS}/{path}", 400))["error"]["code"]

    assert await code("DELETE", "gan-cats/versions/ours") == "version_serves"
    assert await code("DELETE", "gan-cats@v1") == "version_shipped"
    assert await code("POST", f"{MODEL}/rollback") == "no_version_before"
    drawn(tmp_path, ("later",))
    Store(tmp_path, tmp_path / "none").delete("gan-cats", "ours")
    assert await code("POST", "gan-cats/rollback") == "previous_gone"


async def test_a_version_that_serves_is_not_deleted(operator: Operator, tmp_path: Path) -> None:
    assert "promote another" in await operator.refused("DELETE", f"{MODELS}/gan-cats/versions/b")
    gone = await operator.ask("DELETE", f"{MODELS}/gan-cats/versions/a")
    assert gone == {"id": "gan-cats@a", "object": "model", "deleted": True}
    assert not (tmp_path / "checkpoints" / "gan-cats" / "a").exists()
    assert "no version 'a'" in await operator.refused("DELETE", f"{MODELS}/gan-cats/versions/a", 404)
    told = "gan-cats@a, which served before, was deleted; promote another version."
    assert await operator.refused("POST", f"{MODELS}/gan-cats/rollback") == told
    versions = await operator.ask("GET", f"{MODELS}/gan-cats/versions")
    assert (versions["serving"], versions["previous"]) == ("b", "a")


async def test_a_version_is_deleted_by_its_id_too(operator: Operator) -> None:
    assert "Name the version" in await operator.refused("DELETE", f"{MODELS}/gan-cats")
    assert "promote another" in await operator.refused("DELETE", f"{MODELS}/gan-cats@b")
    assert (await operator.ask("DELETE", f"{MODELS}/gan-cats@a"))["id"] == "gan-cats@a"


async def test_a_name_that_is_given_again_means_the_new_version(operator: Operator, tmp_path: Path) -> None:
    async def draw() -> str:
        answer = await operator.ask("POST", "/v1/images/generations", json={"model": "gan-cats@a", "seed": 3})
        return answer["data"][0]["b64_json"]

    before = await draw()
    await operator.ask("DELETE", f"{MODELS}/gan-cats/versions/a")
    keep_gan(store := Store(tmp_path, tmp_path / "none"), "gan-cats", CATS, "a", seed=7)
    checkpoint = store.open("gan-cats", "a")
    store.annotate(checkpoint, replace(checkpoint.card, created="2026-02-02T00:00:00+00:00"))
    assert await draw() != before


async def test_what_a_training_began_from_stays_while_it_may_go_on(start: Start, verse_data: Path) -> None:
    worker = await start("1", trainings=0)
    operator = Operator(worker.session)
    job = await operator.train(hyperparameters={"n_steps": 1, "start": "current"})
    write_version(worker.home, "2")
    path = f"{MODELS}/{MODEL}/versions/1"
    assert f"{job.id} needs {MODEL}@1 to go on; cancel it first" in await operator.refused("DELETE", path)
    await operator.ask("POST", f"{JOBS}/{job.id}/cancel")
    await operator.ask("DELETE", path)


async def test_what_a_failed_training_needs_can_be_deleted_once_that_is_given_up(
    start: Start, verse_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def leave_snapshot(run: Path) -> None:
        run.mkdir(parents=True)
        (run / "snapshot.pt").write_bytes(b"")

    async def fail(_: Trainer, words: Sequence[str], hear: Hear, *__: object) -> int:
        leave_snapshot(Path(words[words.index("--folder") + 1]))
        hear({"error": {"code": "disk_full", "message": "The disk has no room."}})
        return 1

    monkeypatch.setattr(Trainer, "run", fail)
    operator = Operator((await start("1")).session)
    job = await operator.train(hyperparameters={"n_steps": 1, "start": "current"})
    assert (await operator.until_it_ends(job)).status == "failed"
    write_version(tmp_path, "2")
    path = f"{MODELS}/{MODEL}/versions/1"
    refused = await operator.refused("DELETE", path)
    assert refused == f"{job.id} failed and may be resumed, which needs {MODEL}@1; cancel it to give it up."
    await operator.ask("POST", f"{JOBS}/{job.id}/cancel")
    await operator.ask("DELETE", path)


async def test_a_shipped_version_is_not_deleted(start: Start, tmp_path: Path) -> None:
    drawn(tmp_path / "theirs", ("v1",))
    drawn(tmp_path, ("ours",))
    operator = Operator((await start(None, shipped=tmp_path / "theirs" / "checkpoints")).session)
    shipped = (await operator.ask("GET", f"{MODELS}/gan-cats/versions"))["data"]
    assert {one["version"]: one["shipped"] for one in shipped} == {"ours": False, "v1": True}
    assert "shipped" in await operator.refused("DELETE", f"{MODELS}/gan-cats/versions/v1")


async def test_of_promote_and_delete_at_once_one_wins(operator: Operator) -> None:
    async def status(method: str, path: str, **fields: object) -> int:
        async with operator.session.request(method, f"{MODELS}/gan-cats/{path}", **fields) as response:
            return response.status

    promoted, deleted = await asyncio.gather(
        status("POST", "promote", json={"version": "a"}), status("DELETE", "versions/a")
    )
    assert (promoted, deleted) in ((200, 400), (404, 200))
    versions = {one["version"]: one["serving"] for one in await listed(operator)}
    assert versions == ({"a": True, "b": False} if promoted == 200 else {"b": True})


async def listed(operator: Operator) -> list[dict[str, object]]:
    return (await operator.ask("GET", f"{MODELS}/gan-cats/versions"))["data"]


async def test_two_versions_are_compared_on_the_same_data(start: Start, verse_data: Path) -> None:
    operator = Operator((await start(None, report_every=0)).session)
    for steps, name in ((1, "first"), (30, "second")):
        await operator.until_it_ends(await operator.train(steps, suffix=name))
    path = f"{MODELS}/{MODEL}/comparison"
    answer = Comparison.model_validate(await operator.ask("GET", path, params={"versions": "second,first"}))
    figure = answer.figures[0]
    assert figure.serving is not None
    assert figure.new < figure.serving
    async with operator.session.get(answer.samples[0]) as response:
        assert response.content_type == "text/plain"
    assert "two versions" in await operator.refused("GET", path)
    assert "no version 'third'" in await operator.refused("GET", path, 404, params={"versions": "first,third"})


@pytest.mark.parametrize("name", ["..%2F..", ".a", "%2e%2e"])
async def test_no_name_leads_out_of_the_store(operator: Operator, name: str) -> None:
    async with operator.session.delete(f"{MODELS}/gan-cats/versions/{name}") as response:
        assert response.status in (404, 405)


async def test_a_model_that_does_not_serve_hides_no_other(operator: Operator, tmp_path: Path) -> None:
    store = Store(tmp_path, tmp_path / "none")
    card = replace(store.open("gan-cats").card, model="gan-owls")
    store.save(card, {}, lambda checkpoint: None)
    keep_gan(store, "gan-dogs", CATS)
    (tmp_path / "checkpoints" / "gan-dogs" / "tiny" / "card.json").write_text("{")
    models = await operator.ask("GET", MODELS)
    assert [model["id"] for model in models["data"]] == ["gan-cats"]
    assert models["unserved"] == {"gan-dogs": ["tiny"], "gan-owls": ["b"]}
    unserved = await operator.ask("GET", f"{MODELS}/gan-owls/versions")
    assert [one["version"] for one in unserved["data"]] == ["b"]
    assert (unserved["serving"], unserved["previous"]) == (None, None)
    assert "promote one of them: b" in await operator.refused("GET", f"{MODELS}/gan-owls", 404)
    assert (await operator.ask("DELETE", f"{MODELS}/gan-owls/versions/b"))["deleted"]
    assert "damaged" in await operator.refused("GET", f"{MODELS}/gan-dogs", 404)


@pytest.mark.parametrize(
    ("better", "new", "serving", "improved"),
    [
        ("higher", 2.0, 1.0, True),
        ("higher", 1.0, 2.0, False),
        ("lower", 1.0, 2.0, True),
        ("lower", 2.0, 1.0, False),
        ("higher", 1.0, 1.0, False),
        ("lower", 1.0, 1.0, False),
        ("lower", 1.0, None, None),
        (None, 2.0, 1.0, None),
    ],
)
def test_a_figure_that_is_the_same_is_no_better(
    better: Literal["higher", "lower"] | None, new: float, serving: float | None, improved: bool | None
) -> None:
    assert Figure(name="psnr", unit="dB", new=new, serving=serving, better=better).improved is improved


@pytest.mark.parametrize("versions", [",b", "a,", "a"])
async def test_a_comparison_needs_two_names(operator: Operator, versions: str) -> None:
    path = f"{MODELS}/gan-cats/comparison"
    assert "two versions" in await operator.refused("GET", path, params={"versions": versions})


async def test_a_name_longer_than_a_file_may_have_is_refused(operator: Operator) -> None:
    assert "names no model" in await operator.refused("GET", f"{MODELS}/{'m' * 300}", 404)
