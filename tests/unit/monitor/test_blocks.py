"""Predictions gathered into blocks until they are mature."""

from datetime import UTC, datetime, timedelta

import polars as pl
import pyarrow as pa
import pytest

from noria.monitor.blocks import AHEAD, Gathered, block_span

DAY = timedelta(days=1)
START = datetime(2013, 3, 4, tzinfo=UTC)


def batch(*hours: float) -> pa.Table:
    """Predictions asked for at the time of their event."""
    times = [START + timedelta(hours=hour) for hour in hours]
    return pl.DataFrame({"time": times, "at": times, "id": [str(hour) for hour in hours]}).to_arrow()


def asked_at_the_start(*times: datetime) -> pa.Table:
    frame = pl.DataFrame({"time": times}, schema={"time": pl.Datetime("us", "UTC")})
    return frame.with_columns(at=pl.lit(START).cast(pl.Datetime("us", "UTC"))).to_arrow()


def test_a_block_comes_once_and_whole_when_it_is_old_enough() -> None:
    gathered = Gathered(DAY)
    gathered.add(batch(1, 30), time="time", at="at")
    gathered.add(batch(23.9), time="time", at="at")
    assert list(gathered.mature(START + DAY, timedelta(hours=6))) == []
    (ready,) = gathered.mature(START + DAY + timedelta(hours=6), timedelta(hours=6))
    assert (ready.start, ready.end) == (START, START + DAY)
    assert ready.predictions.column("id").to_pylist() == ["1", "23.9"]
    assert list(gathered.mature(START + DAY + timedelta(hours=6), timedelta(hours=6))) == []
    assert gathered.waiting == 1


def test_what_comes_after_its_block_was_scored_is_counted_not_scored() -> None:
    gathered = Gathered(DAY, since=START + DAY)
    gathered.add(batch(5, 25), time="time", at="at")
    assert gathered.late == 1
    assert gathered.waiting == 1
    assert [ready.start for ready in gathered.mature(START + 9 * DAY, DAY)] == [START + DAY]


@pytest.mark.parametrize(
    ("block", "span"), [("1d", DAY), ("6h", DAY / 4), ("1w", 7 * DAY), ("row", DAY / 24)]
)
def test_spans(block: str, span: timedelta) -> None:
    assert block_span(block) == span


def test_weeks_begin_on_mondays() -> None:
    gathered = Gathered(7 * DAY)
    gathered.add(batch(0, 24 * 6.9), time="time", at="at")
    (ready,) = gathered.mature(START + 7 * DAY, timedelta(0))
    assert ready.start.weekday() == 0
    assert ready.predictions.num_rows == 2


def test_what_was_scored_before_is_not_late() -> None:
    """A new watch reads the log from its beginning: all but one of these rows are in blocks that were scored."""
    gathered = Gathered(DAY, since=START + DAY, scored=2)
    gathered.add(batch(1, 2, 3, 25), time="time", at="at")
    assert (gathered.late, gathered.waiting) == (1, 1)


def test_an_event_in_the_far_future_is_counted_and_not_kept() -> None:
    gathered = Gathered(DAY)
    far = datetime(9999, 12, 31, 10, tzinfo=UTC)
    gathered.add(asked_at_the_start(far, START + AHEAD + DAY, START + AHEAD), time="time", at="at")
    assert (gathered.future, gathered.waiting) == (2, 1)
    assert list(gathered.mature(START + 9 * DAY, DAY)) == []


def test_a_block_wider_than_what_is_left_of_time() -> None:
    """Asked for at the end of all time, so that it is not from the future, and its block ends after it."""
    far = datetime(9999, 12, 31, 10, tzinfo=UTC)
    rows = pl.DataFrame({"time": [far], "at": [far]}).to_arrow()
    gathered = Gathered(7 * DAY)
    gathered.add(rows, time="time", at="at")
    assert list(gathered.mature(START, DAY)) == []
    assert gathered.waiting == 1


def test_an_event_at_the_beginning_of_time() -> None:
    gathered = Gathered(10 * DAY)
    gathered.add(asked_at_the_start(datetime(1, 1, 1, tzinfo=UTC)), time="time", at="at")
    (ready,) = gathered.mature(START, DAY)
    assert ready.start == datetime(1, 1, 1, tzinfo=UTC)


def test_who_fails_with_a_block_gets_it_again() -> None:
    gathered = Gathered(DAY)
    gathered.add(batch(1, 25), time="time", at="at")
    seen = []
    with pytest.raises(OSError):
        for ready in gathered.mature(START + 9 * DAY, DAY):
            seen.append(ready.start)
            if len(seen) == 2:
                raise OSError
    assert [ready.start for ready in gathered.mature(START + 9 * DAY, DAY)] == [START + DAY]
