"""Requests that were logged as values, gathered into columns: in bulk where many have one form, else one by one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from noria.adapters.log_values import Form, Matrix, column, formed, request_form, row_form
from noria.ports.serving import AT, KEY, TIME, TOOK, TRACE, UNIT, WAY

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


class _Request(msgspec.Struct, array_like=True, gc=False):
    """`ports.serving.Values`, whose rows and answers are looked at later."""

    at: int
    took: int
    way: str
    rows: list[msgspec.Raw]
    keys: Sequence[tuple[str | None, str | None, int | None]]
    answers: list[msgspec.Raw]
    trace: str | None = None


_request = msgspec.msgpack.Decoder(_Request).decode
_values = msgspec.msgpack.Decoder(list[Any]).decode


def gathered(payloads: Sequence[memoryview], columns: pa.Schema) -> pa.Table:
    """The rows of requests, in their order. `columns`: the schema of the segment."""
    import pyarrow as pa

    counts = np.ones(len(payloads), np.int64)
    starts = np.full(len(payloads), -1, np.int64)  # each request's first row among the parts
    parts: list[pa.RecordBatch] = []
    rows = 0
    for form, which, matrix in formed(payloads, request_form):
        part = _in_bulk(form, matrix, columns)
        if part is not None:
            starts[which] = rows + np.arange(len(which))
            parts.append(part)
            rows += len(which)
    if left := np.flatnonzero(starts < 0).tolist():
        requests = [_request(payloads[at]) for at in left]
        counts[left] = [len(one.rows) for one in requests]
        starts[left] = rows + np.cumsum(counts[left]) - counts[left]
        parts.append(_by_row(requests, columns))
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


def _by_row(requests: Sequence[_Request], columns: pa.Schema) -> pa.RecordBatch:
    import pyarrow as pa

    counts = [len(one.rows) for one in requests]
    keys = list(zip(*(each for one in requests for each in one.keys), strict=True))
    own: dict[str, Sequence[Any]] = {
        AT: _repeated([one.at for one in requests], counts),
        TIME: keys[2],
        KEY: keys[0],
        UNIT: keys[1],
        TOOK: _repeated([one.took for one in requests], counts),
        WAY: _repeated([one.way for one in requests], counts),
        TRACE: _repeated([one.trace for one in requests], counts),
    }
    user = [field for field in columns if field.name not in own]
    rows = [each for one in requests for each in one.rows]
    answers = [each for one in requests for each in one.answers]
    given = len(_values(rows[0]))
    made = {
        name: pa.array(values, columns.field(name).type)
        for name, values in own.items()
        if name in columns.names
    }
    made |= _columns(rows, user[:given]) | _columns(answers, user[given:])
    return pa.RecordBatch.from_arrays([made[name] for name in columns.names], schema=columns)


def _columns(rows: Sequence[msgspec.Raw], fields: Sequence[pa.Field]) -> dict[str, pa.Array]:
    """Lists of values as columns: those of one form in bulk, the others one by one."""
    import pyarrow as pa

    place = np.full(len(rows), -1, np.int64)
    parts: list[list[pa.Array]] = []
    done = 0
    for form, which, matrix in formed([memoryview(row) for row in rows], row_form):
        arrays = [column(matrix, value, field.type) for value, field in zip(form.values, fields, strict=True)]
        if any(array is None for array in arrays):
            continue
        place[which] = done + np.arange(len(which))
        parts.append(arrays)
        done += len(which)
    if left := np.flatnonzero(place < 0).tolist():
        place[left] = done + np.arange(len(left))
        values = zip(*(_values(rows[at]) for at in left), strict=True)
        parts.append([pa.array(each, field.type) for each, field in zip(values, fields, strict=True)])
    found = [pa.concat_arrays(each) for each in zip(*parts, strict=True)]
    if (place[1:] < place[:-1]).any():
        found = [each.take(pa.array(place)) for each in found]
    return {field.name: each for field, each in zip(fields, found, strict=True)}


def _repeated(values: Sequence[Any], counts: Sequence[int]) -> list[Any]:
    return [value for value, count in zip(values, counts, strict=True) for _ in range(count)]
