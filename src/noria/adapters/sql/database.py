"""One database: how it is connected to, read and written. All that is SQLite's alone stands in this file."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import URL, Connection, create_engine, event, exc
from sqlalchemy.pool import ConnectionPoolEntry

from noria.adapters.sql.errors import ClosedStore, OtherProcess, translated

BUSY = 15.0  # s; the longest honest holder, a batch of 100,000 labels, needs 3: beyond, something is stuck

_SYNC = "noria_sync"  # an option of a connection: how far its commits are synced; absent: it only reads
# FULL syncs the log at each commit: what was acknowledged survives a loss of power, as objects do. It costs 0.4 ms
# on a quiet disk here, 6 ms on a busy one. NORMAL syncs now and then: it survives any kill, and after a loss of
# power the last commits may be missing, never a part of one.
_FULL, _NORMAL = "FULL", "NORMAL"


class Database:
    """Connections to one database, from many threads of one process. Each error of the driver is translated."""

    def __init__(self, path: Path, *, busy: float = BUSY) -> None:
        self.store = str(path)
        self._busy = busy
        self._process = os.getpid()
        self._closed = False
        self._engine = create_engine(URL.create("sqlite", database=str(path)))
        event.listen(self._engine, "connect", self._prepare)
        event.listen(self._engine, "begin", _begin)
        self._writers = {mode: self._engine.execution_options(**{_SYNC: mode}) for mode in (_FULL, _NORMAL)}

    @contextmanager
    def read(self, op: str) -> Iterator[Connection]:
        """A connection for questions; each statement sees what was committed before it."""
        with self._guard(op), self._engine.connect() as connection:
            yield connection

    @contextmanager
    def write(self, op: str, *, outlives_power: bool = True) -> Iterator[Connection]:
        """One transaction that holds the right to write from its start: committed at the end of the block,
        nothing of it remains when the block raises. Once committed it survives `kill -9`, and, unless the caller
        can do it again at little cost, a loss of power."""
        with self._guard(op), self._writers[_FULL if outlives_power else _NORMAL].begin() as connection:
            yield connection

    def close(self) -> None:
        """Close all connections; a second time is harmless. In a forked child they are left alone: closing them
        there would take the parent's locks away."""
        self._closed = True
        self._engine.dispose(close=os.getpid() == self._process)

    @contextmanager
    def _guard(self, op: str) -> Iterator[None]:
        if self._process != os.getpid():
            raise OtherProcess(store=self.store, opened=self._process, here=os.getpid())
        if self._closed:
            raise ClosedStore(store=self.store, op=op)
        try:
            yield
        except exc.SQLAlchemyError as error:
            known = translated(error, store=self.store, op=op, busy=self._busy)
            if known is None:
                raise
            raise known from error

    def _prepare(self, connection: sqlite3.Connection, _: ConnectionPoolEntry) -> None:
        connection.isolation_level = (
            None  # transactions begin where `_begin` says, not where the driver guesses
        )
        connection.execute(f"PRAGMA busy_timeout = {int(self._busy * 1000)}")
        _write_ahead(connection, deadline=time.monotonic() + self._busy)
        connection.execute("PRAGMA foreign_keys = ON")


def _begin(connection: Connection) -> None:
    """IMMEDIATE takes the right to write at once: a transaction that reads first and finds out at its first
    write that another has written meanwhile could only fail."""
    if sync := connection.get_execution_options().get(_SYNC):
        connection.exec_driver_sql(f"PRAGMA synchronous = {sync}")
        connection.exec_driver_sql("BEGIN IMMEDIATE")


def _write_ahead(connection: sqlite3.Connection, *, deadline: float) -> None:
    """Readers and the writer don't wait for one another. The mode stays with the file; while two processes set
    it at once, SQLite answers `busy` without waiting."""
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.005)  # s; the other's switch is one small write
