"""The quick way to read rows: a type made from the signature, into which msgspec decodes JSON and checks it at once.

It takes only what leaves no doubt; for all else it gives None, and the careful reader (`asked`) looks at the request
once more and names every fault. So the two cannot disagree about a request that is refused.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from datetime import date
from typing import TYPE_CHECKING, Annotated, Any

import msgspec

from noria.graph.columns import Kind, Misfit, kind_of
from noria.records.versions import RequestColumn, Signature

if TYPE_CHECKING:
    from noria.serving.columns import ReadColumns

Values = tuple[Any, ...]
"""A row, in the signature's order, as Arrow takes it: times are whole ticks since 1970, and days are days since then."""

INTEGER_RANGES = {
    f"{sign}int{bits}": (0 if sign else -(2 ** (bits - 1)), 2**bits - 1 if sign else 2 ** (bits - 1) - 1)
    for sign in ("", "u")
    for bits in (8, 16, 32, 64)
}
_NARROW = {"float": "f", "halffloat": "e", "half_float": "e"}
EPOCH = date(1970, 1, 1).toordinal()
LARGEST = 2**63 - 1  # what msgspec can bound an integer by


class Read(msgspec.Struct, frozen=True):
    """The rows of one request."""

    rows: Sequence[Values]
    nulls: bool
    """Whether any value may be null."""

    @property
    def first(self) -> Values:
        """The first row."""
        return self.rows[0]

    def __len__(self) -> int:
        return len(self.rows)


class QuickReader:
    """Reads the rows of one version's requests."""

    def __init__(self, signature: Signature, *, max_rows: int) -> None:
        columns = signature.request
        kinds = [kind_of(column.name, column.type) for column in columns]
        self._max = max_rows
        self._row = _row_type(signature)
        self._one = msgspec.json.Decoder(self._row).decode
        self._lines: Callable[[bytes], list[Any]] = msgspec.json.Decoder(self._row).decode_lines
        many = msgspec.defstruct("Rows", [("rows", list[self._row])], forbid_unknown_fields=True, gc=False)  # type: ignore[name-defined]
        self._many: Callable[[bytes], Any] = msgspec.json.Decoder(many).decode
        self._single_possible = "rows" not in {column.name for column in columns}
        self._convert: list[tuple[int, Callable[[Any], Any]]] = [
            (at, _converter(column, kind))
            for at, (column, kind) in enumerate(zip(columns, kinds, strict=True))
            if not _decoded(column)
        ]
        self._levels = [
            (at, frozenset((*column.levels, None)))  # null is no category
            for at, column in enumerate(columns)
            if column.levels is not None
        ]
        never = [at for at, column in enumerate(columns) if not _may_be_null(column, signature)]
        self.categorical = bool(self._levels)
        """Whether there are columns whose categories are known."""
        self._never_null = [at for at, _ in self._convert if at in never]
        self.never_null = never
        """Places of a row that must hold a value."""
        self.types = [_type(column, signature) for column in columns]
        """What msgspec decodes each column into; None for what has to be converted."""
        self.doubles = frozenset(at for at, column in enumerate(columns) if column.type == "double")
        """Places of the columns that hold 64-bit floats."""
        self.texts = [kind in (str, str | None) for kind in self.types]
        """Of each column, whether it holds texts as they are."""
        self._refuses = signature.unknown == "refuse"
        self.names = [column.name for column in columns]
        """The columns, in the order of a row's values."""
        self._telling = _telling(self.names)

    def read(self, body: bytes) -> Read | None:
        """The rows in a body of JSON; None where only the careful reader can tell."""
        single = self._single_possible and body[:7] != b'{"rows"'
        try:
            if single:
                rows = [self._values(self._one(body))]
            else:
                found = self._many(body).rows
                if not 0 < len(found) <= self._max:
                    return None
                rows = self._all_values(found)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, Misfit):
            return None
        if self._refuses and self.unknown(rows):
            return None
        return Read(rows, (self._telling is None or self._telling in body) and b"null" in body)

    def lines(self, body: bytes) -> Sequence[Values] | None:
        """The rows in a body of one object a line; None where only the careful reader can tell."""
        try:
            found = self._lines(body)
            rows = self._all_values(found) if 0 < len(found) <= self._max else []
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, Misfit):
            return None
        return rows or None

    def fits(self, rows: Sequence[Values]) -> bool:
        """Whether rows of the right types may be answered: no null where there must be none, no category refused."""
        for row in rows:
            if None in row and any(row[at] is None for at in self.never_null):
                return False
        return not (self._refuses and self.unknown(rows))

    def fits_by_column(self, read: ReadColumns) -> bool:
        """`fits` of columns."""
        for at in self.never_null:
            values = read.others[at]
            if values is not None and None in values:
                return False
        return not (self._refuses and self.unknown_by_column(read))

    def unknown(self, rows: Sequence[Values]) -> dict[str, int]:
        """Values that training never saw, by column, where there are any."""
        counts: dict[str, int] = {}
        for row in rows:
            for at, levels in self._levels:
                if row[at] not in levels:
                    counts[self.names[at]] = counts.get(self.names[at], 0) + 1
        return counts

    def unknown_by_column(self, read: ReadColumns) -> dict[str, int]:
        """The same of columns."""
        counts = {
            self.names[at]: sum(value not in levels for value in read.column(at))
            for at, levels in self._levels
        }
        return {name: count for name, count in counts.items() if count}

    def nulls_by_column(self, read: ReadColumns) -> dict[str, int]:
        """`nulls` of columns."""
        each = zip(self.names, read.others, strict=True)
        counts = {name: values.count(None) for name, values in each if values is not None}
        return {name: count for name, count in counts.items() if count}

    def nulls(self, rows: Sequence[Values]) -> dict[str, int]:
        """Nulls by column, where there are any."""
        counts: dict[str, int] = {}
        for row in rows:
            at = -1
            for _ in range(row.count(None)):
                at = row.index(None, at + 1)
                counts[self.names[at]] = counts.get(self.names[at], 0) + 1
        return counts

    def _values(self, found: Any) -> Values:
        values: Values = msgspec.structs.astuple(found)
        return self._converted(values) if self._convert else values

    def _all_values(self, found: Sequence[Any]) -> list[Values]:
        rows: list[Values] = list(map(msgspec.structs.astuple, found))
        return [self._converted(row) for row in rows] if self._convert else rows

    def _converted(self, values: Values) -> Values:
        changed = list(values)
        for at, convert in self._convert:
            if changed[at] is not None:
                changed[at] = convert(changed[at])
            elif at in self._never_null:
                raise Misfit("null")
        return tuple(changed)


