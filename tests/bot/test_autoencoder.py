"""/autoencoder as people see it, and its two entries in the menu of messages."""

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from bot.client import Bot
from models.checkpoint import Store
from tests.bot.conftest import Island, ToldWorker, real_worker
from tests.bot.pictures import EPHEMERAL, answer_of, handed_in, pasted, picture, recipe
from tests.person import File, Person, labels
from tests.viewers import COLOURED, keep_autoencoder
from worker.schemas.vision import Prepared


@pytest.fixture
async def miranda(island: Island, tmp_path: Path) -> AsyncIterator[Person]:
    """Someone on an island whose bot has a worker with autoencoders of digits and of cats."""
    store = Store(tmp_path / "home", shipped=tmp_path / "shipped")
    keep_autoencoder(store)
    keep_autoencoder(store, "autoencoder-cats", **COLOURED)
    async with real_worker(store) as url:
        await island.start_bot(url)
        async with island.person() as person:
            yield person
        await island.stop_bot()


async def test_what_is_left_of_a_picture(miranda: Person) -> None:
    message, content = await picture(
        miranda, await miranda.slash("autoencoder reconstruct", image=handed_in("cat.png"))
    )
    rebuilt, quality, small = message["content"].split("\n")
    assert rebuilt.startswith("From left to right: your picture as the model sees it, its reconstruction,")
    assert quality.startswith("PSNR ")
    assert small == "-# autoencoder-cats@tiny"  # cats, where nothing else is said
    assert message["attachments"][0]["filename"] == "autoencoder-cats-reconstruct.png"
    assert labels(message) == ["Recipe", "Delete"]
    command = await recipe(miranda, message)
    assert command == "/autoencoder reconstruct image:cat.png model:autoencoder-cats@tiny"
    assert (await picture(miranda, await pasted(miranda, command, handed_in("cat.png"))))[1] == content


async def test_a_code_and_back(miranda: Person) -> None:
    answer = await miranda.slash("autoencoder compress", image=handed_in("cat.png"), model="autoencoder-digits")
    message, _ = await picture(miranda, answer)
    told = re.match(r"```\n(\S+)\n```\n(.*)\n(.*)\n", message["content"])
    assert told is not None
    assert re.match(r"This code has \d+ bytes; WebP takes \d+ and JPEG \d+ for the same quality \(PSNR ", told[2])
    assert told[3] == "From left to right: your picture, what the code gives back, WebP, JPEG."
    back, content = await picture(miranda, await miranda.slash("autoencoder decompress", code=f" {told[1]} "))
    assert back["content"] == "-# autoencoder-digits@tiny"
    assert back["attachments"][0]["description"] == "A picture that autoencoder-digits made from its code."
    assert await recipe(miranda, back) == f"/autoencoder decompress code:{told[1]}"
    assert (await picture(miranda, await miranda.slash("autoencoder decompress", code=told[1])))[1] == content
    failed = await (await miranda.slash("autoencoder decompress", code=told[1][:-1])).message()
    assert failed["content"].startswith("-# This code is incomplete or was changed; copy all of it once more.")
    assert labels(failed) == []


async def test_a_code_that_outlives_its_version(miranda: Person, island: Island) -> None:
    code = "autoencoder-digits@older:" + "0" * 10
    for person, said in (
        ("Miranda", "The version that wrote this code"),
        ("Caliban", "A versão que escreveu este código"),
    ):
        async with island.person(person) as someone:
            failed = await (await someone.slash("autoencoder decompress", code=code)).message()
            assert failed["content"].startswith(f"-# {said}")
            assert labels(failed) == []  # another try is in vain


async def test_the_menu_of_a_message_with_a_picture(miranda: Person, island: Island) -> None:
    cat = handed_in("cat.png")
    said = await miranda.say("Is this one of yours?", [File("notes.txt", b"ROMEO:"), File("photo.heic", b"?"), cat])
    judged, _ = await picture(miranda, await miranda.context("Is it an outlier?", said))
    verdict, heat, small = judged["content"].split("\n")
    score = r"more unusual than (only )?\d+% of held-out pictures \(score -?\d+\.\d; 0 is average\)\.$"
    assert re.match(rf"\*\*(An|Perhaps an|Not an) outlier\*\*: {score}", verdict)
    assert heat.startswith("From left to right: your picture, its reconstruction, and where it is unusual;")
    assert small == "-# autoencoder-cats@tiny"
    assert labels(judged) == ["Recipe", "Delete"]
    assert await recipe(miranda, judged) == "/autoencoder outlier image:cat.png model:autoencoder-cats@tiny"
    rebuilt, content = await picture(miranda, await miranda.context("Reconstruct", said))
    direct = await miranda.slash("autoencoder reconstruct", image=cat)
    assert (await picture(miranda, direct))[1] == content
    await picture(miranda, await miranda.context("Reconstruct", rebuilt))  # what the bot made is a picture like any
    refused = await (await miranda.context("Reconstruct", await miranda.say("No picture here"))).message()
    assert refused["content"].startswith("There is no picture in that message;")
    assert refused["flags"] & EPHEMERAL


async def test_in_portuguese_and_in_a_direct_message(miranda: Person, island: Island) -> None:
    async with island.person("Caliban") as caliban:
        caliban.go("direct")
        menus = {
            one["name"]: one["name_localizations"]["pt-BR"] for one in await caliban.commands() if one["type"] == 3
        }
        assert menus["Reconstruct"] == "Reconstruir"
        assert menus["Is it an outlier?"] == "É atípica?"
        answer = await caliban.slash("autoencoder outlier", image=handed_in("gato.png"))
        message, _ = await picture(caliban, answer)
        assert re.search(
            r"típica\*\*: mais incomum que .*% das imagens reservadas \(pontuação -?\d+,\d;", message["content"]
        )
        assert labels(message) == ["Receita", "Apagar"]
        told = await recipe(caliban, message, "Receita")
        assert told == "/autoencoder atípica imagem:gato.png modelo:autoencoder-cats@tiny"
        refused = await (await caliban.context("Is it an outlier?", await caliban.say("Nada"))).message()
        assert refused["content"].startswith("Não há imagem nessa mensagem;")


async def test_the_place_in_the_queue_and_how_unusual_is_too_unusual(
    island: Island, bot: Bot, told_worker: ToldWorker
) -> None:
    prepared = Prepared(width=9, height=5, cropped=True, inverted=True)
    async with island.person() as miranda:
        for percentile, said in (
            (99.6, "**An outlier**: more unusual than 99% of"),
            (80, "**Perhaps an outlier**: more unusual than 80% of"),
            (0.2, "**Not an outlier**: more unusual than only 1% of"),
        ):
            answer = await miranda.slash("autoencoder outlier", image=handed_in(), model="autoencoder-digits")
            stream = await told_worker.stream()
            stream.queued(3)
            waiting = await answer.message()
            assert waiting["content"] == "-# 3rd in line…"
            assert labels(waiting) == ["Stop"]
            figures = {"percentile": percentile, "score": 1.5}
            stream.tell(answer_of("autoencoder-digits", figures=figures, prepared=[prepared]))
            message, _ = await picture(miranda, answer)
            assert message["content"].startswith(said)
            assert "\nThe middle square was used.\nInverted, since " in message["content"]
    wanted: dict[str, Any] = stream.wanted
    assert len(wanted.pop("image")) > 100
    assert wanted == {"model": "autoencoder-digits", "max_bytes": 10 * 2**20, "user": miranda.id, "stream": True}
