"""/vae as people see it: sheets and their buttons, rebuilt pictures, ways between, and strips of dimensions."""

import io
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from PIL import Image

from bot.client import Bot
from models.checkpoint import Store
from tests.bot.conftest import Island, ToldWorker, real_worker
from tests.bot.pictures import EPHEMERAL, answer_of, handed_in, pasted, picture, pixels, recipe
from tests.conftest import CATS, keep_gan
from tests.person import Person, labels
from tests.viewers import keep_vae

SHEET = ["🔍 1", "🔍 2", "🔍 3", "🔍 4", "🎲 1", "🎲 2", "🎲 3", "🎲 4", "Re-roll", "Animate", "Recipe", "Delete"]


@pytest.fixture
async def miranda(island: Island, tmp_path: Path) -> AsyncIterator[Person]:
    """Someone on an island whose bot has a worker with a VAE, and with a model that only draws."""
    store = Store(tmp_path / "home", shipped=tmp_path / "shipped")
    keep_gan(store, "gan-cats", CATS)
    keep_vae(store)
    async with real_worker(store) as url:
        await island.start_bot(url)
        async with island.person() as person:
            yield person
        await island.stop_bot()


async def test_samples_have_all_that_those_of_a_gan_have(miranda: Person) -> None:
    sheet, content = await picture(miranda, await miranda.slash("vae sample", seed="5", truncation=0.8))
    assert sheet["content"] == "-# vae-digits@tiny · seed 5 · truncation 0.8"
    assert labels(sheet) == SHEET
    alone, large = await picture(miranda, await miranda.press(sheet, "🔍 2"))
    assert alone["content"] == "-# vae-digits@tiny · seed 6 · truncation 0.8"
    assert pixels(large, 28) == pixels(content, 28, left=29, cells=59)
    near, _ = await picture(miranda, await miranda.press(sheet, "🎲 3"))
    assert re.match(r"-# vae-digits@tiny · seed \d+ · near 7, strength 0.4 · truncation 0.8$", near["content"])
    walk, moving = await picture(miranda, await miranda.press(sheet, "Animate"))
    assert walk["attachments"][0]["filename"] == "vae-digits-5.gif"
    again, _ = await picture(miranda, await miranda.press(sheet, "Re-roll"))
    assert re.match(r"-# vae-digits@tiny · seed \d+ · truncation 0.8$", again["content"])
    for message, same in ((sheet, content), (alone, large), (walk, moving)):
        command = await recipe(miranda, message)
        assert command.startswith("/vae ")
        assert (await picture(miranda, await pasted(miranda, command)))[1] == same


async def test_only_models_that_can_are_suggested(miranda: Person, island: Island) -> None:
    assert island.bot is not None
    await island.bot.catalogue.ask()
    for name in ("vae sample", "vae reconstruct", "vae traverse"):
        suggested = await miranda.autocomplete(name, "model", model="")
        assert [choice["value"] for choice in suggested] == ["vae-digits", "vae-digits@tiny"]


async def test_a_picture_is_rebuilt_and_its_likelihood_told(miranda: Person) -> None:
    cat = handed_in(width=60, height=40)
    message, content = await picture(miranda, await miranda.slash("vae reconstruct", image=cat))
    rebuilt, quality, likelihood, cropped, small = message["content"].split("\n")
    assert rebuilt.startswith("From left to right: your picture as the model sees it, its reconstruction,")
    assert re.match(r"PSNR \d+\.\d dB \(the more, the nearer\), SSIM -?\d\.\d\d \(1 is perfect\)\.$", quality)
    assert re.match(r"Log-likelihood -\d+\.\d nats: likelier than \d+% of held-out pictures\.$", likelihood)
    assert cropped == "The middle square was used."
    assert small == "-# vae-digits@tiny"
    assert labels(message) == ["Recipe", "Delete"]
    assert message["attachments"][0]["description"].startswith("A picture, its reconstruction by vae-digits,")
    shown = Image.open(io.BytesIO(content))
    assert shown.width > 2.9 * shown.height
    command = await recipe(miranda, message)
    assert command == "/vae reconstruct image:my_cat.png model:vae-digits@tiny"
    named = handed_in("my_cat.png", 60, 40)
    assert (await picture(miranda, await pasted(miranda, command, named)))[1] == content


