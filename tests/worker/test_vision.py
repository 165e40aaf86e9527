"""Pictures handed in over real HTTP: what each operation answers, the same bytes in any crowd, and what is refused."""

from __future__ import annotations

import asyncio
import base64
import gc
import io
import threading
from typing import Any

import jsonschema
import numpy as np
import pytest
from PIL import Image, ImageDraw
from PIL.PngImagePlugin import PngImageFile

from models.checkpoint import Store
from tests.conftest import DIGITS, keep_gan
from tests.models.drawings import bars
from tests.viewers import COLOURED, keep_autoencoder, keep_translator, keep_vae
from tests.worker.conftest import Start, Worker, keep_busy
from worker.engine.images import ImageEngine
from worker.routes import IMAGE_ENGINE

MAGENTA = (255, 0, 255)  # the frame of a map
COMPRESS, DECOMPRESS = "/v1/codes/compress", "/v1/codes/decompress"
MAP, DENSITY = "/v1/latents/map", "/v1/latents/density"
RECONSTRUCTIONS, ANOMALIES, BLENDS, TRAVERSALS, TRANSLATIONS = (
    f"/v1/images/{name}" for name in ("reconstructions", "anomalies", "blends", "traversals", "translations")
)


class Studio:
    """A running worker with a VAE, an autoencoder and a GAN, as people who hand pictures in see it."""

    def __init__(self, worker: Worker) -> None:
        self.worker = worker
        self.engine: ImageEngine = worker.app[IMAGE_ENGINE]

    async def ask(self, path: str, status: int = 200, **fields: Any) -> dict[str, Any]:
        async with self.worker.session.post(path, json={"model": "vae-digits", **fields}) as response:
            assert response.status == status, await response.text()
            return await response.json()

    async def refused(self, path: str, status: int = 400, **fields: Any) -> str:
        return (await self.ask(path, status, **fields))["error"]["message"]

    async def sheet(self, path: str, **fields: Any) -> Image.Image:
        return opened(await self.ask(path, **fields))

    async def hold(self) -> threading.Event:
        """Keep the threads that compute busy until the event is set."""
        return await keep_busy(self.worker)


@pytest.fixture
async def studio(start: Start, tmp_path: Any) -> Studio:
    store = Store(tmp_path, tmp_path / "none")
    keep_vae(store)
    keep_autoencoder(store)
    keep_autoencoder(store, "autoencoder-cats", **COLOURED)
    keep_translator(store)
    keep_gan(store, "gan-digits", DIGITS)
    studio = Studio(await start())
    await studio.worker.until(lambda: studio.worker.gallery.ready)
    return studio


def opened(answer: dict[str, Any]) -> Image.Image:
    """The first file."""
    return Image.open(io.BytesIO(base64.b64decode(answer["data"][0]["b64_json"])))


def drawing(size: tuple[int, int] = (40, 40), ground: str = "black", ink: str = "white") -> Image.Image:
    """A stroke."""
    picture = Image.new("RGB", size, ground)
    ImageDraw.Draw(picture).line((10, 8, 26, 33), fill=ink, width=5)
    return picture


def handed(picture: Image.Image | bytes, kind: str = "PNG", **options: Any) -> str:
    """A picture or a file's bytes as the API takes them."""
    if isinstance(picture, Image.Image):
        out = io.BytesIO()
        picture.save(out, kind, **options)
        picture = out.getvalue()
    return base64.b64encode(picture).decode()


def cell(sheet: Image.Image, row: int, column: int, side: int = 28) -> Image.Image:
    """One picture of a sheet at scale 1."""
    left, top = 1 + column * (side + 1), 1 + row * (side + 1)
    return sheet.crop((left, top, left + side, top + side))


