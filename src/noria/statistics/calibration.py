"""Do answered probabilities come true as often as they say? By blocks, since rows of a day come true together.

In each bin of the answer the difference y - p has a mean a block, and these means a bound by the sign-flip test
(`symmetric.typical_bounds`): blocks independent and symmetric, one look at a fixed sample. A bin with too few blocks has no
bound, and says so. The expected calibration error of a sample is over the true one, the more so the fewer rows there are; its
bounds here are those of the bins put together.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from noria.statistics.arrays import Floats, Whole, as_labels, check_error_rate, finite_vector
from noria.statistics.symmetric import typical_bounds

BINS = 10


@dataclass(frozen=True, slots=True)
class ReliabilityBin:
    """Rows answered between two probabilities."""

    answered: float  # mean probability
    happened: float  # share that came true
    lower: float  # of the share; 0 where the blocks allow anything
    upper: float  # 1 where the blocks allow anything
    rows: int
    blocks: int


@dataclass(frozen=True, slots=True)
class Calibration:
    """All bounds together hold with probability 1 - alpha."""

    bins: tuple[ReliabilityBin, ...]
    error: float  # expected calibration error: mean over rows of |happened - answered|, by bins
    lower: float
    upper: float
    bias: float  # mean over blocks of happened - answered
    bias_lower: float  # -inf where there are too few blocks
    bias_upper: float
    alpha: float


def calibration(
    probabilities: ArrayLike, outcomes: ArrayLike, blocks: ArrayLike, *, alpha: float = 0.05, bins: int = BINS
) -> Calibration:
    """Of probabilities (n,) whose events happened or not, `outcomes` (n,) of 0 and 1, in blocks (n,) of event time.

    Bins hold like shares of the rows. Half of `alpha` pays for the bias, half for the bins. ValueError for no rows,
    unequal lengths, probabilities or outcomes that are none.
    """
    check_error_rate(alpha, "alpha")
    p, y, block = _checked(probabilities, outcomes, blocks)
    place = _bins(p, bins)
    share = alpha / 2.0 / max(1, np.unique(place).size)
    found = tuple(
        _bin(p[here], y[here], block[here], share) for here in (place == b for b in np.unique(place))
    )
    bias, (low, high) = _difference(y - p, block, alpha / 4.0)
    weights = np.array([each.rows for each in found]) / p.size
    return Calibration(
        bins=found,
        error=float(weights @ [abs(each.happened - each.answered) for each in found]),
        lower=float(
            weights @ [max(0.0, each.lower - each.answered, each.answered - each.upper) for each in found]
        ),
        upper=float(
            weights @ [max(each.upper - each.answered, each.answered - each.lower) for each in found]
        ),
        bias=bias,
        bias_lower=low,
        bias_upper=high,
        alpha=alpha,
    )


def _checked(
    probabilities: ArrayLike, outcomes: ArrayLike, blocks: ArrayLike
) -> tuple[Floats, Floats, Whole]:
    p, y = finite_vector(probabilities, "probabilities"), finite_vector(outcomes, "outcomes")
    block = as_labels(blocks, "blocks")
    if not p.size == y.size == block.size or p.size == 0:
        raise ValueError(
            f"expected as many probabilities, outcomes, blocks; got {p.size}, {y.size}, {block.size}"
        )
    if p.min() < 0.0 or p.max() > 1.0:
        raise ValueError("probabilities: expected numbers from 0 to 1")
    if not np.isin(y, (0.0, 1.0)).all():
        raise ValueError("outcomes: expected 0 and 1")
    return p, y, block


def _bins(p: Floats, bins: int) -> Whole:
    """Which bin each row is in; one answer is in one bin."""
    edges = np.unique(np.quantile(p, np.arange(1, bins) / bins))
    return np.searchsorted(edges, p, "left")


def _bin(p: Floats, y: Floats, block: Whole, alpha: float) -> ReliabilityBin:
    answered, happened = float(p.mean()), float(y.mean())
    _, (low, high) = _difference(y - p, block, alpha / 2.0)
    return ReliabilityBin(
        answered=answered,
        happened=happened,
        lower=min(happened, max(0.0, answered + low)),
        upper=max(happened, min(1.0, answered + high)),
        rows=p.size,
        blocks=int(np.unique(block).size),
    )


def _difference(d: Floats, block: Whole, alpha: float) -> tuple[float, tuple[float, float]]:
    """Mean over blocks, and its bounds with error `alpha` each."""
    _, at = np.unique(block, return_inverse=True)
    counts = np.bincount(at)
    means = np.bincount(at, weights=d) / counts
    return float(means.mean()), typical_bounds(means, alpha)
