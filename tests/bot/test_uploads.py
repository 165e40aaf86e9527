"""Pictures that people hand in: what is refused before it is fetched, how long one is kept, and who can erase it."""

import asyncio
import errno
import hashlib
import os
import sqlite3
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any, cast

import pytest

from bot.client import Bot
from models.checkpoint import Store
from tests.bot.conftest import Island, real_worker
from tests.bot.pictures import EPHEMERAL, handed_in, picture
from tests.person import JSON, File, Person, labels
from tests.viewers import keep_autoencoder, keep_vae


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(tmp_path / "home", shipped=tmp_path / "shipped")
    keep_autoencoder(store)
    keep_vae(store)
    return store


@pytest.fixture
async def miranda(island: Island, store: Store) -> AsyncIterator[Person]:
    """Someone on an island whose bot has a worker with an autoencoder and a VAE."""
    async with real_worker(store) as url:
        await island.start_bot(url)
        async with island.person() as person:
            yield person
        await island.stop_bot()


def kept(island: Island) -> list[str]:
    """The names of the files that are kept."""
    return sorted(path.name for path in (island.home / "uploads").glob("*"))


async def until_kept(island: Island, *digests: str) -> None:
    """Returns once these files are kept, each for one result, and no others: a message goes before what it needed."""
    assert island.bot is not None
    async with asyncio.timeout(30):
        while await island.bot.store.rows("SELECT digest FROM uploads") != [(one,) for one in digests]:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        while kept(island) != list(digests):  # noqa: ASYNC110 (nothing tells when the file goes)
            await asyncio.sleep(0.01)


async def until_known(island: Island, message: JSON) -> None:
    """Returns once it is known what a message shows, which is noted after it is shown."""
    assert island.bot is not None
    async with asyncio.timeout(30):
        while not await island.bot.recipes.shown_by(int(message["id"]), int(message["channel_id"])):  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def until_gone(person: Person, message: dict[str, str]) -> None:
    await person.wait_for(lambda event: event["t"] == "MESSAGE_DELETE" and event["d"]["id"] == message["id"])


