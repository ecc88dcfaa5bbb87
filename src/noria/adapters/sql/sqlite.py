"""SQLite: one file, many readers beside one writer."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from noria.adapters.sql.database import BUSY, NOTHING, Connection, NotUnique, Pool, Row, Values
from noria.adapters.sql.errors import StoreBusy, StoreDamaged, StoreFailed
from noria.adapters.sql.patience import patience
from noria.errors import NoriaError

if TYPE_CHECKING:
    import sqlalchemy

# FULL syncs the log at each commit: what was acknowledged survives a loss of power, as objects do. It costs 0.4 ms
# on a quiet disk here, 6 ms on a busy one. NORMAL syncs now and then: it survives any kill, and after a loss of
# power the last commits may be missing, never a part of one.
_FULL, _NORMAL = "FULL", "NORMAL"


class Sqlite:
    """See `noria.adapters.sql.database.Database`."""

    def __init__(self, path: Path, *, busy: float = BUSY) -> None:
        self.store = str(path)
        self.patience = patience(self.store)
        self._path = path
        self._busy = busy
        self._pool: Pool[sqlite3.Connection] = Pool(self.store, self._connect, sqlite3.Connection.close)

    @contextmanager
    def read(self, op: str) -> Iterator[Connection]:
        with self._translating(op), self._pool.taken(op) as raw:
            yield _Connection(raw)

    @contextmanager
    def write(self, op: str, *, outlives_power: bool = True) -> Iterator[Connection]:
        """IMMEDIATE takes the right to write at once: a transaction that reads first and finds out at its first
        write that another has written meanwhile could only fail."""
        with self._translating(op), self._pool.taken(op) as raw:
            raw.execute(f"PRAGMA synchronous = {_FULL if outlives_power else _NORMAL}")
            raw.execute("BEGIN IMMEDIATE")
            try:
                yield _Connection(raw)
                raw.execute("COMMIT")
            except BaseException:
                if raw.in_transaction:
                    raw.execute("ROLLBACK")
                raise

    def has_table(self, connection: Connection, name: str) -> bool:
        found = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = :name"
        return bool(connection.all(found, {"name": name}))

    def make(self) -> bool:
        from noria.adapters.sql.revision import REVISION
        from noria.adapters.sql.written import statements

        with self.write("open") as connection:
            if connection.all("SELECT 1 FROM sqlite_master LIMIT 1"):
                return False  # another process was quicker, or it is no new store
            for statement in statements():
                connection.all(statement)
            connection.insert("INSERT INTO alembic_version VALUES (:revision)", {"revision": REVISION})
        return True

    @contextmanager
    def schema(self) -> Iterator[sqlalchemy.Connection]:
        from sqlalchemy import create_engine
        from sqlalchemy.exc import DBAPIError
        from sqlalchemy.pool import NullPool

        engine = create_engine("sqlite://", creator=self._connect, poolclass=NullPool)
        with self._translating("open"):
            try:
                with engine.connect() as connection:
                    connection.exec_driver_sql("BEGIN IMMEDIATE")
                    yield connection
                    connection.exec_driver_sql("COMMIT")
            except DBAPIError as error:
                raise error.orig or error from error

    def close(self) -> None:
        self._pool.close()

    def _connect(self) -> sqlite3.Connection:
        """Transactions begin where we say, not where the driver guesses."""
        raw = sqlite3.connect(self._path, timeout=self._busy, isolation_level=None, check_same_thread=False)
        try:
            _write_ahead(raw, deadline=time.monotonic() + self._busy)
            raw.execute("PRAGMA foreign_keys = ON")
        except BaseException:
            raw.close()
            raise
        return raw

    @contextmanager
    def _translating(self, op: str) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            known = self._known(error, op)
            if known is None:
                raise
            raise known from error

    def _known(self, error: sqlite3.Error, op: str) -> NoriaError | None:
        """The typed error; None for one that only a fault of Noria's own can cause."""
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the low byte is the family of an extended code
        if code in _BUSY:
            return StoreBusy(store=self.store, op=op, seconds=self._busy)
        if code in _DAMAGED:
            return StoreDamaged(store=self.store, op=op, reason=str(error))
        if code in _FAILED:
            return StoreFailed(store=self.store, op=op, reason=str(error))
        return None


class _Connection:
    for_update = ""

    def __init__(self, raw: sqlite3.Connection) -> None:
        self._raw = raw

    def all(self, sql: str, values: Values = NOTHING) -> list[Row]:
        return self._raw.execute(sql, values).fetchall()

    def alone(self, table: str) -> None:
        """A transaction that writes holds the whole database."""

    def insert(self, sql: str, values: Values) -> int:
        try:
            return int(self._raw.execute(sql, values).lastrowid or 0)
        except sqlite3.IntegrityError as error:
            raise NotUnique from error

    def run(self, sql: str, rows: Sequence[Values]) -> None:
        try:
            self._raw.executemany(sql, rows)
        except sqlite3.IntegrityError as error:
            raise NotUnique from error


def _write_ahead(raw: sqlite3.Connection, *, deadline: float) -> None:
    """Readers and the writer don't wait for one another. The mode stays with the file; while two processes set
    it at once, SQLite answers `busy` without waiting."""
    while True:
        try:
            raw.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.005)  # s; the other's switch is one small write


_BUSY = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_FAILED = {
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_NOLFS,
    sqlite3.SQLITE_PROTOCOL,
}
