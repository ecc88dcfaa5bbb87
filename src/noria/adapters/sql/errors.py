"""What can go wrong between Noria and its database, translated once from the driver's words."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from typing import ClassVar

from sqlalchemy import exc

from noria.errors import BackendError, Bug, ConfigError, Corrupt, NoriaError, Unavailable, UsageError


@dataclass(eq=False)
class StoreBusy(Unavailable):
    code: ClassVar[str] = "RECORDS-BUSY"
    what: ClassVar[str] = "the records in {store} were busy for longer than {seconds:g} s (on {op})"
    next: ClassVar[str] = "try again; if it stays so, look for a process that holds the file (fuser {store})"
    store: str
    op: str
    seconds: float


@dataclass(eq=False)
class StoreFailed(BackendError):
    code: ClassVar[str] = "RECORDS-FAILED"
    what: ClassVar[str] = "the records in {store} cannot be used (on {op}): {reason}"
    next: ClassVar[str] = "check free space and permissions of the folder of {store}"
    store: str
    op: str
    reason: str


@dataclass(eq=False)
class StoreDamaged(Corrupt):
    code: ClassVar[str] = "RECORDS-DAMAGED"
    what: ClassVar[str] = "{store} is damaged, or no database of records (on {op}): {reason}"
    next: ClassVar[str] = "stop what writes to it, keep a copy, and restore it from a backup"
    store: str
    op: str
    reason: str


@dataclass(eq=False)
class UnknownSchema(BackendError):
    code: ClassVar[str] = "RECORDS-SCHEMA"
    what: ClassVar[str] = (
        "the records in {store} have schema {found}, which this Noria does not know (it goes up to {known})"
    )
    next: ClassVar[str] = "a newer Noria has written them: install that version here, too"
    store: str
    found: str
    known: str


@dataclass(eq=False)
class ForeignDatabase(BackendError):
    code: ClassVar[str] = "RECORDS-FOREIGN"
    what: ClassVar[str] = "{store} is a database of something else: it has the tables {tables}"
    next: ClassVar[str] = "name another file or database for Noria's records"
    store: str
    tables: list[str]


@dataclass(eq=False)
class UnsupportedStore(ConfigError):
    code: ClassVar[str] = "RECORDS-UNSUPPORTED"
    what: ClassVar[str] = "records cannot be kept in {url}"
    next: ClassVar[str] = "name a file, or sqlite:///path/to/noria.db"
    url: str


@dataclass(eq=False)
class OtherProcess(UsageError):
    code: ClassVar[str] = "RECORDS-FORKED"
    what: ClassVar[str] = (
        "the records in {store} were opened by process {opened}, and process {here} uses them"
    )
    next: ClassVar[str] = "open them anew in each process: a database connection does not survive a fork"
    store: str
    opened: int
    here: int


@dataclass(eq=False)
class ClosedStore(Bug):
    code: ClassVar[str] = "RECORDS-CLOSED"
    what: ClassVar[str] = "the records in {store} were closed before {op}"
    next: ClassVar[str] = "report this with the command that you ran"
    store: str
    op: str


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


def translated(error: exc.SQLAlchemyError, *, store: str, op: str, busy: float) -> NoriaError | None:
    """The typed error for a driver's; None for one that only a fault of Noria's own can cause."""
    if isinstance(error, exc.TimeoutError):  # no free connection in the pool
        return StoreBusy(store=store, op=op, seconds=busy)
    if not isinstance(error, exc.DBAPIError):
        return None
    code = getattr(error.orig, "sqlite_errorcode", 0) & 0xFF  # the low byte is the family of an extended code
    if code in _BUSY:
        return StoreBusy(store=store, op=op, seconds=busy)
    if code in _DAMAGED:
        return StoreDamaged(store=store, op=op, reason=str(error.orig))
    if code in _FAILED:
        return StoreFailed(store=store, op=op, reason=str(error.orig))
    return None