async def test_what_cannot_be_read_is_not_even_fetched(
    island: Island, bot: Bot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.uploads.MAX_PICTURE", 400)
    async with island.person() as miranda:
        for file, said in (
            (File("notes.txt", b"ROMEO:\n"), "That is not a picture I can read;"),
            (File("film.mp4", b"\0\0\0\x18ftypmp42"), "That is not a picture I can read;"),
            (File("photo.HEIC", b"\0\0\0\x18ftypheic"), "I cannot read HEIC pictures;"),
            (handed_in("large.png", 200, 200), "That file is too large; hand in one of at most 0 MiB."),
        ):
            refused = await (await miranda.slash("autoencoder reconstruct", image=file)).message()
            assert refused["content"].startswith(said)
            assert refused["flags"] & EPHEMERAL
    assert kept(island) == []


async def test_what_lies_about_its_type_or_size_is_told(
    miranda: Person, island: Island, monkeypatch: pytest.MonkeyPatch
) -> None:
    lie = File("cat.png", b"Macbeth doth murder sleep")
    refused = await (await miranda.slash("autoencoder reconstruct", image=lie)).message()
    assert refused["content"].startswith("-# That is not a picture I can read;")
    assert labels(refused) == []  # there is nothing to try again with
    broken = File("cat.png", handed_in().content[:60])
    refused = await (await miranda.slash("autoencoder reconstruct", image=broken)).message()
    assert refused["content"].startswith("-# That is not a picture I can read;")
    assert labels(refused) == []
    refused = await (await miranda.slash("vae interpolate", first=handed_in(), second=lie)).message()
    assert refused["content"].startswith("-# That is not a picture I can read;")
    await until_kept(island)  # what no button needs is not kept
    async with island.person("Caliban") as caliban:
        refused = await (await caliban.slash("autoencoder reconstruct", image=broken)).message()
        assert refused["content"].startswith("-# Isso não é uma imagem que eu consiga ler;")
    monkeypatch.setattr("bot.uploads.check", lambda attachment: None)
    monkeypatch.setattr("bot.examined.check", lambda attachment: None)
    monkeypatch.setattr("bot.uploads.MAX_PICTURE", 100)
    refused = await (await miranda.slash("autoencoder reconstruct", image=handed_in())).message()
    assert refused["content"].startswith("-# That file is too large;")


async def test_a_picture_outlives_bot_and_worker_and_gives_the_same_bytes(island: Island, store: Store) -> None:
    first, second = handed_in("first.png"), handed_in("second.jpg", shade=200)
    async with island.person() as miranda:
        async with real_worker(store) as url:
            await island.start_bot(url)
            _, content = await picture(miranda, await miranda.slash("autoencoder reconstruct", image=first))
            strip, _ = await picture(miranda, await miranda.slash("vae interpolate", first=first, second=second))
            _, moving = await picture(miranda, await miranda.press(strip, "Animate"))
        failed = await (await miranda.slash("autoencoder reconstruct", image=first)).message()
        assert failed["content"].startswith("-# The models cannot be reached right now.")
        assert labels(failed) == ["Retry"]
        await island.stop_bot()
        keep_vae(store, version="zz", seed=1)
        async with real_worker(store) as url:
            await island.start_bot(url)
            assert (await picture(miranda, await miranda.press(failed, "Retry")))[1] == content
            assert (await picture(miranda, await miranda.press(strip, "Animate")))[1] == moving
            await island.stop_bot()


async def test_a_picture_goes_with_the_last_result_that_needs_it(miranda: Person, island: Island) -> None:
    cat = handed_in()
    shown = [(await picture(miranda, await miranda.slash("autoencoder reconstruct", image=cat)))[0] for _ in range(2)]
    (digest,) = kept(island)
    async with island.person("Caliban") as caliban:
        refused = await (await caliban.press(shown[0], "Delete")).message()
        assert refused["content"] == f"Só <@{miranda.id}>, que fez o pedido, ou a moderação pode apagar isto."
    await miranda.press(shown[0], "Delete")
    await until_gone(miranda, shown[0])
    await until_kept(island, digest)
    await miranda.press(shown[1], "Delete")
    await until_gone(miranda, shown[1])
    await until_kept(island)


async def test_whoever_handed_a_picture_in_can_have_it_erased_from_others_results_too(
    miranda: Person, island: Island
) -> None:
    assert island.bot is not None
    first, second = handed_in("first.png"), handed_in("second.png", shade=100)
    strip, _ = await picture(miranda, await miranda.slash("vae interpolate", first=first, second=second))
    async with island.person("Caliban") as caliban:
        await picture(caliban, await caliban.press(strip, "Animate"))
        await picture(caliban, await caliban.slash("autoencoder reconstruct", image=second))
        assert len(kept(island)) == 2
        await island.bot.uploads.forget(int(miranda.id))
        assert len(kept(island)) == 1  # he handed the same in himself
        refused = await (await caliban.press(strip, "Animate")).message()
        assert refused["content"].startswith("-# Não tenho mais a imagem que foi enviada;")
        await island.bot.uploads.forget(int(caliban.id))
    assert kept(island) == []


async def test_to_forget_someone_is_to_forget_whose_pictures_others_used(miranda: Person, island: Island) -> None:
    assert island.bot is not None
    store = island.bot.store
    own, hers = handed_in("own.png"), handed_in("hers.png", shade=100)
    strip, _ = await picture(miranda, await miranda.slash("vae interpolate", first=hers, second=own))
    async with island.person("Caliban") as caliban:
        walk, _ = await picture(caliban, await caliban.press(strip, "Animate"))
        recipes = island.bot.recipes
        unfinished = [await recipes.read(recipe) for (recipe,) in await store.rows("SELECT id FROM recipes")]
        asked = await (await miranda.slash("forget-me")).message()
        await miranda.press(asked, "Erase everything")
        await miranda.message(asked, lambda message: message["content"].startswith("Done:"))
        for recipe in unfinished:  # as if they had been in the making
            await recipes.update(recipe)
        for (table,) in await store.rows("SELECT name FROM sqlite_master WHERE type = 'table'"):
            rows = str(await store.rows(f"SELECT * FROM {table}"))
            assert miranda.id not in rows and "hers.png" not in rows, table
        told = await (await caliban.press(walk, "Receita")).message()
        assert told["content"].startswith("```\n/vae interpolar primeira: segunda: ")
        await caliban.press(walk, "Apagar")
        await until_gone(caliban, walk)


async def test_a_picture_in_somebodys_message_is_theirs_whoever_has_it_looked_at(
    miranda: Person, island: Island, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = await miranda.say("Look", [handed_in("hers.png")])
    async with island.person("Caliban") as caliban:
        caliban.channel = miranda.channel
        await picture(caliban, await caliban.context("Reconstruct", said))
        assert len(kept(island)) == 1
        asked = await (await miranda.slash("forget-me")).message()
        await miranda.press(asked, "Erase everything")
        await miranda.message(asked, lambda message: message["content"].startswith("Done:"))
    assert kept(island) == []
    assert island.bot is not None
    ((recipe,),) = await island.bot.store.rows("SELECT id FROM recipes")
    monkeypatch.setattr(island.bot.uploads, "_download", downloaded)  # as if it had still been on its way
    await island.bot.uploads.fetch(cast("Any", None), await island.bot.recipes.read(recipe), int(miranda.id))
    assert kept(island) == []


async def test_a_picture_that_was_passed_on_is_of_whoever_has_it_looked_at(miranda: Person, island: Island) -> None:
    said = await miranda.say("Look", [handed_in("hers.png")])
    async with island.person("Caliban") as caliban, island.person("Ariel") as ariel:
        caliban.go("gallery")
        ariel.go("gallery")
        passed_on = await caliban.forward(said)
        await picture(ariel, await ariel.context("Reconstruct", passed_on))
        await picture(ariel, await ariel.context("Is it an outlier?", passed_on))
        for person, erase, done in ((caliban, "Apagar tudo", "Pronto:"), (ariel, "Erase everything", "Done:")):
            assert len(kept(island)) == 1
            asked = await (await person.slash("forget-me")).message()
            await person.press(asked, erase)
            await person.message(asked, lambda message, done=done: message["content"].startswith(done))
        assert kept(island) == []


async def test_a_picture_in_a_result_is_of_whoever_it_shows(miranda: Person, island: Island) -> None:
    shown, _ = await picture(miranda, await miranda.slash("autoencoder reconstruct", image=handed_in("hers.png")))
    async with island.person("Caliban") as caliban, island.person("Ariel") as ariel:
        for person, menu in ((caliban, "Reconstruct"), (ariel, "Is it an outlier?")):
            await until_known(island, shown)
            shown, _ = await picture(person, await person.context(menu, shown))
        drawn, _ = await picture(caliban, await caliban.slash("vae sample"))
        await until_known(island, drawn)
        await picture(miranda, await miranda.context("Reconstruct", drawn))
        assert len(kept(island)) == 4
        asked = await (await caliban.slash("forget-me")).message()
        await caliban.press(asked, "Apagar tudo")
        await caliban.message(asked, lambda message: message["content"].startswith("Pronto:"))
        assert len(kept(island)) == 2  # neither what he had drawn, nor what only his result needed of hers
        asked = await (await miranda.slash("forget-me")).message()
        await miranda.press(asked, "Erase everything")
        await miranda.message(asked, lambda message: message["content"].startswith("Done:"))
        assert kept(island) == []
        await picture(ariel, await ariel.context("Reconstruct", shown))  # of which nothing is known whose it is


async def downloaded(_: object) -> bytes:
    return handed_in("hers.png").content


async def test_whoever_is_forgotten_holds_on_to_no_picture_of_others(miranda: Person, island: Island) -> None:
    strip, _ = await picture(miranda, await miranda.slash("vae interpolate", first=handed_in(), second=handed_in()))
    async with island.person("Caliban") as caliban:
        await picture(caliban, await caliban.press(strip, "Animate"))
        asked = await (await caliban.slash("forget-me")).message()
        await caliban.press(asked, "Apagar tudo")
        await caliban.message(asked, lambda message: message["content"].startswith("Pronto:"))
    assert len(kept(island)) == 1
    await miranda.press(strip, "Delete")
    await until_kept(island)


def room(folder: Path, files: Sequence[File], count: int) -> int:
    """How many bytes of the disk ``count`` of these files take at most; a tiny one takes a whole block."""
    taken = []
    for file in files:
        path = folder / file.name
        with path.open("wb") as written:
            written.write(file.content)
            written.flush()
            os.fsync(written.fileno())
        taken.append(max(len(file.content), 512 * path.stat().st_blocks))
    return count * max(taken)


async def test_without_room_the_picture_needed_least_recently_goes_and_its_buttons_say_so(
    island: Island, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second, third = pictures = [handed_in(f"{shade}.png", shade=shade) for shade in (0, 100, 200)]
    monkeypatch.setattr("bot.client.MEBI", 1 + room(tmp_path, pictures, 2) // 20)
    async with real_worker(store) as url, island.person() as miranda:
        await island.start_bot(url, uploads_mib=20)
        strip, _ = await picture(miranda, await miranda.slash("vae interpolate", first=first, second=second))
        both = kept(island)
        await picture(miranda, await miranda.slash("autoencoder reconstruct", image=first))
        await picture(miranda, await miranda.slash("autoencoder reconstruct", image=third))
        remaining = kept(island)
        assert len(both) == len(remaining) == 2
        assert hashlib.sha256(first.content).hexdigest() in remaining
        refused = await (await miranda.press(strip, "Animate")).message()
        assert refused["content"] == (
            "-# I no longer have the picture that was handed in; use the command again and hand it in once more."
        )
        assert labels(refused) == []  # nor is there a button to ask for it again
        await island.stop_bot()


async def test_whoever_takes_most_of_the_room_makes_room(
    island: Island, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    many = [handed_in(f"{shade}.png", shade=shade) for shade in range(0, 250, 40)]
    monkeypatch.setattr("bot.client.MEBI", 1 + room(tmp_path, many, 5) // 20)
    async with real_worker(store) as url, island.person() as miranda, island.person("Caliban") as caliban:
        await island.start_bot(url, uploads_mib=20)
        hers, _ = await picture(miranda, await miranda.slash("vae interpolate", first=many[0], second=many[1]))
        for file in many[1:]:
            await picture(caliban, await caliban.slash("autoencoder reconstruct", image=file))
        assert len(kept(island)) == 5
        await picture(miranda, await miranda.press(hers, "Animate"))  # although hers were needed least recently
        await island.stop_bot()


async def test_files_that_no_result_needs_are_erased_at_the_start(island: Island, store: Store) -> None:
    async with real_worker(store) as url, island.person() as miranda:
        await island.start_bot(url)
        await picture(miranda, await miranda.slash("autoencoder reconstruct", image=handed_in()))
        await island.stop_bot()
        (digest,) = kept(island)
        for name in (f"{digest}.0a1b2c3d", "f" * 64):  # what a bot that was killed may leave
            (island.home / "uploads" / name).write_bytes(b"a cat")
        await island.start_bot(url)
        await until_kept(island, digest)
        await island.stop_bot()


async def test_a_picture_that_cannot_be_written_leaves_nothing_behind(
    miranda: Person, island: Island, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert island.bot is not None
    to_forget: list[tuple[int]] = []

    def full(_: int) -> None:
        to_forget.extend(sqlite3.connect(island.home / "prospero.sqlite3").execute("SELECT owner FROM uploads"))
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    failed = await (await miranda.slash("autoencoder reconstruct", image=handed_in())).message()
    assert "that I did not foresee" in failed["content"]
    assert to_forget == [(int(miranda.id),)]  # known before there is a file
    await until_kept(island)


async def test_results_that_are_old_are_forgotten(
    island: Island, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with real_worker(store) as url, island.person() as miranda:
        bot = await island.start_bot(url)
        for shade in (0, 100):
            await picture(miranda, await miranda.slash("autoencoder reconstruct", image=handed_in(shade=shade)))
        (old, _), (recent, digest) = await bot.store.rows("SELECT recipe, digest FROM uploads")
        await bot.store.change("UPDATE recipes SET created = created - 366 * 86400 WHERE id = ?", [old])
        await island.stop_bot()
        bot = await island.start_bot(url, keep_days=0)
        assert len(kept(island)) == 2
        await island.stop_bot()
        bot = await island.start_bot(url)
        await until_kept(island, digest)
        assert await bot.store.rows("SELECT id FROM recipes") == [(recent,)]
        assert await bot.store.rows("SELECT recipe FROM messages") == [(recent,)]
        await island.stop_bot()
