"""The Open Inference Protocol's tensors: one a column, in and out.

A scalar column is a tensor of shape [n] or [n, 1], a list column one of shape [n, h]. `data` may be flat or nested;
null in it is a missing value. Times are BYTES in ISO 8601, or INT64 microseconds since 1970 in UTC.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any

import msgspec

from noria.graph.columns import kind_of, shown
from noria.records.versions import Signature
from noria.serving import unpacked
from noria.serving.answers import plain
from noria.serving.asked import Asked, Faults, Reader
from noria.serving.errors import BadShape
from noria.serving.protocol import (
    ARROW,
    FLOATS,
    INTEGERS,
    MICROS,
    Infer,
    Tensor,
    Wanted,
    datatype,
    flat_of,
)

if TYPE_CHECKING:
    import pyarrow as pa


def read(request: Infer, reader: Reader, binary: Sequence[bytes | None] | None = None) -> Asked:
    """The tensors as rows; `binary`: the bytes of those that have no data. Raises `BadRows`, `BadShape`,
    `TooManyRows`."""
    faults = Faults()
    count = _row_count(request.inputs)
    reader.check_count(count)
    columns: dict[str, Sequence[Any] | pa.Array] = {}
    shares = binary or [None] * len(request.inputs)
    for tensor, raw in unpacked.by_column(request.inputs, shares, reader):
        if tensor.name in columns:
            faults.add(None, tensor.name, "two tensors", "one tensor")
        elif tensor.name not in reader.kinds:
            reader.extra(None, tensor.name, faults)
        else:
            columns[tensor.name] = _values(tensor, raw, count, reader, faults)
    for name in reader.kinds:
        if name not in columns:
            reader.missing(None, name, faults)
    return reader.columns({name: values for name, values in columns.items() if len(values)}, faults, set())


NOT_HERE = ("classification", "shared_memory_region")
"""Parameters of an output that would change what it holds, or where: extensions that the service's metadata does not name."""


def check_outputs(signature: Signature, wanted: Sequence[Wanted] | None) -> None:
    """Raises `BadShape` when an output is wanted that there is not, or in a way that there is not."""
    names = [column.name for column in signature.answer]
    for output in wanted or ():
        if output.name not in names:
            raise BadShape(
                problem=f"there is no output {shown(output.name)}",
                fix=f"ask for {', '.join(names)}, or leave `outputs` out",
            )
        for parameter in NOT_HERE:
            if (output.parameters or {}).get(parameter):
                raise BadShape(
                    problem=f"output {shown(output.name)} is wanted with {parameter}, an extension that is not here",
                    fix="ask for it without: GET /v2 names the extensions that there are",
                )


def outputs(
    answers: pa.RecordBatch, signature: Signature, wanted: Sequence[Wanted] | None
) -> list[dict[str, Any]]:
    """The answer's columns as tensors, those that are wanted; all of them for None, or for none named."""
    types = {column.name: column.type for column in signature.answer}
    names = [output.name for output in wanted] if wanted else list(types)
    return [_tensor(name, answers.column(name), types[name]) for name in names]


def _row_count(tensors: Sequence[Tensor]) -> int:
    """The rows of the request, by the shape that most tensors have; those of another are faults."""
    counts = [tensor.shape[0] if tensor.shape else 0 for tensor in tensors]
    return max(set(counts), key=counts.count, default=0)


def _values(
    tensor: Tensor, raw: bytes | None, count: int, reader: Reader, faults: Faults
) -> Sequence[Any] | pa.Array:
    """A tensor's values, one a row; empty when it is of the wrong shape or datatype, which is noted."""
    expected_type = reader.kinds[tensor.name].type
    type_name = str(expected_type)
    listed = "list<" in type_name
    if not _shape_fits(tensor, count, listed=listed):
        want = f"[{count}, h]" if listed else f"[{count}]"
        faults.add(None, tensor.name, f"shape {tensor.shape}", f"shape {want}")
        return []
    if tensor.datatype not in _taken(type_name):
        faults.add(None, tensor.name, f"datatype {shown(tensor.datatype)}", " or ".join(_taken(type_name)))
        return []
    if raw is not None:
        return unpacked.values(tensor, raw, expected_type, faults)
    flat = flat_of(tensor, faults)
    if flat is None:
        return []
    if (narrowed := _narrowed(tensor, flat, faults)) is None:
        return []
    if listed:
        width = tensor.shape[1]
        return [narrowed[row * width : (row + 1) * width] for row in range(count)]
    if tensor.datatype == MICROS and type_name.startswith("timestamp"):
        return _from_micros(tensor.name, narrowed, expected_type, faults)
    return narrowed


def _shape_fits(tensor: Tensor, count: int, *, listed: bool) -> bool:
    shape = tensor.shape
    if not shape or shape[0] != count or any(size < 0 for size in shape):
        return False
    return len(shape) == 2 if listed else shape[1:] in ([], [1])


def _taken(type_name: str) -> list[str]:
    """The datatypes in which a column may come: its own, and those that widen into it exactly or by one rounding."""
    own = datatype(type_name)
    if own in FLOATS:
        return [own, *(name for name in (*FLOATS, *INTEGERS) if name != own)]
    if own in INTEGERS:
        return [own, *(name for name in INTEGERS if name != own)]
    return [own, MICROS] if type_name.startswith("timestamp") else [own]


def _narrowed(tensor: Tensor, values: list[Any], faults: Faults) -> list[Any] | None:
    """The values as their datatype holds them: FP32 data are rounded to 32 bits, as the caller's own tensor was.
    None when one is not of its datatype, which is noted."""
    name = ARROW[tensor.datatype]
    if name in ("string", "bool", "double"):
        return values  # the column itself looks at them
    kind = kind_of(tensor.name, name)
    array, misfits = kind.read(values)
    width = tensor.shape[1] if len(tensor.shape) == 2 else 1
    for position, given in misfits:
        faults.add(position // width, tensor.name, given, f"{kind.expected}, as {tensor.datatype} holds")
    return None if array is None else list(array.to_pylist())


def _from_micros(name: str, values: list[Any], kind: pa.DataType, faults: Faults) -> Sequence[Any] | pa.Array:
    import pyarrow as pa

    try:
        return pa.array(values, pa.int64()).cast(pa.timestamp("us", tz=kind.tz)).cast(kind)
    except pa.ArrowInvalid:
        faults.add(None, name, "microseconds", f"times that a {kind} holds")
        return []


def _tensor(name: str, column: pa.Array, type_name: str) -> dict[str, Any]:
    values = plain(column)
    kind = datatype(type_name)
    if not type_name.startswith(("list<", "fixed_size_list<")):
        text = values if kind != "BYTES" else [_text(value) for value in values]
        return {"name": name, "datatype": kind, "shape": [len(values)], "data": text}
    widths = {len(value) for value in values if value is not None}
    if len(widths) != 1:  # rows of differing length are no tensor: each as JSON text
        data = [None if value is None else msgspec.json.encode(value).decode() for value in values]
        return {"name": name, "datatype": "BYTES", "shape": [len(values)], "data": data}
    (width,) = widths
    data = list(chain.from_iterable(value if value is not None else [None] * width for value in values))
    return {"name": name, "datatype": kind, "shape": [len(values), width], "data": data}


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return msgspec.json.encode(value).decode().strip('"')