def _telling(names: Sequence[str]) -> bytes | None:
    """A letter of `null` that no column has in its name, if there is one: one byte is found, or not, in a tenth of the time
    that four take, and those in a tenth of the time in which each value is compared with None."""
    written = msgspec.json.encode([*names, "rows"])
    return next((letter for letter in (b"u", b"l", b"n") if letter not in written), None)


def _row_type(signature: Signature) -> type[msgspec.Struct]:
    """A struct of the request's columns, each as JSON may give it; strict, so "17.9" and true are no numbers."""
    fields, names = [], {}
    for at, column in enumerate(signature.request):
        kind = _type(column, signature)
        fields.append((f"c{at}", Any if kind is None else kind))
        names[f"c{at}"] = column.name
    row: type[msgspec.Struct] = msgspec.defstruct(
        "Row", fields, rename=names, forbid_unknown_fields=True, gc=False
    )
    return row


def _converter(column: RequestColumn, kind: Kind) -> Callable[[Any], Any]:
    """From JSON to what Arrow's array of the column would give back, as far as one can tell the two apart."""
    if column.type == "date32[day]":
        return _days(kind.convert)
    if column.type in _NARROW:
        return _rounded(kind.convert, struct.Struct(_NARROW[column.type]))
    return kind.convert


def _rounded(convert: Callable[[Any], float], narrow: struct.Struct) -> Callable[[Any], float]:
    def read(value: Any) -> float:
        rounded: float = narrow.unpack(narrow.pack(convert(value)))[0]
        return rounded

    return read


def _days(convert: Callable[[Any], Any]) -> Callable[[Any], int]:
    def read(value: Any) -> int:
        return int(convert(value).toordinal()) - EPOCH

    return read


def _type(column: RequestColumn, signature: Signature) -> Any:
    """What msgspec decodes a column into, null among it where that may be; None for what has to be converted."""
    kind = _decoded(column)
    return kind | None if kind is not None and _may_be_null(column, signature) else kind


def _may_be_null(column: RequestColumn, signature: Signature) -> bool:
    return column.name not in signature.key and (column.nulls or signature.unknown == "accept")


def _decoded(column: RequestColumn) -> Any:
    """What msgspec can decode a column into by itself; None for what has to be converted, value by value."""
    kind: Kind = kind_of(column.name, column.type)
    if column.type == "double":
        return float
    if column.type == "bool":
        return bool
    if kind.expected == "a string":
        return str
    if column.type in INTEGER_RANGES and INTEGER_RANGES[column.type][1] <= LARGEST:
        low, high = INTEGER_RANGES[column.type]
        return Annotated[int, msgspec.Meta(ge=low, le=high)]
    return None
