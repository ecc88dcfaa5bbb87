"""Tensors that came as bytes, as columns; and one tensor that holds all columns, as a tensor a column."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from noria.graph.columns import BIGGEST, BITS, shown
from noria.records.versions import Signature
from noria.serving import binary
from noria.serving.asked import Faults, Reader
from noria.serving.errors import BadShape
from noria.serving.protocol import FLOATS, INTEGERS, Tensor, datatype, flat_of

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa


def by_column(
    tensors: Sequence[Tensor], shares: Sequence[bytes | None], reader: Reader
) -> Iterable[tuple[Tensor, bytes | None]]:
    """The tensors, each with its bytes; a matrix of all the columns, where they are numbers, as a tensor a column."""
    first = tensors[0]
    if len(tensors) > 1 or first.name in reader.kinds or not is_matrix(first, reader.signature):
        return zip(tensors, shares, strict=True)
    width, names = first.shape[1], list(reader.kinds)
    if shares[0] is None:
        flat: Any = flat_of(first, faults := Faults())
        faults.check(reader.model)
    else:
        flat = _unpacked(first, shares[0])
    return [
        (Tensor(name, [first.shape[0]], first.datatype, list(flat[at::width])), None)
        if shares[0] is None
        else (Tensor(name, [first.shape[0]], first.datatype), flat[at::width].tobytes())
        for at, name in enumerate(names)
    ]


def is_matrix(tensor: Tensor, signature: Signature) -> bool:
    """Whether a tensor may be all columns of the request at once: [n, k] of numbers for k columns of numbers."""
    columns = signature.request
    return (
        len(tensor.shape) == 2
        and tensor.shape[1] == len(columns)
        and (tensor.datatype in FLOATS or tensor.datatype in INTEGERS)
        and all(datatype(column.type) in FLOATS | INTEGERS and "<" not in column.type for column in columns)
    )


def _unpacked(tensor: Tensor, raw: bytes) -> Any:
    flat = binary.numbers(tensor, raw)
    if flat is None:
        raise _wrong_size(tensor, raw)
    return flat


def _wrong_size(tensor: Tensor, raw: bytes) -> BadShape:
    return BadShape(
        problem=f"input {shown(tensor.name)} has {len(raw)} bytes, which are not {tensor.datatype} of shape {tensor.shape}",
        fix="send little-endian values row by row; of BYTES each with four bytes of length before it",
    )


def values(tensor: Tensor, raw: bytes, wanted: pa.DataType, faults: Faults) -> Sequence[Any] | pa.Array:
    """A tensor's bytes as the column that a datatype was found to fit. Raises `BadShape` for too few or too many."""
    if tensor.datatype == "BYTES":
        return _texts(tensor, raw, wanted, faults)
    flat = _unpacked(tensor, raw)
    _check(tensor, flat, str(wanted), faults)
    return _column(tensor, flat, wanted, faults) if not faults.count else []


def _check(tensor: Tensor, flat: np.ndarray, wanted: str, faults: Faults) -> None:
    """Note the values that the column does not hold."""
    import numpy as np

    inner = wanted.removeprefix("list<item: ").removesuffix(">")
    if flat.dtype == bool:
        wrong, expected = flat.view(np.uint8) > 1, "0 or 1, a byte each"
    elif inner in BITS:
        with np.errstate(over="ignore"):
            wrong = np.abs(flat.astype(np.float64)) > min(BIGGEST[BITS[inner]], 1.7976931348623157e308)
        expected = "a number, or NaN for a missing value"
    elif inner in INTEGERS.values():
        limits = np.iinfo(inner)
        wrong = (flat < limits.min) | (flat > limits.max)
        expected = f"an integer from {limits.min} to {limits.max}"
    else:
        return
    width = tensor.shape[1] if len(tensor.shape) == 2 else 1
    for at in np.flatnonzero(wrong).tolist():
        faults.add(
            at // width,
            tensor.name,
            shown(flat.view(np.uint8)[at].item() if flat.dtype == bool else flat[at].item()),
            expected,
        )


def _column(
    tensor: Tensor, flat: np.ndarray, wanted: pa.DataType, faults: Faults
) -> Sequence[Any] | pa.Array:
    import pyarrow as pa

    listed = pa.types.is_list(wanted) or pa.types.is_fixed_size_list(wanted)
    inner = wanted.value_type if listed else wanted
    made = pa.array(flat, from_pandas=True)  # NaN is the missing value
    if pa.types.is_timestamp(inner):
        made = made.cast(pa.timestamp("us", tz=inner.tz))
    try:
        made = made.cast(inner, safe=not pa.types.is_floating(inner))
    except pa.ArrowInvalid:  # of times alone: numbers were looked at
        faults.add(None, tensor.name, "microseconds", f"times that a {inner} holds")
        return []
    if not listed:
        return made
    return pa.FixedSizeListArray.from_arrays(made, tensor.shape[1]).cast(wanted)


def _texts(tensor: Tensor, raw: bytes, wanted: pa.DataType, faults: Faults) -> Sequence[Any]:
    import pyarrow as pa

    found = binary.texts(raw)
    if found is None or len(found) != binary.size_of(tensor.shape):
        raise _wrong_size(tensor, raw)
    if pa.types.is_binary(wanted):
        made: Sequence[Any] = pa.array(found, wanted)
        return made
    try:
        texts = [each.decode() for each in found]
    except UnicodeDecodeError as error:
        faults.add(None, tensor.name, f"bytes that are no UTF-8: {error.reason}", "texts in UTF-8")
        return []
    width = tensor.shape[1] if len(tensor.shape) == 2 else 0
    return [texts[at : at + width] for at in range(0, len(texts), width)] if width else texts
