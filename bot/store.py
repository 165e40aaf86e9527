"""The bot's memory on disk: one SQLite file, opened once, brought up to date by numbered migrations."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import aiosqlite
import structlog

MIGRATIONS = (
    """
    CREATE TABLE notes (name TEXT PRIMARY KEY, content TEXT NOT NULL) WITHOUT ROWID;
    CREATE TABLE recipes (
        id TEXT PRIMARY KEY,
        created INTEGER NOT NULL,
        owner INTEGER NOT NULL,
        operation TEXT NOT NULL,
        model TEXT NOT NULL,
        version TEXT,
        parameters TEXT NOT NULL,
        seed INTEGER,
        parent TEXT,
        result TEXT NOT NULL
    ) WITHOUT ROWID;
    """,
    """
    CREATE TABLE audit (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        at INTEGER NOT NULL,
        who INTEGER NOT NULL,
        guild INTEGER NOT NULL,
        act TEXT NOT NULL,
        subject TEXT NOT NULL,
        before TEXT,
        after TEXT
    );
    CREATE TRIGGER audit_stays BEFORE UPDATE ON audit BEGIN SELECT RAISE(ABORT, 'the audit log is only added to'); END;
    CREATE TRIGGER audit_keeps BEFORE DELETE ON audit BEGIN SELECT RAISE(ABORT, 'the audit log is only added to'); END;
    """,
    """
    CREATE TABLE messages (id INTEGER PRIMARY KEY, channel INTEGER NOT NULL, recipe TEXT NOT NULL);
    CREATE INDEX messages_by_recipe ON messages (recipe);
    CREATE INDEX recipes_by_owner ON recipes (owner);
    """,
    """
    CREATE TABLE uploads (
        recipe TEXT NOT NULL,
        digest TEXT NOT NULL,
        owner INTEGER NOT NULL,
        PRIMARY KEY (recipe, digest)
    ) WITHOUT ROWID;
    CREATE INDEX uploads_by_digest ON uploads (digest);
    CREATE INDEX uploads_by_owner ON uploads (owner);
    """,
    """
    CREATE TABLE guild_settings (guild INTEGER PRIMARY KEY, choices TEXT NOT NULL);
    CREATE TABLE quota (
        recipe TEXT PRIMARY KEY,
        guild INTEGER NOT NULL,
        person INTEGER NOT NULL,
        taken INTEGER NOT NULL
    ) WITHOUT ROWID;
    CREATE INDEX quota_by_person ON quota (guild, person, taken);
    """,
    """
    CREATE TABLE watches (
        job TEXT PRIMARY KEY,
        recipe TEXT NOT NULL,
        guild INTEGER NOT NULL,
        channel INTEGER NOT NULL,
        owner INTEGER NOT NULL,
        locale TEXT NOT NULL,
        message INTEGER,
        told INTEGER NOT NULL,
        decision TEXT,
        decider INTEGER
    ) WITHOUT ROWID;
    CREATE INDEX watches_by_recipe ON watches (recipe);
    """,
    """
    CREATE INDEX recipes_by_lender ON recipes (json_extract(parameters, '$.pictures[0].owner'))
    WHERE json_extract(parameters, '$.pictures[0].owner') IS NOT NULL;
    """,
    """
    ALTER TABLE recipes ADD COLUMN origin INTEGER;
    CREATE INDEX recipes_by_origin ON recipes (origin) WHERE origin IS NOT NULL;
    """,
    """
    CREATE INDEX recipes_by_age ON recipes (created);
    """,
    # rows this long leave half of every page empty in a table without row ids, and those of a day lie all over it
    """
    ALTER TABLE recipes RENAME TO former;
    CREATE TABLE recipes (
        id TEXT NOT NULL,
        created INTEGER NOT NULL,
        owner INTEGER NOT NULL,
        operation TEXT NOT NULL,
        model TEXT NOT NULL,
        version TEXT,
        parameters TEXT NOT NULL,
        seed INTEGER,
        parent TEXT,
        result TEXT NOT NULL,
        origin INTEGER
    );
    INSERT INTO recipes SELECT * FROM former INDEXED BY recipes_by_age ORDER BY created;
    DROP TABLE former;
    CREATE UNIQUE INDEX recipes_by_id ON recipes (id);
    CREATE INDEX recipes_by_owner ON recipes (owner);
    CREATE INDEX recipes_by_lender ON recipes (json_extract(parameters, '$.pictures[0].owner'))
    WHERE json_extract(parameters, '$.pictures[0].owner') IS NOT NULL;
    CREATE INDEX recipes_by_origin ON recipes (origin) WHERE origin IS NOT NULL;
    CREATE INDEX recipes_by_age ON recipes (created);
    """,
)

logger = structlog.get_logger(__name__)


class StoreError(Exception):
    """The file cannot be used; the message is the sentence to show."""


@contextmanager
def logged_if_unwritten() -> Iterator[None]:
    """Only logs that the store cannot be written, such as on a full disk: what is shown matters more."""
    try:
        yield
    except aiosqlite.Error as error:
        logger.error("the store cannot be written", error=str(error))


class Store:
    """An open database; every change is committed when its call returns."""

    def __init__(self, connection: aiosqlite.Connection, path: Path) -> None:
        self._connection = connection
        self.path = path

    @classmethod
    async def open(cls, path: Path) -> Self:
        """Opens or makes the file at ``path``; raises StoreError if it cannot be read, written or understood."""
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            connection = await aiosqlite.connect(path, isolation_level=None)
        except (OSError, aiosqlite.Error) as error:
            raise StoreError(f"{path} cannot be opened ({error}): set PROSPERO_HOME to another folder.") from error
        try:
            await connection.execute("PRAGMA journal_mode = WAL")
            await connection.execute("PRAGMA synchronous = NORMAL")  # WAL keeps the file whole after a crash either way
            await connection.execute("PRAGMA secure_delete = ON")  # what is deleted is overwritten
            await connection.execute("PRAGMA busy_timeout = 5000")  # milliseconds; another process may hold the file
            await cls._check(connection)
            await cls._migrate(connection, path)
            await cls._shrink(connection)
        except BaseException as error:
            await connection.close()
            if isinstance(error, aiosqlite.OperationalError):
                raise StoreError(
                    f"{path} cannot be used ({error}): end what else uses it, see that there is room on the disk and"
                    " that it may be written, and start again."
                ) from error
            if isinstance(error, aiosqlite.Error):
                raise StoreError(
                    f"{path} is damaged ({error}): move it away, with {path.name}-wal and {path.name}-shm if they are"
                    " there, put your last backup in its place if you have one, and start again."
                ) from error
            raise
        return cls(connection, path)

    @staticmethod
    async def _check(connection: aiosqlite.Connection) -> None:
        """Raises DatabaseError for a file with a damaged page, which would otherwise show whenever that is read."""
        async with connection.execute("PRAGMA quick_check(1)") as cursor:  # 0.8 s for 450 MiB
            row = await cursor.fetchone()
        report = str(row[0]) if row else ""
        if report != "ok":
            raise aiosqlite.DatabaseError(report.rpartition("\n")[2])

    @staticmethod
    async def _migrate(connection: aiosqlite.Connection, path: Path) -> None:
        async with connection.execute("PRAGMA user_version") as cursor:
            row = await cursor.fetchone()
        version = int(row[0]) if row else 0
        if version > len(MIGRATIONS):
            raise StoreError(f"{path} was written by a newer Prospero: update this one or move the file away.")
        if 0 < version < len(MIGRATIONS):
            logger.info("store of an older version, brought up to date", file=str(path))  # 21 s for 300,000 recipes
        for number, script in enumerate(MIGRATIONS[version:], start=version + 1):
            await connection.executescript(f"BEGIN; {script} PRAGMA user_version = {number}; COMMIT;")

    @staticmethod
    async def _shrink(connection: aiosqlite.Connection) -> None:
        """Gives the disk back what the file has no use for, if that is more than a third of it."""
        query = "SELECT 3 * freelist_count > page_count FROM pragma_freelist_count, pragma_page_count"
        async with connection.execute(query) as cursor:
            row = await cursor.fetchone()
        if row and row[0]:
            try:
                await connection.execute("VACUUM")
            except aiosqlite.Error as error:  # the disk may have no room for both at once
                logger.warning("store larger than it need be", error=str(error))
            await connection.execute_fetchall("PRAGMA wal_checkpoint(TRUNCATE)")  # the log grew by as much

    async def close(self) -> None:
        await self._connection.close()

    async def change(self, statement: str, values: Iterable[Any] = ()) -> None:
        """Runs one statement that writes."""
        await self._connection.execute(statement, tuple(values))

    async def scrub(self) -> None:
        """Has nothing on the disk show any longer what was deleted; the write-ahead log still does until then."""
        await self.row("PRAGMA wal_checkpoint(TRUNCATE)")

    async def row(self, statement: str, values: Iterable[Any] = ()) -> tuple[Any, ...] | None:
        """The first row that a query finds, or None."""
        rows = await self.rows(statement, values)
        return rows[0] if rows else None

    async def rows(self, statement: str, values: Iterable[Any] = ()) -> list[tuple[Any, ...]]:
        """Every row that a query finds, read at once: scrubbing is refused in the middle of a query."""
        return [tuple(row) for row in await self._connection.execute_fetchall(statement, tuple(values))]

    async def note(self, name: str) -> str | None:
        """What was noted under ``name``, or None."""
        row = await self.row("SELECT content FROM notes WHERE name = ?", [name])
        return str(row[0]) if row else None

    async def set_note(self, name: str, content: str) -> None:
        await self.change("INSERT OR REPLACE INTO notes VALUES (?, ?)", [name, content])
