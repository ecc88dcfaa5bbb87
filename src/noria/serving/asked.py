"""A request against the signature: columns of JSON values become typed rows, or every fault is named at once."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from noria.graph.columns import Kind, kind_of, shown, values_of
from noria.graph.reach import beyond
from noria.records.predictions import key_text
from noria.records.versions import RequestColumn, Signature
from noria.serving.errors import BadRows, BadShape, Fault, TooManyRows

if TYPE_CHECKING:
    import pyarrow as pa

LISTED = 50  # faults that an answer spells out; a screen and a half
PER_COLUMN = 5  # of them in one column, so that one bad column does not hide another


@dataclass(frozen=True)
class Asked:
    """The typed rows of one request, their columns in the signature's order."""

    rows: pa.RecordBatch
    nulls: Mapping[str, int]
    """Nulls by column, where there are any."""
    unknown: Mapping[str, int]
    """Values that training never saw, by categorical column, where there are any."""


class Faults:
    """All faults of a request, the first ones in words."""

    def __init__(self) -> None:
        self.count = 0
        self._listed: list[Fault] = []
        self._columns: dict[str | None, int] = {}

    def add(self, row: int | None, column: str | None, given: str, expected: str) -> None:
        self.count += 1
        seen = self._columns[column] = self._columns.get(column, 0) + 1
        if seen <= PER_COLUMN and len(self._listed) < LISTED:
            self._listed.append(Fault(row, column, given, expected))

    @property
    def listed(self) -> tuple[Fault, ...]:
        """The first ones."""
        return tuple(self._listed)

    def check(self, model: str) -> None:
        """Raises `BadRows` when there was any."""
        if self.count:
            raise BadRows(model=model, count=self.count, faults=self.listed)


class Reader:
    """Reads requests for one version. Raises `CannotCarry` when a column's type has no form in JSON."""

    def __init__(self, signature: Signature, *, model: str, max_rows: int) -> None:
        self.model = model
        self.max_rows = max_rows
        self.signature = signature
        self.kinds = {column.name: kind_of(column.name, column.type) for column in signature.request}
        self._names = self.kinds.keys()
        strict = signature.unknown == "refuse"
        self._whole = {each.name for each in signature.request if strict and not each.nulls}
        self._timed = {
            each.name for each in signature.request if "timestamp[" in each.type or "date32[" in each.type
        }
        self._levels = {
            column.name: frozenset(column.levels) for column in signature.request if column.levels is not None
        }

    @cached_property
    def schema(self) -> pa.Schema:
        import pyarrow as pa

        return pa.schema([(name, kind.type) for name, kind in self.kinds.items()])

    def rows(self, rows: object) -> Asked:
        """Rows as objects. Raises `BadRows`, `BadShape`, `TooManyRows`."""
        if not isinstance(rows, list):
            raise BadShape(
                problem=f"`rows` is {shown(rows)}, not an array", fix='send {"rows": [{...}, ...]}'
            )
        self.check_count(len(rows))
        faults = Faults()
        absent: set[tuple[int, str]] = set()
        for position, row in enumerate(rows):
            if type(row) is not dict:
                faults.add(position, None, shown(row), "an object with a member for each column")
                absent.update((position, name) for name in self._names)
            elif row.keys() != self._names:
                self._name_faults(position, row, faults, absent)
        whole = [row if type(row) is dict else {} for row in rows]
        return self.columns({name: [row.get(name) for row in whole] for name in self._names}, faults, absent)

    def typed(self, rows: Sequence[tuple[Any, ...]]) -> Asked:
        """Rows as the quick reader gives them, which are of the right types. Raises `BadRows`."""
        import pyarrow as pa

        columns = zip(self.schema, zip(*rows, strict=True), strict=True)
        return self.columns(
            {field.name: pa.array(values, field.type) for field, values in columns}, Faults(), set()
        )

    def check_count(self, count: int) -> None:
        """Raises `BadShape` for none, `TooManyRows` for more than the service takes."""
        if count <= 0:
            raise BadShape(problem="the request has no rows", fix="send at least one row")
        if count > self.max_rows:
            raise TooManyRows(rows=count, limit=self.max_rows)

    def columns(
        self, columns: Mapping[str, Sequence[Any] | pa.Array], faults: Faults, absent: set[tuple[int, str]]
    ) -> Asked:
        """Columns of values, or arrays that are typed already, once all their names are known to be right.
        `absent`: places that hold null only because nothing was given there, which was a fault already."""
        import pyarrow as pa

        arrays: dict[str, pa.Array] = {}
        unknown: dict[str, int] = {}
        for column in self.signature.request:
            if (values := columns.get(column.name)) is None:
                continue
            array = self._array(column.name, self.kinds[column.name], values, faults)
            if array is None:
                continue
            arrays[column.name] = array
            if array.null_count:
                self._null_faults(column, array, faults, absent)
            if column.name in self._levels and (strange := self._strange(column.name, array, faults)):
                unknown[column.name] = strange
        faults.check(self.model)
        rows = pa.RecordBatch.from_arrays([arrays[name] for name in self.schema.names], schema=self.schema)
        nulls = {name: array.null_count for name, array in arrays.items() if array.null_count}
        return Asked(rows=rows, nulls=nulls, unknown=unknown)

    def missing(self, row: int | None, name: str, faults: Faults) -> None:
        """Note that a column was not given at all."""
        may_be_null = self._why_never_null(name) is None
        faults.add(row, name, "nothing", self.kinds[name].expected + (", or null" if may_be_null else ""))

    def extra(self, row: int | None, name: str, faults: Faults) -> None:
        """Note a column that the signature does not have."""
        near = difflib.get_close_matches(name, self._names, n=1)
        faults.add(row, shown(name).strip('"'), "a column that the model does not take", _meant(near))

    def _name_faults(
        self, position: int, row: Mapping[str, Any], faults: Faults, absent: set[tuple[int, str]]
    ) -> None:
        for name in self.kinds:  # in the signature's order, so that the first faults are always the same
            if name not in row:
                self.missing(position, name, faults)
                absent.add((position, name))
        for name in row:
            if name not in self._names:
                self.extra(position, name, faults)

    def _array(
        self, name: str, kind: Kind, values: Sequence[Any] | pa.Array, faults: Faults
    ) -> pa.Array | None:
        if not isinstance(values, list):
            if name in self._timed:
                places, years = beyond(values)
                for position in places:
                    faults.add(position, name, f"a time beyond {years}", kind.expected)
            return values
        array, misfits = kind.read(values)
        for position, given in misfits:
            faults.add(position, name, given, kind.expected)
        return array

    def _null_faults(
        self, column: RequestColumn, array: pa.Array, faults: Faults, absent: set[tuple[int, str]]
    ) -> None:
        why = self._why_never_null(column.name)
        if why is None:
            return
        for position, valid in enumerate(array.is_valid().to_pylist()):
            if not valid and (position, column.name) not in absent:
                faults.add(position, column.name, "null", why)

    def _why_never_null(self, name: str) -> str | None:
        """Why a column must hold a value, for people; None where it need not."""
        if name in self.signature.key:
            return "a value: it is the key"
        return "a value: training had no null here" if name in self._whole else None

    def _strange(self, name: str, array: pa.Array, faults: Faults) -> int:
        """Values that are no category of training: counted, or faults where the model refuses them."""
        values, levels = array.unique().to_pylist(), self._levels[name]
        if set(values) - levels <= {None}:
            return 0
        values = array.to_pylist()
        strange = [i for i, value in enumerate(values) if value is not None and value not in levels]
        if self.signature.unknown == "refuse":
            expected = f"one of {len(levels)} categories: {', '.join(sorted(levels)[:5])}"
            for position in strange:
                faults.add(
                    position, name, shown(values[position]), expected + (" ..." if len(levels) > 5 else "")
                )
        return len(strange)


