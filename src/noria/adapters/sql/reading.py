"""Records to look at: nothing is created, migrated or locked, on a file system that may be read-only."""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar
from urllib.parse import quote

from noria.adapters.patience import Tell, silent
from noria.adapters.sql.database import BUSY, Connection, Database
from noria.adapters.sql.errors import ForeignDatabase, StoreLost
from noria.adapters.sql.patience import persist
from noria.adapters.sql.revision import REVISION
from noria.adapters.sql.schema import BOOKKEEPING, _revision
from noria.adapters.sql.sqlite import Sqlite
from noria.adapters.sql.store import Records, _path
from noria.errors import BackendError, NotFound


@dataclass(eq=False)
class NoRecords(NotFound):
    code: ClassVar[str] = "RECORDS-NONE"
    what: ClassVar[str] = "nothing has been recorded yet: there are no records in {store}"
    next: ClassVar[str] = "noria run; or name another project"
    store: str


@dataclass(eq=False)
class OtherSchema(BackendError):
    code: ClassVar[str] = "RECORDS-SCHEMA-OTHER"
    what: ClassVar[str] = "the records in {store} have schema {found}, and this Noria reads {known}"
    next: ClassVar[str] = (
        "if they are older, any command that may write brings them up to date, such as noria status; "
        "if they are newer, install the Noria that wrote them"
    )
    store: str
    found: str
    known: str


def open_reading(where: str | Path, *, busy: float = BUSY, tell: Tell = silent) -> Records:
    """The records at a path or URL, to look at; `tell` hears what is waited for. Raises `NoRecords`, `OtherSchema`, `ForeignDatabase`, and a
    `BackendError` for one that cannot be used."""
    database = _database(where, busy, tell)
    try:
        persist(database, lambda: _check(database))
    except BaseException:
        database.close()
        raise
    return Records(database)


def _database(where: str | Path, busy: float, tell: Tell) -> Database:
    if str(where).startswith(("postgresql://", "postgres://")):
        from noria.adapters.sql.reading_postgres import ReadPostgres

        return ReadPostgres(str(where), busy=busy, tell=tell)
    path = _path(where)
    if not path.exists():
        raise NoRecords(store=str(path))
    return ReadSqlite(path, busy=busy)


def _check(database: Database) -> None:
    with database.read("open") as connection:
        if not database.has_table(connection, BOOKKEEPING):
            if database.has_table(connection, "runs"):
                raise ForeignDatabase(store=database.store, tables=["runs"])
            raise NoRecords(store=database.store)
        found = _revision(database, connection)
    if found != REVISION:
        raise OtherSchema(store=database.store, found=str(found), known=REVISION)


class ReadSqlite(Sqlite):
    """A file that is looked at, also where its folder cannot be written: SQLite wants to keep two files beside one
    that has a write-ahead log."""

    def __init__(self, path: Path, *, busy: float = BUSY) -> None:
        super().__init__(path, busy=busy)
        self._still: tuple[int, int] | None = None
        """What the file looked like when it was opened as one that nobody changes."""

    @contextmanager
    def read(self, op: str) -> Iterator[Connection]:
        """Where nothing can be locked, a writer may come in between: then `StoreLost` has the question asked again."""
        try:
            with super().read(op) as connection:
                yield connection
                self._unchanged(op)
        except Exception:  # torn pages give any error; that they are torn is the better explanation
            self._unchanged(op)
            raise

    def _connect(self) -> sqlite3.Connection:
        try:
            return self._opened(f"file:{quote(str(self._path))}?mode=ro")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF not in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY):
                raise
        if self._log_size():
            return self._copied()
        self._still = self._looks()
        return self._opened(f"file:{quote(str(self._path))}?immutable=1")

    def _opened(self, uri: str) -> sqlite3.Connection:
        raw = sqlite3.connect(
            uri, uri=True, timeout=self._busy, isolation_level=None, check_same_thread=False
        )
        try:
            raw.execute("PRAGMA query_only = ON")
            raw.execute("SELECT 1 FROM sqlite_master").fetchone()  # only now is the file opened
        except BaseException:
            raw.close()
            raise
        return raw

    def _copied(self) -> sqlite3.Connection:
        """A killed writer left its log where nobody can read it in: in a copy one can."""
        with tempfile.TemporaryDirectory(prefix="noria-") as folder:
            copy = Path(folder) / self._path.name
            shutil.copyfile(self._path, copy)
            shutil.copyfile(f"{self._path}-wal", f"{copy}-wal")
            raw = self._opened(f"file:{quote(str(copy))}?mode=rw")
        return raw  # its files are open; their names are gone already

    def _log_size(self) -> int:
        try:
            return os.stat(f"{self._path}-wal").st_size  # noqa: PTH116  # the name is no Path
        except FileNotFoundError:
            return 0

    def _looks(self) -> tuple[int, int]:
        stat = self._path.stat()
        return stat.st_mtime_ns, stat.st_size

    def _unchanged(self, op: str) -> None:
        if self._still is not None and (self._log_size() or self._looks() != self._still):
            self._still = None
            raise StoreLost(store=self.store, op=op, reason="it was written to while it was read")
