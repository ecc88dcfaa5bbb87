"""PostgreSQL, through psycopg 3: many machines on one store."""

from __future__ import annotations

import functools
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

from noria.adapters.sql.database import BUSY, NOTHING, Connection, NotUnique, Pool, Row, Values
from noria.adapters.sql.errors import (
    CommitUnknown,
    DriverMissing,
    StoreBusy,
    StoreDamaged,
    StoreFailed,
    StoreLost,
    StoreRefused,
)
from noria.errors import NoriaError

if TYPE_CHECKING:
    import psycopg
    import sqlalchemy

    Raw = psycopg.Connection[Row]

CONNECT = 10  # s until a server that does not answer is given up; libpq counts whole seconds, 2 at least
FRESH = 1.0  # s for which an idle connection is taken to be sound without asking the server
SCHEMA_LOCK = 0x6E6F726961  # `noria`: whoever changes the schema holds this advisory lock

_FIXES = {
    "28": "set PGUSER and PGPASSWORD, or write ~/.pgpass (mode 0600)",
    "3D": "create the database: createdb NAME",
    "42501": "let the role own the schema: ALTER DATABASE NAME OWNER TO ROLE",
}
"""What to do when a server refuses, by the beginning of its SQLSTATE."""


class Postgres:
    """See `noria.adapters.sql.database.Database`. Statements are prepared by the driver after their fifth use."""

    def __init__(self, url: str, *, busy: float = BUSY) -> None:
        try:
            import psycopg
        except ImportError as error:
            raise DriverMissing(store=shown(url), package="psycopg", extra="postgres") from error
        self.store = shown(url)
        self._errors = psycopg
        self._url = url
        self._busy = busy
        self._pool: Pool[Raw] = Pool(self.store, self._connect, lambda raw: raw.close())
        self._used: dict[int, float] = {}

    @contextmanager
    def read(self, op: str) -> Iterator[Connection]:
        with self._translating(op), self._pool.taken(op, sound=self._sound) as raw:
            yield _Connection(raw, self._errors.errors.IntegrityError)
            self._used[id(raw)] = time.monotonic()

    @contextmanager
    def write(self, op: str, *, outlives_power: bool = True) -> Iterator[Connection]:
        """Always synchronous: without it, a crash of the server alone would lose what was acknowledged."""
        with self._translating(op), self._pool.taken(op, sound=self._sound) as raw:
            raw.execute("BEGIN")
            try:
                yield _Connection(raw, self._errors.errors.IntegrityError)
            except BaseException:
                if not raw.closed and not raw.broken:
                    raw.execute("ROLLBACK")
                raise
            self._commit(raw, op)
            self._used[id(raw)] = time.monotonic()

    @contextmanager
    def own(self, op: str) -> Iterator[Raw]:
        """A connection for a block alone, closed at its end."""
        with self._translating(op), closing(self._connect()) as raw:
            yield raw

    def has_table(self, connection: Connection, name: str) -> bool:
        return connection.all("SELECT to_regclass(:name) IS NOT NULL", {"name": name}) == [(True,)]

    def make(self) -> bool:
        return False  # once in a server's life: `schema` is quick enough

    @contextmanager
    def schema(self) -> Iterator[sqlalchemy.Connection]:
        from sqlalchemy import create_engine
        from sqlalchemy.exc import DBAPIError
        from sqlalchemy.pool import NullPool

        engine = create_engine("postgresql+psycopg://", creator=self._connect_plainly, poolclass=NullPool)
        with self._translating("open"):
            try:
                with engine.begin() as connection:
                    connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({SCHEMA_LOCK})")
                    yield connection
            except DBAPIError as error:
                raise error.orig or error from error

    def close(self) -> None:
        self._pool.close()

    def _connect(self) -> Raw:
        raw = self._connect_plainly()
        raw.autocommit = True  # transactions begin where we say
        milliseconds = int(self._busy * 1000)
        raw.execute(f"SET lock_timeout = {milliseconds}")
        raw.execute("SET client_encoding = 'UTF8'")
        return raw

    def _connect_plainly(self) -> Raw:
        return self._errors.connect(
            self._url,
            connect_timeout=CONNECT,
            application_name="noria",
            keepalives_idle=5,
            keepalives_interval=2,
        )

    def _sound(self, raw: Raw) -> bool:
        """Whether an idle connection still has its server; one that was used just now is believed."""
        if raw.closed:
            return False
        if time.monotonic() - self._used.get(id(raw), 0.0) < FRESH:
            return True
        try:
            raw.execute("SELECT 1")
        except self._errors.Error:  # the server has restarted since: another connection takes its place
            return False
        return True

    def _commit(self, raw: Raw, op: str) -> None:
        try:
            raw.execute("COMMIT")
        except self._errors.OperationalError as error:
            raise CommitUnknown(store=self.store, op=op) from error

    @contextmanager
    def _translating(self, op: str) -> Iterator[None]:
        try:
            yield
        except self._errors.Error as error:
            known = self._known(error, op)
            if known is None:
                raise
            raise known from error

    def _known(self, error: psycopg.Error, op: str) -> NoriaError | None:
        """The typed error; None for one that only a fault of Noria's own can cause."""
        state = error.sqlstate or ""
        reason = self._said(error)
        for beginning, fix in _FIXES.items():
            if state.startswith(beginning):
                return StoreRefused(store=self.store, reason=reason, fix=fix)
        if state in (
            "55P03",
            "40001",
            "40P01",
            "57014",
            "53300",
        ):  # lock, deadlock, time-out, too many clients
            return StoreBusy(store=self.store, op=op, seconds=self._busy)
        if state in ("XX001", "XX002"):
            return StoreDamaged(store=self.store, op=op, reason=reason)
        if state.startswith(("53", "58")):  # disk full, input or output failed
            return StoreFailed(store=self.store, op=op, reason=reason)
        if isinstance(error, self._errors.OperationalError):
            return self._refused(reason) or StoreLost(store=self.store, op=op, reason=reason)
        return None

    def _refused(self, reason: str) -> NoriaError | None:
        """libpq tells why a connection did not come about in words alone."""
        words = {
            r"password authentication failed|no password supplied|role .* does not exist|pg_hba": "28",
            r"database .* does not exist": "3D",
        }
        for pattern, state in words.items():
            if re.search(pattern, reason):
                return StoreRefused(store=self.store, reason=reason, fix=_FIXES[state])
        return None

    def _said(self, error: psycopg.Error) -> str:
        """The server's sentence, without what libpq repeats of the address."""
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        return without_secrets(lines[0] if lines else type(error).__name__, self._url)


