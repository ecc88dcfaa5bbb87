"""Bounds on a mean by betting, assuming no more than the range (Waudby-Smith & Ramdas, JRSS B 2024).

For x_i in [0, 1] with E[x_i | past] <= m the wealth, mean over fractions r of prod_i (1 + r (x_i / m - 1)),
is a non-negative supermartingale. So {m : wealth(m) < 1/a} holds a constant mean at every look at once with
probability 1 - a. The fractions are fixed, so the order of the blocks does not matter and there is nothing
to be gained by averaging over orders. Its price is known in advance: n blocks cannot exclude a rare block
at the far end of the range, so with all x_i = x the upper bound stays over 1 - (1 - x) a^(1/n) whatever the
method.
"""

import numpy as np

from noria.statistics.arrays import Floats

FRACTIONS = 0.98 * 2.0 ** -np.arange(8)  # of the largest bet that cannot go broke: seven octaves of signal
_BISECTIONS = 60  # halvings of [0, 1]: beyond the precision of a double


def log_wealth(x: Floats, mean: float) -> float:
    """Log wealth against "the mean is at most `mean`" (> 0) after all of `x` (n,) in [0, 1]; falls as
    `mean` rises.
    """
    growth = np.log1p(FRACTIONS[:, None] * (x[None, :] / mean - 1.0)).sum(axis=1)
    return float(np.logaddexp.reduce(growth) - np.log(FRACTIONS.size))


def lower_bound(x: Floats, alpha: float) -> float:
    """Lower confidence bound, error `alpha`, valid at every look, of the mean of `x` (n,) in [0, 1]."""
    refused, kept = 0.0, float(x.mean())
    for _ in range(_BISECTIONS):
        middle = (refused + kept) / 2.0
        if middle > 0.0 and log_wealth(x, middle) >= -np.log(alpha):
            refused = middle
        else:
            kept = middle
    return refused


def upper_bound(x: Floats, alpha: float) -> float:
    """Upper confidence bound, error `alpha`, valid at every look, of the mean of `x` (n,) in [0, 1]."""
    return 1.0 - lower_bound(1.0 - x, alpha)