def keys(signature: Signature, rows: pa.RecordBatch) -> list[str] | None:
    """The key of each row as text; None for a model without one."""
    if not signature.key:
        return None
    columns = [values_of(rows.column(name)) for name in signature.key]
    if len(columns) == 1 and rows.schema.field(signature.key[0]).type == "string":
        return columns[0]  # the key's text is the text itself
    return [key_text(values) for values in zip(*columns, strict=True)]


def units(signature: Signature, rows: pa.RecordBatch, keys: list[str] | None) -> list[str | None]:
    """What each row counts as a trial of: the unit's value, else the key."""
    fallback: Sequence[str | None] = keys if keys is not None else [None] * rows.num_rows
    if signature.unit is None:
        return list(fallback)
    values = values_of(rows.column(signature.unit))
    return [
        other if value is None else key_text([value]) for value, other in zip(values, fallback, strict=True)
    ]


def event_times(signature: Signature, rows: pa.RecordBatch, at: datetime) -> pa.Array:
    """When each row happened, UTC: its own time, or `at` where it has none or one that is no time."""
    import pyarrow as pa

    wanted = pa.timestamp("us", tz="UTC")
    received = pa.repeat(pa.scalar(at, wanted), rows.num_rows)
    if signature.time is None:
        return received
    times = rows.column(signature.time)
    if not (pa.types.is_timestamp(times.type) or pa.types.is_date(times.type)):
        return received
    if pa.types.is_date(times.type):
        times = times.cast(pa.timestamp("us"))
    if times.type != wanted:
        times = times.cast(wanted, safe=False)
    return times.fill_null(pa.scalar(at, wanted)) if times.null_count else times


def _meant(near: Sequence[str]) -> str:
    return f"{near[0]}, perhaps" if near else "no such column"