async def test_a_reconstruction_shows_picture_result_and_difference(studio: Studio) -> None:
    answer = await studio.ask(RECONSTRUCTIONS, image=handed(drawing()), scale=1)
    sheet = opened(answer)
    assert (sheet.format, sheet.size) == ("PNG", (1 + 3 * 29, 30))
    seen, result, apart = (cell(sheet, 0, i).tobytes() for i in range(3))
    assert seen == drawing().convert("L").resize((28, 28), Image.Resampling.LANCZOS).tobytes()
    for a, b, difference in zip(seen, result, apart, strict=True):
        assert abs(min(2 * abs(a - b), 255) - difference) <= 2
    figures = answer["figures"]
    assert set(figures) == {"psnr", "ssim", "log_likelihood", "percentile"}
    assert figures["log_likelihood"] < 0 <= figures["percentile"] <= 100
    assert answer["prepared"] == [{"width": 40, "height": 40, "cropped": False, "inverted": False}]
    assert answer["system_fingerprint"] == "vae-digits@tiny"
    document = await (await studio.worker.session.get("/openapi.json")).json()
    jsonschema.validate(answer, {"$ref": "#/components/schemas/VisionAnswer", "components": document["components"]})
    assert set((await studio.ask(RECONSTRUCTIONS, model="autoencoder-digits", image=handed(drawing())))["figures"]) == {
        "psnr",
        "ssim",
    }


async def test_an_anomaly_is_scored_and_shown(studio: Studio) -> None:
    odd, usual = drawing(), Image.fromarray(bars(8)[0][7, 0].numpy())
    fields = {"model": "autoencoder-digits", "scale": 1}
    answers = [await studio.ask(ANOMALIES, image=handed(picture), **fields) for picture in (odd, usual)]
    figures = [answer["figures"] for answer in answers]
    assert figures[0]["score"] > figures[1]["score"]
    assert 100 >= figures[0]["percentile"] >= figures[1]["percentile"] >= 0
    sheet = opened(answers[0])
    assert sheet.size == (1 + 3 * 29, 30)
    heat = cell(sheet, 0, 2)
    assert heat.getpixel((12, 13)) > heat.getpixel((25, 2)) == 0  # at the stroke, and where all is as usual
    assert "vae-digits does not tell outliers" in await studio.refused(ANOMALIES, 404, image=handed(odd))


async def test_a_blend_leads_from_picture_to_picture(studio: Studio) -> None:
    pictures = [drawing(), drawing(ink="grey")]
    for model in ("vae-digits", "autoencoder-digits"):
        fields = {"model": model, "images": [handed(picture) for picture in pictures], "scale": 1}
        answer = await studio.ask(BLENDS, **fields, steps=6)
        strip = opened(answer)
        assert strip.size == (1 + 8 * 29, 30)
        assert len(answer["prepared"]) == 2
        for column, picture in ((0, pictures[0]), (7, pictures[1])):
            sheet = await studio.sheet(RECONSTRUCTIONS, model=model, image=handed(picture), scale=1)
            assert cell(strip, 0, column).tobytes() == cell(sheet, 0, 0).tobytes()
            inner = cell(strip, 0, 1 if column == 0 else 6).tobytes()
            assert max(abs(a - b) for a, b in zip(inner, cell(sheet, 0, 1).tobytes(), strict=True)) <= 1
    fields["model"] = "vae-digits"
    moving = await studio.sheet(BLENDS, **fields, steps=5, layout="animation", output_format="webp")
    assert (moving.format, moving.n_frames) == ("WEBP", 8)
    assert "images must have at least 2" in await studio.refused(BLENDS, images=[handed(drawing())])


async def test_a_wide_strip_is_enlarged_if_the_file_may_be_as_large(studio: Studio) -> None:
    fields = {"seed": 4, "dimensions": [0], "steps": 16}
    usual = await studio.ask(TRAVERSALS, **fields)
    width = 1 + 16 * 29  # more than half of what others are enlarged to
    assert opened(usual).width == 2 * width
    bytes_of_it = len(base64.b64decode(usual["data"][0]["b64_json"]))
    assert (await studio.sheet(TRAVERSALS, **fields, max_bytes=bytes_of_it - 1)).width == width


