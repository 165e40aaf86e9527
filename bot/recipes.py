"""What made a result, kept under a short id so that its buttons work weeks later and after any restart."""

import json
import math
import re
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, Self

import discord

from bot.errors import Refusal
from bot.locale import translate
from bot.store import Store
from worker.schemas.contract import SEEDS

ID_PATTERN = "[A-Za-z0-9_-]{12}"
PORTION = 100  # recipes that are erased at once, for whose milliseconds everyone else waits
ESCAPE = re.compile(r"\\([\\n])")  # of a backslash or a line break
SEED = re.compile(r"[0-9]{1,19}")  # the largest has 19 digits; Python would not even read one of thousands


def read_seed(typed: str) -> int:
    """The seed that a person typed; raises Refusal unless it is a number the worker takes."""
    digits = typed.strip()
    if not SEED.fullmatch(digits) or int(digits) >= SEEDS:
        raise Refusal("error.seed", largest=SEEDS - 1)
    return int(digits)


def read_model(typed: str) -> tuple[str, str | None]:
    """The model's name that a person typed, which may be empty, and its version where they named one."""
    name, _, version = typed.strip().partition("@")
    return name, version or None


def as_line(text: str) -> str:
    """A text as people type it into a command, which has no lines: their breaks as ``\\n``, backslashes doubled."""
    return text.replace("\\", r"\\").replace("\n", r"\n")


def read_line(typed: str) -> str:
    """The text that a person typed into a command, which may have line breaks: the inverse of ``as_line``."""
    return ESCAPE.sub(lambda escape: "\n" if escape[1] == "n" else "\\", typed)


def check_range(option: str, value: float, low: float, high: float) -> None:
    """Raises Refusal unless a person's value lies in the range that Discord was to keep."""
    if not low <= value <= high:
        raise Refusal("error.out_of_range", option=option, value=f"{value:g}", low=f"{low:g}", high=f"{high:g}")


def as_command(locale: discord.Locale, name: str, options: Mapping[str, object]) -> str:
    """A command as people of that language type it; ``options`` are values under the keys of their options' names."""
    return " ".join([f"/{name}", *(f"{translate(locale, key)}:{value}" for key, value in options.items())])


def new_id() -> str:
    """An id that nobody can guess (72 bits) and that fits into a ``custom_id`` beside an action."""
    return secrets.token_urlsafe(9)


@dataclass(frozen=True)
class Recipe:
    """One request and, once it ran, what pins its result: the model's version and the seed."""

    owner: int  # the Discord user who asked
    operation: str  # which of the bot's operations performs it, such as "text"
    model: str
    parameters: dict[str, Any]
    version: str | None = None  # None until a worker said which one it used
    seed: int | None = None  # None lets the worker draw one
    parent: str | None = None  # the recipe that this one continues
    origin: int | None = None  # the Discord user who first wrote the words in it, if not the owner
    result: str = ""  # what was written, for an operation whose result later ones build upon
    id: str = field(default_factory=new_id)
    created: int = field(default_factory=lambda: int(time.time()))  # seconds since the epoch
    learnt: float = field(default_factory=time.monotonic, compare=False)  # when what it says was asked for or read

    @property
    def people(self) -> set[int]:
        """Whose words and pictures it tells of."""
        pictures = self.parameters.get("pictures", [])
        return {self.owner, self.origin or self.owner, *(picture["owner"] for picture in pictures)}

    @property
    def pinned_model(self) -> str:
        """The model as the worker's API names it, at the version that made the result if there is one."""
        return f"{self.model}@{self.version}" if self.version else self.model

    def again(self, owner: int, **changes: Any) -> Self:
        """A new recipe for ``owner`` like this one, on the version that made it, but for ``changes``."""
        again = replace(self, id=new_id(), created=int(time.time()), owner=owner, result="", **changes)
        writer = self.origin or self.owner
        return replace(again, origin=writer if writer != owner and "prompt" in again.parameters else None)


COLUMNS = [column.name for column in fields(Recipe) if column.name != "learnt"]  # that is of this process alone


