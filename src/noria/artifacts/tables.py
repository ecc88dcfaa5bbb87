"""Tables from one library's form to another's: what a step's annotation asks for.

Requests come through here too, so a conversion that is not needed costs a microsecond, and none copies what can be
shared: polars and Arrow share buffers; pandas gets numbers of its own, for its users write into their frames.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from noria.artifacts.codec import CannotStore
from noria.artifacts.kinds import COLUMNS, TABLES, kind_of, kind_wanted
from noria.artifacts.unframed import numpy_of
from noria.errors import ConfigError

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa


@dataclass(eq=False)
class NotOneColumn(ConfigError):
    """A parameter asks for a single column and gets a table of several."""

    code = "NOT-ONE-COLUMN"
    what = "a table of {columns} columns was asked for as {wanted}, which holds one"
    next = "annotate the parameter as a table, or return a single column from the step before"
    columns: int
    wanted: str


@dataclass(eq=False)
class NoColumn(ConfigError):
    """A column that is asked for by name is not in the table."""

    code = "NO-COLUMN"
    what = "the table has no column {name!r}; it has {columns}"
    next = "name one of its columns, or return this one from the step that makes the table"
    name: str
    columns: list[str]


def is_table(value: object) -> bool:
    """Whether it is a polars, pandas or Arrow table; imports none of them."""
    return kind_of(value) in TABLES


def row_count(table: Any) -> int:
    """The rows of any kind of table."""
    kind = kind_of(table)
    if kind == "polars.LazyFrame":
        return int(table.select(_polars().len()).collect().item())
    return int(table.num_rows if kind.startswith("pyarrow") else table.shape[0])


def as_wanted(table: Any, wanted: Any) -> Any:
    """The table in the library that the annotation names; itself when it names none.

    A table of one column is given as an array or series where that is asked for; raises `NotOneColumn` for more.
    """
    return as_kind(table, kind_wanted(wanted))


def as_kind(table: Any, kind: str) -> Any:
    """As `as_wanted`, for a kind such as `polars.DataFrame`; another kind, or none, leaves the table as it is."""
    if not kind or (kind == kind_of(table) and kind != "pyarrow.Table"):
        return table
    convert = _CONVERSIONS.get(kind)
    if convert is not None:
        return convert(table)
    if kind not in COLUMNS and kind != "numpy.ndarray":
        return table
    plain = to_pandas(table) if kind == "pandas.Series" else _visible(table) if _is_arrow(table) else table
    names = names_of(plain)
    if len(names) != 1:
        raise NotOneColumn(columns=len(names), wanted=kind)
    return _column(plain, names[0], kind)


def to_arrow(table: Any) -> pa.Table:
    """Any kind of table, or a series, as an Arrow table; shares memory where the library allows.

    A pandas index that says something becomes columns. Raises `CannotStore` for what Arrow has no type for.
    """
    return _visible(arrow_of(table))


def column(table: Any, name: str, wanted: Any = None) -> Any:
    """One column as the annotation asks: array, series, Arrow array; the table's own kind of series without one.

    An array has NaN (numbers), NaT (times) or None (text) for nulls. Raises `NoColumn`.
    """
    if name not in names_of(table):
        raise NoColumn(name=name, columns=names_of(table))
    return _column(table, name, kind_wanted(wanted))


def names_of(table: Any) -> list[str]:
    """The names of a table's columns, in order."""
    kind = kind_of(table)
    if kind == "polars.LazyFrame":
        return list(table.collect_schema().names())
    if kind.startswith("pyarrow"):
        return list(table.schema.names)
    return list(table.columns)


def to_polars(table: Any) -> Any:
    """As `polars.DataFrame`."""
    kind = kind_of(table)
    if kind == "polars.LazyFrame":
        return table.collect()
    if kind == "polars.DataFrame":
        return table
    plain = to_arrow(table)
    frame = _polars().from_arrow(plain)
    if "" in plain.schema.names:  # polars would call it column_0
        frame.columns = plain.schema.names
    return frame


def to_pandas(table: Any) -> Any:
    """As `pandas.DataFrame`, with the index and the nullable types that it was stored with."""
    from noria.artifacts.frames import frame_from

    if kind_of(table) == "pandas.DataFrame":
        return table
    return frame_from(arrow_of(table))


