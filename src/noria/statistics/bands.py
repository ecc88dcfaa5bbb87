"""How far a distribution can be from what independent draws show of it, at every look: for display, and for
the distance of two (`distance`)."""

from __future__ import annotations

import math

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


def quantile_band(values: ArrayLike, level: float, alpha: float) -> tuple[float, float, float]:
    """The `level` quantile of `values` (n,), independent draws so far, and the band that holds the true one at every look:
    estimate, lower, upper (infinite where the draws allow anything). ValueError for a level that is none.
    """
    check_error_rate(level, "level")
    ordered: Floats = np.sort(finite_vector(values, "values"))
    n = ordered.size
    radius = distribution_radius(n, alpha)
    if n == 0:
        return math.nan, -math.inf, math.inf
    below, above = math.floor(n * (level - radius)), math.ceil(n * (level + radius))
    return (
        float(np.quantile(ordered, level)),
        float(ordered[below - 1]) if below >= 1 else -math.inf,
        float(ordered[above]) if above < n else math.inf,
    )
