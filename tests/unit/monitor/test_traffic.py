"""How many rows are usual: whoever asks by night alone, or less on Sundays, has not stopped."""

from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace

from noria.monitor.quality import Traffic, a_week, volume
from noria.testing.samples import a_sight

MONDAY = datetime(2026, 3, 2, tzinfo=UTC)
HOUR = timedelta(hours=1)


def by_night(at: datetime) -> int:
    return 100 if at.hour >= 20 or at.hour < 4 else 0


def less_on_weekends(at: datetime) -> int:
    return (30 if at.weekday() > 4 else 100) * (1 + at.hour % 12)


def never_stops(at: datetime) -> int:
    return 100


def told(rows_at: object, hours: int, *, gone_after: int | None = None) -> list[datetime]:
    """When the volume of an hour was told in so many hours, as whoever looks at them would."""
    traffic, found = Traffic(enough=a_week(HOUR)), []
    for hour in range(hours):
        start = MONDAY + hour * HOUR
        rows = 0 if gone_after is not None and hour >= gone_after else rows_at(start)  # type: ignore[operator]
        if not rows and not traffic.steady:
            continue
        if volume(rows, traffic.usual, 0.5, enough=a_week(HOUR)):
            found.append(start)
        traffic.add(replace(a_sight(), start=start, end=start + HOUR, rows=rows))
    return found


@pytest.mark.parametrize("rows_at", [by_night, less_on_weekends])
def test_a_rhythm_of_days_or_weeks_is_no_change_of_the_volume(rows_at: object) -> None:
    assert told(rows_at, 24 * 28) == []


def test_traffic_of_all_hours_that_stops_is_told_in_the_first_hour() -> None:
    found = told(never_stops, 24 * 10, gone_after=24 * 9)
    assert found[0] == MONDAY + 24 * 9 * HOUR


@pytest.mark.parametrize(("width", "blocks"), [(HOUR, 168), (24 * HOUR, 7), (24 * 7 * HOUR, 7)])
def test_a_week_has_so_many_blocks_and_days_are_the_least_of_it(width: timedelta, blocks: int) -> None:
    assert a_week(width) == blocks
