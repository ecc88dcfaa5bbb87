"""Rows of a file against a version's signature: typed as its service would have them, each refused row with its reason.

The rules are those of requests as Arrow tables (`serving.table`), but for columns that the model does not take: a file may
have them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from noria.graph.reach import beyond
from noria.serving.asked import Reader
from noria.serving.table import families, family

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass
class Checked:
    """Some rows. For the thread that reads them."""

    rows: pa.RecordBatch
    """In the signature's order and types; a refused value is null."""
    nulls: dict[str, int] = field(default_factory=dict)
    unknown: dict[str, int] = field(default_factory=dict)
    why: pa.Array | None = None
    """What is wrong with each row, null for a row that may be answered; None where all may."""

    @property
    def refused(self) -> int:
        return 0 if self.why is None else len(self.why) - self.why.null_count


def fits(kind: pa.DataType, wanted: pa.DataType) -> bool:
    """Whether a column may be taken for one of the signature's, without a value changing its meaning."""
    import pyarrow as pa

    return pa.types.is_null(kind) or family(kind) in families(wanted)


def checked(columns: Mapping[str, Any], reader: Reader) -> Checked:
    """The request's columns, typed; each of them is known to fit."""
    import pyarrow as pa

    made = Checked(rows=None)
    arrays = [_typed(name, columns[name], reader, made) for name in reader.schema.names]
    made.rows = pa.RecordBatch.from_arrays(arrays, schema=reader.schema)
    for column in reader.signature.request:
        array = made.rows.column(column.name)
        if array.null_count:
            _look_at_nulls(column.name, array, reader, made, allowed=column.nulls)
        if column.levels is not None:
            _look_at_levels(column.name, array, column.levels, reader, made)
    return made


def _typed(name: str, column: Any, reader: Reader, made: Checked) -> pa.Array:
    import pyarrow as pa

    wanted = reader.kinds[name].type
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_null(column.type):
        return pa.nulls(len(column), wanted)
    safe = not pa.types.is_floating(
        wanted
    )  # an integer among numbers may be rounded once, as JSON's would be
    wrong = _misfits(column, wanted, safe, 0)
    if wrong:
        _refuse(made, wrong, len(column), f"{name}: not {reader.kinds[name].expected}")
        column = _without(column, wrong)
    array = column.cast(wanted, safe=safe)
    if pa.types.is_floating(wanted):
        return _finite(name, array, made)
    return _within_reach(name, array, made) if pa.types.is_temporal(wanted) else array


def _misfits(column: pa.Array, wanted: pa.DataType, safe: bool, at: int) -> list[int]:
    """The places of values that the type cannot hold: by halves, for they are few."""
    import pyarrow as pa

    if not len(column):
        return []
    try:
        column.cast(wanted, safe=safe)
    except pa.ArrowInvalid:
        if len(column) == 1:
            return [at]
        half = len(column) // 2
        return [
            *_misfits(column.slice(0, half), wanted, safe, at),
            *_misfits(column.slice(half), wanted, safe, at + half),
        ]
    return []


def _within_reach(name: str, array: pa.Array, made: Checked) -> pa.Array:
    """Python's calendar has no other times."""
    wrong, years = beyond(array)
    if not wrong:
        return array
    _refuse(made, wrong, len(array), f"{name}: a time beyond {years}")
    return _without(array, wrong)


def _finite(name: str, array: pa.Array, made: Checked) -> pa.Array:
    """NaN and infinities are no values; null is the missing one."""
    import pyarrow.compute as pc

    fine = pc.is_finite(array)
    if pc.all(fine).as_py() is not False:
        return array
    wrong = [at for at, is_fine in enumerate(fine.to_pylist()) if is_fine is False]
    _refuse(made, wrong, len(array), f"{name}: NaN or infinite, and null is the missing value")
    return _without(array, wrong)


def _look_at_nulls(name: str, array: pa.Array, reader: Reader, made: Checked, *, allowed: bool) -> None:
    signature = reader.signature
    made.nulls[name] = array.null_count
    if name not in signature.key and (allowed or signature.unknown == "accept"):
        return
    why = "null, and it is the key" if name in signature.key else "null, and training had none here"
    wrong = [at for at, there in enumerate(array.is_valid().to_pylist()) if not there]
    _refuse(made, wrong, len(array), f"{name}: {why}")


def _look_at_levels(
    name: str, array: pa.Array, levels: tuple[str, ...], reader: Reader, made: Checked
) -> None:
    import pyarrow as pa
    import pyarrow.compute as pc

    known = pc.is_in(array, value_set=pa.array(levels, array.type))
    strange = pc.and_(pc.invert(known), array.is_valid())
    count = pc.sum(strange).as_py() or 0
    if not count:
        return
    made.unknown[name] = count
    if reader.signature.unknown == "refuse":
        wrong = [at for at, is_strange in enumerate(strange.to_pylist()) if is_strange]
        _refuse(made, wrong, len(array), f"{name}: none of the {len(levels)} categories of training")


def _refuse(made: Checked, places: list[int], count: int, why: str) -> None:
    """Note why rows are refused; what was found first stands."""
    import pyarrow as pa

    reasons: list[str | None] = [None] * count if made.why is None else made.why.to_pylist()
    for at in places:
        reasons[at] = reasons[at] or why
    made.why = pa.array(reasons, pa.string())


def _without(array: pa.Array, places: list[int]) -> pa.Array:
    """The same with null in some places."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    wrong = np.zeros(len(array), dtype=bool)
    wrong[places] = True
    return pc.if_else(pa.array(wrong), pa.scalar(None, array.type), array)
