"""Are probabilities what happens? Bins, their bias and a band around the calibration error, over blocks: rows of a day come
true together.

Rows are put into bins by their probability; in each, d_b is the mean of (what happened - probability) over all rows, 0
outside of the bin. The expected calibration error is the sum of |d_b| (Guo et al., ICML 2017), so it is the largest of
sum s_b d_b over all signs s. Each of those sums is a mean over blocks, of which the sign-flip test gives bounds; taken
together they bound the error from both sides without the upward bias that the plain estimate has from noise alone.

Assumed throughout: a block's sums are independent of the others' and symmetric about their mean; one look at a fixed sample.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import ArrayLike

from noria.statistics.arrays import Floats, Whole, as_labels, check_error_rate, finite_vector
from noria.statistics.symmetric import typical_bounds, typical_bounds_each

BINS = 5  # of as many rows each; 2^5 sums are bounded, and a lower bound takes log2(32 / alpha) blocks
SHOWN = 10  # bins of `calibration`, which has bounds of each and no sums


@dataclass(frozen=True, slots=True)
class Bin:
    """Rows of similar probability."""

    answered: float  # mean probability
    happened: float  # share that came true
    rows: int


@dataclass(frozen=True, slots=True)
class Reliability:
    """The calibration error and its band."""

    estimate: float  # the sum of |d_b|: too high by what noise alone makes of it
    lower: float  # the error is under it with probability at most alpha
    upper: float  # the error is over it with probability at most alpha
    bins: tuple[Bin, ...]
    blocks: int


@dataclass(frozen=True, slots=True)
class ReliabilityBin:
    """Rows answered between two probabilities."""

    answered: float  # mean probability
    happened: float  # share that came true
    lower: float  # of the share; 0 where the blocks allow anything
    upper: float  # 1 where the blocks allow anything
    rows: int


@dataclass(frozen=True, slots=True)
class Calibration:
    """The bounds of the bins and of the bias hold together with probability 1 - alpha; each end of the error's band with as
    much by itself."""

    bins: tuple[ReliabilityBin, ...]
    error: float  # as `reliability` has it, with its band
    lower: float
    upper: float
    bias: float  # mean over blocks of happened - answered
    bias_lower: float  # -inf where there are too few blocks
    bias_upper: float


def reliability(
    probabilities: ArrayLike, outcomes: ArrayLike, blocks: ArrayLike, *, alpha: float = 0.05, bins: int = BINS
) -> Reliability:
    """The band of the expected calibration error of `probabilities` (n,) in [0, 1], whose events happened or not, `outcomes`
    (n,) of 0 and 1.

    `blocks` (n,) are whole numbers, one for the rows of one stretch of time. Blocks weigh the same whatever their rows, as
    in every other comparison. The upper bound needs no correction for the signs: the error *is* one of the sums, and that
    one's bound holds with 1 - alpha. The lower one is shared among all. Infinite ends come back as 0 and 1. ValueError for
    no rows, lengths that differ, probabilities or outcomes that are none.
    """
    check_error_rate(alpha, "alpha")
    if not 1 <= bins <= 8:
        raise ValueError(f"bins: expected 1 to 8, got {bins}")
    return _reliability(_checked(probabilities, outcomes, blocks), alpha, bins)


def calibration(
    probabilities: ArrayLike,
    outcomes: ArrayLike,
    blocks: ArrayLike,
    *,
    alpha: float = 0.05,
    bins: int = SHOWN,
) -> Calibration:
    """Of probabilities (n,) whose events happened or not, `outcomes` (n,) of 0 and 1, in blocks (n,) of event time.

    Bins hold like shares of the rows. Half of `alpha` pays for the bias, half for the bins; the error and its band are those
    of `reliability`. ValueError as there.
    """
    check_error_rate(alpha, "alpha")
    rows = _checked(probabilities, outcomes, blocks)
    cells = _cells(rows, _places(rows.p, bins))
    error = _reliability(rows, alpha, BINS)
    bias = cells.sums.sum(axis=1) / cells.counts.sum(axis=1)
    low, high = typical_bounds(bias, alpha / 4.0)
    return Calibration(
        bins=_bounded(cells, alpha / 2.0),
        error=error.estimate,
        lower=error.lower,
        upper=error.upper,
        bias=float(bias.mean()),
        bias_lower=low,
        bias_upper=high,
    )


@dataclass(frozen=True, slots=True)
class _Rows:
    """A row each: what was said, what happened, the block's number from 0."""

    p: Floats
    y: Floats
    block: Whole


