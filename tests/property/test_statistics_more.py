"""What stands beside the alarms, by simulation: run lengths, bands of a distribution, two versions on different rows,
calibration by blocks.
"""

import math
from collections.abc import Callable

import numpy as np
import pytest

from noria.statistics import calibration, compare_unpaired, distribution_radius
from noria.statistics.mixture import CEILING
from noria.statistics.risk import FRACTIONS
from property.bounds import surely_over


@pytest.mark.parametrize("restart", [True, False])
def test_a_false_alarm_takes_at_least_the_run_length_on_average(restart: bool) -> None:
    """Losses of two values about their bound: as tight as it gets. Planted: with the alarm at half the length it is red."""
    length, streams, steps = 90.0, 2_000, 1_200
    losses = np.random.default_rng(1).integers(0, 2, (steps, streams)) * 2.0
    amount, first = np.zeros((len(FRACTIONS), streams)), np.full(streams, steps)
    for step, loss in enumerate(losses, 1):
        amount = np.minimum((amount + 1.0) * (1.0 + np.multiply.outer(FRACTIONS, loss - 1.0)), CEILING)
        level = length if restart else length / 4.0
        first = np.where((amount.mean(axis=0) >= level) & (first == steps), step, first)
    mean, error = (
        first.mean(),
        first.std() / math.sqrt(streams),
    )  # those that never rang count as `steps`: too few
    assert (mean - 3.0 * error > length) == restart, mean
    if restart:
        assert not surely_over(int((first <= 30).sum()), streams, 30 / length)


def radius_of_one_look(n: int, alpha: float) -> float:
    """Dvoretzky, Kiefer, Wolfowitz, Massart: for one n that was chosen before."""
    return math.sqrt(math.log(2.0 / alpha) / (2.0 * n))


@pytest.mark.parametrize("radius", [distribution_radius, radius_of_one_look])
def test_the_band_holds_a_distribution_at_all_looks(radius: Callable[[int, float], float]) -> None:
    """Planted: a band that holds at one look, looked at eight times, is red."""
    alpha, streams, most = 0.05, 400, 2_000
    draws = np.random.default_rng(2).random((streams, most))
    missed = np.zeros(streams, np.bool_)
    for n in (10, 20, 50, 100, 200, 500, 1_000, 2_000):
        ordered = np.sort(draws[:, :n], axis=1)
        far = np.maximum(np.arange(1, n + 1) / n - ordered, ordered - np.arange(n) / n).max(axis=1)
        missed |= far > radius(n, alpha)
    assert surely_over(int(missed.sum()), streams, alpha) == (radius is radius_of_one_look)
    assert distribution_radius(2_000, alpha) < 0.1


@pytest.mark.parametrize(("copies", "streams"), [(1, 150), (10, 40)])
def test_two_versions_alike_are_told_apart_no_more_often_than_promised_at_any_look(
    copies: int, streams: int
) -> None:
    """Planted: ten rows of each unit, which say the same, counted as ten units."""
    rng, alpha = np.random.default_rng(3), 0.05
    called = 0
    for _ in range(streams):
        ours, theirs = (np.repeat((rng.random(n // copies) < 0.3).astype(float), copies) for n in (400, 200))
        looks = (
            compare_unpaired(ours[:n], theirs[: n // 2], loss_range=(0.0, 1.0), margin=0.0, alpha=alpha)
            for n in (20, 60, 150, 400)
        )
        called += any(look.verdict in ("worse", "better") for look in looks)
    assert surely_over(called, streams, 2 * alpha) == (copies > 1), called


@pytest.mark.parametrize("by_day", [True, False])
def test_calibrated_answers_on_days_of_their_own_are_inside_their_bounds(by_day: bool) -> None:
    """Days differ, and are right on average. Planted: blocks of rows by chance, as if each row stood for itself, break it."""
    rng, alpha, streams, days, rows = np.random.default_rng(4), 0.05, 120 if by_day else 20, 20, 50
    missed = 0
    for _ in range(streams):
        p = rng.uniform(0.35, 0.65, (days, rows))
        happened = rng.random((days, rows)) < p + rng.uniform(-0.35, 0.35, (days, 1))
        block = np.repeat(np.arange(days), rows) if by_day else rng.permutation(days * rows) % days
        found = calibration(p.ravel(), happened.ravel().astype(float), block, alpha=alpha, bins=4)
        wrong = any(not each.lower <= each.answered <= each.upper for each in found.bins)
        missed += wrong or not found.bias_lower <= 0.0 <= found.bias_upper
    assert surely_over(missed, streams, alpha) != by_day, missed
