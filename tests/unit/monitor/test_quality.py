"""What a block tells of its columns."""

import math

import polars as pl

from noria.monitor.quality import counts, seen
from noria.records.sights import ColumnSeen, ColumnSpec


def column(values: list[float | None]) -> ColumnSeen:
    """What is seen of a column of numbers in a block."""
    spec = ColumnSpec(name="x", kind="number", low=0.0, high=10.0)
    (counted,) = counts(pl.DataFrame({"x": values, "_block": [0] * len(values)}), [spec]).to_dicts()
    return seen(spec, counted)


def test_the_mean_is_of_the_numbers_that_are_finite() -> None:
    found = column([4.0, 6.0, math.inf, -math.inf, math.nan, None])
    assert (found.mean, found.missing, found.outside) == (5.0, 2 / 6, 2 / 6)


def test_a_block_without_one_has_no_mean() -> None:
    assert column([math.inf, None]).mean is None