async def test_a_traversal_moves_one_latent_in_a_strip(studio: Studio) -> None:
    answer = await studio.ask(TRAVERSALS, seed=4, steps=5, scale=1)
    telling = answer["dimensions"]
    assert answer["seed"] == 4
    assert 1 < len(set(telling)) == len(telling) < 6  # in the others nothing changes
    assert opened(answer).size == (1 + 5 * 29, 1 + len(telling) * 29)
    every = await studio.ask(TRAVERSALS, seed=4, steps=5, scale=1, dimensions=[*range(6)])
    assert opened(every).size == (1 + 5 * 29, 1 + 6 * 29)
    for strip, dimension in enumerate(telling):
        chosen = await studio.ask(TRAVERSALS, seed=4, steps=5, scale=1, dimensions=[dimension])
        assert opened(chosen).size == (1 + 5 * 29, 30)
        for column in range(5):
            moved = cell(opened(chosen), 0, column).tobytes()
            assert moved == cell(opened(answer), strip, column).tobytes()
            assert moved == cell(opened(every), dimension, column).tobytes()
    seen = await studio.ask(TRAVERSALS, image=handed(drawing()), steps=2, scale=1)
    assert (seen["seed"], len(seen["prepared"])) == (None, 1)
    drawn = (await studio.ask(TRAVERSALS))["seed"]
    assert essence(await studio.ask(TRAVERSALS, seed=drawn)) == essence(await studio.ask(TRAVERSALS, seed=drawn))
    assert "give image or seed, not both." in await studio.refused(TRAVERSALS, image=handed(drawing()), seed=1)
    error = (await studio.ask(TRAVERSALS, 400, dimensions=[1, 6]))["error"]
    assert error["message"] == "dimensions must be from 0 to 5 for vae-digits@tiny, not 6."
    assert error["code"] == "dimensions_out_of_range"


async def test_a_sketch_is_painted_over_and_a_photo_drawn_first(studio: Studio) -> None:
    fields = {"model": "translator-cats", "scale": 1, "seed": 3}
    sketch = drawing(ground="white", ink="black")
    answer = await studio.ask(TRANSLATIONS, image=handed(sketch), **fields)
    assert (answer["lines"], opened(answer).size) == ("sketch", (1 + 2 * 17, 18))
    lines = values(cell(opened(answer), 0, 0, 16))[..., 0]
    assert set(lines.flatten()) == {0, 255}
    assert 0 < (lines == 0).mean() < 0.3
    noise = np.random.default_rng(0).integers(0, 60, (40, 40, 3)) + np.arange(0, 160, 4)[:, None, None]
    photo = Image.fromarray(noise.astype(np.uint8))
    answer = await studio.ask(TRANSLATIONS, image=handed(photo), **fields)
    assert (answer["lines"], opened(answer).size) == ("photo", (1 + 3 * 17, 18))
    sheets = [await studio.sheet(TRANSLATIONS, image=handed(photo), strength=share, **fields) for share in (0.0, 1.0)]
    fine, bold = (values(cell(sheet, 0, 1, 16)).mean() for sheet in sheets)
    assert fine < bold  # more of the paper is covered
    as_photo = await studio.ask(TRANSLATIONS, image=handed(sketch), lines="photo", **fields)
    assert (as_photo["lines"], opened(as_photo).size) == ("photo", (1 + 3 * 17, 18))
    assert "does not paint over lines; ask translator-cats" in await studio.refused(
        TRANSLATIONS, 404, image=handed(sketch)
    )


async def test_the_same_lines_are_painted_over_in_several_ways(studio: Studio) -> None:
    fields = {"model": "translator-cats", "scale": 1, "image": handed(drawing(ground="white", ink="black"))}
    row = await studio.sheet(TRANSLATIONS, n=3, seed=5, **fields)
    paintings = [cell(row, 0, place, 16).tobytes() for place in range(1, 4)]
    assert len(set(paintings)) == 3
    for seed, painting in enumerate(paintings, 5):  # each has a seed of its own
        assert cell(await studio.sheet(TRANSLATIONS, seed=seed, **fields), 0, 1, 16).tobytes() == painting
    drawn = await studio.ask(TRANSLATIONS, **fields)
    again = await studio.sheet(TRANSLATIONS, seed=drawn["seed"], **fields)
    assert again.tobytes() == opened(drawn).tobytes()


