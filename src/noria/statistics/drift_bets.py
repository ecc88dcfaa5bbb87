"""Bets on ranks: what each rank of a unit multiplies the capital by, and what a reference of few units can ever decide.

A bet is a density over (0, 1), so that it returns 1 on average over uniform ranks. It is kept as its mean in each of STEPS equal
steps of the rank: still a density, exactly, whatever its formula is, and read in a nanosecond.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, lru_cache
from math import erf, log1p, sqrt
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from noria.statistics.arrays import Floats

STEPS = 4_096  # of the rank; 32 KiB a bet stay in a core's own cache

_HALVINGS = 50
_STRENGTHS = 1.0 - np.logspace(-6.0, 0.0, 200)  # of the largest exponent that is finite


@dataclass(frozen=True, slots=True, eq=False)
class Bets:
    """Bets on high ranks; on low ones they are laid at 1 - p."""

    weights: Floats  # (b,) of the capital, summing to 1
    table: Floats  # (b, STEPS) what each returns in each step of the rank, with mean 1
    unstaked: Callable[[int], float]  # what is left of a stake of 1 after step k: falls from 1 at 0

    @classmethod
    def of(cls, below: Floats, weights: tuple[float, ...], unstaked: Callable[[int], float]) -> Bets:
        """From the integrals from 0 to each end of a step, (b, STEPS + 1): 0 at first, 1 at last."""
        return cls(np.array(weights), np.ascontiguousarray(np.diff(below, axis=1) * STEPS), unstaked)

    def __len__(self) -> int:
        return len(self.weights)

    def both(self, p: Floats) -> Floats:
        """What bets on high ranks, then those on low ones, return at ranks `p` (...): shape (2 b, ...)."""
        at, n = _steps(p), len(self)
        found = np.empty((2 * n, *p.shape))
        np.take(self.table, at, axis=1, mode="clip", out=found[:n])
        np.take(self.table, STEPS - 1 - at, axis=1, mode="clip", out=found[n:])
        return found

    def returns(self, p: Floats) -> Floats:
        """What bets on high ranks return at ranks `p` (...): shape (b, ...)."""
        return np.take(self.table, _steps(p), axis=1, mode="clip")

    def stake(self, step: int) -> float:
        """What is laid on each bet at step `step`, from 1 on."""
        return self.unstaked(step - 1) - self.unstaked(step)

    def total(self, capital: Floats, step: int) -> Floats:
        """Evidence after step `step` from the capital of bets in one direction (b, ...) or in both, (2 b, ...): shape (...)."""
        ways = len(capital) // len(self)
        return np.asarray(np.tensordot(np.tile(self.weights / ways, ways), capital, 1) + self.unstaked(step))

    def below(self, p: Floats) -> Floats:
        """The integral of the returns from 0 to `p` (n,): shape (b, n)."""
        ends = np.arange(STEPS + 1) / STEPS
        sums = np.concatenate([np.zeros((len(self), 1)), np.cumsum(self.table, axis=1) / STEPS], axis=1)
        return np.array([np.interp(p, ends, each) for each in sums])


def _steps(p: Floats) -> NDArray[np.intp]:
    return np.minimum((p * STEPS).astype(np.intp), STEPS - 1)


def _lines_and_powers(slopes: tuple[float, ...], powers: tuple[int, ...]) -> Floats:
    """1 + slope (2 p - 1), and (power + 1) p^power."""
    p = np.arange(STEPS + 1) / STEPS
    return np.array([p + slope * (p * p - p) for slope in slopes] + [p ** (power + 1) for power in powers])


def _tilts(shifts: tuple[float, ...]) -> Floats:
    """exp(d z - d^2 / 2), z the normal quantile of the rank: what a normal unit moved by d of its sd is likelier by.

    Its integral up to p is P(Z + d < z) = Phi(z - d).
    """
    z = [NormalDist().inv_cdf(at / STEPS) for at in range(1, STEPS)]
    inside = [[0.5 * (1.0 + erf((each - d) / sqrt(2.0))) for each in z] for d in shifts]
    return np.array([[0.0, *each, 1.0] for each in inside])


@cache
def block_bets() -> Bets:
    """Lines for shifts of a tenth to one standard deviation of a unit, most on half of one, and powers for units that lie beyond
    nearly all of a reference of a few blocks. The stake falls as in `mixture`.
    """
    bets = _lines_and_powers((0.2, 0.6, 0.95), (4, 16))
    return Bets.of(bets, (0.1, 0.3, 0.2, 0.25, 0.15), lambda step: 1.0 / (1.0 + step))


@cache
def row_bets() -> Bets:
    """Hundreds of units are ranked, so the best bet on a mean that moves is known: the likelihood ratio of normal units.

    Most is laid on 0.4 of a unit's sd: 0.1 sd of a row is 0.45, and less as moved units join those that are ranked among. What
    moves further is seen within a check of 1,000 rows by the same bet. Two thirds of the stake are laid at the first check; what is
    left falls with the logarithm only, so that a change after 300 checks costs a nat less.
    """
    bets = _tilts((0.15, 0.4, 1.2, 2.4))
    return Bets.of(bets, (0.1, 0.78, 0.08, 0.04), lambda step: 1.0 / (1.0 + 3.0 * log1p(step)))


@lru_cache(maxsize=256)
def fair_prices(bets: Bets, units: int, error: float) -> tuple[float, ...]:
    """For each bet, the most that it can return on average against ranks among `units` of a reference, of whatever
    distribution, but with probability `error`.

    The probability that a new unit falls between two neighbours among n independent ones is a part of a broken stick: W of a
    flat Dirichlet distribution. So the average return is the sum of W_i g_i, g_i the return in the i-th gap, and
    P(sum W_i g_i > q) = P(sum X_i (g_i - q) > 0) <= min over t of the product of 1 / (1 - t (g_i - q)), X exponential
    (Chernoff). Ties, broken by chance, change nothing.
    """
    inside = np.diff(bets.below(np.arange(units + 2) / (units + 1)), axis=1) * (units + 1)
    return tuple(_price(each, error) for each in inside)


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


def units_to_alarm(bets: Bets, reference: int, threshold: float, most: int = 10_000) -> int | None:
    """Units after a change until the evidence of a first-day change reaches `threshold`, when all new units lie beyond the
    whole reference: no change can be seen sooner. None when it is not within `most`.

    The t-th new unit has a rank between n / (n + t) and 1; its bets return what they do there on average (of the logs).
    """
    growth = np.cumsum(_log_gains_beyond(bets, reference, np.arange(1.0, most + 1.0)), axis=1)
    return _first_over(bets, growth, threshold * 2.0)  # half of each stake is on low ranks


def units_to_prove(
    bets: Bets, reference: int, error: float, threshold: float, most: int = 10_000
) -> int | None:
    """The same for the evidence that new units are beyond the reference by more than a tolerance, at `fair_prices`."""
    each = (
        _log_gains_beyond(bets, reference, np.ones(1)) - np.log(fair_prices(bets, reference, error))[:, None]
    )
    return _first_over(bets, each * np.arange(1, most + 1), threshold)


def _log_gains_beyond(bets: Bets, reference: int, t: Floats) -> Floats:
    """Mean log return of each bet for a rank that is uniform between n / (n + t) and 1: (BETS, len(t))."""
    floor = (reference / (reference + t))[:, None]
    return np.asarray(np.log(bets.returns(floor + (1.0 - floor) * (np.arange(16) + 0.5) / 16)).mean(axis=-1))


def _first_over(bets: Bets, growth: Floats, threshold: float) -> int | None:
    """First unit at which the mean over bets of exp(growth) (b, units), with the first step's stake, is enough."""
    staked = np.log(bets.weights * bets.stake(1))
    total = np.logaddexp.reduce(growth + staked[:, None], axis=0)
    over = np.flatnonzero(total >= np.log(threshold))
    return int(over[0]) + 1 if over.size else None
