"""The quick way to read the inference protocol's JSON: tensors checked by msgspec as their datatype says, at once.

As `quick`, it takes only what leaves no doubt, and gives None for all else.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, cast

import msgspec

from noria.graph.columns import BIGGEST, Misfit, kind_of
from noria.records.versions import RequestColumn, Signature, Version
from noria.serving.bulk_tensors import BulkTensors
from noria.serving.columns import ReadColumns, read_columns
from noria.serving.protocol import FLOATS, INTEGERS, datatype
from noria.serving.quick import INTEGER_RANGES, LARGEST, QuickReader, Values
from noria.serving.skeleton import KEPT, Skeleton, skeleton_of

LARGE = 256  # bytes a column of a body that may have many rows: of one row it is some 80 to 100, names and shape included

Convert = Callable[[list[Any]], list[Any]]


@dataclass(frozen=True)
class ReadTensors:
    """The rows of one request, and what it wants to be called."""

    rows: Sequence[Values]
    id: str | None
    nulls: bool = True
    """Whether there may be nulls among them."""

    @property
    def first(self) -> Values:
        """The first row."""
        return self.rows[0]

    def __len__(self) -> int:
        return len(self.rows)


class _Sent(msgspec.Struct, tag_field="datatype", gc=False):
    """A tensor; its datatype is its class."""

    name: str
    shape: list[int]
    parameters: dict[str, Any] | None = None


class QuickTensors:
    """Reads a version's requests for inference, as JSON of flat tensors; a matrix of all columns may be nested."""

    def __init__(
        self, signature: Signature, rows: QuickReader, *, max_rows: int, large: int | None = None
    ) -> None:
        """`large`: the rows beyond which a request stays as it came, by column; None for never."""
        self._rows = rows
        self._large = max_rows if large is None else large
        self._bulk = None if large is None else BulkTensors(signature, rows, max_rows=max_rows)
        self._max = max_rows
        kinds = {name: _tensor(name, _items(name)) for name in (*FLOATS, *_integers(), "BOOL", "BYTES")}
        self._decode = _decoder(kinds.values())
        lists = {name: _tensor(name, list[_items(name)]) for name in (*FLOATS, *_integers())}  # type: ignore[misc]
        self._nested = _decoder(lists.values())
        self._width = len(signature.request)
        self._places: dict[tuple[str, type], tuple[int, Convert | None]] = {
            (column.name, kinds[name]): (at, convert)
            for at, column in enumerate(signature.request)
            for name, convert in _conversions(column).items()
            if name in kinds
        }
        self._plain = {
            (column.name, kinds[datatype(column.type)]): at
            for at, column in enumerate(signature.request)
            if rows.types[at] is not None and (column.type == "double" or column.type not in FLOATS.values())
        }
        """Where a tensor's values are checked by the column's type just as by the tensor's."""
        self._skeletons: list[Skeleton] = []
        self._matrix = {
            kind: converts
            for name, converts in _matrix_conversions(signature).items()
            for kind in (kinds[name], lists[name])
        }

    def read(self, body: bytes) -> ReadTensors | ReadColumns | None:
        """The rows in a body of JSON; None where only the careful reader can tell."""
        for skeleton in self._skeletons:
            try:
                found = skeleton.read(body)
            except (msgspec.MsgspecError, UnicodeDecodeError):
                break
            if found is not None:
                return self._as_rows([found[0]], found[1])
        if self._bulk is not None and len(body) >= LARGE * self._width:
            columns = self._bulk.read(body)
            if columns is not None and columns.count > self._large:
                return columns
        try:
            sent = self._decode(body)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return self._read_nested(body) if self._matrix else None
        tensors = sent.inputs
        if sent.outputs is not None or sent.parameters is not None or not tensors:
            return None
        if len(tensors) != self._width:
            return self._read_matrix(sent, tensors[0].data) if len(tensors) == 1 else None
        count = len(tensors[0].data)
        if not 0 < count <= self._max:
            return None
        try:
            values = self._read(tensors, count)
        except (Misfit, OverflowError):
            return None
        read = None if values is None else self._checked(values, count, sent.id)
        if read is not None and count == 1:
            self._learn(body, sent)
        return read

    def _learn(self, body: bytes, sent: Any) -> None:
        """Keep the text of a request of one row, where its values are the columns' as they stand."""
        found = [self._plain.get((tensor.name, tensor.__class__)) for tensor in sent.inputs]
        if None in found:
            return
        places = [cast("int", at) for at in found]
        kinds = [self._rows.types[at] for at in places]
        skeleton = skeleton_of(body, kinds, places, named=sent.id is not None)
        if skeleton is not None:
            self._skeletons = [skeleton, *self._skeletons[: KEPT - 1]]

    def _read(self, tensors: Sequence[Any], count: int) -> list[list[Any]] | None:
        flat, tall, places = [count], [count, 1], self._places
        columns: list[Any] = [None] * self._width
        for tensor in tensors:
            found = places.get((tensor.name, tensor.__class__))
            data = tensor.data
            if found is None or len(data) != count or tensor.parameters:
                return None
            if tensor.shape != flat and tensor.shape != tall:
                return None
            at, convert = found
            columns[at] = data if convert is None else convert(data)
        if None in columns:  # a name that came twice
            return None
        return columns

    def _checked(
        self, columns: list[list[Any]], count: int, id: str | None
    ) -> ReadTensors | ReadColumns | None:
        if count <= self._large:
            return self._as_rows(list(zip(*columns, strict=True)), id)
        read = read_columns(columns, self._rows, count, reply="tensors", id=id)
        return read if self._rows.fits_by_column(read) else None

    def _as_rows(self, rows: list[Values], id: str | None) -> ReadTensors | None:
        return ReadTensors(rows, id) if self._rows.fits(rows) else None

    def _read_nested(self, body: bytes) -> ReadTensors | ReadColumns | None:
        try:
            sent = self._nested(body)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return None
        if sent.outputs is not None or sent.parameters is not None or len(sent.inputs) != 1:
            return None
        rows = sent.inputs[0].data
        if any(len(row) != self._width for row in rows):
            return None
        return self._read_matrix(sent, [value for row in rows for value in row])

    def _read_matrix(self, sent: Any, flat: list[Any]) -> ReadTensors | ReadColumns | None:
        tensor, width = sent.inputs[0], self._width
        converts = self._matrix.get(tensor.__class__)
        count = len(flat) // width
        if converts is None or tensor.parameters or tensor.name in self._rows.names:
            return None
        if not 0 < count <= self._max or tensor.shape != [count, width] or len(flat) != count * width:
            return None
        columns = [flat[at::width] for at in range(width)]
        read = [
            data if convert is None else convert(data)
            for data, convert in zip(columns, converts, strict=True)
        ]
        return self._checked(read, count, sent.id)