@pytest.mark.parametrize("model", ["autoencoder-digits", "autoencoder-cats"])
async def test_a_code_gives_the_picture_back(studio: Studio, model: str) -> None:
    answer = await studio.ask(COMPRESS, model=model, image=handed(drawing()), scale=1)
    side = 28 if model == "autoencoder-digits" else 16
    sheet = opened(answer)
    assert sheet.size == (1 + 4 * (side + 1), side + 2)
    figures = answer["figures"]
    assert set(figures) == {"code_bytes", "psnr", "webp_bytes", "jpeg_bytes"}
    assert figures["code_bytes"] == (3 if side == 28 else 48) < figures["webp_bytes"]
    original = values(cell(sheet, 0, 0, side))
    for column in (2, 3):  # WebP and JPEG come at least as close
        assert closeness(values(cell(sheet, 0, column, side)), original) >= figures["psnr"] - 0.01
    assert answer["code"].startswith(f"{model}@tiny:")
    back = await studio.ask(DECOMPRESS, model=None, code=f" {answer['code'][:25]}\n{answer['code'][25:]}", scale=1)
    assert opened(back).tobytes() == cell(sheet, 0, 1, side).tobytes()
    assert back["system_fingerprint"] == f"{model}@tiny"


async def test_a_code_is_read_by_the_version_that_wrote_it(studio: Studio) -> None:
    code = (await studio.ask(COMPRESS, model="autoencoder-digits", image=handed(drawing())))["code"]
    before = await studio.ask(DECOMPRESS, model="autoencoder-digits", code=code)
    keep_autoencoder(Store(studio.worker.home, studio.worker.home / "none"), version="new", seed=5)
    assert essence(await studio.ask(DECOMPRESS, model="autoencoder-digits", code=code)) == essence(before)
    assert (
        await studio.refused(DECOMPRESS, model="autoencoder-cats", code=code)
        == "code was written by autoencoder-digits@tiny, which autoencoder-cats cannot read; "
        "ask autoencoder-digits@tiny."
    )
    assert "autoencoder-digits@tiny, which autoencoder-digits@new cannot" in await studio.refused(
        DECOMPRESS, model="autoencoder-digits@new", code=code
    )


