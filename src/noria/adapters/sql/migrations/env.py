"""Run by Alembic: migrate over the connection that `noria.adapters.sql.schema.migrate` hands over."""

from __future__ import annotations

from alembic import context

from noria.adapters.sql.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,  # SQLite cannot alter most things in place: a table is copied
)
with context.begin_transaction():
    context.run_migrations()
