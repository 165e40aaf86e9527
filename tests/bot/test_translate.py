"""/translate as people see it: from a sketch, from a photo, in both languages."""

import io
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageDraw

from bot.client import Bot
from models.checkpoint import Store
from tests.bot.conftest import Island, ToldWorker, real_worker
from tests.bot.pictures import answer_of, handed_in, pasted, picture, pixels, recipe
from tests.person import File, Person, labels
from tests.viewers import keep_translator


@pytest.fixture
async def miranda(island: Island, tmp_path: Path) -> AsyncIterator[Person]:
    """Someone on an island whose bot has a worker with a translator."""
    store = Store(tmp_path / "home", shipped=tmp_path / "shipped")
    keep_translator(store)
    async with real_worker(store) as url:
        await island.start_bot(url)
        async with island.person() as person:
            yield person
        await island.stop_bot()


def sketch(name: str) -> File:
    """A circle drawn on paper."""
    paper = Image.new("RGB", (64, 64), "white")
    ImageDraw.Draw(paper).ellipse((12, 12, 52, 52), outline="black", width=3)
    content = io.BytesIO()
    paper.save(content, "PNG")
    return File(name, content.getvalue())


async def test_from_a_photo(miranda: Person) -> None:
    photo = handed_in("cat.jpg")
    message, content = await picture(miranda, await miranda.slash("translate", image=photo, strength=0.3, seed="7"))
    painted, small = message["content"].split("\n")
    assert painted.startswith("From left to right: your photo, the edges found in it, and pictures")
    assert small == "-# translator-cats@tiny · seed 7 · strength 0.3"
    assert message["attachments"][0]["filename"] == "translator-cats.png"
    assert labels(message) == ["Re-roll", "Recipe", "Delete"]
    command = await recipe(miranda, message)
    assert command == "/translate image:cat.jpg model:translator-cats@tiny seed:7 lines:find out strength:0.3"
    same = await pasted(miranda, command.replace("find out", "photo"), photo)
    assert (await picture(miranda, same))[1] == content


async def test_others_of_the_same_sketch(miranda: Person) -> None:
    message, content = await picture(miranda, await miranda.slash("translate", image=sketch("cat.png"), seed="7"))
    cells = [pixels(content, 16, 17 * place, 0, 1 + 4 * 17) for place in range(4)]
    assert len(set(cells)) == 4  # the sketch, and three pictures that differ
    others, another = await picture(miranda, await miranda.press(message, "Re-roll"))
    assert "seed 7\n" not in f"{others['content']}\n"
    assert pixels(another, 16, 0, 0, 1 + 4 * 17) == cells[0]
    assert pixels(another, 16, 17, 0, 1 + 4 * 17) not in cells


async def test_from_a_sketch_in_portuguese_and_in_a_direct_message(miranda: Person, island: Island) -> None:
    async with island.person("Caliban") as caliban:
        caliban.go("direct")
        (command,) = [one for one in await caliban.commands() if one["name"] == "translate"]
        (lines,) = [option for option in command["options"] if option["name"] == "lines"]
        assert [one["name_localizations"]["pt-BR"] for one in lines["choices"]] == ["descobrir", "esboço", "foto"]
        message, content = await picture(caliban, await caliban.slash("translate", image=sketch("gato.png")))
        assert message["content"].startswith("Da esquerda para a direita: seu esboço e imagens pintadas sobre ele,")
        assert "força" not in message["content"]  # nothing was extracted
        told = await recipe(caliban, message, "Receita")
        seed = message["content"].rpartition("semente ")[2]
        given = f"modelo:translator-cats@tiny semente:{seed} traços:descobrir força:0.5"
        assert told == f"/traduzir imagem:gato.png {given}"
        shown = Image.open(io.BytesIO(content))
        assert 3.5 * shown.height < shown.width < 4.1 * shown.height


async def test_what_is_said_about_the_lines_is_passed_on(island: Island, bot: Bot, told_worker: ToldWorker) -> None:
    async with island.person() as miranda:
        answer = await miranda.slash("translate", image=handed_in(), lines="sketch", model="translator-cats")
        stream = await told_worker.stream()
        stream.tell(answer_of("translator-cats", lines="sketch"))
        await picture(miranda, answer)
    wanted: dict[str, Any] = stream.wanted
    assert (wanted["lines"], wanted["strength"], wanted["n"]) == ("sketch", 0.5, 3)
