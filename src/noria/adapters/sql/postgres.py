"""PostgreSQL: many machines on one store."""

from __future__ import annotations

import functools
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

from noria.adapters.patience import Tell, silent
from noria.adapters.sql.database import BUSY, NOTHING, Connection, NotUnique, Pool, Row, Values
from noria.adapters.sql.errors import CommitUnknown, DriverMissing, StoreBusy
from noria.adapters.sql.patience import patience
from noria.adapters.sql.sqlstate import NOT_UNIQUE, Failed, known, shown
from noria.errors import NoriaError

if TYPE_CHECKING:
    import sqlalchemy

    from noria.adapters.sql.wire import Wire

FRESH = 1.0  # s for which an idle connection is taken to be sound without asking the server
SCHEMA_LOCK = 0x6E6F726961  # `noria`: whoever changes the schema holds this advisory lock
LOOK = 0.05  # s between two looks for it: making all tables takes some 0.2 s


class Postgres:
    """See `noria.adapters.sql.database.Database`."""

    def __init__(self, url: str, *, busy: float = BUSY, tell: Tell = silent) -> None:
        try:
            import noria.adapters.sql.wire as wire
        except ImportError as error:
            raise DriverMissing(store=shown(url), package="psycopg2", extra="postgres") from error
        self.store = shown(url)
        self.patience = patience(self.store, tell)
        self._wire = wire
        self._url = url
        self._busy = busy
        self._pool: Pool[Wire] = Pool(self.store, self._connect, lambda wire: wire.close())

    @contextmanager
    def read(self, op: str) -> Iterator[Connection]:
        with self._translating(op), self._pool.taken(op, sound=_sound) as wire:
            yield _Connection(wire)

    @contextmanager
    def write(self, op: str, *, outlives_power: bool = True) -> Iterator[Connection]:
        """Always synchronous: without it, a crash of the server alone would lose what was acknowledged."""
        with self._translating(op), self._pool.taken(op, sound=_sound) as wire:
            wire.ask("BEGIN")
            try:
                yield _Connection(wire)
            except BaseException:
                if not wire.closed:
                    wire.ask("ROLLBACK")
                raise
            self._commit(wire, op)

    @contextmanager
    def own(self, op: str) -> Iterator[Wire]:
        """A connection for a block alone, closed at its end."""
        with self._translating(op), closing(self._connect()) as wire:
            yield wire

    def has_table(self, connection: Connection, name: str) -> bool:
        return connection.all("SELECT to_regclass(:name) IS NOT NULL", {"name": name}) == [(True,)]

    def make(self) -> bool:
        return False  # once in a server's life: `schema` is quick enough

    @contextmanager
    def schema(self) -> Iterator[sqlalchemy.Connection]:
        from sqlalchemy import create_engine
        from sqlalchemy.exc import DBAPIError
        from sqlalchemy.pool import NullPool

        plainly = functools.partial(self._wire.connect_plainly, self._url)
        engine = create_engine("postgresql+psycopg2://", creator=plainly, poolclass=NullPool)
        with self._translating("open"):
            try:
                with engine.begin() as connection:
                    self._lock_schema(connection)
                    yield connection
            except DBAPIError as error:
                raise self._wire.failed(error.orig) from error  # type: ignore[arg-type]  # it is the driver's

    def close(self) -> None:
        self._pool.close()

    def _connect(self) -> Wire:
        wire = self._wire.connect(self._url)
        wire.ask(f"SET lock_timeout = {self._milliseconds}")
        return wire

    @property
    def _milliseconds(self) -> int:
        return int(1000 * self._busy)

    def _lock_schema(self, connection: sqlalchemy.Connection) -> None:
        """Asked for again and again: SQLAlchemy's connection blocks, and Ctrl-C would not end one long wait."""
        connection.exec_driver_sql(f"SET lock_timeout = {self._milliseconds}")
        deadline = time.monotonic() + self._busy
        while not connection.exec_driver_sql(f"SELECT pg_try_advisory_xact_lock({SCHEMA_LOCK})").scalar():
            if time.monotonic() > deadline:
                raise StoreBusy(store=self.store, op="open", seconds=self._busy)
            time.sleep(LOOK)

    def _commit(self, wire: Wire, op: str) -> None:
        try:
            wire.ask("COMMIT")
        except Failed as error:
            if not error.lost:
                raise
            raise CommitUnknown(store=self.store, op=op) from error

    @contextmanager
    def _translating(self, op: str) -> Iterator[None]:
        try:
            yield
        except Failed as error:
            said = self._known(error, op)
            if said is None:
                raise
            raise said from error

    def _known(self, failed: Failed, op: str) -> NoriaError | None:
        return known(failed, url=self._url, op=op, busy=self._busy)


def _sound(wire: Wire) -> bool:
    """Whether an idle connection still has its server; one that was used just now is believed."""
    if wire.closed:
        return False
    if time.monotonic() - wire.used < FRESH:
        return True
    try:
        wire.ask("SELECT 1")
    except Failed:  # the server has restarted since: another connection takes its place
        return False
    return True


class _Connection:
    for_update = " FOR UPDATE"

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    def all(self, sql: str, values: Values = NOTHING) -> list[Row]:
        return self._wire.ask(translated(sql), values)

    def alone(self, table: str) -> None:
        self._wire.ask(
            f"LOCK TABLE {table} IN SHARE UPDATE EXCLUSIVE MODE"
        )  # it conflicts with itself, and no write

    def insert(self, sql: str, values: Values) -> int:
        with _unique():
            return int(self.all(f"{sql} RETURNING id", values)[0][0])

    def run(self, sql: str, rows: Sequence[Values]) -> None:
        with _unique():
            self._wire.each(translated(sql), rows)


@contextmanager
def _unique() -> Iterator[None]:
    try:
        yield
    except Failed as error:
        if error.state.startswith(NOT_UNIQUE):
            raise NotUnique from error
        raise


@functools.lru_cache(maxsize=1024)
def translated(sql: str) -> str:
    """`:name` as the driver writes it."""
    return re.sub(r":([a-z_]+\d*)", r"%(\1)s", sql.replace("%", "%%"))
