"""What tests of picture commands do: hand pictures in, wait for what comes of them, paste recipes as people would."""

from __future__ import annotations

import base64
import io
import json
import re
from typing import Any

from PIL import Image

from tests.person import JSON, Answer, File, Person
from worker.schemas.vision import File as VisionFile
from worker.schemas.vision import VisionAnswer

EPHEMERAL = 1 << 6
KINDS = {
    "count": int,
    "label": int,
    "dimension": int,
    "truncation": float,
    "strength": float,
    "animated": lambda value: value == "True",
}


def handed_in(name: str = "my cat.png", width: int = 48, height: int = 48, shade: int = 0) -> File:
    """A picture whose colours run from corner to corner, with a bright spot."""
    picture = Image.new("RGB", (width, height))
    for x in range(width):
        for y in range(height):
            picture.putpixel((x, y), (200 * x // width, 200 * y // height, shade))
    picture.paste((255, 255, 200), (width // 3, height // 3, width // 2, height // 2))
    content = io.BytesIO()
    picture.save(content, "PNG" if name.endswith("png") else "JPEG")
    return File(name, content.getvalue())


def drawn(message: JSON) -> bool:
    return bool(message["attachments"])


async def picture(person: Person, answer: Answer) -> tuple[JSON, bytes]:
    """The message with the picture, and its file."""
    message = await answer.message(lambda message: drawn(message) or "again:" in json.dumps(message["components"]))
    assert drawn(message), message["content"]
    return message, await person.fetch(message["attachments"][0])


async def recipe(person: Person, message: JSON, label: str = "Recipe") -> str:
    """The command under the Recipe button."""
    told = await (await person.press(message, label)).message()
    assert told["flags"] & EPHEMERAL
    return str(told["content"]).strip("`\n")


async def pasted(person: Person, command: str, *files: File) -> Answer:
    """What comes of a command as the Recipe button tells it, typed in by hand with the files that it names."""
    words = command.removeprefix("/")
    given: dict[str, Any] = dict(re.findall(r"(\w+):([^:]+?)(?= \w+:|$)", words))
    name = re.match(r"[\w ]+?(?= \w+:)", words)
    assert name is not None
    named = {file.name: file for file in files}
    options = {key: named.get(value) or KINDS.get(key, str)(value) for key, value in given.items()}
    return await person.slash(name[0], **options)


def pixels(content: bytes, side: int, left: int = 0, top: int = 0, cells: int | None = None) -> bytes:
    """A model's pixels in an enlarged picture; of a sheet ``cells`` wide those of the cell at (left, top)."""
    picture = Image.open(io.BytesIO(content))
    small = picture.resize([(cells or side)] * 2, Image.Resampling.NEAREST)
    edge = 1 if cells else 0
    return small.crop((left + edge, top + edge, left + edge + side, top + edge + side)).tobytes()


def answer_of(model: str, **said: Any) -> VisionAnswer:
    """What a worker answers about a picture."""
    picture = base64.b64encode(handed_in().content).decode()
    return VisionAnswer(created=0, data=[VisionFile(b64_json=picture)], system_fingerprint=f"{model}@told", **said)
