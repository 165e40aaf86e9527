"""Retraining end to end: real tiny trainings in a real worker, watched and decided upon from a channel."""

from __future__ import annotations

import io
import zipfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from PIL import Image

from bot import watches
from models.checkpoint import Store
from tests.bot.conftest import Island, real_worker
from tests.conftest import keep_gan
from tests.person import JSON, Answer, File, Person, labels

SPRITES = {"channels": 1, "classes": 1, "base": 4, "widths": "16,8,8", "blocks": "0,0,0", "latent": 8, "batch": 16}
SETTINGS = " ".join(f"{key}={value}" for key, value in SPRITES.items())
PATIENCE = 240.0  # seconds: a training loads torch and is last in line for the cores, then two versions are measured

pytestmark = pytest.mark.timeout(900)  # for the same reason


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watches, "POLL", 0.1)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A GAN that draws sprites badly: its weights are random."""
    store = Store(tmp_path / "home", shipped=tmp_path / "shipped")
    keep_gan(store, "gan-digits", SPRITES, "old")
    return store


@pytest.fixture
async def ariel(island: Island) -> AsyncIterator[Person]:
    async with island.person("Ariel") as ariel:
        yield ariel


async def begin(ariel: Person, **options: object) -> JSON:
    """Has a training of the GAN begin; its live message."""
    seen = set(ariel.seen)
    wanted = {"model": "gan-digits", "dataset": "sprites", "settings": SETTINGS, **options}
    asked = await (await ariel.slash("retrain", **wanted)).message(labels)
    assert "Changed in its configuration: channels=1 classes=1 " in asked["content"]
    await ariel.press(asked, "Start training")
    live = await ariel.wait_for(lambda event: event["d"].get("id") not in seen and _is_live(event))
    return dict(live["d"])


def _is_live(event: JSON) -> bool:
    return event["t"] in ("MESSAGE_CREATE", "MESSAGE_UPDATE") and "Cancel training" in labels(event["d"])


async def drawn(answer: Answer, person: Person) -> tuple[str, bytes]:
    """Which version drew a picture, and its bytes."""
    message = await answer.message(lambda message: message["attachments"])
    return message["content"].split(" · ")[0], await person.fetch(message["attachments"][0])


async def test_from_the_question_to_a_rollback(island: Island, store: Store, ariel: Person) -> None:
    async with real_worker(store, report_every=0) as url:
        await island.start_bot(url)

        async def draw() -> tuple[str, bytes]:
            return await drawn(await ariel.slash("gan sample", model="gan-digits", seed="7"), ariel)

        before = await draw()
        assert before[0] == "-# gan-digits@old"
        live = await begin(ariel, steps=4)
        running = await ariel.message(live, lambda message: "losses: " in message["content"], PATIENCE)
        assert "generator" in running["content"]
        event = await ariel.wait_for(lambda event: "is ready" in event["d"].get("content", ""), PATIENCE)
        report = event["d"]
        ended = await ariel.message(live, lambda message: not labels(message))
        assert "100%" in ended["content"]
        picture = Image.open(io.BytesIO(await ariel.fetch(ended["attachments"][0])))
        assert picture.width > 720  # the curve, and the samples beside it
        rows = report["content"].split("\n")
        assert rows[2].startswith("figure ")
        assert rows[3].startswith("frechet_distance ")
        assert labels(report) == ["Promote", "Keep", "Discard"]
        assert report["attachments"]  # the new version's samples; the old one was written without

        assert await draw() == before
        pressed = await ariel.press(report, "Promote")
        if "is not better" in report["content"]:  # four steps teach little, so it may ask first
            await ariel.press(await pressed.message(), "Yes, promote it")
        await ariel.message(report, lambda message: labels(message) == ["Roll back"])
        after = await draw()
        assert after[0] != before[0]
        assert after[1] != before[1]
        version = after[0].removeprefix("-# gan-digits@")
        answer = await ariel.slash("model compare", model="gan-digits", version=version, against="old")
        compared = await answer.message(lambda _: True, PATIENCE)
        assert "frechet_distance" in compared["content"]
        told = await (await ariel.slash("model info", model="gan-digits")).message()
        assert told["content"].startswith(f"**gan-digits@{version}** · serves\n")
        await ariel.press(report, "Roll back")
        await ariel.message(report, lambda message: labels(message) == [])
        assert await draw() == before
        listed = await (await ariel.slash("training history")).message()
        assert listed["content"].endswith(f"· left gan-digits@{version}")
        await island.stop_bot()


async def test_over_restarts_of_bot_and_worker_to_its_cancellation(island: Island, store: Store, ariel: Person) -> None:
    def step(message: JSON) -> int:
        _, found, rest = message["content"].partition("· step ")
        return int(rest.split(" ")[0]) if found else 0

    async with AsyncExitStack() as first:
        url = await first.enter_async_context(real_worker(store, report_every=0.2))
        await island.start_bot(url)
        live = await begin(ariel, minutes=30)
        reached = step(await ariel.message(live, step, PATIENCE))
        await island.stop_bot()
        await island.start_bot(url)
        reached = step(await ariel.message(live, lambda message: step(message) > reached, PATIENCE))
    await ariel.message(live, lambda message: message["content"].endswith("I keep asking."))
    async with real_worker(store, port=int(url.rpartition(":")[2]), report_every=0.2):
        await ariel.message(live, lambda message: step(message) > reached, PATIENCE)
        asked = await (await ariel.press(live, "Cancel training")).message()
        await ariel.press(asked, "Yes, cancel it")
        ended = await ariel.message(live, lambda message: not labels(message), PATIENCE)
        assert ended["content"].endswith("\nCancelled; nothing of it is kept.")
        assert store.versions("gan-digits") == ["old"]
        await island.stop_bot()


async def test_data_from_chat(island: Island, store: Store, ariel: Person) -> None:
    async with real_worker(store) as url:
        await island.start_bot(url)
        told = await (await ariel.slash("dataset add", file=File("dots.zip", zipped(100)), name="dots")).message(
            lambda message: message["content"], PATIENCE
        )
        assert told["content"].startswith("**dots** has 100 pictures that can be used.\nLeft out: 1 × unreadable.")
        assert Image.open(io.BytesIO(await ariel.fetch(told["attachments"][0]))).format == "PNG"
        refused = await (
            await ariel.slash("dataset add", file=File("dots.zip", b"PK no zip"), name="more-dots")
        ).message(lambda message: message["content"], PATIENCE)
        assert refused["content"].startswith("A text to train on has at least 10,000 ")
        listed = await (await ariel.slash("dataset list")).message()
        assert "`dots` · 100 pictures" in listed["content"].split("\n")
        asked = await (await ariel.slash("retrain", model="gan-digits", dataset="dots")).message(labels)
        assert asked["content"].startswith("Train **gan-digits** on dots, ")
        asked = await (await ariel.slash("dataset delete", name="dots")).message()
        await ariel.press(asked, "Yes, delete it")
        deleted = await ariel.message(asked, lambda message: not labels(message))
        assert deleted["content"] == f"<@{ariel.id}> deleted the data set dots."
        await island.stop_bot()


def zipped(count: int) -> bytes:
    """A zip of that many different pictures, and a file that is none."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for number in range(count):
            picture = io.BytesIO()
            Image.new("L", (32, 32), 2 * number).save(picture, "PNG")
            archive.writestr(f"{number}.png", picture.getvalue())
        archive.writestr("broken.png", b"no picture")
    return file.getvalue()
