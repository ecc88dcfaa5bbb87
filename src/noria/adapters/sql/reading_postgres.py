"""PostgreSQL, to look at: the server itself refuses every change."""

from __future__ import annotations

from typing import TYPE_CHECKING

from noria.adapters.sql.errors import StoreFailed
from noria.adapters.sql.postgres import Postgres
from noria.adapters.sql.sqlstate import Failed
from noria.errors import NoriaError

if TYPE_CHECKING:
    from noria.adapters.sql.wire import Wire

ONLY_READ = "25006"  # SQLSTATE read_only_sql_transaction


class ReadPostgres(Postgres):
    """A database that is looked at."""

    def _connect(self) -> Wire:
        wire = super()._connect()
        wire.ask("SET default_transaction_read_only = on")
        return wire

    def _known(self, failed: Failed, op: str) -> NoriaError | None:
        if failed.state == ONLY_READ:
            return StoreFailed(store=self.store, op=op, reason="it was opened to look at, not to change")
        return super()._known(failed, op)
