"""Rows that a version cannot answer for they hold what its training never had: a null, or a category.

`unknown = "accept"` lets such rows through, and most models take them. Where one raises, the rows are asked once more with
an ordinary value in each of those places. Answered so, the values were why, and their sender is told which; still not
answered, the version has a fault of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from noria.errors import NoriaError
from noria.graph.columns import shown
from noria.records.versions import RequestColumn, Version
from noria.serving.asked import Faults
from noria.serving.errors import BeyondTraining

if TYPE_CHECKING:
    import pyarrow as pa


def explained(
    error: Exception,
    version: Version,
    rows: pa.RecordBatch,
    ordinary: pa.RecordBatch | None,
    answer: Callable[[pa.RecordBatch], object],
) -> Exception:
    """What to raise for an error that the user's code raised on these rows: `BeyondTraining`, where they are why, or the
    error itself. `ordinary`: a row of the training data; None where there is none."""
    if ordinary is None or isinstance(error, NoriaError):
        return error
    faults = Faults()
    mended = _mended(version, rows, ordinary, faults)
    if not faults.count:
        return error
    try:
        answer(mended)
    except Exception:  # the user's code: anything; it is the first error that counts
        return error
    return BeyondTraining(
        model=version.model,
        count=faults.count,
        faults=faults.listed,
        version=version.name,
        kind=type(error).__name__,
    )


def _mended(
    version: Version, rows: pa.RecordBatch, ordinary: pa.RecordBatch, faults: Faults
) -> pa.RecordBatch:
    """The rows with an ordinary value for each that training never had; those are noted."""
    import pyarrow as pa

    columns = []
    for column in version.signature.request:
        values = rows.column(column.name)
        strange = set() if column.name in version.signature.key else _strange(column, values, faults)
        if strange:
            both, count = pa.concat_arrays([values, ordinary.column(column.name)]), len(values)
            values = both.take(pa.array([count if at in strange else at for at in range(count)]))
        columns.append(values)
    return pa.RecordBatch.from_arrays(columns, schema=rows.schema)


def _strange(column: RequestColumn, values: pa.Array, faults: Faults) -> set[int]:
    """Places of values that training never had."""
    found: set[int] = set()
    levels = None if column.levels is None else frozenset(column.levels)
    if levels is None and (column.nulls or not values.null_count):
        return found
    for at, value in enumerate(values.to_pylist()):
        if value is None and not column.nulls:
            faults.add(at, column.name, "null", "a value: training had no null here")
        elif value is not None and levels is not None and value not in levels:
            faults.add(at, column.name, shown(value), f"one of the {len(levels)} categories of training")
        else:
            continue
        found.add(at)
    return found
