"""Logged values from MessagePack to Arrow's columns, without a Python object for a value.

Rows of one length mostly have one *form*: the same markers at the same places, other bytes between them. The form is
read off one of them; those that have the same markers are a matrix of bytes, in which each value is a few columns. What
does not fit (lists, rare forms) is decoded one by one, as before.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pyarrow as pa

Matrix = np.ndarray[Any, np.dtype[np.uint8]]

FEW = 32  # payloads of a form; below it, one by one is quicker
FORMS = 8  # of one length; rows whose numbers and gaps come in more of them are decoded one by one
EXACT = 2**53  # integers beyond it are not all numbers of 64 bits

# a marker's numpy type, for values of a fixed width
_WIDE = {0xCA: ">f4", 0xCB: ">f8", 0xCC: ">u1", 0xCD: ">u2", 0xCE: ">u4", 0xCF: ">u8"}
_WIDE |= {0xD0: ">i1", 0xD1: ">i2", 0xD2: ">i4", 0xD3: ">i8"}
_TEXT = {0xD9: ">B", 0xDA: ">H", 0xDB: ">I"}
_NIL, _FALSE, _TRUE, _ARRAY16 = 0xC0, 0xC2, 0xC3, 0xDC


class _Unread(Exception):
    """A payload whose values this does not read in bulk."""


@dataclass(frozen=True)
class Value:
    """One value's place in a form."""

    at: int
    """Its first byte: the marker."""
    head: int
    """Bytes of marker and length."""
    size: int
    """Bytes behind them."""
    kind: str
    """numpy's type of what is behind the marker; or `nil`, `bool`, `small` (the marker is the number), `text`."""


@dataclass(frozen=True)
class Form:
    """Where the values of one row lie, in the order of the payload."""

    values: tuple[Value, ...]
    given: int
    """How many of them are the request's."""
    marks: np.ndarray[Any, np.dtype[np.intp]]
    """The bytes that every payload of this form has alike."""


def request_form(payload: memoryview) -> Form | None:
    """The form of a request of one row; None for what is decoded one by one."""
    return _form(payload, _Reading.request)


def row_form(row: memoryview) -> Form | None:
    """The form of the values of a row."""
    return _form(row, _Reading.row)


def _form(data: memoryview, read: Callable[[_Reading], int]) -> Form | None:
    reading = _Reading(bytes(data))
    try:
        return reading.form(read(reading))
    except (_Unread, IndexError, struct.error):
        return None


class _Reading:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0
        self._values: list[Value] = []

    def request(self) -> int:
        """How many values its row has."""
        parts = self._array()
        for _ in range(3):  # at, took, way
            self._value()
        given = self._one_row()
        self._one_row()  # key, unit, time
        self._one_row()  # the answer
        for _ in range(parts - 6):  # the trace, where there is one
            self._value()
        return given

    def row(self) -> int:
        count = self._array()
        for _ in range(count):
            self._value()
        return count

    def form(self, given: int) -> Form:
        if self._at != len(self._data):  # cut off, or followed by what is no value of it
            raise _Unread
        fixed = np.ones(len(self._data), bool)
        for value in self._values:
            fixed[value.at + value.head : value.at + value.head + value.size] = False
            if value.kind in ("bool", "small"):
                fixed[value.at] = False
        return Form(tuple(self._values), given, np.flatnonzero(fixed))

    def _one_row(self) -> int:
        """How many values it has."""
        if self._array() != 1:
            raise _Unread
        return self.row()

    def _array(self) -> int:
        marker = self._data[self._at]
        if marker & 0xF0 == 0x90:
            self._at += 1
            return marker & 0x0F
        if marker == _ARRAY16:
            (count,) = struct.unpack_from(">H", self._data, self._at + 1)
            self._at += 3
            return int(count)
        raise _Unread

    def _value(self) -> None:
        value = _value_at(self._data, self._at)
        self._values.append(value)
        self._at += value.head + value.size


