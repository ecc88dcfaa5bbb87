"""The records store: tables in SQLite or PostgreSQL, one door a stage.

In come changes and questions; out go records, and one durable transaction for each change with its event in the
model's hash chain. It refuses to know what any record means beyond the columns by which it is looked up.
"""

from noria.adapters.sql.store import Records, only_readable, open_records

__all__ = ["Records", "only_readable", "open_records"]
