"""One form for equal tables: the same values and types give the same bytes, wherever and however they were made.

Arrow leaves much open that a digest would see: how a column is cut into chunks, what stands in the slots of nulls,
in the padding and in the spare bits of the last byte, which process numbered a polars category first, and what a
library wrote into the metadata. Columns without such freedom are passed on as they are, uncopied.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from noria.artifacts.codec import CannotStore

_ENUM = (
    b"_PL_ENUM_VALUES2",
    b"_PL_ENUM_VALUES",
)  # how polars says that a dictionary's order is part of the type
_CATEGORICAL = (b"_PL_CATEGORICAL2", b"_PL_CATEGORICAL")  # and that its numbering is not

Mask = np.ndarray[Any, np.dtype[np.bool_]]


def canonical_table(table: pa.Table) -> pa.Table:
    """The table in its one form, each column in one chunk (32-bit text beyond 2 GiB: in as few as hold it).

    Raises `CannotStore` for extension types, whose meaning lies outside of Arrow.
    """
    columns = [_column(table.column(at), field) for at, field in enumerate(table.schema)]
    schema = pa.schema([_field(field) for field in table.schema], metadata=_own(table.schema.metadata))
    return pa.Table.from_arrays(columns, schema=schema)


def _column(values: pa.ChunkedArray, field: pa.Field) -> pa.ChunkedArray:
    if values.num_chunks > 1:
        if pa.types.is_dictionary(field.type):
            values = values.unify_dictionaries()
        combined = values.combine_chunks()
        values = combined if isinstance(combined, pa.ChunkedArray) else pa.chunked_array([combined])
    if values.num_chunks == 0:
        values = pa.chunked_array([pa.array([], type=field.type)])
    return pa.chunked_array([clean(chunk, field) for chunk in values.chunks])


def clean(array: pa.Array, field: pa.Field) -> pa.Array:
    """An array in its one form; `field` tells what its type alone does not."""
    kind = field.type
    types = pa.types
    if isinstance(kind, pa.BaseExtensionType):
        raise CannotStore(
            type=f"a column of {kind}", reason="it is an extension type: cast it", where=field.name
        )
    if types.is_string_view(kind) or types.is_binary_view(kind):
        text = types.is_string_view(kind)
        array = array.cast(pa.large_string() if text else pa.large_binary())
        return _bytes(array, array.type)
    if types.is_dictionary(kind):
        return _dictionary(array, field)
    if types.is_struct(kind):
        return _struct(array, kind)
    if types.is_fixed_size_list(kind):
        return _fixed_list(array, kind)
    if types.is_list(kind) or types.is_large_list(kind) or types.is_map(kind):
        return _list(array, kind)
    if types.is_boolean(kind):
        return _boolean(array)
    if types.is_primitive(kind) or types.is_decimal(kind) or types.is_fixed_size_binary(kind):
        return _fixed(array, kind)
    if (
        types.is_string(kind)
        or types.is_binary(kind)
        or types.is_large_string(kind)
        or types.is_large_binary(kind)
    ):
        return _bytes(array, kind)
    return array


def _fixed(array: pa.Array, kind: pa.DataType) -> pa.Array:
    width, count = kind.bit_width // 8, len(array)
    data = _cut(array.buffers()[1], array.offset * width, count * width)
    valid = _valid(array)
    if valid is not None:
        slots = np.frombuffer(data, np.uint8).reshape(count, width)
        if slots[~valid].any():
            slots = slots.copy()
            slots[~valid] = 0
            data = pa.py_buffer(slots)
    return pa.Array.from_buffers(kind, count, [_bits(valid), data])


def _boolean(array: pa.Array) -> pa.Array:
    valid = _valid(array)
    values = array.fill_null(False).to_numpy(zero_copy_only=False)
    return pa.Array.from_buffers(pa.bool_(), len(array), [_bits(valid), _bits(values)])


def _bytes(array: pa.Array, kind: pa.DataType) -> pa.Array:
    valid = _valid(array)
    if valid is not None and _lengths(array)[~valid].any():
        array = array.fill_null(pa.scalar(b"", pa.binary()).cast(kind))
    offsets = _offsets(array)
    data = _cut(array.buffers()[2], int(offsets[0]), int(offsets[-1] - offsets[0]))
    return pa.Array.from_buffers(kind, len(array), [_bits(valid), _based(offsets), data])


def _list(array: pa.Array, kind: pa.DataType) -> pa.Array:
    inner = _entries(kind) if pa.types.is_map(kind) else kind.value_field
    valid, offsets = _valid(array), _offsets(array)
    values = clean(array.values.slice(int(offsets[0]), int(offsets[-1] - offsets[0])), inner)
    lengths = np.diff(offsets)
    if valid is not None and lengths[~valid].any():
        values = clean(values.filter(pa.array(np.repeat(valid, lengths))), _like(inner, values))
        offsets = np.concatenate([[0], np.cumsum(np.where(valid, lengths, 0))]).astype(offsets.dtype)
    return pa.Array.from_buffers(_type(kind), len(array), [_bits(valid), _based(offsets)], children=[values])


def _fixed_list(array: pa.Array, kind: pa.DataType) -> pa.Array:
    valid, each = _valid(array), kind.list_size
    values = clean(array.values.slice(array.offset * each, len(array) * each), kind.value_field)
    if valid is not None:
        there = np.repeat(valid, each)
        values = values.take(pa.array(np.arange(len(there)), mask=~there))
        values = clean(values, _like(kind.value_field, values))
    return pa.Array.from_buffers(_type(kind), len(array), [_bits(valid)], children=[values])


def _like(field: pa.Field, cleaned: pa.Array) -> pa.Field:
    """The field for values that were cleaned before: of their type now, which may be another."""
    return pa.field(field.name, cleaned.type, field.nullable, metadata=field.metadata)


def _struct(array: pa.Array, kind: pa.DataType) -> pa.Array:
    children = [clean(child, kind.field(at)) for at, child in enumerate(array.flatten())]
    return pa.Array.from_buffers(_type(kind), len(array), [_bits(_valid(array))], children=children)


def _dictionary(array: pa.Array, field: pa.Field) -> pa.Array:
    kind = field.type
    indices, levels = array.indices, clean(array.dictionary, pa.field(field.name, kind.value_type))
    if any(key in (field.metadata or {}) for key in _CATEGORICAL):
        indices, levels = _renumbered(indices, levels)
        levels = clean(levels, pa.field(field.name, levels.type))
    indices = clean(indices, pa.field(field.name, kind.index_type))
    return pa.DictionaryArray.from_arrays(indices, levels, ordered=kind.ordered, safe=False)


def _renumbered(indices: pa.Array, levels: pa.Array) -> tuple[pa.Array, pa.Array]:
    """Categories numbered by first appearance, those that do not appear left out."""
    used = pc.unique(indices).drop_null()
    numbers = np.zeros(len(levels), dtype=indices.type.to_pandas_dtype())
    numbers[used.to_numpy()] = np.arange(len(used))
    codes = numbers[indices.fill_null(0).to_numpy()] if len(levels) else indices.fill_null(0).to_numpy()
    return pa.array(codes, type=indices.type, mask=_invalid(indices)), levels.take(used)


def _valid(array: pa.Array) -> Mask | None:
    """Which slots hold a value; None when all do."""
    if array.null_count == 0:
        return None
    return array.is_valid().to_numpy(zero_copy_only=False)  # type: ignore[no-any-return]


def _invalid(array: pa.Array) -> Mask | None:
    valid = _valid(array)
    return None if valid is None else ~valid


def _bits(flags: Mask | None) -> pa.Buffer | None:
    """A bitmap whose spare bits are zero."""
    return None if flags is None else pa.py_buffer(np.packbits(flags, bitorder="little"))


def _offsets(array: pa.Array) -> np.ndarray[Any, Any]:
    wide = (
        pa.types.is_large_string(array.type)
        or pa.types.is_large_binary(array.type)
        or pa.types.is_large_list(array.type)
    )
    kind = np.dtype(np.int64 if wide else np.int32)
    if len(array) == 0:
        return np.zeros(1, kind)
    return np.frombuffer(array.buffers()[1], kind, count=len(array) + 1, offset=array.offset * kind.itemsize)


def _lengths(array: pa.Array) -> np.ndarray[Any, Any]:
    return np.diff(_offsets(array))


def _based(offsets: np.ndarray[Any, Any]) -> pa.Buffer:
    """Offsets that begin at zero."""
    return pa.py_buffer(offsets - offsets[0] if offsets[0] else offsets)


def _cut(buffer: pa.Buffer | None, start: int, size: int) -> pa.Buffer:
    """Just the bytes that count: what a writer finds behind them, it would take for padding."""
    return buffer.slice(start, size) if buffer is not None else pa.py_buffer(b"")


def _field(field: pa.Field) -> pa.Field:
    metadata = {key: value for key, value in (field.metadata or {}).items() if key in _ENUM}
    return pa.field(field.name, _type(field.type), field.nullable, metadata=metadata or None)


def _type(kind: pa.DataType) -> pa.DataType:
    types = pa.types
    if types.is_string_view(kind):
        return pa.large_string()
    if types.is_binary_view(kind):
        return pa.large_binary()
    if types.is_dictionary(kind):
        return pa.dictionary(kind.index_type, _type(kind.value_type), kind.ordered)
    if types.is_struct(kind):
        return pa.struct([_field(kind.field(at)) for at in range(kind.num_fields)])
    if types.is_fixed_size_list(kind):
        return pa.list_(_field(kind.value_field), kind.list_size)
    if types.is_large_list(kind):
        return pa.large_list(_field(kind.value_field))
    if types.is_list(kind):
        return pa.list_(_field(kind.value_field))
    if types.is_map(kind):
        return pa.map_(_field(kind.key_field), _field(kind.item_field), keys_sorted=kind.keys_sorted)
    return kind


def _entries(kind: pa.MapType) -> pa.Field:
    return pa.field("entries", pa.struct([kind.key_field, kind.item_field]), nullable=False)


def _own(metadata: dict[bytes, bytes] | None) -> dict[bytes, bytes] | None:
    """Our notes alone; what other libraries note differs between their versions and moments."""
    kept = {key: value for key, value in (metadata or {}).items() if key.startswith(b"noria.")}
    return kept or None
