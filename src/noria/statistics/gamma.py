"""The logarithm of the Gamma function for arrays, in plain numpy."""

from __future__ import annotations

import math

import numpy as np

from noria.statistics.arrays import Floats

_SHIFT = 7  # from there on, seven terms of the series are as good as a float
_SERIES = (1 / 12, -1 / 360, 1 / 1260, -1 / 1680, 1 / 1188, -691 / 360360, 1 / 156)
_HALF_LOG_2_PI = 0.5 * math.log(2.0 * math.pi)


def log_gamma(x: Floats) -> Floats:
    """Of x > 0, of any shape, to 1e-14 of itself (or of 1 where it is smaller): Stirling's series at x + 7 (DLMF 5.11.1), and the
    recurrence back. A fourth of the time of `math.lgamma` one by one.
    """
    product = np.array(x, np.float64)
    for step in range(1, _SHIFT):
        product *= x + step
    z = x + _SHIFT
    inverse = 1.0 / (z * z)
    rest = np.zeros_like(z)
    for term in reversed(_SERIES):
        rest *= inverse
        rest += term
    return np.asarray((z - 0.5) * np.log(z) - z + _HALF_LOG_2_PI + rest / z - np.log(product))