def _decoder(kinds: Any) -> Callable[[bytes], Any]:
    union: Any = None
    for kind in kinds:
        union = kind if union is None else union | kind
    infer = msgspec.defstruct(
        "Infer",
        [
            ("inputs", list[union]),
            ("id", str | None, None),
            ("parameters", dict[str, Any] | None, None),
            ("outputs", list[Any] | None, None),
        ],
        gc=False,
    )
    decode: Callable[[bytes], Any] = msgspec.json.Decoder(infer).decode
    return decode


def _tensor(name: str, items: Any) -> Any:
    return msgspec.defstruct(
        name, [("data", list[items], msgspec.field())], bases=(_Sent,), tag=name, kw_only=True
    )


def _integers() -> list[str]:
    return [name for name, arrow in INTEGERS.items() if INTEGER_RANGES[arrow][1] <= LARGEST]


def _items(name: str) -> Any:
    """What a datatype's values are; null is the missing one."""
    if name in FLOATS:
        return float | None
    if name == "BOOL":
        return bool | None
    if name == "BYTES":
        return str | None
    low, high = INTEGER_RANGES[INTEGERS[name]]
    return Annotated[int, msgspec.Meta(ge=low, le=high)] | None


def _conversions(column: RequestColumn) -> dict[str, Convert | None]:
    """The datatypes in which a column may come, each with what makes it the column's; None for nothing."""
    own, kind = datatype(column.type), column.type
    if "<" in kind:
        return {}
    if kind == "double":
        return {"FP64": None, "FP32": _each(_narrowed("f")), "FP16": _each(_narrowed("e"))} | dict.fromkeys(
            _integers(), _each(float)
        )
    if own in INTEGERS:
        low, high = INTEGER_RANGES[kind]
        return {
            name: None
            for name, arrow in INTEGERS.items()
            if low <= INTEGER_RANGES[arrow][0] and INTEGER_RANGES[arrow][1] <= high
        }
    if kind == "bool" or kind_of(column.name, kind).expected == "a string":
        return {own: None}
    return {}


def _matrix_conversions(signature: Signature) -> dict[str, list[Convert | None]]:
    """By datatype, what makes each column out of one matrix; nothing where a matrix cannot be all columns."""
    each = [_conversions(column) for column in signature.request]
    if any(datatype(column.type) not in FLOATS | INTEGERS for column in signature.request):
        return {}
    common = set.intersection(*map(set, each)) if each else set()
    return {name: [conversions[name] for conversions in each] for name in common}


def _each(convert: Callable[[Any], Any]) -> Convert:
    return lambda values: [None if value is None else convert(value) for value in values]


def _narrowed(code: str) -> Callable[[float], float]:
    narrow = struct.Struct(code)
    biggest = BIGGEST[8 * narrow.size]

    def read(value: float) -> float:
        if abs(value) > biggest:
            raise Misfit(str(value))
        try:
            rounded: float = narrow.unpack(narrow.pack(value))[0]
        except (OverflowError, struct.error) as error:
            raise Misfit(str(value)) from error
        return rounded

    return read


def tensor_writer(version: Version) -> Callable[[str | None, Iterable[str], Sequence[Sequence[Any]]], bytes]:
    """Writes the answer's columns for a request's rows, as the careful way would."""
    encode = msgspec.json.Encoder().encode
    names = [encode(column.name) for column in version.signature.answer]
    kinds = [datatype(column.type).encode() for column in version.signature.answer]
    model, number = encode(version.model), encode(str(version.number))
    start = b'{"model_name":%b,"model_version":%b,' % (model, number)
    ids_follow = b'"parameters":{"version":%b,"prediction_ids":"' % encode(version.name)
    tensors = [b'{"name":%b,"datatype":"%b","shape":[' % each for each in zip(names, kinds, strict=True)]

    def write(id: str | None, ids: Iterable[str], columns: Sequence[Sequence[Any]]) -> bytes:
        named = b"" if id is None else b'"id":%b,' % encode(id)
        count = str(len(columns[0])).encode()
        said = b",".join(
            b'%b%b],"data":%b}' % (head, count, encode(column))
            for head, column in zip(tensors, columns, strict=True)
        )
        told = ",".join(ids).encode()
        return b'%b%b%b%b"},"outputs":[%b]}' % (start, named, ids_follow, told, said)

    return write