@dataclass(frozen=True, slots=True)
class _Cells:
    """Rows by block and bin, (blocks, bins)."""

    sums: Floats  # of happened - answered
    counts: Floats
    bins: tuple[Bin, ...]


def _checked(probabilities: ArrayLike, outcomes: ArrayLike, blocks: ArrayLike) -> _Rows:
    p, y = finite_vector(probabilities, "probabilities"), finite_vector(outcomes, "outcomes")
    if not p.size == y.size == np.size(blocks) or p.size == 0:
        raise ValueError(
            f"expected as many of each, and some: {p.size} probabilities, {y.size} outcomes, {np.size(blocks)} blocks"
        )
    if p.min() < 0.0 or p.max() > 1.0:
        raise ValueError("probabilities: expected numbers from 0 to 1")
    if not np.isin(y, (0.0, 1.0)).all():
        raise ValueError("outcomes: expected 0 and 1")
    return _Rows(p, y, np.unique(as_labels(blocks, "blocks"), return_inverse=True)[1])


def _places(p: Floats, bins: int) -> Whole:
    """The bin of each row, of as many rows each: equal probabilities stay together, and none is empty."""
    edges = np.unique(np.quantile(p, np.arange(1, bins) / bins))
    return np.unique(np.searchsorted(edges, p, "left"), return_inverse=True)[1]


def _cells(rows: _Rows, place: Whole) -> _Cells:
    blocks, bins = int(rows.block.max()) + 1, int(place.max()) + 1
    at, size = rows.block * bins + place, blocks * bins
    sums = np.bincount(at, weights=rows.y - rows.p, minlength=size).astype(np.float64).reshape(blocks, bins)
    counts = np.bincount(at, minlength=size).reshape(blocks, bins).astype(np.float64)
    return _Cells(sums, counts, tuple(_bin(rows, place == each) for each in range(bins)))


def _bin(rows: _Rows, inside: np.ndarray) -> Bin:
    return Bin(
        answered=float(rows.p[inside].mean()),
        happened=float(rows.y[inside].mean()),
        rows=int(inside.sum()),
    )


def _reliability(rows: _Rows, alpha: float, bins: int) -> Reliability:
    cells = _cells(rows, _places(rows.p, bins))
    deviations = cells.sums / cells.counts.sum(axis=1, keepdims=True)
    signs = np.array(list(product((-1.0, 1.0), repeat=deviations.shape[1])))
    sums = signs @ deviations.T
    lower = float(typical_bounds_each(sums, alpha / len(signs))[0].max())
    upper = float(typical_bounds_each(sums, alpha)[1].max())
    return Reliability(
        estimate=float(np.abs(deviations.mean(axis=0)).sum()),
        lower=max(0.0, lower),
        upper=min(1.0, upper),
        bins=cells.bins,
        blocks=len(deviations),
    )


def _bounded(cells: _Cells, alpha: float) -> tuple[ReliabilityBin, ...]:
    """Each bin with bounds of what happens in it, by the blocks that have rows there; `alpha` is for all of them."""
    share, found = alpha / len(cells.bins) / 2.0, []
    for each, sums, counts in zip(cells.bins, cells.sums.T, cells.counts.T, strict=True):
        here = counts > 0.0
        low, high = typical_bounds(sums[here] / counts[here], share)
        found.append(
            ReliabilityBin(
                answered=each.answered,
                happened=each.happened,
                lower=min(each.happened, max(0.0, each.answered + low)),
                upper=max(each.happened, min(1.0, each.answered + high)),
                rows=each.rows,
            )
        )
    return tuple(found)
