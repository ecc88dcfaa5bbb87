"""Times that Arrow's ticks can count and Python's calendar, in which the log is read, cannot."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pytest

from noria.graph.columns import as_json, kind_of, values_of
from noria.graph.reach import beyond, reach, zone_of

ZONES = [None, "UTC", "America/New_York", "Pacific/Kiritimati", "+01:00", "-09:30"]


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_the_first_and_last_tick_can_be_read_and_written(unit: str, zone: str | None) -> None:
    kind = pa.timestamp(unit, tz=zone)
    for tick in reach(unit, zone):
        (moment,) = values_of(pa.array([tick], pa.int64()).view(kind))
        assert as_json(moment.astimezone(zone_of(zone)) if zone else moment)


@pytest.mark.parametrize("zone", ZONES[1:])
def test_one_second_further_cannot(zone: str) -> None:
    for tick, further in zip(reach("s", zone), (-1, 1), strict=True):
        with pytest.raises((OverflowError, ValueError)):
            moment = datetime.fromtimestamp(tick + further, UTC)
            as_json(moment.astimezone(zone_of(zone)))


@pytest.mark.parametrize(
    ("array", "places"),
    [
        (pa.array([0, 2**62, None, -(2**62)], pa.int64()).view(pa.timestamp("us", "UTC")), [1, 3]),
        (pa.array([0, 2**63 - 1, -(2**63)], pa.int64()).view(pa.timestamp("ns")), []),
        (pa.array([0, 2**31 - 1, -719_163, 2_932_896], pa.int32()).view(pa.date32()), [1, 2]),
        (
            pa.array([[0], [1, 2**62, 2**62], []], pa.list_(pa.int64())).cast(pa.list_(pa.timestamp("us"))),
            [1],
        ),
        (pa.array([None, None], pa.timestamp("us")), []),
        (pa.array([2**62]), []),
    ],
)
def test_what_is_beyond_is_found(array: Any, places: list[int]) -> None:
    assert beyond(array)[0] == places
    assert beyond(array.slice(1))[0] == [place - 1 for place in places]


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:00-14:00"])
def test_an_offset_leads_beyond_too(text: str) -> None:
    array, misfits = kind_of("c", "timestamp[us, tz=UTC]").read([text])
    assert array is None
    assert misfits == [(0, f'"{text}", beyond the years 1 to 9999')]


def test_the_last_day_is_within() -> None:
    array, _ = kind_of("c", "timestamp[us, tz=UTC]").read(
        ["9999-12-31T23:59:59.999999Z", "0001-01-01T00:00:00Z"]
    )
    assert array is not None
    assert values_of(array)[1] == datetime(1, 1, 1, tzinfo=UTC)
