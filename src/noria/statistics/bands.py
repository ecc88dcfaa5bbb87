"""How far a distribution can be from what independent draws show of it, at every look: for display, and for
the distance of two (`distance`)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from noria.statistics.arrays import Floats, check_error_rate, finite_vector


def distribution_radius(n: int, alpha: float) -> float:
    """|F_n(x) - F(x)| stays within it for all x and all n with probability at least 1 - `alpha`; 1 at most, which says
    nothing (Howard & Ramdas, "Sequential estimation of quantiles", Bernoulli 2022, Corollary 2).
    """
    check_error_rate(alpha, "alpha")
    if n < 1:
        return 1.0
    return min(1.0, 0.85 * math.sqrt((math.log1p(math.log(n)) + 0.8 * math.log(1612.0 / alpha)) / n))


Band = tuple[float, float, float]
"""Of a quantile: estimate, lower, upper."""


def quantile_band(values: ArrayLike, level: float, alpha: float) -> Band:
    """The `level` quantile of `values` (n,), independent draws so far, and the band that holds the true one at every look
    (infinite where the draws allow anything). ValueError for a level that is none.
    """
    return quantile_bands(values, (level,), alpha)[0]


def quantile_bands(values: ArrayLike, levels: Sequence[float], alpha: float) -> list[Band]:
    """`quantile_band` of several levels; all bands hold together with probability 1 - `alpha`, for they are of one band of
    the distribution.
    """
    for level in levels:
        check_error_rate(level, "level")
    ordered: Floats = np.sort(finite_vector(values, "values"))
    radius = distribution_radius(ordered.size, alpha)
    return [_band(ordered, level, radius) for level in levels]


def _band(ordered: Floats, level: float, radius: float) -> Band:
    n = ordered.size
    if n == 0:
        return math.nan, -math.inf, math.inf
    below, above = math.floor(n * (level - radius)), math.ceil(n * (level + radius))
    return (
        float(np.quantile(ordered, level)),
        float(ordered[below - 1]) if below >= 1 else -math.inf,
        float(ordered[above]) if above < n else math.inf,
    )
