"""Pictures over real HTTP: what each operation answers, the same bytes in any crowd, turns, limits and failures."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import threading
from functools import partial
from typing import Any

import aiohttp
import jsonschema
import pytest
from PIL import Image

from models.checkpoint import Store
from models.painter import Painter
from tests.conftest import CATS, DIGITS, keep_gan
from tests.worker.conftest import Start, Worker, keep_busy
from worker import streaming
from worker.engine import images as engine
from worker.engine.images import ImageEngine
from worker.routes import IMAGE_ENGINE
from worker.routes import images as route
from worker.visit import ignore

GENERATIONS, VARIATIONS, WALKS = (f"/v1/images/{name}" for name in ("generations", "variations", "interpolations"))


class Gallery:
    """A running worker with two GANs, as people who want pictures see it."""

    def __init__(self, worker: Worker) -> None:
        self.worker = worker
        self.engine: ImageEngine = worker.app[IMAGE_ENGINE]

    async def ask(self, path: str, status: int = 200, **fields: Any) -> dict[str, Any]:
        body = {"model": "gan-digits", **fields}
        async with self.worker.session.post(path, json=body) as response:
            assert response.status == status, await response.text()
            self.headers = response.headers
            return await response.json()

    async def files(self, path: str = GENERATIONS, **fields: Any) -> list[bytes]:
        return [base64.b64decode(image["b64_json"]) for image in (await self.ask(path, **fields))["data"]]

    async def picture(self, path: str = GENERATIONS, **fields: Any) -> Image.Image:
        (content,) = await self.files(path, **fields)
        return Image.open(io.BytesIO(content))

    async def refused(self, status: int, path: str = GENERATIONS, **fields: Any) -> dict[str, Any]:
        return (await self.ask(path, status, **fields))["error"]

    async def painter(self) -> Painter:
        """The role that draws digits."""
        return (await self.worker.gallery.image_model("gan-digits", Painter))[1]

    async def hold(self) -> threading.Event:
        """Keep the threads that draw busy until the event is set."""
        return await keep_busy(self.worker)


@pytest.fixture
async def gallery(start: Start, tmp_path: Any) -> Gallery:
    return await started(start, tmp_path)


async def started(start: Start, home: Any, **settings: Any) -> Gallery:
    store = Store(home, home / "none")
    keep_gan(store, "gan-digits", DIGITS)
    keep_gan(store, "gan-cats", CATS, seed=1)
    gallery = Gallery(await start(**settings))
    await gallery.worker.until(lambda: gallery.worker.gallery.ready)
    return gallery


async def test_pictures_in_openais_shape(gallery: Gallery) -> None:
    answer = await gallery.ask(GENERATIONS, n=3, seed=2**63 - 1, scale=2)
    assert answer["system_fingerprint"] == "gan-digits@tiny"
    assert [image["seed"] for image in answer["data"]] == [2**63 - 1, 0, 1]
    for image in answer["data"]:
        picture = Image.open(io.BytesIO(base64.b64decode(image["b64_json"])))
        assert (picture.format, picture.size, picture.mode) == ("PNG", (56, 56), "L")
    document = await (await gallery.worker.session.get("/openapi.json")).json()
    jsonschema.validate(answer, {"$ref": "#/components/schemas/Images", "components": document["components"]})


async def test_of_openais_options_the_defaults_may_be_said(gallery: Gallery) -> None:
    """In the JSON of its own client; what asks for something else is refused by name."""
    nothing = dict.fromkeys(("n", "size", "quality", "style", "response_format", "stream", "output_format"))
    defaults = {"size": "auto", "quality": "auto", "style": "vivid", "output_format": "png", "partial_images": 0}
    plain = await gallery.files(prompt="7", seed=1)
    for said in (nothing, {**defaults, "response_format": "b64_json", "background": "auto", "moderation": "auto"}):
        assert await gallery.files(prompt="7", seed=1, **said) == plain
    for field, value in {"size": "256x256", "style": "natural", "response_format": "url"}.items():
        assert (await gallery.refused(400, **{field: value}))["param"] == field
    assert (await gallery.refused(400, WALKS, output_format="png"))["param"] == "output_format"


async def test_a_seed_drawn_here_gives_the_same_again(gallery: Gallery) -> None:
    first = await gallery.ask(GENERATIONS, n=2)
    again = await gallery.ask(GENERATIONS, n=2, seed=first["data"][0]["seed"])
    assert again["data"] == first["data"]
    assert (await gallery.ask(GENERATIONS, n=2))["data"] != first["data"]


async def test_the_same_bytes_alone_and_in_any_crowd(gallery: Gallery) -> None:
    wishes: list[tuple[str, dict[str, Any]]] = [
        (GENERATIONS, {"n": 5, "seed": 3}),
        (GENERATIONS, {"n": 40, "seed": 90, "truncation": 0.5}),
        (GENERATIONS, {"prompt": "2026", "seed": 4}),
        (GENERATIONS, {"model": "gan-cats", "n": 4, "seed": 3, "layout": "sheet"}),
        (VARIATIONS, {"around": [5, 9], "seed": 70, "n": 4, "layout": "sheet"}),
        (WALKS, {"seed": 1, "n": 2, "steps": 7}),
    ]
    alone = [await gallery.files(path, **fields) for path, fields in wishes]
    crowd = await asyncio.gather(*(gallery.files(path, **fields) for path, fields in wishes * 3))
    assert crowd == alone * 3
    assert (await gallery.files(n=1, seed=7)) == alone[0][4:]


async def test_label_and_truncation(gallery: Gallery) -> None:
    threes = await gallery.files(n=2, seed=0, label=3, truncation=0)
    assert threes[0] == threes[1]
    assert threes[0] != (await gallery.files(seed=0, label=4, truncation=0))[0]


@pytest.mark.parametrize("truncation", [1.0, 0.5])
async def test_a_number_is_one_wide_picture(gallery: Gallery, truncation: float) -> None:
    picture = await gallery.picture(prompt="707", seed=3, truncation=truncation, scale=1)
    assert picture.size == (84, 28)
    seven = await gallery.picture(label=7, seed=3, truncation=truncation, scale=1)
    for left in (0, 56):
        assert picture.crop((left, 0, left + 28, 28)).tobytes() == seven.tobytes()


async def test_a_sheet_shows_the_pictures_in_order(gallery: Gallery) -> None:
    sheet = await gallery.picture(model="gan-cats", n=3, seed=8, layout="sheet", scale=1)
    assert sheet.size == (35, 35)
    for content, corner in zip(
        await gallery.files(model="gan-cats", n=3, seed=8, scale=1), [(1, 1), (18, 1), (1, 18)], strict=True
    ):
        cell = sheet.crop((*corner, corner[0] + 16, corner[1] + 16))
        assert cell.tobytes() == Image.open(io.BytesIO(content)).tobytes()


async def test_pictures_are_enlarged_crisply(gallery: Gallery) -> None:
    small, large = await gallery.picture(seed=1, scale=1), await gallery.picture(seed=1)
    assert large.size == (756, 756)
    assert large.tobytes() == small.resize(large.size, Image.Resampling.NEAREST).tobytes()


async def test_a_picture_that_is_handed_in_to_be_varied_is_told_what_goes_instead(gallery: Gallery) -> None:
    form = aiohttp.FormData({"model": "gan-digits"})
    form.add_field("image", b"\x89PNG", filename="cat.png")  # as OpenAI's client does
    async with gallery.worker.session.post(VARIATIONS, data=form) as response:
        assert response.status == 400
        assert "send JSON with its seed in around" in (await response.json())["error"]["message"]


async def test_variations_lie_near_their_picture(gallery: Gallery) -> None:
    (centre,) = await gallery.files(seed=5, scale=1)
    near = await gallery.files(VARIATIONS, around=[5], n=3, seed=20, strength=0.1, scale=1)
    far = await gallery.files(VARIATIONS, around=[5], n=3, seed=20, strength=0.9, scale=1)
    distances = [difference(centre, near[i]) < difference(centre, far[i]) for i in range(3)]
    assert all(distances)
    assert len({centre, *near}) == 4
    assert await gallery.files(VARIATIONS, around=[5], seed=21, strength=0.1, scale=1) == near[1:2]
    short = await gallery.files(seed=5, truncation=0.5, scale=1)
    assert await gallery.files(VARIATIONS, around=[5], strength=0, truncation=0.5, scale=1) == short != [centre]


def difference(one: bytes, other: bytes) -> int:
    pictures = (Image.open(io.BytesIO(content)).tobytes() for content in (one, other))
    return sum(abs(a - b) for a, b in zip(*pictures, strict=True))


@pytest.mark.parametrize("kind", ["webp", "gif"])
async def test_a_walk_passes_its_stops(gallery: Gallery, kind: str) -> None:
    stops = [[5], [6, 20], [7]]
    walk = await gallery.picture(WALKS, stops=stops, label=2, steps=3, scale=1, output_format=kind)
    assert (walk.format, walk.n_frames, walk.size) == (kind.upper(), 9, (28, 28))
    walk.seek(3)
    (stop,) = await gallery.files(VARIATIONS, around=[6], seed=20, label=2, scale=1)
    shown = zip(walk.convert("L").tobytes(), Image.open(io.BytesIO(stop)).tobytes(), strict=True)
    assert max(abs(a - b) for a, b in shown) <= 1  # the arc's arithmetic rounds differently
    there = await gallery.picture(WALKS, seed=5, n=2, steps=3, closed=False, output_format=kind)
    assert there.n_frames == 4


async def test_a_walk_side_by_side(gallery: Gallery) -> None:
    strip = await gallery.picture(WALKS, seed=5, n=2, steps=9, closed=False, layout="strip", scale=1)
    assert (strip.format, strip.size) == ("PNG", (5 * 29 + 1, 2 * 29 + 1))
    (first,) = await gallery.files(seed=5, scale=1)
    assert strip.crop((1, 1, 29, 29)).tobytes() == Image.open(io.BytesIO(first)).tobytes()


async def test_files_are_made_to_fit(gallery: Gallery) -> None:
    (large,) = await gallery.files(seed=1)
    for path, more in ((GENERATIONS, {"seed": 1}), (WALKS, {"seed": 1, "n": 2, "steps": 4})):
        (whole,) = await gallery.files(path, **more)
        (fitted,) = await gallery.files(path, max_bytes=len(whole) - 1, **more)
        assert len(fitted) < len(whole)
        assert Image.open(io.BytesIO(fitted)).width < Image.open(io.BytesIO(whole)).width
    error = await gallery.refused(400, seed=1, max_bytes=50)
    assert error["param"] == "max_bytes"
    assert len(large) > 50


@pytest.mark.parametrize(
    ("fields", "code"),
    [({"label": 10}, "label_out_of_range"), ({"model": "gan-cats", "label": 0}, "no_classes")],
)
async def test_programs_are_told_what_is_wrong_with_a_label_by_a_code(
    gallery: Gallery, fields: dict[str, Any], code: str
) -> None:
    assert (await gallery.refused(400, **fields))["code"] == code


@pytest.mark.parametrize(
    ("path", "fields", "param", "said"),
    [
        (GENERATIONS, {"label": 10}, "label", "label must be from 0 to 9 for gan-digits@tiny, not 10."),
        (GENERATIONS, {"model": "gan-cats", "label": 0}, "label", "one kind of picture only; leave label out."),
        (GENERATIONS, {"prompt": "12a"}, "prompt", "write a number of digits 0 to 9"),
        (GENERATIONS, {"prompt": "7", "model": "gan-cats"}, "prompt", "to a model of digits"),
        (GENERATIONS, {"prompt": "7" * 21}, "prompt", "at most 20 digits"),
        (GENERATIONS, {"prompt": "7", "label": 7}, "label", "leave it out"),
        (GENERATIONS, {"n": 65}, "n", "n must be at most 64, not 65."),
        (GENERATIONS, {"truncation": -1}, "truncation", "truncation must be at least 0.0, not -1."),
        (GENERATIONS, {"seed": 2**63}, "seed", "seed must be less than"),
        (GENERATIONS, {"response_format": "url"}, "response_format", "must be 'b64_json', not 'url'."),
        (GENERATIONS, {"layout": "sheet", "n": 64, "scale": 32}, "scale", "scale must be at most 17"),
        (WALKS, {"n": 16, "steps": 24, "scale": 32}, "scale", "scale must be at most 10 for this picture"),
        (GENERATIONS, {"hands": 2}, "hands", "remove it"),
        (VARIATIONS, {}, "around", "around is missing; add it."),
        (VARIATIONS, {"around": []}, "around", "around must have at least 1 in it."),
        (WALKS, {"stops": [[1]]}, "stops", "a walk needs two"),
    ],
)
async def test_a_bad_wish_names_its_field(
    gallery: Gallery, path: str, fields: dict[str, Any], param: str, said: str
) -> None:
    error = await gallery.refused(400, path, **fields)
    assert error["param"] == param
    assert said in error["message"]


async def test_models_that_do_something_else(gallery: Gallery) -> None:
    error = await gallery.refused(404, model="gpt-shakespeare")
    assert error["message"] == "gpt-shakespeare does not draw pictures; ask gan-cats or gan-digits."
    error = await gallery.worker.error(404, model="gan-digits")
    assert error["message"] == "gan-digits does not write texts; ask gpt-shakespeare."
    for name in ("gan-dogs", "../gan-digits", "gan-digits@../tiny", "gan-digits@.tiny", "/etc", "", "@"):
        assert (await gallery.refused(404, model=name))["param"] == "model"


async def test_models_tell_what_they_can_do(gallery: Gallery) -> None:
    async with gallery.worker.session.get("/v1/models") as response:
        models = {model["id"]: model for model in (await response.json())["data"]}
    assert models["gan-digits"]["operations"] == ["generations", "variations", "interpolations"]
    assert (models["gan-digits"]["classes"], models["gan-cats"]["classes"]) == (10, 1)
    assert models["gpt-shakespeare"]["operations"] == ["completions"]
    async with gallery.worker.session.get("/readyz") as response:
        assert {"gan-digits@tiny", "gan-cats@tiny"} < set((await response.json())["models"])


async def test_old_versions_draw_what_they_drew(gallery: Gallery) -> None:
    before = await gallery.files(seed=1)
    keep_gan(Store(gallery.worker.home, gallery.worker.home / "none"), "gan-digits", DIGITS, "new", seed=9)
    assert await gallery.files(seed=1) != before
    assert await gallery.files(seed=1, model="gan-digits@tiny") == before


async def test_the_place_in_the_line_is_told(gallery: Gallery) -> None:
    release = await gallery.hold()
    streams = [await begin(gallery, user=str(i), n=4, seed=i) for i in range(3)]
    responses = [await one for one in streams]
    told = [[(await response.content.readline()).decode().strip()] for response in responses]
    assert told == [[": queued 1"], [": queued 2"], [": queued 3"]]
    release.set()
    for response in responses:
        rest = await lines(response)
        assert rest[-1] == "data: [DONE]"
        assert len(json.loads(rest[-2].removeprefix("data: "))["data"]) == 4


async def begin(gallery: Gallery, **fields: Any) -> Any:
    """A streamed request that is waiting in line."""
    before = gallery.engine.waiting
    body = {"model": "gan-digits", "stream": True, "scale": 1, **fields}
    asked = asyncio.create_task(gallery.worker.session.post(GENERATIONS, json=body))
    await gallery.worker.until(lambda: gallery.engine.waiting == before + 1)
    return asked


async def lines(response: Any) -> list[str]:
    async with response:
        assert response.status == 200
        return [line.decode().strip() async for line in response.content if line.strip()]


async def test_who_is_told_of_no_place_is_not_left_in_silence(
    gallery: Gallery, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streaming, "PULSE", 0.01)
    monkeypatch.setattr(route, "FEW", 0)  # what is planned stands in no line for computations
    release = await gallery.hold()
    response = await (await begin(gallery))
    assert await response.content.readline() == b": waiting\n"
    release.set()
    assert (await lines(response))[-1] == "data: [DONE]"


@pytest.mark.parametrize("few", [0, 64], ids=["of plans", "of parts"])
async def test_a_full_line_names_the_place_and_a_time(
    start: Start, tmp_path: Any, monkeypatch: pytest.MonkeyPatch, few: int
) -> None:
    monkeypatch.setattr(route, "FEW", few)
    gallery = await started(start, tmp_path, queue=2)
    release = await gallery.hold()
    waiting = [await begin(gallery, user="a", n=16), await begin(gallery, user="a", n=16)]
    assert (await gallery.refused(429, user="a", n=16))["position"] == 3
    waiting.append(await begin(gallery, user="b", n=16))  # after a's first, before a's second
    assert (await gallery.refused(429, user="c", n=16))["position"] == 3
    assert int(gallery.headers["Retry-After"]) >= 1
    release.set()
    for one in waiting:
        await lines(await one)
    assert await gallery.files(seed=1)


async def test_a_long_wish_does_not_hold_up_a_short_one(gallery: Gallery, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(route, "FEW", 64)  # all are planned before the threads are free
    painter = await gallery.painter()
    draw, wanted, batches = painter.draw.function, painter.sample([1_000]).latent[0], []

    def watching(latent: Any, classes: Any) -> Any:
        batches.append(bool((latent == wanted).all(1).any()))
        return draw(latent, classes)

    object.__setattr__(painter.draw, "function", watching)
    release = await gallery.hold()
    long = await begin(gallery, user="long", n=64, seed=0)
    short = await begin(gallery, user="short", n=16, seed=1_000)
    release.set()
    await asyncio.gather(lines(await long), lines(await short))
    assert batches == [False, True, False, False, False]


async def test_every_thread_of_the_processor_computes_a_batch(start: Start, tmp_path: Any) -> None:
    gallery = await started(start, tmp_path, threads=2)
    alone = [await gallery.files(seed=seed, n=16, scale=1) for seed in (0, 100)]
    painter = await gallery.painter()
    draw, together = painter.draw.function, threading.Barrier(2, timeout=30)

    def meet(latents: Any, classes: Any) -> Any:
        together.wait()  # passed only by two at the same time
        return draw(latents, classes)

    object.__setattr__(painter.draw, "function", meet)
    assert await asyncio.gather(*(gallery.files(seed=seed, n=16, scale=1) for seed in (0, 100))) == alone


async def test_who_leaves_gives_the_turn_to_others(gallery: Gallery, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(route, "FEW", 64)  # their parts wait, not their plans
    release = await gallery.hold()
    left = await begin(gallery, user="left", n=64)
    stays = await begin(gallery, user="stays", n=16)
    left.cancel()
    await gallery.worker.until(lambda: gallery.engine.waiting == 1)
    release.set()
    await lines(await stays)
    assert gallery.engine.pictures == 16


async def test_a_request_past_its_deadline(start: Start, tmp_path: Any) -> None:
    gallery = await started(start, tmp_path, deadline=0.01)
    release = await gallery.hold()
    assert "ask for fewer" in (await gallery.refused(504))["message"]
    assert gallery.engine.waiting == 0
    release.set()


async def test_a_failing_picture_harms_no_other(gallery: Gallery, monkeypatch: pytest.MonkeyPatch) -> None:
    painter = await gallery.painter()
    draw = painter.draw.function
    bad = painter.sample([13]).latent[0]

    def fragile(latents: Any, classes: Any) -> Any:
        if any((latent == bad).all() for latent in latents):
            raise RuntimeError("thirteen")
        return draw(latents, classes)

    expected = await gallery.files(seed=1)
    object.__setattr__(painter.draw, "function", fragile)
    release = await gallery.hold()
    fine = [asyncio.create_task(gallery.files(seed=1, user=str(i))) for i in range(3)]
    failing = asyncio.create_task(gallery.refused(500, seed=13))
    await gallery.worker.until(lambda: gallery.engine.waiting == 4)
    release.set()
    assert await asyncio.gather(*fine) == [expected] * 3
    assert "thirteen" in (await failing)["message"]
    object.__setattr__(painter.draw, "function", lambda latents, classes: draw(latents * float("nan"), classes))
    assert "not a number" in (await gallery.refused(500, seed=1))["message"]


async def test_texts_are_written_while_pictures_are_drawn(gallery: Gallery) -> None:
    text = gallery.worker.stream(max_tokens=4_000, seed=1)
    await anext(text)
    for seed in range(3):
        await gallery.files(seed=seed)
        assert gallery.worker.engine.running == 1
    await text.aclose()


async def batches(gallery: Gallery) -> list[int]:
    """Where the size of each batch of digits is noted from now on."""
    painter = await gallery.painter()
    draw, sizes = painter.draw.function, []

    def counting(latents: Any, classes: Any) -> Any:
        sizes.append(int(latents.any(1).sum()))  # what is filled up is zero
        return draw(latents, classes)

    object.__setattr__(painter.draw, "function", counting)
    return sizes


async def test_wishes_of_one_moment_share_a_batch(gallery: Gallery, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = await batches(gallery)
    monkeypatch.setattr(engine, "GATHER", 5.0)  # nobody waits so long: the batch is full before
    await asyncio.gather(*(gallery.files(seed=i, n=4) for i in range(4)))
    assert sizes == [16]


async def test_a_batch_waits_for_more_while_its_pictures_would_only_wait_for_encoders(
    gallery: Gallery, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "PATIENCE", 5.0)  # nobody waits so long: the files are done before
    painter = await gallery.painter()
    draw, done = painter.draw.function, []

    def noting(latents: Any, classes: Any) -> Any:
        done.append("batch")
        return draw(latents, classes)

    object.__setattr__(painter.draw, "function", noting)
    release = await gallery.hold()
    drawing = [asyncio.create_task(gallery.files(seed=i, user=str(i))) for i in range(5)]
    await gallery.worker.until(lambda: gallery.engine.waiting == 5)
    ticket = gallery.engine.ticket("", "encoding", ignore)
    encoding = [asyncio.create_task(gallery.engine.finish(ticket, partial(done.append, "file"))) for _ in range(3)]
    await gallery.worker.until(lambda: gallery.engine.waiting == 8)
    await asyncio.sleep(2 * engine.GATHER)
    release.set()
    await asyncio.gather(*encoding, *drawing)
    assert done == ["file", "file", "file", "batch"]


async def test_pictures_are_counted(gallery: Gallery) -> None:
    await gallery.files(n=5, seed=1)
    async with gallery.worker.session.get("/metrics") as response:
        told = (await response.text()).splitlines()
    assert "prospero_pictures_total 5.0" in told
    assert "prospero_pictures_waiting 0.0" in told
