"""Pictures that people handed in, kept for as long as a result needs them so that its buttons can make it again.

A file lies under the hash of its content in the data home; the store says which recipes need it and whose it is, which
is whoever handed it in, not whoever pressed a button later. All together take no more room than the settings give them:
whoever takes most of it loses first what they needed least recently.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import secrets
from collections.abc import Iterable
from contextlib import suppress
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

ORPHANED = "recipe NOT IN (SELECT id FROM recipes)"  # what recipes needed that are erased themselves


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
    """The first picture in a message, or in one that it passes on; Refusal if there is none that the worker reads."""
    passed_on = [file for snapshot in message.message_snapshots for file in snapshot.attachments]
    pictures = [file for file in [*message.attachments, *passed_on] if media_type(file).startswith("image/")]
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
        await self._store.change(  # before there is a file, which could otherwise be left with nobody to erase it
            "INSERT OR IGNORE INTO uploads SELECT id, ?, ? FROM recipes"
            " WHERE id = ? AND json_extract(parameters, '$.pictures[0].owner') IS NOT 0",
            [digest, owner, recipe.id],
        )
        await asyncio.to_thread(self._write, digest, content)
        await self._erase_unneeded([digest])  # if the recipe, or whose the picture is, was erased meanwhile
        await self._make_room(recipe)
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
        await self._let_go("recipe = ?", recipe.id)

    async def forget(self, owner: int) -> None:
        """Erases every file that a person handed in, whoever used it since, and whose it was and its name.

        Their recipes are to be erased before, so that none of those still holds on to someone else's file.
        """
        await self._store.change(NAMELESS, [owner])
        await self._let_go(f"owner = ? OR {ORPHANED}", owner)

    async def release_orphaned(self) -> None:
        """Erases what only recipes needed that are erased themselves."""
        await self._let_go(ORPHANED)

    async def sweep(self) -> None:
        """Erases files that no recipe needs, which a bot that was killed left; only for a start, before any fetch."""
        needed = {digest for (digest,) in await self._store.rows("SELECT digest FROM uploads")}
        await asyncio.to_thread(self._sweep, needed)

    async def _let_go(self, condition: str, *values: object) -> None:
        """Has nothing that fulfils the condition need its file any longer."""
        held = await self._store.rows(f"SELECT DISTINCT digest FROM uploads WHERE {condition}", values)
        await self._store.change(f"DELETE FROM uploads WHERE {condition}", values)
        await self._erase_unneeded(digest for (digest,) in held)

    async def _erase_unneeded(self, digests: Iterable[str]) -> None:
        """Erases those files that no recipe needs."""
        for digest in digests:
            if await self._store.row("SELECT 1 FROM uploads WHERE digest = ?", [digest]) is None:
                await asyncio.to_thread(self._path(digest).unlink, missing_ok=True)

    async def _make_room(self, recipe: Recipe) -> None:
        """Erases pictures, but none that ``recipe`` needs, for as long as all files together take too much room.

        Whoever takes most of it loses the one that they needed least recently.
        """
        files = await asyncio.to_thread(self._files)
        if _size(files.values()) <= self._room:
            return
        held: dict[int, dict[str, os.stat_result]] = {}  # each person's
        not_needed_now = "digest NOT IN (SELECT digest FROM uploads WHERE recipe = ?)"
        query = f"SELECT DISTINCT owner, digest FROM uploads WHERE {not_needed_now}"
        for owner, digest in await self._store.rows(query, [recipe.id]):
            if digest in files:
                held.setdefault(owner, {})[digest] = files[digest]
        while _size(files.values()) > self._room and any(held.values()):
            most = max(held, key=lambda owner: _size(held[owner].values()))
            oldest = min(held[most], key=lambda digest: held[most][digest].st_mtime_ns)
            del held[most][oldest]
            await self._let_go("digest = ? AND owner = ?", oldest, most)
            if not any(oldest in theirs for theirs in held.values()):  # nobody else handed it in as well
                del files[oldest]

    def _files(self) -> dict[str, os.stat_result]:
        """Every file by its hash."""
        files = {}
        for path in self._folder.iterdir():
            with suppress(FileNotFoundError):  # erased this very moment, or its writing ended
                files[path.name] = path.stat()
        return files

    def _sweep(self, needed: set[str]) -> None:
        for path in self._folder.glob("*"):  # which finds nothing where nothing was ever handed in
            if path.name not in needed:
                with suppress(OSError):  # no file, or none that may be erased
                    path.unlink()

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
        try:
            with beside.open("xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())  # or a power cut could leave less than its hash says, for good
            beside.replace(path)
        finally:
            beside.unlink(missing_ok=True)

    def _path(self, digest: str) -> Path:
        return self._folder / digest


def _size(files: Iterable[os.stat_result]) -> int:
    """What all of them together take of the disk, in bytes: a tiny one takes a whole block."""
    return sum(max(file.st_size, 512 * file.st_blocks) for file in files)  # some file systems count no blocks


def _read(path: Path) -> bytes:
    """The content of a file, which is needed now."""
    os.utime(path)
    return path.read_bytes()
