"""Predictions gathered into blocks until they are mature."""

from datetime import UTC, datetime, timedelta

import polars as pl
import pyarrow as pa
import pytest

from noria.monitor.blocks import Gathered, block_span

DAY = timedelta(days=1)
START = datetime(2013, 3, 4, tzinfo=UTC)


def batch(*hours: float) -> pa.Table:
    times = [START + timedelta(hours=hour) for hour in hours]
    return pl.DataFrame({"time": times, "id": [str(hour) for hour in hours]}).to_arrow()


def test_a_block_comes_once_and_whole_when_it_is_old_enough() -> None:
    gathered = Gathered(DAY)
    gathered.add(batch(1, 30), "time")
    gathered.add(batch(23.9), "time")
    assert list(gathered.mature(START + DAY, timedelta(hours=6))) == []
    (ready,) = gathered.mature(START + DAY + timedelta(hours=6), timedelta(hours=6))
    assert (ready.start, ready.end) == (START, START + DAY)
    assert ready.predictions.column("id").to_pylist() == ["1", "23.9"]
    assert list(gathered.mature(START + DAY + timedelta(hours=6), timedelta(hours=6))) == []
    assert gathered.waiting == 1


def test_what_comes_after_its_block_was_scored_is_counted_not_scored() -> None:
    gathered = Gathered(DAY, since=START + DAY)
    gathered.add(batch(5, 25), "time")
    assert gathered.late == 1
    assert [ready.start for ready in gathered.mature(START + 9 * DAY, DAY)] == [START + DAY]


@pytest.mark.parametrize(
    ("block", "span"), [("1d", DAY), ("6h", DAY / 4), ("1w", 7 * DAY), ("row", DAY / 24)]
)
def test_spans(block: str, span: timedelta) -> None:
    assert block_span(block) == span


def test_weeks_begin_on_mondays() -> None:
    gathered = Gathered(7 * DAY)
    gathered.add(batch(0, 24 * 6.9), "time")
    (ready,) = gathered.mature(START + 7 * DAY, timedelta(0))
    assert ready.start.weekday() == 0
    assert ready.predictions.num_rows == 2
