"""Pictures that people handed in, kept for as long as a result needs them so that its buttons can make it again.

A file lies under the hash of its content in the data home; the store says which recipes need it and whose it is, which
is whoever handed it in, not whoever pressed a button later. All together take no more room than the settings give them:
those that were needed least recently go first.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import secrets
from collections.abc import Iterable
from contextlib import suppress
from itertools import accumulate
from pathlib import Path

import aiohttp
import discord

from bot.errors import Refusal
from bot.recipes import Recipe
from bot.store import Store
from worker.schemas.vision import MAX_PICTURE

TYPES = ("image/png", "image/jpeg", "image/webp", "image/gif")  # what the worker reads
BEGINNINGS = (b"\x89PNG", b"\xff\xd8\xff", b"RIFF", b"GIF8")  # of such files
HEIC = ("image/heic", "image/heif")
HEIC_ENDINGS = (".heic", ".heif")  # for clients that name no type
FETCH_TIMEOUT = 60  # seconds; ten MiB in that time is a slow connection
CHUNK = 2**16  # bytes

MEBI = 2**20

# what others' recipes say of pictures that one person handed in, who handed in all that a recipe needs: how many
NAMELESS = """
    UPDATE recipes SET parameters = (
        SELECT json_set(parameters, '$.pictures', json_group_array(json_object('name', '', 'owner', 0)))
        FROM json_each(parameters, '$.pictures')
    ) WHERE json_extract(parameters, '$.pictures[0].owner') = ?
