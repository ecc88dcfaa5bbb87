"""Rows as Arrow record batches, in and out: checked against the signature column by column, without Python for a value."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from math import isfinite
from typing import TYPE_CHECKING, Any

from noria.graph.columns import floats, type_name
from noria.serving.asked import Asked, Faults, Reader
from noria.serving.errors import BadArrow, TooManyRows

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

ID = "id"  # the answer's column of ids; an answer's own column of this name becomes `answer.id`
VERSION = b"noria.version"
_BATCH, _DICTIONARY = 3, 2  # kinds of messages in Arrow's format


def read(body: bytes, reader: Reader) -> Asked:
    """The rows in a stream of record batches. Raises `BadArrow`, `BadRows`, `BadShape`, `TooManyRows`."""
    import pyarrow as pa

    try:
        table = whole(body, reader.max_rows)
        names = list(table.column_names)  # what is no UTF-8 is found here
    except (pa.ArrowException, OSError, ValueError, struct.error) as error:
        raise BadArrow(problem=str(error).split("\n")[0]) from error
    reader.check_count(table.num_rows)
    faults = Faults()
    columns: dict[str, pa.Array] = {}
    for name, column in zip(names, table.columns, strict=True):  # arrays, or chunks of several batches
        if name in columns:
            faults.add(None, name, "two columns", "one column")
        elif name not in reader.kinds:
            reader.extra(None, name, faults)
        elif (made := _fitted(name, column, reader, faults)) is not None:
            columns[name] = made
    for name in reader.kinds:
        if name not in names:
            reader.missing(None, name, faults)
    return reader.columns(columns, faults, set())


def written(ids: Sequence[str], answers: pa.RecordBatch, version: str) -> bytes:
    """The answers as a stream of one batch, `id` before them, the version in the schema's metadata."""
    import pyarrow as pa

    names = [f"answer.{name}" if name == ID else name for name in answers.schema.names]
    arrays = [pa.array(ids, pa.string()), *answers.columns]
    batch = pa.RecordBatch.from_arrays(arrays, names=[ID, *names]).replace_schema_metadata(
        {VERSION: version.encode()}
    )
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    written: bytes = sink.getvalue().to_pybytes()
    return written


def whole(body: bytes, most: int) -> pa.Table | pa.RecordBatch:
    """What is in a stream, whole and sound: what does not hold together would let Arrow read beside the body. Raises
    `TooManyRows`, `ArrowException`, OSError, ValueError, `struct.error`."""
    import pyarrow as pa

    _refuse_compressed(body)
    batches: list[pa.RecordBatch] = []
    rows = 0
    with pa.ipc.open_stream(body) as stream:
        for batch in stream:
            rows += batch.num_rows
            if rows > most:
                raise TooManyRows(rows=rows, limit=most)
            batch.validate(full=True)
            batches.append(batch)
        return batches[0] if len(batches) == 1 else pa.Table.from_batches(batches, stream.schema)


def _refuse_compressed(body: bytes) -> None:
    """A few bytes could hold gigabytes, and would be unpacked before anybody could count them. Raises ValueError."""
    import pyarrow as pa

    for message in pa.ipc.MessageReader.open_stream(body):
        if message.type in ("record batch", "dictionary") and _compressed(message.metadata.to_pybytes()):
            raise ValueError("its buffers are compressed")


def _compressed(metadata: bytes) -> bool:
    """Whether a message's record batch names a compression: the fourth field of its table, in flatbuffers."""
    root = struct.unpack_from("<I", metadata, 0)[0]
    kind = metadata[root + _field(metadata, root, 1)]
    at = _table(metadata, root, 2)
    if kind == _DICTIONARY:
        at = _table(metadata, at, 1)
    return bool(_field(metadata, at, 3))


def _field(data: bytes, table: int, number: int) -> int:
    """Where a table's field lies, from the table's start; 0 where it is left out."""
    lookup = table - struct.unpack_from("<i", data, table)[0]
    (size,) = struct.unpack_from("<H", data, lookup)
    place = 4 + 2 * number
    return int(struct.unpack_from("<H", data, lookup + place)[0]) if place < size else 0


def _table(data: bytes, table: int, number: int) -> int:
    """The table that a field refers to."""
    at = table + _field(data, table, number)
    return int(at + struct.unpack_from("<I", data, at)[0])


def _fitted(name: str, array: Any, reader: Reader, faults: Faults) -> pa.Array | None:
    """A column in the signature's type, where it may be so without a value changing its meaning; else None, noted."""
    import pyarrow as pa

    kind = reader.kinds[name]
    if isinstance(array, pa.ChunkedArray):
        array = pa.concat_arrays(array.chunks) if array.num_chunks else pa.nulls(0, array.type)
    if array.type == kind.type:
        _check_finite(name, array, kind.expected, faults)
        return array
    if pa.types.is_null(array.type):
        return pa.nulls(len(array), kind.type)
    if family(array.type) not in families(kind.type):
        faults.add(None, name, f"a column of {type_name(array.type)}", kind.expected)
        return None
    try:
        # an integer among numbers may be rounded once, as JSON's would be
        made = array.cast(kind.type, safe=not pa.types.is_floating(kind.type))
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        faults.add(None, name, str(error).split("\n")[0], kind.expected)
        return None
    _check_finite(name, made, kind.expected, faults)
    return made


def _check_finite(name: str, array: pa.Array, expected: str, faults: Faults) -> None:
    import pyarrow as pa
    import pyarrow.compute as pc

    flat, width = array, 1
    if pa.types.is_list(array.type) or pa.types.is_fixed_size_list(array.type):
        flat, width = array.flatten(), 0
    if not pa.types.is_floating(flat.type) or not len(flat):
        return
    if pa.types.is_float64(flat.type) and not flat.null_count and isfinite(_sum(floats(flat))):
        return  # a sum with a term that is not finite is not finite either; the other way round is looked into
    finite = pc.is_finite(flat)
    if pc.all(finite).as_py() is not False:
        return
    wrong = [at for at, fine in enumerate(finite.to_pylist()) if fine is False]
    for at in wrong:
        faults.add(
            at if width else None, name, str(flat[at].as_py()), f"{expected}; null is the missing value"
        )


def _sum(numbers: np.ndarray[Any, Any]) -> float:
    import numpy as np

    with np.errstate(over="ignore", invalid="ignore"):
        return float(numbers.sum())


def family(kind: pa.DataType) -> str:
    """What of a type must be kept."""
    import pyarrow as pa

    types = pa.types
    if types.is_dictionary(kind):
        return family(kind.value_type)
    if types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind):
        return f"list of {family(kind.value_type)}"
    if types.is_timestamp(kind):
        return "moment" if kind.tz else "local time"
    named = {
        "bool": types.is_boolean,
        "integer": types.is_integer,
        "number": types.is_floating,
        "day": types.is_date,
    }
    return next((name for name, true in named.items() if true(kind)), type_name(kind))


def families(kind: pa.DataType) -> list[str]:
    """The families that a column takes: its own, and integers where it takes numbers."""
    own = family(kind)
    return [own, own.replace("number", "integer")]
