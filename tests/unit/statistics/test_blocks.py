"""Rows become blocks of event time, and losses come into their range with a count."""

import numpy as np
import pytest

from noria.statistics import block_means, clip_losses


def at(*texts: str) -> np.ndarray:
    return np.array(texts, dtype="datetime64[us]")


def test_a_block_is_the_mean_of_its_rows_in_any_order() -> None:
    times = at("2013-01-02T23:59:59.999999", "2013-01-01T06:00", "2013-01-02T00:00", "2013-01-01T07:00")
    blocks = block_means(times, [4.0, 1.0, 2.0, 3.0], "1d")
    assert blocks.starts.tolist() == at("2013-01-01", "2013-01-02").tolist()
    assert blocks.means.tolist() == [2.0, 3.0]
    assert blocks.counts.tolist() == [2, 2]
    assert len(blocks) == 2


def test_empty_days_are_no_blocks() -> None:
    assert block_means(at("2013-01-01", "2013-01-09"), [1.0, 2.0], "1d").means.tolist() == [1.0, 2.0]


@pytest.mark.parametrize(
    ("block", "start"),
    [("6h", "2013-01-03T12:00"), ("1w", "2012-12-31"), ("30m", "2013-01-03T17:30"), ("1d", "2013-01-03")],
)
def test_blocks_start_on_the_clock_and_weeks_on_monday(block: str, start: str) -> None:
    assert block_means(at("2013-01-03T17:45"), [1.0], block).starts.tolist() == at(start).tolist()


def test_times_before_1970_fall_into_the_block_that_holds_them() -> None:
    assert block_means(at("1969-12-31T23:00"), [1.0], "1d").starts.tolist() == at("1969-12-31").tolist()


def test_rows_as_blocks_are_sorted_by_time_and_keep_their_order_in_a_tie() -> None:
    blocks = block_means(at("2013-01-02", "2013-01-01", "2013-01-01"), [3.0, 1.0, 2.0], "row")
    assert blocks.means.tolist() == [1.0, 2.0, 3.0]
    assert blocks.counts.tolist() == [1, 1, 1]


def test_no_rows_make_no_blocks() -> None:
    assert len(block_means(at(), [], "1d")) == len(block_means(at(), [], "row")) == 0


@pytest.mark.parametrize(
    ("times", "losses", "block", "complaint"),
    [
        (at("2013-01-01"), [1.0], "1 day", "count and a unit"),
        (at("2013-01-01"), [1.0], "0d", "count and a unit"),
        (at("2013-01-01", "NaT"), [1.0, 1.0], "1d", "1 of 2 are missing"),
        (at("2013-01-01"), [np.nan], "1d", "1 of 1 values are NaN"),
        (at("2013-01-01"), [1.0, 2.0], "1d", "differ in length: 1 and 2"),
        (np.array([1.0]), [1.0], "1d", "expected datetime64"),
    ],
)
def test_senseless_input_is_refused_in_words(
    times: np.ndarray, losses: list[float], block: str, complaint: str
) -> None:
    with pytest.raises(ValueError, match=complaint):
        block_means(times, losses, block)


def test_clipping_counts_what_it_changed() -> None:
    clipped = clip_losses([-1.0, 0.0, 2.0, 5.0, 7.0], (0.0, 5.0))
    assert clipped.values.tolist() == [0.0, 0.0, 2.0, 5.0, 5.0]
    assert clipped.clipped == 2


def test_a_range_upside_down_is_refused() -> None:
    with pytest.raises(ValueError, match="the smaller first"):
        clip_losses([1.0], (5.0, 0.0))
