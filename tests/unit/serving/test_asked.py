"""A request against a signature: all faults at once, in bounded words; nulls and new categories counted."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Literal

import pyarrow as pa
import pytest

from noria.records.artifacts import Column
from noria.records.versions import RequestColumn, Signature
from noria.serving.asked import LISTED, PER_COLUMN, Faults, Reader, event_times, keys, units
from noria.serving.errors import BadRows, BadShape, TooManyRows


def reader(unknown: Literal["accept", "refuse"] = "accept", key: tuple[str, ...] = ("ride",)) -> Reader:
    signature = Signature(
        request=(
            RequestColumn(name="ride", type="string"),
            RequestColumn(name="asked", type="timestamp[us, tz=UTC]"),
            RequestColumn(name="km", type="double", nulls=True),
            RequestColumn(name="zone", type="string", levels=("north", "south")),
        ),
        key=key,
        time="asked",
        unknown=unknown,
        answer=(Column(name="answer", type="double"),),
    )
    return Reader(signature, model="rides", max_rows=1000)


def row(**changed: Any) -> dict[str, Any]:
    return {"ride": "a", "asked": "2024-03-01T08:00:00Z", "km": 1.5, "zone": "north"} | changed


def test_rows_become_columns_in_the_signatures_order() -> None:
    asked = reader().rows([dict(reversed(row().items())), row(ride="b", km=None)])
    assert asked.rows.schema.names == ["ride", "asked", "km", "zone"]
    assert asked.rows.column("km").to_pylist() == [1.5, None]
    assert asked.nulls == {"km": 1}


def test_all_faults_are_told_at_once() -> None:
    missing = row()
    del missing["km"]
    with pytest.raises(BadRows) as caught:
        reader().rows([row(km="17.9"), missing, row(zone=3, asked="noon"), 7, row(speed=1)])
    told = {(fault.row, fault.column) for fault in caught.value.faults}
    assert told == {(0, "km"), (1, "km"), (2, "zone"), (2, "asked"), (3, None), (4, "speed")}
    assert caught.value.count == 6
    assert 'row 0, column km: given "17.9", expected a number' in str(caught.value)


def test_faults_are_bounded_and_no_column_hides_another() -> None:
    with pytest.raises(BadRows) as caught:
        reader().rows([row(km=True, zone=5)] * 1000)
    faults = caught.value.faults
    assert caught.value.count == 2000
    assert [fault.column for fault in faults].count("zone") == PER_COLUMN
    assert len(faults) <= LISTED


@pytest.mark.parametrize(
    ("rows", "error"), [([], BadShape), ("abc", BadShape), ({}, BadShape), ([row()] * 1001, TooManyRows)]
)
def test_what_is_no_batch_of_rows(rows: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        reader().rows(rows)


def test_an_extra_column_is_refused_with_the_name_that_was_meant() -> None:
    given = row(zona="north")
    del given["zone"]
    with pytest.raises(BadRows, match="zone, perhaps"):
        reader().rows([given])


def test_unknown_categories_and_nulls_are_counted_when_accepted() -> None:
    asked = reader().rows([row(zone="west"), row(zone=None), row(zone="east")])
    assert asked.unknown == {"zone": 2}
    assert asked.nulls == {"zone": 1}


def test_unknown_categories_and_new_nulls_are_faults_when_refused() -> None:
    with pytest.raises(BadRows) as caught:
        reader("refuse").rows([row(zone="west"), row(zone=None), row(km=None)])
    assert [(fault.row, fault.column, fault.given) for fault in caught.value.faults] == [
        (1, "zone", "null"),
        (0, "zone", '"west"'),
    ]


def test_a_null_key_is_refused_and_a_missing_one_is_told_once() -> None:
    without = row()
    del without["ride"]
    with pytest.raises(BadRows) as caught:
        reader().rows([row(ride=None), without])
    assert caught.value.count == 2


def test_keys_units_and_event_times() -> None:
    each = reader(key=("ride", "asked"))
    rows = each.rows([row(), row(ride="b")]).rows
    key = keys(each.signature, rows)
    assert key == ['["a","2024-03-01T08:00:00Z"]', '["b","2024-03-01T08:00:00Z"]']
    assert units(each.signature, rows, key) == key
    at = datetime(2030, 1, 1, tzinfo=UTC)
    assert event_times(each.signature, rows, at).to_pylist() == [datetime(2024, 3, 1, 8, tzinfo=UTC)] * 2


def test_a_row_without_a_time_happened_when_it_was_asked() -> None:
    each = reader()
    at = datetime(2030, 1, 1, tzinfo=UTC)
    rows = each.rows([row(asked=None), row()]).rows
    assert event_times(each.signature, rows, at).to_pylist() == [at, datetime(2024, 3, 1, 8, tzinfo=UTC)]


def test_ticks_beyond_the_calendar_are_refused() -> None:
    """The row would be logged, and nobody could read the log any more."""
    ticks = pa.array([0, 2**62], pa.int64()).view(pa.timestamp("us", "UTC"))
    columns = {"ride": ["a", "b"], "asked": ticks, "km": [1.0, 1.0], "zone": ["north", "north"]}
    with pytest.raises(BadRows, match="row 1, column asked: given a time beyond the years 1 to 9999"):
        reader().columns(columns, Faults(), set())


def test_null_is_offered_where_it_is_taken() -> None:
    given = row()
    del given["ride"], given["km"], given["zone"]
    with pytest.raises(BadRows) as caught:
        reader("refuse").rows([given])
    assert {fault.column: fault.expected for fault in caught.value.faults} == {
        "ride": "a string",  # the key
        "km": "a number, or null",
        "zone": "a string",  # training had none there
    }
