"""Two versions that answered different rows."""

import numpy as np
import pytest

from noria.statistics import block_differences, block_means, compare, compare_unpaired

RNG = np.random.default_rng(1)
HOURS = np.datetime64("2026-03-02", "us") + np.arange(24 * 20) * np.timedelta64(1, "h")


def test_days_that_both_have_answered_are_compared_in_pairs() -> None:
    weather = np.repeat(RNG.normal(1.0, 0.5, 20), 24)
    champion = block_means(HOURS, weather + RNG.normal(0.0, 0.05, HOURS.size))
    challenger = block_means(HOURS[48:], weather[48:] + 0.3 + RNG.normal(0.0, 0.05, HOURS.size - 48))
    found = block_differences(champion, challenger)
    assert (found.left_out, len(found.differences)) == (2, 18)
    assert found.differences.mean() == pytest.approx(0.3, abs=0.05)
    assert compare(found.differences, margin=0.1, width=5.0, method="symmetric").verdict == "worse"


def test_days_with_few_rows_of_one_are_left_out() -> None:
    champion, challenger = block_means(HOURS, HOURS.astype(float) * 0), block_means(HOURS[:30], np.ones(30))
    assert block_differences(champion, challenger, least_rows=10).left_out == 19


@pytest.mark.parametrize(
    ("champion", "challenger", "verdict"),
    [(0.1, 0.3, "worse"), (0.3, 0.1, "better"), (0.2, 0.2, "not worse"), (0.2, 0.26, "undecided")],
)
def test_independent_units_of_each(champion: float, challenger: float, verdict: str) -> None:
    losses = [(RNG.random(3_000) < rate).astype(float) for rate in (champion, challenger)]
    found = compare_unpaired(*losses, loss_range=(0.0, 1.0), margin=0.06)
    assert found.verdict == verdict
    assert found.lower <= found.estimate <= found.upper
    assert found.units == (3_000, 3_000)


def test_a_version_without_losses_and_a_margin_over_the_width_are_refused() -> None:
    with pytest.raises(ValueError, match="each version needs some"):
        compare_unpaired([], [1.0], loss_range=(0.0, 1.0), margin=0.1)
    with pytest.raises(ValueError, match="margin"):
        compare_unpaired([1.0], [1.0], loss_range=(0.0, 1.0), margin=1.0)
