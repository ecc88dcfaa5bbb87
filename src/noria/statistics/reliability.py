"""Are probabilities what happens? A band around the calibration error, over blocks.

Rows are put into bins by their probability; in each, d_b is the mean of (what happened - probability) over all rows, 0
outside of the bin. The expected calibration error is the sum of |d_b| (Guo et al., ICML 2017), so it is the largest of
sum s_b d_b over all signs s. Each of those sums is a mean over blocks, of which the sign-flip test gives bounds; taken
together they bound the error from both sides without the upward bias that the plain estimate has from noise alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import ArrayLike, NDArray

from noria.statistics import symmetric
from noria.statistics.arrays import Floats, check_error_rate, finite_vector

BINS = 5  # of as many rows each; 2^5 sums are bounded, and a lower bound takes log2(32 / alpha) blocks


@dataclass(frozen=True, slots=True, eq=False)
class Bin:
    """Rows of similar probability."""

    rows: int
    probability: float  # mean
    happened: float  # share


@dataclass(frozen=True, slots=True, eq=False)
class Reliability:
    """The calibration error and its band."""

    estimate: float  # the sum of |d_b|: too high by what noise alone makes of it
    lower: float  # the error is under it with probability at most alpha
    upper: float  # the error is over it with probability at most alpha
    bins: tuple[Bin, ...]
    blocks: int


def reliability(
    probabilities: ArrayLike, happened: ArrayLike, blocks: ArrayLike, *, alpha: float = 0.05, bins: int = BINS
) -> Reliability:
    """The band of the expected calibration error of `probabilities` (n,) in [0, 1], given what `happened` (n,), 0 or 1.

    `blocks` (n,) are integers, one number for the rows of one stretch of time. Blocks weigh the same whatever their
    rows, as in every other comparison. Assumed: a block's sums are independent of the others' and symmetric about their
    mean. The upper bound needs no correction for the signs: the error *is* one of the sums, and that one's bound holds
    with 1 - alpha. The lower one is shared among all. Infinite ends come back as 0 and 1. ValueError for no rows, lengths
    that differ, or what is no probability.
    """
    p, y, which = _checked(probabilities, happened, blocks, alpha, bins)
    place = _places(p, bins)
    deviations = _by_block(p, y, which, place, bins)
    signs = np.array(list(product((-1.0, 1.0), repeat=deviations.shape[1])))
    sums = signs @ deviations.T
    lower = float(symmetric.typical_bounds_each(sums, alpha / len(signs))[0].max())
    upper = float(symmetric.typical_bounds_each(sums, alpha)[1].max())
    return Reliability(
        estimate=float(np.abs(deviations.mean(axis=0)).sum()),
        lower=max(0.0, lower),
        upper=min(1.0, upper),
        bins=tuple(_bin(p, y, place == each) for each in range(bins) if (place == each).any()),
        blocks=len(deviations),
    )


def _checked(
    probabilities: ArrayLike, happened: ArrayLike, blocks: ArrayLike, alpha: float, bins: int
) -> tuple[Floats, Floats, NDArray[np.intp]]:
    check_error_rate(alpha, "alpha")
    p, y = finite_vector(probabilities, "probabilities"), finite_vector(happened, "happened")
    which = np.unique(np.asarray(blocks), return_inverse=True)[1].astype(np.intp)
    if not p.size == y.size == which.size or p.size == 0:
        raise ValueError(f"expected as many of each, and some: {p.size}, {y.size}, {which.size}")
    if not 1 <= bins <= 8:
        raise ValueError(f"bins: expected 1 to 8, got {bins}")
    for name, values in (("probabilities", p), ("happened", y)):
        if values.min() < 0.0 or values.max() > 1.0:
            raise ValueError(f"{name}: expected values from 0 to 1")
    return p, y, which


def _places(p: Floats, bins: int) -> NDArray[np.intp]:
    """The bin of each row: of as many rows each, but equal probabilities stay together."""
    edges = np.quantile(p, np.linspace(0.0, 1.0, bins + 1)[1:-1])
    return np.searchsorted(edges, p, side="right").astype(np.intp)


def _by_block(p: Floats, y: Floats, which: NDArray[np.intp], place: NDArray[np.intp], bins: int) -> Floats:
    """(blocks, bins): the mean over a block's rows of (happened - probability), 0 outside of the bin."""
    count = int(which.max()) + 1
    sums = np.bincount(which * bins + place, weights=y - p, minlength=count * bins).reshape(count, bins)
    return np.asarray(sums / np.bincount(which, minlength=count)[:, None])


def _bin(p: Floats, y: Floats, inside: NDArray[np.bool_]) -> Bin:
    return Bin(rows=int(inside.sum()), probability=float(p[inside].mean()), happened=float(y[inside].mean()))
