"""Requests that were logged as values, gathered into columns: in bulk where many have one form, else one by one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from noria.adapters.log_values import Form, Matrix, column, formed
from noria.ports.serving import AT, KEY, TIME, TOOK, TRACE, UNIT, WAY, Values

if TYPE_CHECKING:
    import pyarrow as pa

OWN = (
    AT,
    TIME,
    KEY,
    UNIT,
    TOOK,
    WAY,
    TRACE,
)  # the log's own columns; the others are the request's and the answer's
_values = msgspec.msgpack.Decoder(Values)


def gathered(payloads: Sequence[memoryview], columns: pa.Schema) -> pa.Table:
    """The rows of requests, in their order. `columns`: the schema of the segment."""
    import pyarrow as pa

    counts = np.ones(len(payloads), np.int64)
    starts = np.full(len(payloads), -1, np.int64)  # each request's first row among the parts
    parts: list[pa.RecordBatch] = []
    rows = 0
    for form, which, matrix in formed(payloads):
        part = _in_bulk(form, matrix, columns)
        if part is not None:
            starts[which] = rows + np.arange(len(which))
            parts.append(part)
            rows += len(which)
    if left := np.flatnonzero(starts < 0).tolist():
        requests = [_values.decode(payloads[at]) for at in left]
        counts[left] = [len(one.rows) for one in requests]
        starts[left] = rows + np.cumsum(counts[left]) - counts[left]
        parts.append(_one_by_one(requests, columns))
    return _ordered(pa.Table.from_batches(parts, columns), starts, counts)


def _ordered(table: pa.Table, starts: np.ndarray[Any, Any], counts: np.ndarray[Any, Any]) -> pa.Table:
    if (starts[1:] > starts[:-1]).all():
        return table
    within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    return table.combine_chunks().take(np.repeat(starts, counts) + within)


def _in_bulk(form: Form, matrix: Matrix, columns: pa.Schema) -> pa.RecordBatch | None:
    """None where a value is no plain one of its column's type."""
    import pyarrow as pa

    user = [name for name in columns.names if name not in OWN]
    names = [AT, TOOK, WAY, *user[: form.given], KEY, UNIT, TIME, *user[form.given :], TRACE]
    places = dict(zip(names, form.values, strict=False))  # the trace is there where there is one
    arrays = []
    for field in columns:
        value = places.get(field.name)
        array = pa.nulls(len(matrix), field.type) if value is None else column(matrix, value, field.type)
        if array is None:
            return None
        arrays.append(array)
    return pa.RecordBatch.from_arrays(arrays, schema=columns)


def _one_by_one(requests: Sequence[Values], columns: pa.Schema) -> pa.RecordBatch:
    import pyarrow as pa

    counts = [len(one.rows) for one in requests]
    keys = list(zip(*(each for one in requests for each in one.keys), strict=True))
    own: dict[str, list[Any]] = {
        AT: _repeated([one.at for one in requests], counts),
        TIME: list(keys[2]),
        KEY: list(keys[0]),
        UNIT: list(keys[1]),
        TOOK: _repeated([one.took for one in requests], counts),
        WAY: _repeated([one.way for one in requests], counts),
        TRACE: _repeated([one.trace for one in requests], counts),
    }
    given = zip(*(row for one in requests for row in one.rows), strict=True)
    answered = zip(*(row for one in requests for row in one.answers), strict=True)
    user = dict(zip([name for name in columns.names if name not in own], [*given, *answered], strict=True))
    return pa.RecordBatch.from_arrays(
        [pa.array(own.get(field.name) or user[field.name], field.type) for field in columns], schema=columns
    )


def _repeated(values: Sequence[Any], counts: Sequence[int]) -> list[Any]:
    return [value for value, count in zip(values, counts, strict=True) for _ in range(count)]