def _value_at(data: bytes, at: int) -> Value:
    marker = data[at]
    if marker < 0x80:
        return Value(at, 1, 0, "small")
    if marker in _WIDE:
        return Value(at, 1, np.dtype(_WIDE[marker]).itemsize, _WIDE[marker])
    if marker == _NIL:
        return Value(at, 1, 0, "nil")
    if marker in (_FALSE, _TRUE):
        return Value(at, 1, 0, "bool")
    if marker & 0xE0 == 0xA0:
        return Value(at, 1, marker & 0x1F, "text")
    if marker in _TEXT:
        size = struct.calcsize(_TEXT[marker])
        return Value(at, 1 + size, int(struct.unpack_from(_TEXT[marker], data, at + 1)[0]), "text")
    raise _Unread


def formed(
    payloads: Sequence[memoryview], form_of: Callable[[memoryview], Form | None]
) -> Iterator[tuple[Form, Sequence[int], Matrix]]:
    """Groups of payloads of one form: which of them, and their bytes. What is in no group is decoded one by one."""
    lengths = np.fromiter(map(len, payloads), np.int64, len(payloads))
    for length in np.unique(lengths).tolist():
        left = np.flatnonzero(lengths == length)
        for _ in range(FORMS):
            if len(left) < FEW:
                break
            form = form_of(payloads[left[0]])
            if form is None:
                left = left[1:]
                continue
            matrix = np.frombuffer(b"".join([payloads[at] for at in left.tolist()]), np.uint8)
            matrix = matrix.reshape(len(left), length)
            alike = _alike(form, matrix)
            if alike.sum() >= FEW:
                yield form, left[alike].tolist(), matrix if alike.all() else matrix[alike]
            left = left[~alike]


def _alike(form: Form, matrix: Matrix) -> np.ndarray[Any, np.dtype[np.bool_]]:
    marks = matrix[:, form.marks]
    alike: np.ndarray[Any, np.dtype[np.bool_]] = (marks == marks[0]).all(axis=1)
    for value in form.values:
        if value.kind == "small":
            alike &= matrix[:, value.at] < 0x80
        elif value.kind == "bool":
            alike &= (matrix[:, value.at] == _FALSE) | (matrix[:, value.at] == _TRUE)
    return alike


def column(matrix: Matrix, value: Value, kind: pa.DataType) -> pa.Array | None:
    """One value of every payload as a column of a type; None where only Arrow's own conversion knows the answer."""
    import pyarrow as pa

    if value.kind == "nil":
        return pa.nulls(len(matrix), kind)
    if value.kind == "text":
        return _texts(matrix, value) if pa.types.is_string(kind) else None
    if value.kind == "bool":
        return pa.array(matrix[:, value.at] == _TRUE) if pa.types.is_boolean(kind) else None
    return _numbers(_read(matrix, value), kind)


def _read(matrix: Matrix, value: Value) -> np.ndarray[Any, Any]:
    """Numbers in the machine's own order."""
    if value.kind == "small":
        return matrix[:, value.at].astype(np.int64)
    start = value.at + 1
    raw = np.ascontiguousarray(matrix[:, start : start + value.size]).view(value.kind)[:, 0]
    return raw.astype(raw.dtype.newbyteorder("="))


def _numbers(numbers: np.ndarray[Any, Any], kind: pa.DataType) -> pa.Array | None:
    """As `pa.array` makes them of Python's numbers: a fraction never becomes an integer, and none loses a digit."""
    import pyarrow as pa

    if numbers.dtype.kind == "f":
        return pa.array(numbers.astype(np.float64)) if pa.types.is_float64(kind) else None
    if numbers.dtype == np.uint64:
        if numbers.max(initial=0) > np.iinfo(np.int64).max:
            return None
        numbers = numbers.astype(np.int64)
    if pa.types.is_int64(kind):
        return pa.array(numbers.astype(np.int64))
    if pa.types.is_timestamp(kind):
        return pa.array(numbers.astype(np.int64)).cast(kind)
    if pa.types.is_float64(kind) and np.abs(numbers.astype(np.int64)).max(initial=0) <= EXACT:
        return pa.array(numbers.astype(np.float64))
    return None


def _texts(matrix: Matrix, value: Value) -> pa.Array:
    import pyarrow as pa

    start = value.at + value.head
    data = np.ascontiguousarray(matrix[:, start : start + value.size])
    ends = np.arange(len(matrix) + 1, dtype=np.int32) * np.int32(value.size)
    return pa.StringArray.from_buffers(len(matrix), pa.py_buffer(ends), pa.py_buffer(data))
