"""The bot's SQLite file: kept over restarts, and honest about files that it cannot use."""

import asyncio
import resource
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

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
    assert sentence.endswith(
        "): move it away, with prospero.sqlite3-wal and prospero.sqlite3-shm if they are there,"
        " put your last backup in its place if you have one, and start again."
    )
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
        store = await Store.open(path)
        await fill(store, 3)
        columns = {table: list(await columns_of(store, table)) for table in await tables_of(store)}
        before = {table: await content(store, table, columns[table]) for table in columns}
        await store.close()
    assert {len(rows) for rows in before.values()} == {3}
    for _ in range(2):
        store, kept = await Store.open(path), recipe()
        assert {table: await content(store, table, columns[table]) for table in columns} == before
        await Recipes(store).write(kept)
        assert await Recipes(store).read(kept.id) == kept
        await Recipes(store).erase(kept.id)
        await store.close()


async def tables_of(store: Store) -> list[str]:
    tables = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
    return [table for (table,) in await store.rows(tables)]


async def columns_of(store: Store, table: str) -> dict[str, str]:
    """The types of a table's columns, by name."""
    rows = await store.rows("SELECT name, type FROM pragma_table_info(?)", [table])
    return {name: kind for name, kind in rows}  # noqa: C416 (mypy takes no rows of any length for pairs)


async def content(store: Store, table: str, columns: list[str]) -> list[tuple[Any, ...]]:
    return await store.rows(f"SELECT {', '.join(columns)} FROM {table} ORDER BY {columns[0]}")


async def fill(store: Store, count: int) -> None:
    """Puts that many rows into every table, the newest first."""
    for table in await tables_of(store):
        columns = await columns_of(store, table)
        for number in range(count, 0, -1):
            values = [number if kind == "INTEGER" else f"{name} {number} " * 15 for name, kind in columns.items()]
            if "parameters" in columns:
                values[list(columns).index("parameters")] = '{"pictures": [{"name": "", "owner": 5}]}'
            places = ", ".join("?" for _ in values)
            await store.change(f"INSERT INTO {table} VALUES ({places})", values)


async def test_recipes_of_an_older_file_lie_by_age_and_take_less_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = await older_file(tmp_path, monkeypatch)
    size = path.stat().st_size
    store = await Store.open(path)
    assert await store.rows("SELECT created FROM recipes ORDER BY rowid") == [(number,) for number in range(1, 301)]
    await store.close()
    assert path.stat().st_size < size


async def older_file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """One from before recipes had row ids, with many of them."""
    path = folder / "prospero.sqlite3"
    with monkeypatch.context() as older:
        older.setattr("bot.store.MIGRATIONS", MIGRATIONS[:9])
        store = await Store.open(path)
        await fill(store, 300)
        await store.close()
    return path


@contextmanager
def little_room() -> Iterator[None]:
    """Files of 80 kB and no more, as on a disk that is nearly full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (80_000, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


async def test_a_file_for_whose_upgrade_the_disk_has_no_room_stays_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = await older_file(tmp_path, monkeypatch)
    with little_room(), pytest.raises(StoreError, match="see that there is room on the disk"):
        await Store.open(path)
    store = await Store.open(path)
    assert await store.row("SELECT count(*) FROM recipes") == (300,)
    await store.close()


async def test_a_file_that_is_mostly_empty_shrinks_when_it_is_opened(tmp_path: Path) -> None:
    path = tmp_path / "prospero.sqlite3"

    def size() -> int:
        return sum(file.stat().st_size for file in (*tmp_path.glob("*.sqlite3"), *tmp_path.glob("*-wal")))

    store = await Store.open(path)
    for number in range(1, 301):
        await store.set_note(f"note {number:03}", "x" * 1_000)
    await store.change("DELETE FROM notes WHERE name > 'note 100'")
    await store.close()
    large = size()
    with little_room(), capture_logs() as logs:
        store = await Store.open(path)
    assert [line["event"] for line in logs] == ["store larger than it need be"]
    assert await store.row("SELECT count(*) FROM notes") == (100,)
    await store.close()
    store = await Store.open(path)
    assert size() < large / 2
    assert await store.row("SELECT count(*) FROM notes") == (100,)
    await store.close()


async def test_others_have_their_turns_while_old_recipes_are_erased(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.recipes.PORTION", 10)
    store = await Store.open(tmp_path / "prospero.sqlite3")
    recipes = Recipes(store)
    for number in range(60):
        old = recipe(created=number)
        await recipes.write(old)
        await recipes.show(old.id, 1, [number])
    erasing = asyncio.create_task(recipes.erase_before(55))
    left = set()
    while not erasing.done():
        left.add(await store.row("SELECT count(*) FROM recipes"))
    await erasing
    assert {(number,) for number in range(10, 60, 10)} < left
    assert await store.rows("SELECT created FROM recipes ORDER BY created") == [(number,) for number in range(55, 60)]
    assert await store.rows("SELECT id FROM messages ORDER BY id") == [(number,) for number in range(55, 60)]
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