async def test_the_way_between_two_seeds(miranda: Person) -> None:
    strip, content = await picture(miranda, await miranda.slash("vae interpolate", seeds="42, 7"))
    assert strip["content"] == "-# vae-digits@tiny · seeds 42 → 7"
    assert labels(strip) == ["Animate", "Recipe", "Delete"]
    shown = Image.open(io.BytesIO(content))
    assert shown.width > 6 * shown.height
    _, moving = await picture(miranda, await miranda.press(strip, "Animate"))
    assert Image.open(io.BytesIO(moving)).is_animated
    animated = await miranda.slash("vae interpolate", seeds="42 7", animated=True)
    assert (await picture(miranda, animated))[1] == moving
    assert await recipe(miranda, strip) == "/vae interpolate model:vae-digits@tiny seeds:42 7"
    assert (await picture(miranda, await pasted(miranda, await recipe(miranda, strip))))[1] == content
    by_chance, _ = await picture(miranda, await miranda.slash("vae interpolate"))
    assert labels(by_chance) == ["Re-roll", "Animate", "Recipe", "Delete"]


async def test_the_way_between_two_pictures(miranda: Person) -> None:
    first, second = handed_in("first.png"), handed_in("second.jpg", shade=200)
    strip, content = await picture(miranda, await miranda.slash("vae interpolate", first=first, second=second))
    ends, *_, small = strip["content"].split("\n")
    assert ends.startswith("From left to right: the first picture as the model sees it, the way between the two,")
    assert small == "-# vae-digits@tiny"
    assert labels(strip) == ["Animate", "Recipe", "Delete"]
    assert strip["attachments"][0]["filename"] == "vae-digits-interpolate.png"
    moving, animation = await picture(miranda, await miranda.press(strip, "Animate"))
    assert moving["attachments"][0]["filename"] == "vae-digits-interpolate.gif"
    assert labels(moving) == ["Recipe", "Delete"]
    for message, same in ((strip, content), (moving, animation)):
        command = await recipe(miranda, message)
        assert command.startswith("/vae interpolate first:first.png second:second.jpg model:vae-digits@tiny animated:")
        assert (await picture(miranda, await pasted(miranda, command, first, second)))[1] == same


async def test_strips_of_dimensions(miranda: Person) -> None:
    strips, content = await picture(miranda, await miranda.slash("vae traverse", seed="3"))
    told, small = strips["content"].split("\n")
    assert re.match(r"A strip for each dimension, from the top: \d(, \d)+; only that one changes", told)
    assert small == "-# vae-digits@tiny · seed 3"
    assert labels(strips) == ["Re-roll", "Recipe", "Delete"]
    assert (await picture(miranda, await pasted(miranda, await recipe(miranda, strips))))[1] == content
    other, _ = await picture(miranda, await miranda.press(strips, "Re-roll"))
    assert re.search(r"· seed \d+$", other["content"])
    one, content = await picture(miranda, await miranda.slash("vae traverse", dimension=2, image=handed_in("a.png")))
    assert one["content"].startswith("A strip for each dimension, from the top: 2; ")
    assert labels(one) == ["Recipe", "Delete"]
    command = await recipe(miranda, one)
    assert command == "/vae traverse image:a.png model:vae-digits@tiny dimension:2"
    assert (await picture(miranda, await pasted(miranda, command, handed_in("a.png"))))[1] == content


async def test_dimensions_are_those_that_mean_most_but_a_picture_is_for_the_usual_model(
    island: Island, tmp_path: Path
) -> None:
    store = Store(tmp_path / "home", shipped=tmp_path / "shipped")
    for model, mig in (("vae-digits", 0.02), ("vae-sprites", 0.46), ("vae-zoo", 0.0)):
        keep_vae(store, model, mig=mig)
    async with real_worker(store) as url, island.person() as miranda:
        await island.start_bot(url)
        for options, model in (
            ({}, "vae-sprites"),
            ({"seed": "3"}, "vae-sprites"),
            ({"image": handed_in()}, "vae-digits"),
            ({"model": "vae-zoo"}, "vae-zoo"),
        ):
            strips, _ = await picture(miranda, await miranda.slash("vae traverse", **options))
            assert f"-# {model}@tiny" in strips["content"]
        drawn, _ = await picture(miranda, await miranda.slash("vae sample"))
        assert "-# vae-digits@tiny" in drawn["content"]
        await island.stop_bot()


