"""A version's answers as its signature promises them, and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import msgspec

from noria.graph.columns import CannotCarry, kind_of
from noria.records.versions import Signature, Version
from noria.serving.errors import AnswerChanged

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

PLAIN = frozenset(
    {
        "double",
        "float",
        "string",
        "large_string",
        "bool",
        *(f"{u}int{bits}" for u in ("", "u") for bits in (8, 16, 32, 64)),
    }
)
SINGLE = "answer"  # the column of an answer that is one value a row


class Answers:
    """The answer's columns; whatever predict returned for these rows, its types are those of the signature."""

    def __init__(self, signature: Signature, *, version: str) -> None:
        self.names = [column.name for column in signature.answer]
        self.plain = all(column.type in PLAIN for column in signature.answer)
        """Whether every value of an answer is one that JSON and MessagePack have: a number, a text, true or false."""
        self.doubles = all(column.type == "double" for column in signature.answer)
        """Whether every value of an answer is a 64-bit float."""
        self._columns = signature.answer
        self._version = version

    @cached_property
    def types(self) -> dict[str, pa.DataType | None]:
        """By name; None for a type that no request could hold, which predict alone gives."""
        return {column.name: _type(column.name, column.type) for column in self._columns}

    def of_columns(self, columns: Sequence[np.ndarray]) -> pa.RecordBatch:
        """`fitted` of columns that are numpy's."""
        import pyarrow as pa

        return self.fitted(pa.table(dict(zip(self.names, columns, strict=True))))

    def fitted(self, table: pa.Table) -> pa.RecordBatch:
        """Raises `AnswerChanged` where columns or types are others than at registration."""
        import pyarrow as pa

        if table.column_names != self.names:
            raise AnswerChanged(
                version=self._version, given=f"columns {table.column_names}", expected=f"columns {self.names}"
            )
        arrays = []
        for (name, wanted), column in zip(self.types.items(), table.columns, strict=True):
            try:
                whole = column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
                arrays.append(whole if wanted is None or whole.type == wanted else whole.cast(wanted))
            except pa.ArrowInvalid as error:
                raise AnswerChanged(
                    version=self._version, given=f"{name} as {column.type}", expected=f"{name} as {wanted}"
                ) from error
        return pa.RecordBatch.from_arrays(arrays, names=self.names)


def rows_head(version: Version) -> bytes:
    """What a reply to rows begins with, up to its predictions."""
    return msgspec.json.encode({"model": version.model, "version": version.number})[:-1] + b',"predictions":['


def as_values(answers: pa.RecordBatch) -> list[Any]:
    """One JSON value a row: the answer itself, or an object of the answer's columns."""
    if answers.schema.names == [SINGLE]:
        return plain(answers.column(0))
    columns = [plain(column) for column in answers.columns]
    names = answers.schema.names
    return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]


def plain(column: pa.Array) -> list[Any]:
    """A column's values as JSON can say them; times beyond microseconds and what JSON has no form for, as text."""
    import pyarrow as pa

    kind = column.type
    if pa.types.is_timestamp(kind) and kind.unit == "ns":
        return list(column.cast(pa.string()).to_pylist())
    if pa.types.is_decimal(kind) or pa.types.is_duration(kind):
        return list(column.cast(pa.string() if pa.types.is_decimal(kind) else pa.int64()).to_pylist())
    return list(column.to_pylist())


def not_finite(answers: pa.RecordBatch) -> int:
    """Answers that are NaN or infinite: null in JSON, kept as they are in the log."""
    import pyarrow as pa
    import pyarrow.compute as pc

    floats = [column for column in answers.columns if pa.types.is_floating(column.type)]
    return sum(
        len(column) - column.null_count - (pc.sum(pc.is_finite(column)).as_py() or 0) for column in floats
    )


def _type(name: str, kind: str) -> pa.DataType | None:
    try:
        return kind_of(name, kind).type
    except CannotCarry:
        return None  # no request could hold it, an answer may: its type is whatever predict gives
