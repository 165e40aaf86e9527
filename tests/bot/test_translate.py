"""/translate as people see it: from a sketch, from a photo, in both languages."""

import io
from collections.abc import AsyncIterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image, ImageDraw

from bot.client import Bot
from models import translator
from models.checkpoint import Store
from tests.bot.conftest import Island, ToldWorker, real_worker
from tests.bot.pictures import answer_of, handed_in, pasted, picture, recipe
from tests.person import File, Person, labels
from tests.viewers import keep


@pytest.fixture
async def miranda(island: Island, tmp_path: Path) -> AsyncIterator[Person]:
    """Someone on an island whose bot has a worker with a translator."""
    store = Store(tmp_path / "home", shipped=tmp_path / "shipped")
    config = translator.Config(side=16, widths="8,8", judge="8,8")
    torch.manual_seed(0)
    keep(store, "translator-cats", "translator", "tiny", translator.UNet(config), asdict(config))
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
    message, content = await picture(miranda, await miranda.slash("translate", image=photo, strength=0.3))
    painted, small = message["content"].split("\n")
    assert painted.startswith("From left to right: your photo, the edges found in it, and the picture")
    assert small == "-# translator-cats@tiny · strength 0.3"
    assert message["attachments"][0]["filename"] == "translator-cats.png"
    assert labels(message) == ["Recipe", "Delete"]
    command = await recipe(miranda, message)
    assert command == "/translate image:cat.jpg model:translator-cats@tiny lines:find out strength:0.3"
    same = await pasted(miranda, command.replace("find out", "photo"), photo)
    assert (await picture(miranda, same))[1] == content


async def test_from_a_sketch_in_portuguese_and_in_a_direct_message(miranda: Person, island: Island) -> None:
    async with island.person("Caliban") as caliban:
        caliban.go("direct")
        (command,) = [one for one in await caliban.commands() if one["name"] == "translate"]
        (lines,) = [option for option in command["options"] if option["name"] == "lines"]
        assert [one["name_localizations"]["pt-BR"] for one in lines["choices"]] == ["descobrir", "esboço", "foto"]
        message, content = await picture(caliban, await caliban.slash("translate", image=sketch("gato.png")))
        assert message["content"].startswith("Da esquerda para a direita: seu esboço e a imagem pintada sobre ele.")
        assert "força" not in message["content"]  # nothing was extracted
        told = await recipe(caliban, message, "Receita")
        assert told == "/traduzir imagem:gato.png modelo:translator-cats@tiny traços:descobrir força:0.5"
        shown = Image.open(io.BytesIO(content))
        assert shown.width < 2.1 * shown.height


async def test_what_is_said_about_the_lines_is_passed_on(island: Island, bot: Bot, told_worker: ToldWorker) -> None:
    async with island.person() as miranda:
        answer = await miranda.slash("translate", image=handed_in(), lines="sketch", model="translator-cats")
        stream = await told_worker.stream()
        stream.tell(answer_of("translator-cats", lines="sketch"))
        await picture(miranda, answer)
    wanted: dict[str, Any] = stream.wanted
    assert (wanted["lines"], wanted["strength"]) == ("sketch", 0.5)
