"""What the doors ask of a database, whichever it is: one SQL with `:named` parameters, rows as tuples.

The statements are plain text for the databases' own drivers: importing SQLAlchemy costs more than most commands take.
It makes and migrates the schema, and nothing else (0009).
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from noria.adapters.patience import Patience
from noria.adapters.sql.errors import ClosedStore, OtherProcess

if TYPE_CHECKING:
    import sqlalchemy

Row = tuple[Any, ...]
Values = Mapping[str, Any]
NOTHING: Values = {}
BUSY = 15.0  # s; the longest honest holder, a batch of 100,000 labels, needs 3: beyond, something is stuck


class NotUnique(Exception):
    """A row would be there twice; the transaction is lost."""


class Connection(Protocol):
    """A connection, inside of a transaction when it came from `write`."""

    for_update: str
    """What lets a SELECT lock the rows that it finds; empty where the transaction holds the whole database."""

    def all(self, sql: str, values: Values = NOTHING) -> list[Row]: ...

    def alone(self, table: str) -> None:
        """Wait until nobody else is alone with a table, and be it to the end of the transaction: what such a one did is
        seen then. Others read and write it meanwhile."""
        ...

    def insert(self, sql: str, values: Values) -> int:
        """Insert one row, and give the id that it got. Raises `NotUnique`."""
        ...

    def run(self, sql: str, rows: Sequence[Values]) -> None:
        """A statement once for each of these values, without results. Raises `NotUnique`."""
        ...


class Database(Protocol):
    """Connections to one database, from many threads of one process. Each error of the driver is translated."""

    store: str
    """Its name in errors, without a password."""
    patience: Patience
    """With which questions are asked again when the connection was lost under them."""

    def read(self, op: str) -> AbstractContextManager[Connection]:
        """A connection for questions; each statement sees what was committed before it."""
        ...

    def write(self, op: str, *, outlives_power: bool = True) -> AbstractContextManager[Connection]:
        """One transaction that holds the right to write: committed at the end of the block, nothing of it remains when
        the block raises. Once committed it survives `kill -9`, and, unless the caller can do it again at little cost,
        a loss of power. Raises `CommitUnknown` when the connection was lost in the middle of committing."""
        ...

    def has_table(self, connection: Connection, name: str) -> bool: ...

    def make(self) -> bool:
        """All tables in a database that has none, in one transaction, where that needs no SQLAlchemy; False: not done."""
        ...

    def schema(self) -> AbstractContextManager[sqlalchemy.Connection]:
        """A transaction for changes of the schema: of two processes, one at a time."""
        ...

    def close(self) -> None:
        """Close all connections; a second time is harmless. In a forked child they are left alone: closing them
        there would take the parent's locks away."""
        ...


def first(connection: Connection, sql: str, values: Values = NOTHING) -> Row | None:
    """The first row; None where there is none."""
    rows = connection.all(sql, values)
    return rows[0] if rows else None


def value(connection: Connection, sql: str, values: Values = NOTHING) -> Any:
    """The first row's first value; None where there is no row."""
    row = first(connection, sql, values)
    return row[0] if row else None


def one_of(name: str, values: Sequence[Any]) -> tuple[str, dict[str, Any]]:
    """`(:kind0, :kind1)` for an IN, and the values."""
    named = {f"{name}{number}": item for number, item in enumerate(values)}
    return f"({', '.join(f':{key}' for key in named)})", named


C = TypeVar("C")


class Pool(Generic[C]):
    """Open connections that nobody uses just now, of one process."""

    def __init__(self, store: str, connect: Callable[[], C], close: Callable[[C], None]) -> None:
        self._store = store
        self._connect = connect
        self._close = close
        self._process = os.getpid()
        self._closed = False
        self._idle: list[C] = []
        self._lock = threading.Lock()

    @contextmanager
    def taken(self, op: str, *, sound: Callable[[C], bool] = lambda connection: True) -> Iterator[C]:
        """A connection of the caller's own for a block. One that raised is closed: nobody knows its state."""
        if self._process != os.getpid():
            raise OtherProcess(store=self._store, opened=self._process, here=os.getpid())
        if self._closed:
            raise ClosedStore(store=self._store, op=op)
        connection = self._take(sound)
        try:
            yield connection
        except BaseException:
            self._close(connection)
            raise
        self._give(connection)

    def close(self) -> None:
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        if os.getpid() == self._process:
            for connection in idle:
                self._close(connection)

    def _take(self, sound: Callable[[C], bool]) -> C:
        while True:
            with self._lock:
                found = self._idle.pop() if self._idle else None
            if found is None:
                return self._connect()
            if sound(found):
                return found
            self._close(found)

    def _give(self, connection: C) -> None:
        with self._lock:
            if not self._closed:
                self._idle.append(connection)
                return
        self._close(connection)
