"""What can go wrong between Noria and its database; each driver's words are translated into these once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from noria.errors import BackendError, Bug, ConfigError, Corrupt, Unavailable, UsageError


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
    next: ClassVar[str] = "name a file, sqlite:///path/to/noria.db, or postgresql://host/database"
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


@dataclass(eq=False)
class StoreLost(Unavailable):
    code: ClassVar[str] = "RECORDS-LOST"
    what: ClassVar[str] = "the connection to the records in {store} was lost (on {op}): {reason}"
    next: ClassVar[str] = "is the server up? Then run the command again: what was acknowledged is there"
    store: str
    op: str
    reason: str


@dataclass(eq=False)
class CommitUnknown(Unavailable):
    """The server may have committed, or not: whoever did it looks."""

    code: ClassVar[str] = "RECORDS-COMMIT"
    what: ClassVar[str] = "the connection to the records in {store} was lost in the middle of committing {op}"
    next: ClassVar[str] = "run the command again: it finds out what is there"
    store: str
    op: str


@dataclass(eq=False)
class StoreRefused(BackendError):
    code: ClassVar[str] = "RECORDS-REFUSED"
    what: ClassVar[str] = "the records in {store} refuse us: {reason}"
    next: ClassVar[str] = "{fix}"
    store: str
    reason: str
    fix: str


@dataclass(eq=False)
class DriverMissing(ConfigError):
    code: ClassVar[str] = "RECORDS-DRIVER"
    what: ClassVar[str] = "records in {store} need the package {package}, which is not installed"
    next: ClassVar[str] = "pip install 'noria[{extra}]'"
    store: str
    package: str
    extra: str
