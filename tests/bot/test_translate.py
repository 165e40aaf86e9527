"""/translate as people see it: from a sketch, from a photo, in both languages."""

from typing import Any

from bot.client import Bot
from tests.bot.conftest import Island, ToldWorker
from tests.bot.pictures import answer_of, handed_in, picture, recipe
from tests.person import labels


async def test_from_a_photo(island: Island, bot: Bot, told_worker: ToldWorker) -> None:
    async with island.person() as miranda:
        photo = handed_in("cat.jpg")
        answer = await miranda.slash("translate", image=photo, strength=0.3, lines="photo", model="translator-cats")
        stream = await told_worker.stream()
        stream.tell(answer_of("translator-cats", lines="photo"))
        message, _ = await picture(miranda, answer)
        painted, small = message["content"].split("\n")
        assert painted.startswith("From left to right: your photo, the edges found in it, and the picture")
        assert small == "-# translator-cats@told · strength 0.3"
        assert message["attachments"][0]["filename"] == "translator-cats.png"
        assert labels(message) == ["Recipe", "Delete"]
        told = await recipe(miranda, message)
        assert told == "/translate image:cat.jpg model:translator-cats@told lines:photo strength:0.3"
    wanted: dict[str, Any] = stream.wanted
    assert (wanted["lines"], wanted["strength"]) == ("photo", 0.3)


async def test_from_a_sketch_in_portuguese_and_in_a_direct_message(
    island: Island, bot: Bot, told_worker: ToldWorker
) -> None:
    async with island.person("Caliban") as caliban:
        caliban.go("direct")
        (command,) = [one for one in await caliban.commands() if one["name"] == "translate"]
        (lines,) = [option for option in command["options"] if option["name"] == "lines"]
        assert [one["name_localizations"]["pt-BR"] for one in lines["choices"]] == ["descobrir", "esboço", "foto"]
        answer = await caliban.slash("translate", image=handed_in("gato.png"), model="translator-cats")
        (await told_worker.stream()).tell(answer_of("translator-cats", lines="sketch"))
        message, _ = await picture(caliban, answer)
        assert message["content"].startswith("Da esquerda para a direita: seu esboço e a imagem pintada sobre ele.")
        told = await recipe(caliban, message, "Receita")
        assert told == "/traduzir imagem:gato.png modelo:translator-cats@told traços:descobrir força:0.5"