def arrow_of(value: Any) -> pa.Table:
    """As an Arrow table that still knows what only pandas can hold; see `frames`."""
    kind = kind_of(value)
    if kind == "pyarrow.Table":
        return value
    if kind == "polars.DataFrame":
        return _from_polars(value)
    if kind == "polars.LazyFrame":
        return _from_polars(value.collect())
    if kind == "pandas.DataFrame":
        from noria.artifacts.frames import table_from

        return table_from(value)
    return _from_other(value, kind)


def _from_other(value: Any, kind: str) -> pa.Table:
    import pyarrow as pa

    if kind == "pyarrow.RecordBatch":
        return pa.Table.from_batches([value])
    if kind == "polars.Series":
        return _from_polars(value.to_frame())
    if kind == "pandas.Series":
        return arrow_of(value.to_frame(name="" if value.name is None else value.name))
    if kind in ("pyarrow.Array", "pyarrow.ChunkedArray"):
        return pa.table({"": value})
    raise CannotStore(type=type(value).__name__, reason="it is no table", where="")


def _from_polars(frame: Any) -> pa.Table:
    import pyarrow as pa

    opaque = _polars().Object
    foreign = [name for name, kind in frame.schema.items() if isinstance(kind, opaque)]
    if not foreign:
        try:
            return frame.to_arrow()
        except pa.ArrowInvalid:
            foreign = [name for name in frame.columns if not _has_arrow_type(frame.get_column(name))]
    kinds = {str(frame.schema[name]) for name in foreign}
    raise CannotStore(
        type=f"a column of {', '.join(sorted(kinds))}",
        reason="Arrow has no such type: cast it",
        where=", ".join(foreign),
    )


def _has_arrow_type(series: Any) -> bool:
    import pyarrow as pa

    try:
        series.clear().to_arrow()
    except pa.ArrowInvalid:
        return False
    return True


def _visible(table: pa.Table) -> pa.Table:
    """Without what only pandas is to see."""
    from noria.artifacts.frames import MARK, hidden

    if not table.schema.metadata or MARK not in table.schema.metadata:
        return table
    return table.drop_columns(hidden(table)).replace_schema_metadata(None)


def _column(table: Any, name: str, kind: str) -> Any:
    if kind_of(table) == "polars.LazyFrame":
        table = table.select(name).collect()
    if kind.startswith("pandas."):
        return _series(to_pandas(_one(table, name)), name)
    if kind.startswith("polars."):
        return to_polars(_one(table, name)).get_column(name)
    if kind.startswith("pyarrow."):
        values = to_arrow(_one(table, name)).column(name)
        return values.combine_chunks() if kind == "pyarrow.Array" else values
    return _array(table[name]) if kind == "numpy.ndarray" else table[name]


def _array(values: Any) -> np.ndarray[Any, Any]:
    if kind_of(values) in ("pyarrow.Array", "pyarrow.ChunkedArray"):
        return numpy_of(values)
    return values.to_numpy()  # type: ignore[no-any-return]


def _series(frame: Any, name: str) -> Any:
    """A column as a pandas series; what had no name was stored under an empty one."""
    return frame[name].rename(name or None)


def _one(table: Any, name: str) -> Any:
    return table[[name]] if kind_of(table) == "pandas.DataFrame" else table.select([name])


def _is_arrow(table: Any) -> bool:
    return kind_of(table).startswith("pyarrow.")


def _to_batch(table: Any) -> pa.RecordBatch:
    import pyarrow as pa

    batches = to_arrow(table).combine_chunks().to_batches()
    return batches[0] if batches else pa.RecordBatch.from_pylist([], schema=to_arrow(table).schema)


def _polars() -> Any:
    import polars

    return polars


_CONVERSIONS = {
    "polars.DataFrame": to_polars,
    "polars.LazyFrame": lambda table: to_polars(table).lazy(),
    "pandas.DataFrame": to_pandas,
    "pyarrow.Table": to_arrow,
    "pyarrow.RecordBatch": _to_batch,
}
