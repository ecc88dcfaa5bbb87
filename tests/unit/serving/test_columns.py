"""A large request's columns are its rows, whichever of them lie in the block of numbers."""

from __future__ import annotations

from typing import Any

import pytest

from noria.records.artifacts import Column
from noria.records.versions import RequestColumn, Signature
from noria.serving.columns import ReadColumns, read_columns
from noria.serving.quick import QuickReader
from noria.serving.rows import places, places_by_column

COLUMNS = (
    RequestColumn(name="ride", type="string"),
    RequestColumn(name="km", type="double", nulls=True),
    RequestColumn(name="fare", type="double"),
    RequestColumn(name="asked", type="timestamp[us, tz=UTC]", nulls=True),
    RequestColumn(name="driver", type="int64", nulls=True),
)
ROWS: list[tuple[Any, ...]] = [("a", 1.5, -0.0, 5, 7), ("b", 2.5, 1e300, None, None), ("c", 3.5, 3.0, 9, 1)]
WITH_A_GAP = [ROWS[0], ("b", None, 1e300, None, None), ROWS[2]]
RECEIVED = 77


def read(rows: list[tuple[Any, ...]], **signature: Any) -> tuple[Signature, ReadColumns]:
    own = Signature(request=COLUMNS, answer=(Column(name="answer", type="double"),), **signature)
    return own, read_columns(list(zip(*rows, strict=True)), QuickReader(own, max_rows=9), len(rows))


def columns_of(made: ReadColumns) -> list[tuple[Any, ...]]:
    return [tuple(made.column(at)) for at in range(len(COLUMNS))]


@pytest.mark.parametrize("rows", [ROWS, WITH_A_GAP], ids=["whole", "a gap"])
def test_columns_are_the_rows(rows: list[tuple[Any, ...]]) -> None:
    _, made = read(rows)
    whole = rows is ROWS
    assert columns_of(made) == list(zip(*rows, strict=True))
    assert made.first == rows[0] and len(made) == 3
    assert made.block().tolist() == [[row[at] for row in rows] for at in ([1, 2] if whole else [2])]
    assert made.places([2]) == [1 if whole else 0]
    assert made.places([2, 1]) == ([1, 0] if whole else None)
    assert made.places([0, 2]) is None


@pytest.mark.parametrize("rows", [ROWS, WITH_A_GAP], ids=["whole", "a gap"])
def test_other_values_take_the_place_of_a_column_wherever_it_lay(rows: list[tuple[Any, ...]]) -> None:
    _, made = read(rows)
    ride, _, fare, _, driver = zip(*rows, strict=True)
    changed = made.with_values({1: ["x", "y", "z"], 3: [1, 2, 3]})
    assert columns_of(changed) == [ride, ("x", "y", "z"), fare, (1, 2, 3), driver]
    assert changed.block().tolist() == [list(fare)]
    assert columns_of(made) == list(zip(*rows, strict=True))


@pytest.mark.parametrize("key", [(), ("ride",), ("fare",), ("ride", "km")])
@pytest.mark.parametrize("unit", [None, "driver", "km", "ride"])
@pytest.mark.parametrize("time", [None, "asked"])
def test_keys_units_and_times_are_those_of_the_rows(
    key: tuple[str, ...], unit: str | None, time: str | None
) -> None:
    own, made = read(ROWS, key=key, unit=unit, time=time)
    keys, units, times = places_by_column(own)(made, RECEIVED)
    if isinstance(keys, int):
        keys = made.column(keys)
    keys = [None] * 3 if keys is None else keys
    units = keys if units is None else units
    times = [times] * 3 if isinstance(times, int) else times
    place = places(own)
    assert list(zip(keys, units, times, strict=True)) == [place(row, RECEIVED) for row in ROWS]