"""

# which recipes need what a person handed in, and what those needed that are erased themselves
FORGOTTEN = "FROM uploads WHERE owner = ? OR recipe NOT IN (SELECT id FROM recipes)"


def check(attachment: discord.Attachment) -> None:
    """Raises Refusal for what is too large or, by what Discord says about it, no picture that the worker reads."""
    kind = media_type(attachment)
    if kind not in TYPES:
        if kind in HEIC or attachment.filename.lower().endswith(HEIC_ENDINGS):
            raise Refusal("error.picture_heic")
        if kind:
            raise Refusal("error.picture_type")
    if attachment.size > MAX_PICTURE:
        raise Refusal("error.picture_large", most=MAX_PICTURE // MEBI)


def first_picture(message: discord.Message) -> discord.Attachment:
    """The first picture in a message; Refusal when there is none, or none that the worker reads."""
    pictures = [file for file in message.attachments if media_type(file).startswith("image/")]
    if not pictures:
        raise Refusal("error.no_picture")
    first = min(pictures, key=lambda file: media_type(file) not in TYPES)
    check(first)
    return first


def media_type(attachment: discord.Attachment) -> str:
    """The media type that Discord gives a file, such as image/png; empty where it gives none."""
    return (attachment.content_type or "").partition(";")[0]


class Uploads:
    """The files that were handed in."""

    def __init__(self, store: Store, folder: Path, session: aiohttp.ClientSession, room: int) -> None:
        """``room`` is what all files together may take, in bytes."""
        self._store = store
        self._folder = folder
        self._session = session
        self._room = room

    async def fetch(self, attachment: discord.Attachment, recipe: Recipe, owner: int) -> str:
        """Downloads a file of ``owner``'s, keeps it for ``recipe``, and returns its hash; raises Refusal."""
        content = await self._download(attachment)
        if not content.startswith(BEGINNINGS):
            raise Refusal("error.picture_type")
        digest = hashlib.sha256(content).hexdigest()
        await asyncio.to_thread(self._write, digest, content)
        await self._store.change(
            "INSERT OR IGNORE INTO uploads SELECT id, ?, ? FROM recipes"
            " WHERE id = ? AND json_extract(parameters, '$.pictures[0].owner') IS NOT 0",
            [digest, owner, recipe.id],
        )
        await self._erase_unneeded([digest])  # if the recipe, or whose the picture is, was erased meanwhile
        await self._make_room()
        return digest

    async def read(self, digest: str, owner: int, recipe: Recipe) -> bytes:
        """The file that ``owner`` handed in, which ``recipe`` needs from now on too; Refusal when it was erased."""
        await self._store.change(
            "INSERT OR IGNORE INTO uploads SELECT recipes.id, digest, uploads.owner FROM uploads, recipes"
            " WHERE digest = ? AND uploads.owner = ? AND recipes.id = ? LIMIT 1",
            [digest, owner, recipe.id],
        )
        held = "SELECT 1 FROM uploads WHERE recipe = ? AND digest = ? AND owner = ?"
        if await self._store.row(held, [recipe.id, digest, owner]) is None:
            raise Refusal("error.picture_unknown")
        try:
            return await asyncio.to_thread(_read, self._path(digest))
        except FileNotFoundError:  # erased this very moment, or by whoever keeps the data home
            raise Refusal("error.picture_unknown") from None

    async def release(self, recipe: Recipe) -> None:
        """Erases what nothing but ``recipe`` needed."""
        held = await self._store.rows("SELECT digest FROM uploads WHERE recipe = ?", [recipe.id])
        await self._store.change("DELETE FROM uploads WHERE recipe = ?", [recipe.id])
        await self._erase_unneeded(str(digest) for (digest,) in held)

    async def forget(self, owner: int) -> None:
        """Erases every file that a person handed in, whoever used it since, and whose it was and its name.

        Their recipes are to be erased before, so that none of those still holds on to someone else's file.
        """
        await self._store.change(NAMELESS, [owner])
        held = await self._store.rows(f"SELECT DISTINCT digest {FORGOTTEN}", [owner])
        await self._store.change(f"DELETE {FORGOTTEN}", [owner])
        await self._erase_unneeded(str(digest) for (digest,) in held)

    async def _erase_unneeded(self, digests: Iterable[str]) -> None:
        """Erases those files that no recipe needs."""
        for digest in digests:
            if await self._store.row("SELECT 1 FROM uploads WHERE digest = ?", [digest]) is None:
                await asyncio.to_thread(self._path(digest).unlink, missing_ok=True)

    async def _make_room(self) -> None:
        """Erases what was needed least recently, for as long as all files together take too much room."""
        for digest in await asyncio.to_thread(self._excess):
            await self._store.change("DELETE FROM uploads WHERE digest = ?", [digest])
            await self._erase_unneeded([digest])

    def _excess(self) -> list[str]:
        """The files that there is no room for."""
        ages = []
        for path in self._folder.iterdir():
            with suppress(FileNotFoundError):  # erased this very moment, or its writing ended
                state = path.stat()
                ages.append((state.st_mtime_ns, state.st_size, path.name))
        ages.sort(reverse=True)
        taken = accumulate(size for _, size, _ in ages)
        return [name for (_, _, name), so_far in zip(ages, taken, strict=True) if so_far > self._room]

    async def _download(self, attachment: discord.Attachment) -> bytes:
        """At most one byte more than may be handed in, whatever size was declared."""
        content = bytearray()
        try:
            limits = aiohttp.ClientTimeout(total=FETCH_TIMEOUT)
            async with self._session.get(attachment.url, timeout=limits, raise_for_status=True) as response:
                async for some in response.content.iter_chunked(CHUNK):
                    content += some
                    if len(content) > MAX_PICTURE:
                        raise Refusal("error.picture_large", most=MAX_PICTURE // MEBI)
        except (aiohttp.ClientError, TimeoutError) as error:
            raise Refusal("error.picture_away") from error
        return bytes(content)

    def _write(self, digest: str, content: bytes) -> None:
        path = self._path(digest)
        with suppress(FileNotFoundError):
            os.utime(path)  # it is needed now
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_name(f"{digest}.{secrets.token_hex(4)}")  # others may hand in the same at this moment
        beside.write_bytes(content)
        beside.replace(path)

    def _path(self, digest: str) -> Path:
        return self._folder / digest


def _read(path: Path) -> bytes:
    """The content of a file, which is needed now."""
    os.utime(path)
    return path.read_bytes()