async def test_what_is_likelier_than_nearly_all_is_said_to_be_so_for_being_plain(
    island: Island, bot: Bot, told_worker: ToldWorker
) -> None:
    async with island.person() as miranda:
        for percentile, said in (
            (100, "likelier than 99% of held-out pictures, as plain pictures always are."),
            (94, "likelier than 94% of held-out pictures."),
            (0, "likelier than 1% of held-out pictures."),
        ):
            answer = await miranda.slash("vae reconstruct", image=handed_in(), model="vae-digits")
            figures = {"psnr": 20.0, "ssim": 0.5, "log_likelihood": 13704.84, "percentile": percentile}
            (await told_worker.stream()).tell(answer_of("vae-digits", figures=figures))
            message, _ = await picture(miranda, answer)
            assert f"Log-likelihood 13,704.8 nats: {said}\n" in message["content"]


async def test_what_does_not_go_together_is_refused(miranda: Person) -> None:
    cat = handed_in()
    for name, options, said in (
        ("vae interpolate", {"first": cat}, "Hand in two pictures, or name two seeds instead"),
        ("vae interpolate", {"first": cat, "second": cat, "seeds": "1 2"}, "Hand in two pictures, or name two seeds"),
        ("vae interpolate", {"seeds": "1 2 3"}, "Name two pictures by their seeds"),
        ("vae traverse", {"image": cat, "seed": "3"}, "Hand in a picture or name a seed, not both."),
    ):
        refused = await (await miranda.slash(name, **options)).message()
        assert refused["content"].startswith(said)
        assert refused["flags"] & EPHEMERAL
    away = await (await miranda.slash("vae traverse", dimension=99)).message()
    assert away["content"].startswith("-# This model has no such dimension; choose a smaller number,")
    assert labels(away) == []


async def test_in_portuguese_and_in_a_direct_message(miranda: Person, island: Island) -> None:
    async with island.person("Caliban") as caliban:
        caliban.go("direct")
        (command,) = [one for one in await caliban.commands() if one["name"] == "vae"]
        names = [option["name_localizations"]["pt-BR"] for option in command["options"]]
        assert names == ["amostra", "variar", "passeio", "reconstruir", "interpolar", "percorrer", "densidade"]
        message, _ = await picture(caliban, await caliban.slash("vae reconstruct", image=handed_in("gato.png")))
        assert message["content"].startswith("Da esquerda para a direita: sua imagem como o modelo a vê,")
        quality, likelihood = message["content"].split("\n")[1:3]
        assert re.match(r"PSNR \d+,\d dB .*, SSIM -?\d,\d\d \(1 é perfeito\)\.$", quality)
        assert re.match(r"Log-verossimilhança de -\d+,\d nats: .* \d+% das imagens reservadas\.$", likelihood)
        assert labels(message) == ["Receita", "Apagar"]
        told = await recipe(caliban, message, "Receita")
        assert told == "/vae reconstruir imagem:gato.png modelo:vae-digits@tiny"
        refused = await (await caliban.slash("vae traverse", image=handed_in(), seed="3")).message()
        assert refused["content"] == "Envie uma imagem ou diga uma semente, não as duas coisas."


async def test_what_a_model_has_seen_most_and_least_of(miranda: Person, island: Island) -> None:
    message, content = await picture(miranda, await miranda.slash("vae density"))
    said, small = message["content"].split("\n")
    assert re.match(r"Above: pictures like most .* loneliest, \d+\.\d times as far from its neighbours\.", said)
    assert small == "-# vae-digits@tiny"
    assert message["attachments"][0]["filename"] == "vae-digits-density.png"
    assert "what it has seen least of" in message["attachments"][0]["description"]
    assert labels(message) == ["Recipe", "Delete"]
    command = await recipe(miranda, message)
    assert command == "/vae density model:vae-digits@tiny"
    assert (await picture(miranda, await pasted(miranda, command)))[1] == content
    async with island.person("Caliban") as caliban:
        caliban.go("direct")
        placed, _ = await picture(caliban, await caliban.slash("vae density", image=handed_in("gato.png")))
        assert re.search(r"\nA sua seria mais isolada que \d+% delas\.\n", placed["content"])
        told = await recipe(caliban, placed, "Receita")
        assert told == "/vae densidade imagem:gato.png modelo:vae-digits@tiny"
