"""Functions of the means of two samples of blocks, with intervals: delete one block at a time and see what moves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from noria.statistics.arrays import Floats
from noria.statistics.student import quantile

Function = Callable[[Floats, Floats], Floats]
"""Of means (..., d) before and after, to values (..., k)."""


@dataclass(frozen=True, slots=True)
class Part:
    """A number and its interval."""

    value: float
    lower: float
    upper: float

    @property
    def clear(self) -> bool:
        """Whether chance alone is refuted."""
        return self.lower > 0.0 or self.upper < 0.0


def parts(function: Function, before: Floats, after: Floats, errors: Floats) -> list[Part]:
    """Values of `function` at the means of blocks `before` (n, d) and `after` (m, d), each with an interval that misses with
    the probability in `errors` (k,): Student's, degrees of freedom by Welch and Satterthwaite.
    """
    old, new = before.mean(axis=0), after.mean(axis=0)
    value = function(old, new)
    of_old = _variance(function(_without_one(before), new[None]))
    of_new = _variance(function(old[None], _without_one(after)))
    spread = of_old + of_new
    with np.errstate(invalid="ignore", divide="ignore"):
        degrees = spread**2 / (of_old**2 / (len(before) - 1) + of_new**2 / (len(after) - 1))
    degrees = np.where(np.isfinite(degrees), degrees, 1.0)
    whole = np.floor(np.maximum(degrees, 1.0))  # downwards, and few to look up
    reach = np.array(
        [
            quantile(1.0 - error / 2.0, degrees)
            for error, degrees in zip(errors.tolist(), whole.tolist(), strict=True)
        ]
    ) * np.sqrt(spread)
    return [Part(float(v), float(v - r), float(v + r)) for v, r in zip(value, reach, strict=True)]


def _without_one(rows: Floats) -> Floats:
    """Means of all blocks but one, each in turn: (n, d)."""
    return np.asarray((rows.sum(axis=0) - rows) / (len(rows) - 1))


def _variance(values: Floats) -> Floats:
    """Of the function, from its values without each block (n, k): (k,)."""
    n = len(values)
    return np.asarray((n - 1) / n * ((values - values.mean(axis=0)) ** 2).sum(axis=0))
