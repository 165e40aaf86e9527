"""The bot's SQLite file: kept over restarts, and honest about files that it cannot use."""

import asyncio
import sqlite3
from pathlib import Path

import pytest

from bot.errors import Refusal
from bot.recipes import Recipe, Recipes
from bot.store import MIGRATIONS, Store, StoreError


def recipe(**changes: object) -> Recipe:
    values = {"owner": 2**60, "operation": "text", "model": "gpt", "parameters": {"prompt": "é\ud800", "top_p": 0.5}}
    return Recipe(**(values | changes))  # type: ignore[arg-type]


async def test_a_recipe_is_the_same_after_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "new" / "prospero.sqlite3"
    kept = recipe(version="v1", seed=2**63 - 1, parent="p", result="ROMEO:\n")
    store = await Store.open(path)
    await Recipes(store).write(recipe(id=kept.id, created=kept.created, parent="p"))
    await Recipes(store).update(kept)
    await store.close()
    store = await Store.open(path)
    assert await Recipes(store).read(kept.id) == kept
    await store.close()


async def test_an_unknown_recipe_is_refused(tmp_path: Path) -> None:
    store = await Store.open(tmp_path / "prospero.sqlite3")
    with pytest.raises(Refusal):
        await Recipes(store).read("nothing")
    await store.close()


def test_a_recipe_asked_for_again_is_a_new_one() -> None:
    first = recipe(version="v1", seed=5, result="text")
    again = first.again(7, seed=None)
    assert (again.owner, again.seed, again.result, again.version) == (7, None, "", "v1")
    assert again.id != first.id
    assert again.pinned_model == "gpt@v1"


async def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "prospero.sqlite3"
    path.write_bytes(b"not a database" * 100)
    with pytest.raises(StoreError, match=str(path)):
        await Store.open(path)


async def test_a_file_with_a_damaged_page_is_named_with_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "prospero.sqlite3"
    store = await Store.open(path)
    for number in range(200):
        await store.set_note(f"note {number}", "x" * 200)
    await store.close()
    content = bytearray(path.read_bytes())
    with sqlite3.connect(path) as connection:
        size = connection.execute("PRAGMA page_size").fetchone()[0]
    content[-5 * size : -4 * size] = bytes(size)  # in the middle of the notes, which opening it does not read
    path.write_bytes(content)
    with pytest.raises(StoreError) as caught:
        await Store.open(path)
    sentence = str(caught.value)
    assert sentence.startswith(f"{path} is damaged (")
    assert sentence.endswith("): put your last backup in its place, or move it away, and start again.")
    assert "\n" not in sentence


async def test_a_file_that_is_whole_is_not_called_damaged_when_it_cannot_be_used(tmp_path: Path) -> None:
    path = tmp_path / "prospero.sqlite3"
    await (await Store.open(path)).close()
    (tmp_path / "prospero.sqlite3-wal").mkdir()
    with pytest.raises(StoreError, match=r"cannot be used .*unable to open.* start again"):
        await Store.open(path)


async def test_a_file_of_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "prospero.sqlite3"
    with sqlite3.connect(path) as connection:
        connection.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    with pytest.raises(StoreError, match="newer"):
        await Store.open(path)


@pytest.mark.parametrize("version", range(1, len(MIGRATIONS)))
async def test_a_file_of_an_older_version_is_brought_up_to_date_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: int
) -> None:
    path = tmp_path / "prospero.sqlite3"
    with monkeypatch.context() as older:
        older.setattr("bot.store.MIGRATIONS", MIGRATIONS[:version])
        await (await Store.open(path)).close()
    for _ in range(2):
        store, kept = await Store.open(path), recipe()
        await Recipes(store).write(kept)
        assert await Recipes(store).read(kept.id) == kept
        await store.close()


async def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="PROSPERO_HOME"):
        await Store.open(tmp_path / "file" / "prospero.sqlite3")


async def test_what_was_deleted_is_scrubbed_in_the_midst_of_queries(tmp_path: Path) -> None:
    store = await Store.open(tmp_path / "prospero.sqlite3")
    for name in "abc":
        await store.set_note(name, "Full fathom five")
    many = "SELECT * FROM notes"
    _, rows, row, _ = await asyncio.gather(store.scrub(), store.rows(many), store.row(many), store.scrub())
    assert [name for name, _ in rows] == list("abc") and row == rows[0]
    await store.close()
