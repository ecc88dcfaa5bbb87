"""Whether probabilities come true, by blocks."""

import numpy as np
import pytest

from noria.statistics import calibration, reliability

RNG = np.random.default_rng(1)
DAYS = np.repeat(np.arange(60), 200)
P = RNG.uniform(0.05, 0.6, DAYS.size)


def outcomes(p: np.ndarray) -> np.ndarray:
    return (RNG.random(p.size) < p).astype(float)


def test_calibrated_answers_are_inside_all_bounds() -> None:
    found = calibration(P, outcomes(P), DAYS)
    assert all(each.lower <= each.answered <= each.upper for each in found.bins)
    assert found.lower == 0.0
    assert found.lower < found.error < found.upper
    assert found.bias_lower < 0.0 < found.bias_upper
    assert sum(each.rows for each in found.bins) == DAYS.size


def test_answers_that_come_true_too_rarely_are_found_with_the_size_of_the_error() -> None:
    found = calibration(P, outcomes(P - 0.04), DAYS)
    assert found.bias == pytest.approx(-0.04, abs=0.02)
    assert found.bias_upper < 0.0 and found.lower > 0.0
    assert found.error == pytest.approx(0.04, abs=0.02)


def test_the_error_and_its_band_are_those_that_a_gate_goes_by() -> None:
    happened = outcomes(P - 0.02)
    shown, judged = calibration(P, happened, DAYS), reliability(P, happened, DAYS)
    assert (shown.error, shown.lower, shown.upper) == (judged.estimate, judged.lower, judged.upper)
    assert (len(shown.bins), len(judged.bins)) == (10, 5)


def test_answers_of_two_values_have_two_bins() -> None:
    few = np.where(P < 0.2, 0.1, 0.5)
    assert [each.answered for each in reliability(few, outcomes(few), DAYS).bins] == pytest.approx([0.1, 0.5])


def test_a_bad_day_of_many_rows_is_one_block_and_proves_nothing() -> None:
    day = np.zeros(5_000, np.int64)
    found = calibration(np.full(5_000, 0.3), np.ones(5_000), day)
    assert found.lower == 0.0
    assert (found.bins[0].lower, found.bins[0].upper) == (0.0, 1.0)
    assert found.bias_lower == -np.inf


def test_what_is_no_outcome_is_refused() -> None:
    for p, y, block, what in (
        ([0.5], [2.0], [1], "outcomes"),
        ([1.5], [1.0], [1], "probabilities"),
        ([0.5, 0.5], [1.0], [1], "as many"),
        ([], [], np.zeros(0, np.int64), "as many"),
    ):
        with pytest.raises(ValueError, match=what):
            calibration(p, y, block)
        with pytest.raises(ValueError, match=what):
            reliability(p, y, block)
