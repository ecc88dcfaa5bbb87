"""From whatever lies at the address to the tables that this code expects."""

from __future__ import annotations

from sqlalchemy import Connection, insert, inspect, select

from noria.adapters.sql.database import Database
from noria.adapters.sql.errors import ForeignDatabase, UnknownSchema
from noria.adapters.sql.tables import REVISION, bookkeeping, metadata, schema_version


def prepare(database: Database) -> None:
    """Create the tables, or migrate them, in one transaction: of two processes that open a store at once, one
    does it. Raises `UnknownSchema` for a store that a newer Noria has written, `ForeignDatabase` for one that
    is not ours."""
    with database.read("open") as connection:
        if _revision(connection) == REVISION:
            return
    with database.write("open") as connection:
        tables = inspect(connection).get_table_names()
        if not tables:
            create(connection)
        elif schema_version.name not in tables:
            raise ForeignDatabase(store=database.store, tables=tables)
        else:
            migrate(connection, database.store)


def create(connection: Connection) -> None:
    """All tables at once; a test holds them equal to what the migrations give."""
    metadata.create_all(connection, checkfirst=False)
    bookkeeping.create_all(connection, checkfirst=False)
    connection.execute(insert(schema_version).values(version_num=REVISION))


def migrate(connection: Connection, store: str, *, to: str = REVISION) -> None:
    """Bring the tables from the revision that they have to another; Alembic is imported only here."""
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", "noria.adapters.sql:migrations")
    config.attributes["connection"] = connection
    known = [script.revision for script in ScriptDirectory.from_config(config).walk_revisions()]
    found = _revision(connection)
    if found is not None and found not in known:
        raise UnknownSchema(store=store, found=found, known=REVISION)
    command.upgrade(config, to)


def _revision(connection: Connection) -> str | None:
    """The migration that the tables stand at; None where there are none."""
    if not inspect(connection).has_table(schema_version.name):
        return None
    return connection.execute(select(schema_version.c.version_num)).scalar()
