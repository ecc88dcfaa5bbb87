"""From whatever lies at the address to the tables that this code expects."""

from __future__ import annotations

from typing import TYPE_CHECKING

from noria.adapters.sql.database import Connection, Database, value
from noria.adapters.sql.errors import ForeignDatabase, UnknownSchema
from noria.adapters.sql.patience import persist
from noria.adapters.sql.revision import REVISION

if TYPE_CHECKING:
    import sqlalchemy

BOOKKEEPING = "alembic_version"


def prepare(database: Database) -> None:
    """Create the tables, or migrate them, in one transaction: of two processes that open a store at once, one
    does it. Raises `UnknownSchema` for a store that a newer Noria has written, `ForeignDatabase` for one that
    is not ours."""
    if not persist(database, lambda: _current(database)) and not database.make():
        # all of it or nothing: after a lost connection it is done again
        persist(database, lambda: _bring_up(database))


def _bring_up(database: Database) -> None:
    from sqlalchemy import inspect

    with database.schema() as connection:
        tables = inspect(connection).get_table_names()
        if not tables:
            create(connection)
        elif BOOKKEEPING not in tables:
            raise ForeignDatabase(store=database.store, tables=tables)
        elif found_in(connection) != REVISION:  # else another process was quicker
            migrate(connection, database.store)


def _current(database: Database) -> bool:
    with database.read("open") as connection:
        return _revision(database, connection) == REVISION


def _revision(database: Database, connection: Connection) -> str | None:
    if not database.has_table(connection, BOOKKEEPING):
        return None
    found = value(connection, f"SELECT version_num FROM {BOOKKEEPING}")
    return None if found is None else str(found)


def create(connection: sqlalchemy.Connection) -> None:
    """All tables at once; a test holds them equal to what the migrations give."""
    from sqlalchemy import insert

    from noria.adapters.sql.tables import bookkeeping, metadata, schema_version

    metadata.create_all(connection, checkfirst=False)
    bookkeeping.create_all(connection, checkfirst=False)
    connection.execute(insert(schema_version).values(version_num=REVISION))


def migrate(connection: sqlalchemy.Connection, store: str, *, to: str = REVISION) -> None:
    """Bring the tables from the revision that they have to another; Alembic is imported only here."""
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", "noria.adapters.sql:migrations")
    config.attributes["connection"] = connection
    known = [script.revision for script in ScriptDirectory.from_config(config).walk_revisions()]
    found = found_in(connection)
    if found is not None and found not in known:
        raise UnknownSchema(store=store, found=found, known=REVISION)
    command.upgrade(config, to)


def found_in(connection: sqlalchemy.Connection) -> str | None:
    """The migration that the tables stand at; None where there are none."""
    from sqlalchemy import inspect, select

    from noria.adapters.sql.tables import schema_version

    if not inspect(connection).has_table(BOOKKEEPING):
        return None
    return connection.execute(select(schema_version.c.version_num)).scalar()