class Recipes:
    """The recipes in the store, and which messages show what came of them."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._forgotten: dict[int, float] = {}  # when each person last was

    async def write(self, recipe: Recipe) -> None:
        """Keeps a new recipe, unless someone was forgotten since whose words or pictures it tells of."""
        if any(self._forgotten.get(person, -math.inf) >= recipe.learnt for person in recipe.people):
            return
        values = vars(recipe) | {"parameters": json.dumps(recipe.parameters)}
        places = ", ".join("?" for _ in COLUMNS)
        await self._store.change(
            f"INSERT INTO recipes ({', '.join(COLUMNS)}) VALUES ({places})", [values[column] for column in COLUMNS]
        )

    async def update(self, recipe: Recipe) -> None:
        """Keeps ``recipe`` in place of its earlier state; whatever of that was erased meanwhile stays erased."""
        await self._store.change(
            "UPDATE recipes SET model = ?, version = ?, seed = ?, result = ?,"
            " parameters = CASE json_extract(parameters, '$.pictures[0].owner')"
            " WHEN 0 THEN json_set(?, '$.pictures', json_extract(parameters, '$.pictures')) ELSE ? END"
            " WHERE id = ?",
            [recipe.model, recipe.version, recipe.seed, recipe.result, *2 * [json.dumps(recipe.parameters)], recipe.id],
        )

    async def read(self, recipe_id: str) -> Recipe:
        """The recipe under ``recipe_id``; raises Refusal if there is none."""
        row = await self._store.row(f"SELECT {', '.join(COLUMNS)} FROM recipes WHERE id = ?", [recipe_id])
        if row is None:
            raise Refusal("error.recipe_unknown")
        values = dict(zip(COLUMNS, row, strict=True))
        return Recipe(**values | {"parameters": json.loads(values["parameters"])})

    async def shown_by(self, message: int, channel: int) -> Recipe | None:
        """The recipe of what a message in that channel shows, or None."""
        row = await self._store.row(
            "SELECT recipe FROM messages JOIN recipes ON recipes.id = recipe WHERE messages.id = ? AND channel = ?",
            [message, channel],
        )
        return await self.read(row[0]) if row else None

    async def messages(self, recipe_id: str) -> list[int]:
        """The messages that show what came of a recipe, oldest first."""
        rows = await self._store.rows("SELECT id FROM messages WHERE recipe = ? ORDER BY id", [recipe_id])
        return [message for (message,) in rows]

    async def show(self, recipe_id: str, channel: int, messages: Sequence[int]) -> None:
        """Notes which messages show what came of a recipe, unless that was erased meanwhile."""
        for message in messages:
            await self._store.change(
                "INSERT INTO messages SELECT ?, ?, id FROM recipes WHERE id = ?", [message, channel, recipe_id]
            )

    async def forget(self, person: int) -> None:
        """Keeps no record of anything that a person asked for, nor of what others made of their words."""
        theirs = "FROM recipes WHERE owner = ? OR origin = ?"
        self._forgotten[person] = math.inf  # for as long as it takes
        try:
            await self._store.change(f"DELETE FROM messages WHERE recipe IN (SELECT id {theirs})", [person, person])
            await self._store.change(f"DELETE {theirs}", [person, person])
        finally:
            self._forgotten[person] = time.monotonic()

    async def erase_before(self, created: int) -> None:
        """Keeps no record of recipes that are older than that, in seconds since the epoch, and of their messages."""
        older = "SELECT id FROM recipes WHERE created < ? LIMIT ?"
        while rows := await self._store.rows(older, [created, PORTION]):
            await self.erase(*(recipe_id for (recipe_id,) in rows))

    async def erase(self, *recipe_ids: str) -> None:
        """Keeps no record of these recipes and of their messages."""
        these = f"({', '.join('?' for _ in recipe_ids)})"
        await self._store.change(f"DELETE FROM messages WHERE recipe IN {these}", recipe_ids)
        await self._store.change(f"DELETE FROM recipes WHERE id IN {these}", recipe_ids)