async def test_a_damaged_picture_leaves_nothing_in_memory(studio: Studio) -> None:
    content = base64.b64decode(handed(drawing((400, 400))))
    gc.collect()
    gc.disable()  # which would find cycles, sooner or later
    try:
        assert "image is damaged" in await studio.refused(RECONSTRUCTIONS, image=handed(content[: len(content) // 2]))
        assert not [one for one in gc.get_objects() if type(one) is PngImageFile]
    finally:
        gc.enable()


async def test_damaged_codes_are_refused(studio: Studio) -> None:
    code = (await studio.ask(COMPRESS, model="autoencoder-digits", image=handed(drawing())))["code"]
    begin = code.index(":") + 1
    for place in range(begin, len(code)):
        damaged = code[:place] + ("B" if code[place] == "A" else "A") + code[place + 1 :]
        assert "was changed on its way" in await studio.refused(DECOMPRESS, model=None, code=damaged)
    for other, said in (
        (code[:-2], "copy all of it"),
        (code[begin:], "code does not begin with what wrote it"),
        ("abc def", "code does not begin with what wrote it"),
        (code[:begin] + "***", "This is no code"),
    ):
        error = (await studio.ask(DECOMPRESS, 400, model=None, code=other))["error"]
        assert said in error["message"]
        assert error["code"] == "code_unreadable"
    for other, said in (
        (code.replace("@tiny", "@old"), "autoencoder-digits has no version 'old'"),
        (code.replace("autoencoder-digits", "autoencoder-dogs"), "autoencoder-dogs has no version"),
        (code.replace("autoencoder", "gan"), "gan-digits does not compress pictures"),
    ):
        assert said in await studio.refused(DECOMPRESS, 404, model=None, code=other)


def colours(picture: Image.Image) -> set[object]:
    return {colour for _, colour in picture.getcolors(picture.width * picture.height) or []}


@pytest.mark.parametrize("model", ["vae-digits", "autoencoder-digits"])
async def test_a_map_frames_ones_own_picture_among_remembered_ones(studio: Studio, model: str) -> None:
    without = await studio.sheet(MAP, model=model, scale=1)
    side = 24 * 28 + 2 * 5  # cells, and room for a frame of 5 pixels
    assert without.size == (side, side)
    assert len(set(without.tobytes())) > 2
    assert MAGENTA not in colours(without)
    answer = await studio.ask(MAP, model=model, image=handed(drawing()), scale=1)
    assert len(answer["prepared"]) == 1
    x, y = (answer["figures"][name] for name in "xy")
    left, top = (5 + round(23 * share) * 28 for share in (x, y))
    own = opened(answer)
    seen = cell(await studio.sheet(RECONSTRUCTIONS, model=model, image=handed(drawing()), scale=1), 0, 0)
    within = (left, top, left + 28, top + 28)
    assert own.crop(within).tobytes() == seen.convert("RGB").tobytes()
    framed = own.crop((left - 5, top - 5, left + 33, top + 33))
    framed.paste(MAGENTA, (5, 5, 33, 33))
    assert colours(framed) == {MAGENTA}


@pytest.mark.parametrize("model", ["vae-digits", "autoencoder-digits"])
async def test_a_density_shows_two_rows_and_where_ones_own_picture_would_be(studio: Studio, model: str) -> None:
    answer = await studio.ask(DENSITY, model=model, scale=1)
    sheet = opened(answer)
    assert sheet.size == (1 + 8 * 29, 1 + 2 * 29)
    assert list(answer["figures"]) == ["ratio"]
    assert answer["figures"]["ratio"] > 1
    crowded, lonely = ({cell(sheet, row, i).tobytes() for i in range(8)} for row in (0, 1))
    assert crowded != lonely
    placed = await studio.ask(DENSITY, model=model, image=handed(drawing()), scale=1)
    assert 0 <= placed["figures"]["percentile"] <= 100
    assert placed["data"] == answer["data"]
    assert len(placed["prepared"]) == 1
    assert "gan-digits does not place pictures" in await studio.refused(DENSITY, 404, model="gan-digits")


def values(picture: Image.Image) -> Any:
    return np.asarray(picture).astype(float)


def closeness(one: Any, other: Any) -> float:
    """PSNR in decibels."""
    return float(10 * np.log10(255**2 / max(((one - other) ** 2).mean(), 1e-4)))


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF"])
async def test_every_kind_of_picture_is_read_by_its_content(studio: Studio, kind: str) -> None:
    answer = await studio.ask(RECONSTRUCTIONS, image=handed(drawing((80, 60)), kind), scale=1)
    assert answer["prepared"] == [{"width": 80, "height": 60, "cropped": True, "inverted": False}]


async def test_dark_on_light_is_inverted_for_a_model_of_light_on_dark(studio: Studio) -> None:
    light = await studio.ask(RECONSTRUCTIONS, image=handed(drawing(ground="white", ink="black")), scale=1)
    dark = await studio.ask(RECONSTRUCTIONS, image=handed(drawing()), scale=1)
    assert [answer["prepared"][0]["inverted"] for answer in (light, dark)] == [True, False]
    shown = [cell(opened(answer), 0, 0).tobytes() for answer in (light, dark)]
    assert max(abs(a - b) for a, b in zip(*shown, strict=True)) <= 1


async def test_pictures_are_upright_on_white_and_in_the_models_colours(studio: Studio) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned a quarter to the right
    lying = drawing((40, 60), "navy", "gold").transpose(Image.Transpose.ROTATE_90)
    cats = {"model": "autoencoder-cats", "scale": 1}
    upright = await studio.ask(RECONSTRUCTIONS, image=handed(drawing((40, 60), "navy", "gold")), **cats)
    turned = await studio.ask(RECONSTRUCTIONS, image=handed(lying, exif=exif), **cats)
    assert turned["prepared"][0] == {"width": 40, "height": 60, "cropped": True, "inverted": False}
    assert turned["data"] == upright["data"]
    red, _, blue = cell(opened(upright), 0, 0, 16).getpixel((15, 0))
    assert blue > 100 > red
    clear = Image.new("RGBA", (20, 20), (0, 0, 0, 0))
    seen = cell(await studio.sheet(RECONSTRUCTIONS, image=handed(clear), **cats), 0, 0, 16)
    assert set(seen.tobytes()) == {255}


async def test_the_first_frame_counts(studio: Studio) -> None:
    frames = [drawing(), Image.new("RGB", (40, 40), "grey")]
    moving = handed(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert (await studio.ask(RECONSTRUCTIONS, image=moving))["data"] == (
        await studio.ask(RECONSTRUCTIONS, image=handed(frames[0], "GIF"))
    )["data"]


def bomb() -> bytes:
    """A PNG of 30,000 x 30,000 pixels in a hundred kilobytes."""
    out = io.BytesIO()
    Image.new("1", (30_000, 30_000)).save(out, "PNG", compress_level=9)
    return out.getvalue()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"\0\0\0\x18ftypheic\0\0\0\0", "image is a HEIC picture, which cannot be read here; hand in a PNG"),
        (b"\0\0\0\x18ftypavif\0\0\0\0", "image is an AVIF picture, which cannot be read here"),
        (
            b"\0\0\0\x18ftypmp42\0\0\0\0",
            "image is a video, which cannot be read here; hand in a PNG, JPEG, WebP or GIF.",
        ),
        (b"%PDF-1.7", "image is a PDF document, which cannot be read here"),
        (b"To be, or not to be", "image is no picture, or a damaged one; hand in"),
        (base64.b64decode(handed(drawing(), "BMP")), "image is a BMP picture"),
        (base64.b64decode(handed(drawing(), "PNG"))[:100], "image is damaged"),
        (base64.b64decode(handed(drawing((400, 400)), "JPEG"))[:900], "image is damaged"),
        (base64.b64decode(handed(drawing((40, 40)), "GIF"))[:60], "image is damaged"),
        (base64.b64decode(handed(drawing((40, 40)), "WEBP"))[:60], "image is"),
        (bomb(), "image has more than 40 megapixels; make it smaller."),
    ],
    ids=["heic", "avif", "video", "pdf", "text", "bmp", "png", "jpeg", "gif", "webp", "bomb"],
)
async def test_what_is_no_picture_is_refused_by_what_it_is(studio: Studio, content: bytes, said: str) -> None:
    assert said in await studio.refused(RECONSTRUCTIONS, image=handed(content))


async def test_programs_are_told_what_is_wrong_with_a_picture_by_a_code(studio: Studio) -> None:
    for content, code in ((b"To be, or not to be", "picture_unreadable"), (bomb(), "picture_too_large")):
        answer = await studio.ask(RECONSTRUCTIONS, 400, image=handed(content))
        assert answer["error"]["code"] == code


async def test_bad_requests_name_what_is_wrong(studio: Studio) -> None:
    assert "image is not base64" in await studio.refused(RECONSTRUCTIONS, image="&%$")
    assert "image is empty" in await studio.refused(RECONSTRUCTIONS, image="")
    assert "image is missing" in await studio.refused(RECONSTRUCTIONS)
    assert "too long; send at most" in await studio.refused(RECONSTRUCTIONS, 413, image="A" * 16 * 2**20)
    assert (
        await studio.refused(RECONSTRUCTIONS, 404, model="gan-digits", image=handed(drawing()))
        == "gan-digits does not reconstruct pictures; ask autoencoder-cats or autoencoder-digits or vae-digits."
    )
    assert "max_bytes must be at least" in await studio.refused(RECONSTRUCTIONS, image=handed(drawing()), max_bytes=9)


async def test_models_tell_what_they_can_do(studio: Studio) -> None:
    async with studio.worker.session.get("/v1/models") as response:
        models = {model["id"]: model["operations"] for model in (await response.json())["data"]}
    assert {"generations", "variations", "interpolations", "reconstructions"} <= set(models["vae-digits"])
    assert "reconstructions" in models["autoencoder-digits"]
    assert "generations" not in models["autoencoder-digits"]


async def test_a_vae_draws_from_seeds(studio: Studio) -> None:
    for path, fields in (
        ("/v1/images/generations", {"n": 2, "seed": 3}),
        ("/v1/images/variations", {"around": [3], "seed": 9}),
        ("/v1/images/interpolations", {"seed": 3, "n": 2, "steps": 3}),
    ):
        alone = await studio.ask(path, **fields)
        assert (await studio.ask(path, **fields))["data"] == alone["data"]
    assert "one kind of picture only" in await studio.refused("/v1/images/generations", label=3)


async def test_the_same_bytes_alone_and_in_any_crowd(studio: Studio) -> None:
    wishes: list[tuple[str, dict[str, Any]]] = [
        (RECONSTRUCTIONS, {"image": handed(drawing()), "user": "a"}),
        (RECONSTRUCTIONS, {"image": handed(drawing(ink="grey")), "user": "b"}),
        (RECONSTRUCTIONS, {"image": handed(drawing(ink="gold")), "model": "autoencoder-digits"}),
        (RECONSTRUCTIONS, {"image": handed(drawing(ground="teal")), "model": "autoencoder-cats"}),
        ("/v1/images/generations", {"n": 3, "seed": 8}),
        (ANOMALIES, {"image": handed(drawing()), "model": "autoencoder-digits"}),
        (BLENDS, {"images": [handed(drawing()), handed(drawing(ink="grey"))]}),
        (BLENDS, {"images": [handed(drawing()), handed(drawing(ink="grey"))], "model": "autoencoder-cats"}),
        (TRAVERSALS, {"seed": 5, "steps": 3}),
        (COMPRESS, {"image": handed(drawing()), "model": "autoencoder-digits"}),
        (MAP, {"image": handed(drawing())}),
        (TRANSLATIONS, {"image": handed(drawing()), "model": "translator-cats", "n": 2, "seed": 8}),
    ]
    alone = [essence(await studio.ask(path, **fields)) for path, fields in wishes]
    crowd = await asyncio.gather(*(studio.ask(path, **fields) for path, fields in wishes * 3))
    assert [essence(answer) for answer in crowd] == alone * 3


def essence(answer: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in answer.items() if name != "created"}


async def test_who_leaves_gives_the_turn_to_others(studio: Studio) -> None:
    release = await studio.hold()
    fields = {"image": handed(drawing())}
    left = asyncio.create_task(studio.ask(RECONSTRUCTIONS, **fields, user="left"))
    await studio.worker.until(lambda: studio.engine.waiting == 1)
    stays = asyncio.create_task(studio.ask(RECONSTRUCTIONS, **fields, user="stays", stream=False))
    await studio.worker.until(lambda: studio.engine.waiting == 2)
    left.cancel()
    await studio.worker.until(lambda: studio.engine.waiting == 1)
    release.set()
    assert (await stays)["figures"]
    assert studio.engine.pictures == 5  # reconstructed, and weighed four times


async def test_the_place_in_the_line_is_told(studio: Studio) -> None:
    release = await studio.hold()
    bodies = [{"model": "vae-digits", "seed": 1, "stream": True, "user": user} for user in ("first", "second")]
    asked = [await studio.worker.session.post(TRAVERSALS, json=body) for body in bodies]
    assert [await one.content.readline() for one in asked] == [b": queued 1\n", b": queued 2\n"]
    release.set()
    for one in asked:
        assert (await one.text()).endswith("data: [DONE]\n\n")
