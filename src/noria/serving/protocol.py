"""The Open Inference Protocol's own words: tensors, requests, datatypes; the same for REST and gRPC."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any

import msgspec

from noria.graph.columns import shown
from noria.records.artifacts import Column
from noria.serving.errors import BadShape

if TYPE_CHECKING:
    from noria.serving.asked import Faults

INTEGERS = {f"{u}INT{bits}": f"{u.lower()}int{bits}" for u in ("", "U") for bits in (8, 16, 32, 64)}
FLOATS = {"FP16": "halffloat", "FP32": "float", "FP64": "double"}
ARROW = {"BOOL": "bool", **INTEGERS, **FLOATS, "BYTES": "string"}
PROTOCOL = {arrow: datatype for datatype, arrow in ARROW.items()} | {
    "binary": "BYTES",
    "date32[day]": "BYTES",
}
MICROS = "INT64"  # the datatype in which a time may come as a number


class Tensor(msgspec.Struct):
    name: str
    shape: list[int]
    datatype: str
    data: list[Any] | None = None
    """None where it comes in binary."""
    parameters: dict[str, Any] | None = None


class Wanted(msgspec.Struct):
    name: str
    parameters: dict[str, Any] | None = None


class Infer(msgspec.Struct):
    inputs: list[Tensor]
    id: str | None = None
    parameters: dict[str, Any] | None = None
    outputs: list[Wanted] | None = None


def infer_request(body: Mapping[str, Any]) -> Infer:
    """The body as the protocol has it. Raises `BadShape` with the path of what does not fit."""
    try:
        return msgspec.convert(body, Infer)
    except msgspec.ValidationError as error:
        raise BadShape(
            problem=f"the body is no inference request: {error}",
            fix='send {"inputs": [{"name", "shape", "datatype", "data"}, ...]}, a tensor for each column',
        ) from error


def datatype(type_name: str) -> str:
    """The protocol's datatype for an Arrow type; BYTES for what is written as text."""
    inner = type_name
    if type_name.startswith(("list<", "fixed_size_list<")):
        inner = type_name[type_name.index("<") + 1 : type_name.rindex(">")].removeprefix("item: ")
    return PROTOCOL.get(inner, "BYTES")


def described(columns: Sequence[Column] | Sequence[Any]) -> list[dict[str, Any]]:
    """Columns as the protocol's metadata has tensors; -1 is any number of rows, or of items."""
    return [
        {"name": column.name, "datatype": datatype(column.type), "shape": [-1, *_width(column.type)]}
        for column in columns
    ]


def flat_of(tensor: Tensor, faults: Faults) -> list[Any] | None:
    """The data in row-major order; None when it does not fill the shape, which is noted."""
    shape, data = tensor.shape, tensor.data
    if data is None:
        faults.add(None, tensor.name, "no data", "`data`, or `binary_data_size` and bytes after the JSON")
        return None
    if len(shape) == 2 and any(type(row) is list for row in data):
        ragged = [row for row, items in enumerate(data) if type(items) is not list or len(items) != shape[1]]
        for row in ragged:
            faults.add(row, tensor.name, f"data {shown(data[row])}", f"{shape[1]} values, as the shape says")
        if ragged:
            return None
        if len(data) == shape[0]:
            return list(chain.from_iterable(data))
    size = shape[0] * (shape[1] if len(shape) == 2 else 1)
    if len(data) != size:
        faults.add(None, tensor.name, f"{len(data)} values", f"{size}, as shape {shape} says")
        return None
    return data


def _width(type_name: str) -> list[int]:
    if type_name.startswith("fixed_size_list<"):
        return [int(type_name[type_name.rindex("[") + 1 : -1])]
    return [-1] if type_name.startswith("list<") else []
