"""Opening the records: one database, six doors."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType

from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from noria.adapters.sql.database import BUSY, Database
from noria.adapters.sql.errors import StoreFailed, UnsupportedStore
from noria.adapters.sql.feedback import FeedbackLog
from noria.adapters.sql.ledger import Ledger
from noria.adapters.sql.monitors import Monitors
from noria.adapters.sql.runs import Runs
from noria.adapters.sql.schema import prepare
from noria.adapters.sql.services import Services
from noria.adapters.sql.versions import Versions
from noria.ports import records as doors


class Records:
    """The doors of `noria.ports.records` over one database. Safe for many threads, and for many processes that
    each open their own; of no use in a forked child."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.ledger: doors.Ledger = Ledger(database)
        self.runs: doors.RunRecords = Runs(database)
        self.versions: doors.VersionRecords = Versions(database)
        self.monitors: doors.MonitorRecords = Monitors(database)
        self.feedback: doors.FeedbackRecords = FeedbackLog(database)
        self.services: doors.ServiceRecords = Services(database)

    def close(self) -> None:
        """Let go of the database; a second time is harmless."""
        self._database.close()

    def __enter__(self) -> Records:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def open_records(where: str | Path, *, busy: float = BUSY) -> Records:
    """The records at a path or URL (`sqlite:///noria.db`), created or migrated as needed.

    `busy` is for how many seconds a writer waits for another before it raises `StoreBusy`. Raises a
    `BackendError` for a store of a newer Noria, for a foreign database and for a folder that cannot be written.
    """
    path = _path(where)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreFailed(store=str(path), op="open", reason=str(error)) from error
    database = Database(path, busy=busy)
    try:
        prepare(database)
    except BaseException:
        database.close()
        raise
    return Records(database)


def _path(where: str | Path) -> Path:
    if isinstance(where, Path) or "://" not in where:
        return Path(where).absolute()
    try:
        url = make_url(where)
    except ArgumentError as error:
        raise UnsupportedStore(url="an address that is no URL") from error
    if url.get_backend_name() != "sqlite" or not url.database or url.database == ":memory:":
        raise UnsupportedStore(url=url.render_as_string(hide_password=True))
    return Path(url.database).absolute()
