"""What only pandas can hold, carried in an Arrow table without the noise that differs from one write to the next.

An index that says something becomes columns: under its own name when it has one, else hidden from everyone but
pandas. Nullable and Arrow-backed types, which Arrow's own types do not tell from plain ones, are noted by name.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from noria.artifacts.codec import CannotStore
from noria.errors import ConfigError

if TYPE_CHECKING:
    import pyarrow as pa

MARK = b"noria.pandas"
HIDDEN = "__index_{}__"


@dataclass(eq=False)
class NoPandasForm(ConfigError):
    """A table is wanted as a pandas frame and holds what pandas cannot."""

    code = "NO-PANDAS-FORM"
    what = "the table cannot become a pandas frame: {reason}"
    next = "annotate the parameter as a polars or Arrow table, or cast the column in the step before"
    reason: str


class Notes(msgspec.Struct, omit_defaults=True):
    """Beside the table: its index columns, those of them without a name, and the types to be restored."""

    index: list[str] = []
    hidden: list[str] = []
    types: dict[str, str] = {}


def table_from(frame: Any) -> pa.Table:
    """A pandas frame as an Arrow table, its notes in the schema's metadata when there is something to note.

    Raises `CannotStore` for column names that are no strings or not unique, and for values without an Arrow type.
    """
    _check_names(frame)
    index, hidden = _index_names(frame)
    plain = frame.reset_index(names=index) if index else frame
    _check_names(plain)
    table = _converted(plain)
    notes = Notes(index=index, hidden=hidden, types=_special_types(plain))
    metadata = {MARK: msgspec.json.encode(notes, order="sorted")} if index or notes.types else None
    return table.replace_schema_metadata(metadata)


def frame_from(table: pa.Table) -> Any:
    """The frame that `table_from` was given, or pandas' own reading of any other table."""
    notes = notes_of(table)
    table = table.replace_schema_metadata(None)
    if not notes.types and not notes.index:
        return _read(table)
    special = [name for name in notes.types if name in table.schema.names]
    frame = _read(table.drop_columns(special))
    for name in special:
        frame[name] = _restored(table.column(name), notes.types[name])
    frame = frame[table.schema.names]
    if not set(notes.index) <= set(frame.columns):
        return frame
    if notes.index:
        frame = frame.set_index(notes.index)
        frame.index.names = [None if name in notes.hidden else name for name in notes.index]
    return frame


def _read(table: pa.Table) -> Any:
    import pyarrow as pa

    try:
        return table.to_pandas()
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise NoPandasForm(reason=str(error.args[0])) from error


def notes_of(table: pa.Table) -> Notes:
    """The notes of a table; empty ones for a table that pandas never held."""
    found = (table.schema.metadata or {}).get(MARK)
    return msgspec.json.decode(found, type=Notes) if found else Notes()


def hidden(table: pa.Table) -> list[str]:
    """The columns that only pandas is to see."""
    return [name for name in notes_of(table).hidden if name in table.schema.names]


def _check_names(frame: Any) -> None:
    if frame.columns.nlevels > 1:
        raise CannotStore(
            type="pandas.DataFrame", reason="its columns have several levels: join their names", where=""
        )
    odd = [name for name in frame.columns if not isinstance(name, str)]
    if odd:
        reason = f"column names must be strings, not {type(odd[0]).__name__}: rename {odd[0]!r}"
        raise CannotStore(type="pandas.DataFrame", reason=reason, where="")
    if not frame.columns.is_unique:
        twice = frame.columns[frame.columns.duplicated()][0]
        raise CannotStore(type="pandas.DataFrame", reason="two columns have this name", where=twice)


def _index_names(frame: Any) -> tuple[list[str], list[str]]:
    """Names for the index as columns: all of them, and those that only stand in for a missing name."""
    index = frame.index
    if type(index).__name__ == "RangeIndex" and index.start == 0 and index.step == 1 and index.name is None:
        return [], []
    names = [
        name if isinstance(name, str) else HIDDEN.format(level) for level, name in enumerate(index.names)
    ]
    return names, [name for name, own in zip(names, index.names, strict=True) if not isinstance(own, str)]


def _converted(frame: Any) -> pa.Table:
    import pyarrow as pa

    try:
        table = pa.Table.from_pandas(frame, preserve_index=False)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError) as error:
        name, kind = _culprit(frame)
        reason = f"its values have no common Arrow type ({error.args[0]}): cast the column"
        raise CannotStore(type=f"a column of {kind}", reason=reason, where=name) from error
    for field in table.schema:
        if isinstance(field.type, pa.BaseExtensionType):
            reason = "only pandas can read it: convert it to numbers, text or times"
            raise CannotStore(type=f"a column of {frame[field.name].dtype}", reason=reason, where=field.name)
    return table


def _culprit(frame: Any) -> tuple[str, str]:
    """The first column that Arrow refuses, and its type."""
    import pyarrow as pa

    for name in frame.columns:
        try:
            pa.Array.from_pandas(frame[name])
        except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError):
            return name, str(frame[name].dtype)
    return "", "mixed values"


def _special_types(frame: Any) -> dict[str, str]:
    """The types that a plain reading would not give back."""
    import pandas as pd

    plain = (pd.CategoricalDtype, pd.DatetimeTZDtype)
    text = pd.Series([""]).dtype  # what this pandas takes for text by itself
    return {
        name: str(kind)
        for name, kind in frame.dtypes.items()
        if pd.api.types.is_extension_array_dtype(kind) and not isinstance(kind, plain) and kind != text
    }


def _restored(values: pa.ChunkedArray, name: str) -> Any:
    import pandas as pd

    kind = pd.ArrowDtype(values.type) if name.endswith("[pyarrow]") else pd.api.types.pandas_dtype(name)
    return kind.__from_arrow__(values)
