"""Whether a simulation refutes a bound on errors."""

from __future__ import annotations

from scipy import stats


def surely_over(errors: int, streams: int, bound: float) -> bool:
    """Whether `errors` refute the bound: the lower end of the 99.9 % Clopper-Pearson interval is over it."""
    return errors > 0 and bool(stats.beta.ppf(0.001, errors, streams - errors + 1) > bound)