class _Connection:
    for_update = " FOR UPDATE"

    def __init__(self, raw: Raw, integrity: type[Exception]) -> None:
        self._raw = raw
        self._integrity = integrity

    def all(self, sql: str, values: Values = NOTHING) -> list[Row]:
        return self._raw.execute(translated(sql), values).fetchall()

    def insert(self, sql: str, values: Values) -> int:
        try:
            row: Any = self._raw.execute(translated(f"{sql} RETURNING id"), values).fetchone()
        except self._integrity as error:
            raise NotUnique from error
        return int(row[0])

    def run(self, sql: str, rows: Sequence[Values]) -> None:
        if not rows:
            return
        try:
            with self._raw.cursor() as cursor:
                cursor.executemany(translated(sql), rows)
        except self._integrity as error:
            raise NotUnique from error


@functools.lru_cache(maxsize=1024)
def translated(sql: str) -> bytes:
    """`:name` as psycopg writes it; bytes, for psycopg takes text for a statement only where it is a literal."""
    return re.sub(r":([a-z_]+\d*)", r"%(\1)s", sql.replace("%", "%%")).encode()


def shown(url: str) -> str:
    """The address without a password."""
    plain = re.sub(r"(?<=://)([^/@:]*):[^/@]*@", r"\1@", url)
    return re.sub(r"([?&]password=)[^&]*", r"\1***", plain)


def without_secrets(text: str, url: str) -> str:
    found = re.search(r"://[^/@:]*:([^/@]*)@|[?&]password=([^&]*)", url)
    for secret in filter(None, found.groups() if found else ()):
        text = text.replace(secret, "***")
    return text
