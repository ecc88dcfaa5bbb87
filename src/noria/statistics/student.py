"""Quantiles of Student's distribution, for any degrees of freedom."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

_POINTS = 4_000
_NEAR = 1e-12  # of an angle: tails down to that share of the whole


@lru_cache(maxsize=1_024)
def quantile(p: float, degrees: float) -> float:
    """The p-quantile, 0.5 < p < 1, to three digits at least. ValueError for anything else, or for degrees under 1.

    T = sqrt(degrees) / tan(u), where the density of the angle u in (0, pi) is proportional to sin(u)^(degrees - 1): the tail is an
    integral over angles near 0.
    """
    if not 0.5 < p < 1.0 or degrees < 1.0:
        raise ValueError(f"quantile: expected 0.5 < p < 1 and degrees of at least 1, got {p} and {degrees}")
    u = np.geomspace(_NEAR, np.pi / 2.0, _POINTS)
    density = np.sin(u) ** (degrees - 1.0) * u  # over log u
    steps = np.diff(np.log(u)) * (density[1:] + density[:-1]) / 2.0
    tail = np.cumsum(steps) + density[0] / degrees  # below the first point sin u is u
    share = np.concatenate([[density[0] / degrees], tail]) / tail[-1] / 2.0
    angle = np.exp(np.interp(np.log(1.0 - p), np.log(np.maximum(share, 1e-300)), np.log(u)))
    return float(np.sqrt(degrees) / np.tan(angle))
