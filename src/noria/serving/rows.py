"""Rows as the prediction log has them: when, whose, how long it took, what was asked and what was answered."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import msgspec

from noria.graph.columns import kind_of
from noria.graph.reach import zone_of
from noria.ports.serving import ANSWER, AT, KEY, REQUEST, TIME, TOOK, TRACE, UNIT, WAY
from noria.records.predictions import key_text
from noria.records.versions import RequestColumn, Signature
from noria.serving.answers import Answers
from noria.serving.asked import Asked, event_times, keys, units
from noria.serving.quick import EPOCH

if TYPE_CHECKING:
    import pyarrow as pa

    from noria.serving.columns import ReadColumns
    from noria.serving.served import Served
    from noria.serving.veil import Veil

_TICKS = {"s": 1_000_000, "ms": 1_000, "us": 1}  # microseconds; a nanosecond is a thousandth of one
_TIMESTAMP = re.compile(r"timestamp\[(s|ms|us|ns)(?:, tz=(.+))?\]")
_START = datetime(1970, 1, 1, tzinfo=UTC)

Place = Callable[[Sequence[Any], int], tuple[str | None, str | None, int]]
"""Key, unit and event time (microseconds since 1970) of a row as the quick reader gives it, received at a time."""


def places(signature: Signature, hashed: Collection[str] = ()) -> Place:
    """As `keys`, `units` and `event_times` find them in Arrow, for one row without it; `hashed` columns hold text."""
    at_of = {column.name: at for at, column in enumerate(signature.request)}
    columns = {column.name: column for column in signature.request}
    read = {name: _same if name in hashed else as_python(column) for name, column in columns.items()}
    key = [(at_of[name], read[name]) for name in signature.key]
    unit = (at_of[signature.unit], read[signature.unit]) if signature.unit else None
    time = (at_of[signature.time], _as_micros(columns[signature.time])) if signature.time else None

    texts = {name for name, column in columns.items() if column.type == "string" or name in hashed}
    if len(key) == 1 and texts >= {*signature.key, signature.unit or signature.key[0]}:
        return _by_texts(key[0][0], unit and unit[0], time)

    def place(row: Sequence[Any], received: int) -> tuple[str | None, str | None, int]:
        own = key_text([read(row[at]) for at, read in key]) if key else None
        whose = own
        if unit is not None and row[unit[0]] is not None:
            whose = key_text([unit[1](row[unit[0]])])
        return own, whose, _moment(row, time, received)

    return place


_Time = tuple[int, Callable[[Any], int | None]]
"""The place of the column that says when a row happened, and its microseconds."""


def _by_texts(key: int, unit: int | None, time: _Time | None) -> Place:
    """Where key and unit are texts, which they are in the log as well."""

    def place(row: Sequence[Any], received: int) -> tuple[str | None, str | None, int]:
        own = row[key]
        whose = own if unit is None or row[unit] is None else row[unit]
        return own, whose, received if time is None else _moment(row, time, received)

    return place


def _moment(row: Sequence[Any], time: _Time | None, received: int) -> int:
    """When a row happened; when it was received where it does not say."""
    if time is None or row[time[0]] is None:
        return received
    found = time[1](row[time[0]])
    return received if found is None else found


ByColumn = Callable[["ReadColumns", int], tuple[Any, Any, Any]]
"""Keys, units and event times of rows by column, as `ports.serving.Columns` has them."""


def places_by_column(signature: Signature, hashed: Collection[str] = ()) -> ByColumn:
    """As `places`, for all rows of a large request."""
    named = {*signature.key, signature.unit, signature.time} - {None}
    wanted = [(at, column) for at, column in enumerate(signature.request) if column.name in named]
    if not wanted:
        return lambda read, received: (None, None, received)
    only, kind = wanted[0][0], wanted[0][1].type
    by_key_alone = len(wanted) == 1 and signature.unit is None and signature.time is None
    if by_key_alone and kind == "string":
        return lambda read, received: (only, None, received)
    place = places(msgspec.structs.replace(signature, request=tuple(each for _, each in wanted)), hashed)

    def by_column(read: ReadColumns, received: int) -> tuple[Any, Any, Any]:
        rows = zip(*(read.column(at) for at, _ in wanted), strict=True)
        keys, units, times = zip(*(place(row, received) for row in rows), strict=True)
        return keys, units, times

    return by_column


def python_readers(signature: Signature) -> dict[str, Callable[[Any], Any]]:
    """By column, from a value as the quick reader gives it to what Arrow gives back, where the two are not the same: times
    for ticks, days for counts."""
    readers = {column.name: as_python(column) for column in signature.request}
    return {name: read for name, read in readers.items() if read is not _same}


def log_schema(signature: Signature, hashed: Collection[str] = (), *, traced: bool = False) -> bytes:
    """The schema of the prediction log's rows, in Arrow's IPC form; `hashed` columns are text in it. `traced`: with the
    ids of traces."""
    import pyarrow as pa

    answers = Answers(signature, version="").types
    asked = [
        pa.field(each.name, pa.string() if each.name in hashed else kind_of(each.name, each.type).type)
        for each in signature.request
    ]
    answered = [pa.field(name, kind or pa.null()) for name, kind in answers.items()]
    schema: bytes = _schema(pa.schema(asked), pa.schema(answered), traced=traced).serialize().to_pybytes()
    return schema


def log_rows(
    served: Served,
    asked: Asked,
    answers: pa.RecordBatch,
    at: datetime,
    *,
    took: float,
    way: str = "",
    veil: Veil | None = None,
    trace: str | None = None,
) -> pa.RecordBatch:
    """The rows of the prediction log, but for what the log itself adds. `trace`: None where the service traces nothing."""
    import pyarrow as pa

    signature, rows = served.version.signature, asked.rows if veil is None else veil.batch(asked.rows)
    key, count = keys(signature, rows), rows.num_rows
    text = pa.string()
    own = [
        pa.repeat(pa.scalar(at, pa.timestamp("us", tz="UTC")), count),
        event_times(signature, rows, at),
        pa.array(key, text) if key is not None else pa.nulls(count, text),
        pa.array(units(signature, rows, key), text),
        pa.repeat(pa.scalar(int(took * 1e6), pa.int64()), count),
        pa.repeat(pa.scalar(way, text), count),
        *([] if trace is None else [pa.repeat(pa.scalar(trace or None, text), count)]),
    ]
    schema = _schema(rows.schema, answers.schema, traced=trace is not None)
    return pa.RecordBatch.from_arrays([*own, *rows.columns, *answers.columns], schema=schema)


def unit_of(signature: Signature, rows: pa.RecordBatch) -> str | None:
    """The first row's unit: a request goes to one version, whatever rows it has."""
    first = rows.slice(0, 1)
    found: str | None = units(signature, first, keys(signature, first))[0]
    return found


