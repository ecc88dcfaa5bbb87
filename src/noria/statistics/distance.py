"""How far two distributions lie apart, at every look: the Kolmogorov-Smirnov distance with a band that holds for all times.

For independent units |F_n - F| <= 0.85 sqrt((log log(e n) + 0.8 log(1612 / a)) / n) for all x and all n at once with
probability at least 1 - a (Howard & Ramdas, Bernoulli 2022, corollary 2). Two such bands, a/2 each, bound the distance.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from noria.statistics.arrays import check_error_rate
from noria.statistics.bands import distribution_radius


@dataclass(frozen=True, slots=True)
class Distance:
    """Between both distributions over the bins; 0 to 1."""

    estimate: float
    lower: float
    upper: float


def distance(counts: Sequence[tuple[int, int]], *, alpha: float) -> Distance:
    """Of two samples of independent units, counted in the same bins (or levels, in any order that was fixed before).

    The interval holds the distance of the binned distributions at all looks with probability at least 1 - alpha.
    ValueError for counts under 0 or a senseless alpha."""
    check_error_rate(alpha, "alpha")
    if any(one < 0 or other < 0 for one, other in counts):
        raise ValueError("counts: expected none below 0")
    first, second = sum(one for one, _ in counts), sum(other for _, other in counts)
    if not first or not second:
        return Distance(0.0, 0.0, 1.0)
    most, ones, others = 0.0, 0, 0
    for one, other in counts:
        ones, others = ones + one, others + other
        most = max(most, abs(ones / first - others / second))
    room = distribution_radius(first, alpha / 2.0) + distribution_radius(second, alpha / 2.0)
    return Distance(most, max(0.0, most - room), min(1.0, most + room))
