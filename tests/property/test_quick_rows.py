"""Whatever the quick reader takes, the careful one reads the same; what the careful one refuses, the quick one leaves."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from noria.errors import NoriaError
from noria.records.artifacts import Column
from noria.records.versions import RequestColumn, Signature
from noria.serving.asked import Reader, event_times, keys, units
from noria.serving.quick import QuickReader
from noria.serving.rows import places

TYPES = {
    "key": "string",
    "number": "double",
    "narrow": "float",
    "small": "int8",
    "large": "int64",
    "unsigned": "uint64",
    "flag": "bool",
    "zone": "string",
    "when": "timestamp[us, tz=UTC]",
    "local": "timestamp[ns]",
    "day": "date32[day]",
    "raw": "binary",
    "list": "list<double>",
}
ANY = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**65), 2**65),
    st.floats(allow_nan=False),
    st.text(max_size=4),
    st.sampled_from(
        [
            "north",
            "2024-03-02T08:30:00Z",
            "2024-03-02",
            "2024-03-02T08:30:00.123456789",
            "aGk=",
            "1.5",
            "\ud800",
        ]
    ),
    st.lists(st.one_of(st.none(), st.floats(allow_nan=False), st.integers(), st.booleans()), max_size=3),
)
SOUND: dict[str, st.SearchStrategy[Any]] = {
    "key": st.text(min_size=1, max_size=3),
    "number": st.one_of(st.floats(allow_nan=False, allow_infinity=False), st.integers(-(2**60), 2**60)),
    "narrow": st.floats(-1e30, 1e30),
    "small": st.integers(-128, 127),
    "large": st.integers(-(2**63), 2**63 - 1),
    "unsigned": st.integers(0, 2**64 - 1),
    "flag": st.booleans(),
    "zone": st.sampled_from(["north", "south", "west"]),
    "when": st.datetimes().map(lambda at: at.isoformat() + "+02:00"),
    "local": st.datetimes(min_value=datetime(1700, 1, 1), max_value=datetime(2200, 1, 1)).map(
        lambda at: at.isoformat()
    ),
    "day": st.dates().map(lambda day: day.isoformat()),
    "raw": st.just("aGk="),
    "list": st.lists(st.one_of(st.none(), st.floats(allow_nan=False, allow_infinity=False)), max_size=3),
}


def signature(unknown: str) -> Signature:
    columns = [
        RequestColumn(
            name=name,
            type=kind,
            nulls=name == "number",
            levels=("north", "south") if name == "zone" else None,
        )
        for name, kind in TYPES.items()
    ]
    return Signature(
        request=tuple(columns),
        key=("key",),
        time="when",
        unit="zone",
        unknown=unknown,
        answer=(Column(name="answer", type="double"),),  # type: ignore[arg-type]
    )


@st.composite
def requests(draw: st.DrawFn) -> list[dict[str, Any]]:
    rows = []
    for _ in range(draw(st.integers(1, 3))):
        row = {name: draw(sound) for name, sound in SOUND.items()}
        for name in draw(st.lists(st.sampled_from(list(TYPES)), max_size=2, unique=True)):
            row[name] = draw(ANY)
        if draw(st.integers(0, 9)) == 0:
            row["extra"] = 1
        if draw(st.integers(0, 9)) == 0:
            del row[draw(st.sampled_from(list(row)))]
        rows.append(row)
    return rows


@given(rows=requests(), unknown=st.sampled_from(["accept", "refuse"]))
def test_quick_and_careful_read_alike(rows: list[dict[str, Any]], unknown: str) -> None:
    told = signature(unknown)
    quick = QuickReader(told, max_rows=10).read(json.dumps({"rows": rows}).encode())
    if quick is None:
        return
    try:
        careful = Reader(told, model="m", max_rows=10).rows(json.loads(json.dumps(rows)))
    except NoriaError as error:
        raise AssertionError(f"the careful reader refuses what the quick one takes: {error}") from error
    schema = careful.rows.schema
    arrays = [
        pa.array(values, field.type)
        for values, field in zip(zip(*quick.rows, strict=True), schema, strict=True)
    ]
    assert pa.RecordBatch.from_arrays(arrays, schema=schema).equals(careful.rows)
    reader = QuickReader(told, max_rows=10)
    assert (reader.nulls(quick.rows), reader.unknown(quick.rows)) == (
        dict(careful.nulls),
        dict(careful.unknown),
    )
    own = keys(told, careful.rows)
    received = 1_700_000_000_000_000
    moments = event_times(told, careful.rows, datetime.fromtimestamp(received / 1e6, UTC))
    place = places(told)
    assert [place(row, received) for row in quick.rows] == list(
        zip(own or [], units(told, careful.rows, own), moments.cast(pa.int64()).to_pylist(), strict=True)
    )


@given(rows=st.lists(st.fixed_dictionaries(SOUND), min_size=1, max_size=2))
def test_sound_rows_go_the_quick_way(rows: list[dict[str, Any]]) -> None:
    assert all(math.isfinite(row["number"]) for row in rows)
    assert QuickReader(signature("accept"), max_rows=10).read(json.dumps({"rows": rows}).encode()) is not None
