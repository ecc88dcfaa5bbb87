"""Bets on ranks: what each rank of a unit multiplies the capital by, and what a reference of few units can ever decide."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from noria.statistics.arrays import Floats

SLOPES = (0.2, 0.6, 0.95)  # 1 + slope (2 p - 1): shifts of a tenth to one standard deviation of a unit
POWERS = (
    4,
    16,
)  # (power + 1) p^power: units that lie beyond nearly all of the reference, as a few blocks after a change do
BETS = len(SLOPES) + len(POWERS)  # in one direction
WEIGHTS = np.array(
    [0.1, 0.3, 0.2, 0.25, 0.15]
)  # of the bets: most on shifts of half a sd, in rows and in days

_HALVINGS = 50
_STRENGTHS = 1.0 - np.logspace(-6.0, 0.0, 200)  # of the largest exponent that is finite


def total(capital: Floats, step: int) -> Floats:
    """Evidence after step `step` from the capital of the bets in one direction (BETS, ...): shape (...), see `mixture`."""
    weights = WEIGHTS.reshape(-1, *(1,) * (capital.ndim - 1))
    return np.asarray((weights * capital).sum(axis=0) + 1.0 / (step + 1))


def gains(p: Floats) -> Floats:
    """What the bets on high ranks return at ranks `p` (...): shape (BETS, ...), with mean 1 over uniform p."""
    found = np.empty((BETS, *p.shape))
    for i, slope in enumerate(SLOPES):
        np.multiply(p, 2.0 * slope, out=found[i])
        found[i] += 1.0 - slope
    fourth = (p * p) ** 2
    np.multiply(fourth, 5.0, out=found[len(SLOPES)])
    np.multiply(fourth**4, 17.0, out=found[len(SLOPES) + 1])
    return found


@lru_cache(maxsize=256)
def fair_prices(units: int, error: float) -> tuple[float, ...]:
    """For each bet, the most that it can return on average against ranks among `units` of a reference, of whatever
    distribution, but with probability `error`.

    The probability that a new unit falls between two neighbours among n independent ones is a part of a broken stick: W of a
    flat Dirichlet distribution. So the average return is the sum of W_i g_i, g_i the return in the i-th gap, and
    P(sum W_i g_i > q) = P(sum X_i (g_i - q) > 0) <= min over t of the product of 1 / (1 - t (g_i - q)), X exponential
    (Chernoff). Ties, broken by chance, change nothing.
    """
    inside = np.diff(_gained_below(np.arange(units + 2) / (units + 1)), axis=1) * (units + 1)
    return tuple(_price(each, error) for each in inside)


def _gained_below(p: Floats) -> Floats:
    """The integral of `gains` from 0 to `p` (n,): shape (BETS, n)."""
    lines = [p + slope * (p * p - p) for slope in SLOPES]
    return np.array(lines + [p ** (power + 1) for power in POWERS])


def _price(returns: Floats, error: float) -> float:
    low, high = float(returns.mean()), float(returns.max())
    for _ in range(_HALVINGS):
        middle = (low + high) / 2.0
        low, high = (low, middle) if _log_chance_over(returns, middle) <= np.log(error) else (middle, high)
    return high


def _log_chance_over(returns: Floats, price: float) -> float:
    """Log of a bound of the probability that the weighted mean of `returns` is over `price`."""
    apart = returns - price
    if apart.max() <= 0.0:
        return -np.inf
    strengths = _STRENGTHS / apart.max()
    return float(-np.log1p(-strengths[:, None] * apart[None, :]).sum(axis=1).max())


def units_to_alarm(reference: int, threshold: float, most: int = 10_000) -> int | None:
    """Units after a change until the evidence of a first-day change reaches `threshold`, when all new units lie beyond the
    whole reference: no change can be seen sooner. None when it is not within `most`.

    The t-th new unit has a rank between n / (n + t) and 1; its bets return what they do there on average (of the logs).
    """
    growth = np.cumsum(_log_gains_beyond(reference, np.arange(1.0, most + 1.0)), axis=1)
    return _first_over(growth, threshold * 2.0)  # half of each stake is on low ranks


def units_to_prove(reference: int, error: float, threshold: float, most: int = 10_000) -> int | None:
    """The same for the evidence that new units are beyond the reference by more than a tolerance, at `fair_prices`."""
    each = _log_gains_beyond(reference, np.ones(1)) - np.log(fair_prices(reference, error))[:, None]
    return _first_over(each * np.arange(1, most + 1), threshold)


def _log_gains_beyond(reference: int, t: Floats) -> Floats:
    """Mean log return of each bet for a rank that is uniform between n / (n + t) and 1: (BETS, len(t))."""
    floor = (reference / (reference + t))[:, None]
    return np.asarray(np.log(gains(floor + (1.0 - floor) * (np.arange(16) + 0.5) / 16)).mean(axis=-1))


def _first_over(growth: Floats, threshold: float) -> int | None:
    """First unit at which the mean over bets of exp(growth) (b, units), staked half on the first day, is enough."""
    total = np.logaddexp.reduce(growth + np.log(WEIGHTS)[:, None], axis=0) - np.log(2.0)
    over = np.flatnonzero(total >= np.log(threshold))
    return int(over[0]) + 1 if over.size else None
