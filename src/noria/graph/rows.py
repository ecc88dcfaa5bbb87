"""Hiding from a transform what nobody knows yet, and re-attaching it by position for the other steps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from noria.declare import DataSpec
from noria.graph.errors import MissingColumns

if TYPE_CHECKING:
    import pyarrow as pa


def visible(rows: pa.Table, spec: DataSpec) -> pa.Table:
    """The request's columns: all but label, known and outcomes."""
    hidden = [name for name in spec.hidden if name in rows.column_names]
    return rows.drop_columns(hidden) if hidden else rows


def beside(output: pa.Table, rows: pa.Table, spec: DataSpec) -> pa.Table:
    """A transform's output with key, time, label and outcomes of the raw rows beside it, by position. A column
    that the transform made under such a name stays the transform's, unless it is hidden from transforms."""
    for name in spec.attached:
        made = output.column_names.index(name) if name in output.column_names else None
        if made is None:
            output = output.append_column(rows.schema.field(name), rows.column(name))
        elif name in spec.hidden:
            output = output.set_column(made, rows.schema.field(name), rows.column(name))
    return output


def require(table: pa.Table, columns: tuple[str, ...], *, where: str, why: str) -> None:
    """Raises `MissingColumns` when a table lacks what somebody named."""
    missing = [name for name in columns if name not in table.column_names]
    if missing:
        raise MissingColumns(where=where, missing=missing, why=why, present=table.column_names)
