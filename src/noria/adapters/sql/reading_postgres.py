"""PostgreSQL, to look at: the server itself refuses every change."""

from __future__ import annotations

from typing import TYPE_CHECKING

from noria.adapters.sql.database import Row
from noria.adapters.sql.errors import StoreFailed
from noria.adapters.sql.postgres import Postgres
from noria.errors import NoriaError

if TYPE_CHECKING:
    import psycopg

ONLY_READ = "25006"  # SQLSTATE read_only_sql_transaction


class ReadPostgres(Postgres):
    """A database that is looked at."""

    def _connect(self) -> psycopg.Connection[Row]:
        raw = super()._connect()
        raw.execute("SET default_transaction_read_only = on")
        return raw

    def _known(self, error: psycopg.Error, op: str) -> NoriaError | None:
        if error.sqlstate == ONLY_READ:
            return StoreFailed(store=self.store, op=op, reason="it was opened to look at, not to change")
        return super()._known(error, op)
