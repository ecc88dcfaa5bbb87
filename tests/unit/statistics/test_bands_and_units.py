"""Bands of a distribution for display; events of units."""

import numpy as np
import pytest

from noria.statistics import NO_UNITS, distribution_radius, first_events, quantile_band


def test_the_band_narrows_and_says_nothing_of_nothing() -> None:
    assert distribution_radius(0, 0.05) == distribution_radius(3, 0.05) == 1.0
    assert distribution_radius(10_000, 0.05) == pytest.approx(
        0.85 * np.sqrt((np.log(1 + np.log(1e4)) + 0.8 * np.log(32_240)) / 1e4)
    )


def test_a_quantile_lies_in_its_band() -> None:
    values = np.random.default_rng(1).normal(size=20_000)
    estimate, lower, upper = quantile_band(values, 0.5, 0.05)
    assert lower < 0.0 < upper and lower < estimate < upper
    assert quantile_band(values, 0.999, 0.05)[2] == np.inf
    assert quantile_band(values[:5], 0.5, 0.05)[1:] == (-np.inf, np.inf)
    with pytest.raises(ValueError, match="level"):
        quantile_band(values, 1.0, 0.05)


def test_of_a_units_events_only_the_first_counts_in_one_call_and_over_calls() -> None:
    first, counted = first_events(["ada", "bob", "ada", "ada"], NO_UNITS)
    assert first.tolist() == [True, True, False, False]
    first, counted = first_events(["bob", "eve"], counted)
    assert first.tolist() == [False, True]
    assert counted.size == 3
