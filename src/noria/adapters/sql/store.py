"""Opening the records: one database, seven doors."""

from __future__ import annotations

import os
import re
from pathlib import Path
from types import TracebackType

from noria.adapters.patience import Tell, silent
from noria.adapters.sql.database import BUSY, Database
from noria.adapters.sql.errors import StoreFailed, UnsupportedStore
from noria.adapters.sql.feedback import FeedbackLog
from noria.adapters.sql.ledger import Ledger
from noria.adapters.sql.monitors import Monitors
from noria.adapters.sql.outbox import Outbox
from noria.adapters.sql.rollouts import Rollouts
from noria.adapters.sql.runs import Runs
from noria.adapters.sql.schema import prepare
from noria.adapters.sql.services import Services
from noria.adapters.sql.sqlite import Sqlite
from noria.adapters.sql.versions import Versions
from noria.ports import records as doors
from noria.ports.leases import Leases


class Records:
    """The doors of `noria.ports.records` over one database. Safe for many threads, and for many processes that
    each open their own; of no use in a forked child."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.ledger: doors.Ledger = Ledger(database)
        self.runs: doors.RunRecords = Runs(database)
        self.versions: doors.VersionRecords = Versions(database)
        self.monitors: doors.MonitorRecords = Monitors(database)
        self.rollouts: doors.RolloutRecords = Rollouts(database)
        self.feedback: doors.FeedbackRecords = FeedbackLog(database)
        self.outbox: doors.OutboxRecords = Outbox(database)
        self.services: doors.ServiceRecords = Services(database)

    @property
    def leases(self) -> Leases | None:
        """Leases among all who share this database; None where it is a file of one machine."""
        if isinstance(self._database, Sqlite):
            return None
        from noria.adapters.sql.leases import PostgresLeases
        from noria.adapters.sql.postgres import Postgres

        return PostgresLeases(self._database) if isinstance(self._database, Postgres) else None

    def close(self) -> None:
        """Let go of the database; a second time is harmless."""
        self._database.close()

    def __enter__(self) -> Records:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def open_records(where: str | Path, *, busy: float = BUSY, tell: Tell = silent) -> Records:
    """The records at a path or URL (`sqlite:///noria.db`, `postgresql://host/database`), created or migrated as
    needed.

    `busy` is for how many seconds a writer waits for another before it raises `StoreBusy`; `tell` hears
    what a lost connection is waited for. Raises a
    `BackendError` for a store of a newer Noria, for a foreign database and for one that cannot be used.
    """
    database = _database(where, busy, tell)
    try:
        prepare(database)
    except BaseException:
        database.close()
        raise
    return Records(database)


def _database(where: str | Path, busy: float, tell: Tell) -> Database:
    if isinstance(where, str) and where.startswith(("postgresql://", "postgres://")):
        from noria.adapters.sql.postgres import Postgres

        return Postgres(where, busy=busy, tell=tell)
    path = _path(where)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            path.touch()  # SQLite itself would let its maker alone write, whatever the umask says
    except OSError as error:
        raise StoreFailed(store=str(path), op="open", reason=str(error)) from error
    return Sqlite(path, busy=busy)


def only_readable(where: str | Path) -> bool:
    """Whether the records are a file that is there, in a folder where this process may write nothing: they can be
    looked at, and no more."""
    if str(where).startswith(("postgresql://", "postgres://")):
        return False
    path = _path(where)
    return path.exists() and not os.access(path.parent, os.W_OK)


def _path(where: str | Path) -> Path:
    if isinstance(where, Path) or "://" not in where:
        return Path(where).absolute()
    scheme, _, path = where.partition("://")
    if scheme != "sqlite" or not path.startswith("/") or path in ("/", "/:memory:"):
        raise UnsupportedStore(url=without_password(where))
    return Path(path[1:]).absolute()  # sqlite:///relative.db, sqlite:////absolute.db


def without_password(url: str) -> str:
    """An address that may be shown."""
    return re.sub(r"(?<=://)([^/@:]*):[^/@]*@", r"\1:***@", url) or "an address that is no URL"
