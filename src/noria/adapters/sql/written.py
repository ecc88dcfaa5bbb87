"""The tables as text, for a new SQLite store: importing SQLAlchemy to make them takes longer than a whole first run.

`tables.py` stays where they are defined; `python -m noria.adapters.sql.written` writes the text anew from there, and a
test compares.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

TEXT = Path(__file__).with_name("sqlite_tables.sql")
BETWEEN = ";\n\n"


def statements() -> list[str]:
    """What makes all tables, one after another."""
    return TEXT.read_text().strip().removesuffix(";").split(BETWEEN)


def written() -> str:
    """The text as `tables.py` gives it now."""
    from sqlalchemy import create_mock_engine

    from noria.adapters.sql.tables import bookkeeping, metadata

    made: list[str] = []

    def keep(statement: Any, *_: object) -> None:
        compiled = str(statement.compile(dialect=engine.dialect))
        made.append("\n".join(line.rstrip().expandtabs(2) for line in compiled.strip().splitlines()))

    engine = create_mock_engine("sqlite://", keep)
    for tables in (metadata, bookkeeping):
        tables.create_all(engine, checkfirst=False)
    return BETWEEN.join(made) + ";\n"


if __name__ == "__main__":
    TEXT.write_text(written())