@lru_cache(maxsize=8)  # one a version, as long as its answers have one type
def _schema(request: pa.Schema, answers: pa.Schema, *, traced: bool) -> pa.Schema:
    import pyarrow as pa

    moment = pa.timestamp("us", tz="UTC")
    own = [
        pa.field(AT, moment),
        pa.field(TIME, moment),
        pa.field(KEY, pa.string()),
        pa.field(UNIT, pa.string()),
        pa.field(TOOK, pa.int64()),
        pa.field(WAY, pa.string()),
        *([pa.field(TRACE, pa.string())] if traced else []),
    ]
    asked = [pa.field(REQUEST + field.name, field.type) for field in request]
    return pa.schema([*own, *asked, *(pa.field(ANSWER + field.name, field.type) for field in answers)])


def as_python(column: RequestColumn) -> Callable[[Any], Any]:
    """From what Arrow takes to what it gives back: ticks to times."""
    timed = _TIMESTAMP.fullmatch(column.type)
    if column.type == "date32[day]":
        return lambda day: date.fromordinal(day + EPOCH)
    if timed is None:
        return _same
    zone, micros = zone_of(timed[2]) if timed[2] else None, _as_micros(column)
    if timed[2] == "UTC":  # the same moments, in half of the time
        start = _START.replace(tzinfo=zone)
        return lambda ticks: start + timedelta(0, 0, micros(ticks) or 0)

    def read(ticks: Any) -> datetime:
        moment = _START + timedelta(microseconds=micros(ticks) or 0)
        return moment.astimezone(zone) if zone else moment.replace(tzinfo=None)

    return read


def _as_micros(column: RequestColumn) -> Callable[[Any], int | None]:
    """Microseconds since 1970 of a time's ticks or a day; None for what is no time."""
    if column.type == "date32[day]":
        return lambda day: day * 86_400_000_000
    timed = _TIMESTAMP.fullmatch(column.type)
    if timed is None:
        return lambda value: None
    if timed[1] == "ns":
        return lambda ticks: ticks // 1000 if ticks >= 0 else -(-ticks // 1000)
    factor = _TICKS[timed[1]]
    return lambda ticks: ticks * factor


def _same(value: Any) -> Any:
    return value
