"""The schema's history, one file a change, applied by Alembic in the transaction that opens the store."""
