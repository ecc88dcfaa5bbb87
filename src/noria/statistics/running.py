"""The risk so far, with a band that holds at every look even while the risk moves: for display only.

Both bands cover the running mean of conditional risks, (1/k) sum_j E[L_j | past], for all k at once; none
may be turned into "the risk is constant", which is why the alarm has a process of its own in `risk`.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from noria.statistics.arrays import Floats, check_error_rate, finite_vector
from noria.statistics.blocks import LossRange, checked_range

RunningMethod = Literal["bernstein", "asymptotic"]

_LAMBDAS = 0.98 * 2.0 ** -np.arange(8)  # bets mixed over: 7 octaves of variance, at a price of log 8 nats
_BISECTIONS = 60
_SHARPEST_AT = 50  # blocks; where the asymptotic band is made narrowest


@dataclass(frozen=True, slots=True, eq=False)
class RunningRisk:
    """After each block: the mean of all blocks so far and its band, (n,) each, in the unit of the loss."""

    mean: Floats
    lower: Floats
    upper: Floats


def running_risk(
    block_losses: ArrayLike,
    *,
    loss_range: LossRange,
    alpha: float = 0.05,
    method: RunningMethod = "bernstein",
) -> RunningRisk:
    """The running risk over blocks (n,) in time order, with its 1 - `alpha` band at every look.

    "bernstein" assumes the range only (empirical Bernstein, Howard et al., Ann. Statist. 2021, Theorem 4,
    with a mixture for boundary): honest from the first block, and wide until (range / k) log(2 / alpha) is
    small. "asymptotic" (Waudby-Smith et al., Ann. Statist. 2024, Theorem 2.2) is as narrow as the blocks
    vary, and right in the limit only: no claim before some 30 blocks. ValueError for losses out of the
    range: clip them first.
    """
    low, high = checked_range(loss_range)
    losses = finite_vector(block_losses, "block losses")
    check_error_rate(alpha, "alpha")
    if losses.size and (losses.min() < low or losses.max() > high):
        raise ValueError(f"block losses: some are out of the range ({low}, {high}); clip them first")
    if method not in ("bernstein", "asymptotic"):
        raise ValueError(f'method: expected "bernstein" or "asymptotic", got {method!r}')
    x = (losses - low) / (high - low)
    count = np.arange(1.0, x.size + 1.0)
    mean = np.cumsum(x) / count
    radius = (_bernstein if method == "bernstein" else _asymptotic)(x, mean, count, alpha)
    lower, upper = np.clip(mean - radius, 0.0, 1.0), np.clip(mean + radius, 0.0, 1.0)
    return RunningRisk(*(low + (high - low) * part for part in (mean, lower, upper)))


def _bernstein(x: Floats, mean: Floats, count: Floats, alpha: float) -> Floats:
    """Radius from exp(l S_k - psi(l) V_k), a supermartingale for 0 < l < 1, psi(l) = -log(1 - l) - l, mixed
    over l.
    """
    forecast = np.concatenate([[0.5], (0.5 + np.cumsum(x)[:-1]) / count[1:]])[: x.size]
    spent = np.cumsum((x - forecast) ** 2)
    psi = -np.log1p(-_LAMBDAS) - _LAMBDAS
    goal = np.log(2.0 / alpha)  # half of alpha a side
    under = np.zeros_like(spent)
    over = ((goal + np.log(_LAMBDAS.size) + psi[:, None] * spent) / _LAMBDAS[:, None]).min(axis=0)
    for _ in range(_BISECTIONS):
        middle = (under + over) / 2.0
        exponents = _LAMBDAS[:, None] * middle - psi[:, None] * spent
        crossed = np.logaddexp.reduce(exponents, axis=0) - np.log(_LAMBDAS.size) >= goal
        under, over = np.where(crossed, under, middle), np.where(crossed, middle, over)
    return np.asarray(over / count)


def _asymptotic(x: Floats, mean: Floats, count: Floats, alpha: float) -> Floats:
    """Radius sd sqrt(2 (k r + 1) / (k^2 r) log(sqrt(k r + 1) / alpha)), r chosen to be narrowest at
    _SHARPEST_AT.
    """
    rho = (-2.0 * np.log(alpha) + np.log(-2.0 * np.log(alpha)) + 1.0) / _SHARPEST_AT
    variance = np.maximum(np.cumsum(x * x) / count - mean * mean, 0.0)
    grown = count * rho + 1.0
    radius = np.sqrt(variance * 2.0 * grown / (count**2 * rho) * np.log(np.sqrt(grown) / alpha))
    return np.where(count < 2, 1.0, radius)
