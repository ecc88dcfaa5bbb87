"""Large requests that were logged by column: theirs beside one another make the columns of a table, as they lie there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain, groupby
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from noria.adapters.log_gathered import OWN
from noria.ports.serving import AT, KEY, TIME, TOOK, TRACE, UNIT, WAY, Columns

if TYPE_CHECKING:
    import pyarrow as pa

_read = msgspec.msgpack.Decoder(Columns).decode


def put_together(payloads: Sequence[memoryview], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """The rows of requests, in their order. `schema`: of the segment."""
    for _, some in groupby(map(_read, payloads), key=_form):
        yield _batch(list(some), schema)


def _form(one: Columns) -> tuple[Any, ...]:
    """What requests have in common whose columns can be put together."""
    return tuple(values is None for values in one.others), type(one.keys), one.units is None


def _batch(requests: Sequence[Columns], schema: pa.Schema) -> pa.RecordBatch:
    import pyarrow as pa

    user = [field for field in schema if field.name not in OWN]
    made = dict(zip((field.name for field in user), _columns(requests, user), strict=True))
    names = [field.name for field in user]
    made |= _places(requests, schema, lambda at: made[names[at]])
    return pa.RecordBatch.from_arrays([made[name] for name in schema.names], schema=schema)


def _columns(requests: Sequence[Columns], fields: Sequence[pa.Field]) -> Iterator[pa.Array]:
    import pyarrow as pa

    blocks = [np.frombuffer(one.numbers, "<f8").reshape(-1, one.count) for one in requests]
    numbers = iter(np.concatenate(blocks, axis=1))
    for at, field in enumerate(fields):
        if requests[0].others[at] is None:
            yield pa.array(next(numbers), field.type)
        else:
            yield pa.array(list(chain.from_iterable(one.others[at] or () for one in requests)), field.type)


def _places(requests: Sequence[Columns], schema: pa.Schema, column: Any) -> dict[str, pa.Array]:
    """The log's own columns."""
    counts, first = [one.count for one in requests], requests[0]
    if isinstance(first.keys, int):
        keys = column(first.keys)
    else:
        keys = _texts([None if isinstance(one.keys, int) else one.keys for one in requests], counts)
    made = {
        AT: _ticks([one.at for one in requests], counts, schema.field(AT).type),
        TIME: _ticks([one.times for one in requests], counts, schema.field(TIME).type),
        KEY: keys,
        UNIT: keys if first.units is None else _texts([one.units for one in requests], counts),
        TOOK: _ticks([one.took for one in requests], counts, schema.field(TOOK).type),
        WAY: _texts([[one.way] * one.count for one in requests], counts),
    }
    if TRACE in schema.names:
        made[TRACE] = _texts([[one.trace] * one.count for one in requests], counts)
    return made


def _texts(each: Sequence[Sequence[str | None] | None], counts: Sequence[int]) -> pa.Array:
    """One list a request, or none of it."""
    import pyarrow as pa

    listed = (values or [None] * count for values, count in zip(each, counts, strict=True))
    return pa.array(list(chain.from_iterable(listed)), pa.string())


def _ticks(each: Sequence[Sequence[int | None] | int], counts: Sequence[int], kind: pa.DataType) -> pa.Array:
    """Whole numbers of a type of 64 bits: one for all rows of a request, or one a row. Without `cast` and `take`, whose
    import is a fifth of what a short-lived process takes."""
    import pyarrow as pa

    if all(isinstance(one, int) for one in each):
        numbers = np.repeat(np.array(each, np.int64), counts)
        return pa.Array.from_buffers(kind, len(numbers), [None, pa.py_buffer(numbers)])
    listed = ([one] * count if isinstance(one, int) else one for one, count in zip(each, counts, strict=True))
    return pa.array(list(chain.from_iterable(listed)), kind)
