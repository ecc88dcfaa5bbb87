"""Is the challenger no worse than the champion, when each has answered rows of its own?

Both have answered rows of the same days, so the days' means are compared in pairs: what a day does to all rows falls out, and
rows of a day may depend on each other (`even_differences`, then `compare` with "symmetric"). The difference of a few rows' mean
and of many rows' is skewed where losses are, and bets on its sign are then won by a challenger that is no better; so a day gives
as many rows of each version, and days are put together until these are enough, by their number and by how rare losses have
been so far. A day in which the challenger's share changed is
compared part by part: most of its rows are of the later one, and what that did to all rows would be taken for its own. Where units really are independent, each version's mean has a bound of its own by betting, and the difference of the two is bounded by both
(`compare_unpaired`): nothing but the range is assumed, and it takes more rows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

import noria.statistics.betting as betting
from noria.statistics.arrays import Floats, check_error_rate
from noria.statistics.blocks import Blocks, LossRange, checked_range, clip_losses
from noria.statistics.paired import Verdict, verdict_of

LEAST_ROWS = 50  # of each version in a difference: of 0/1 losses, tests/property/test_rollout_losses.py tells what fewer do
LOSSES = 4.0  # of both together in a difference: of rare losses 50 rows hold none or one, and their mean is as skewed as one row

LEAST_FREEDOM = 0.5  # of two units that is where the one has half as many rows: with fewer still, next to nothing is left of either


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """One version's losses, in an order that knows nothing of them (by a hash of the row's name)."""

    starts: NDArray[np.datetime64]  # (n,) of each row's block
    shares: Floats  # (n,) the challenger's share of the units when each was asked
    losses: Floats  # (n,)
    units: NDArray[np.int64] | None = (
        None  # (n,) whose rows they are, as numbers; None: each row is a unit of its own
    )


@dataclass(frozen=True, slots=True, eq=False)
class BlockDifferences:
    """Blocks in which both versions have answered, earliest first."""

    starts: NDArray[np.datetime64]  # (n,)
    differences: Floats  # (n,) challenger's mean loss minus the champion's
    left_out: int  # blocks in which only one of them has enough rows


@dataclass(frozen=True, slots=True)
class UnitSpread:
    """Of a mean difference, by which units came to which version."""

    deviation: float  # its standard deviation; infinite: nothing tells it
    freedom: float  # degrees of freedom of that


@dataclass(frozen=True, slots=True)
class UnpairedComparison:
    """Differences are challenger minus champion, in the unit of the loss."""

    verdict: Verdict
    estimate: float
    lower: float  # the difference is under it, at some look, with probability at most alpha
    upper: float  # the difference is over it, at some look, with probability at most alpha
    champion: tuple[float, float]  # bounds of its mean
    challenger: tuple[float, float]
    units: tuple[int, int]  # champion's, challenger's


def block_differences(champion: Blocks, challenger: Blocks, *, least_rows: int = 1) -> BlockDifferences:
    """Of two versions' `block_means`; a block counts when each has at least `least_rows` rows in it."""
    ours, theirs = (part.counts >= least_rows for part in (champion, challenger))
    starts, at, to = np.intersect1d(champion.starts[ours], challenger.starts[theirs], return_indices=True)
    differences = challenger.means[theirs][to] - champion.means[ours][at]
    every = np.union1d(champion.starts, challenger.starts).size
    return BlockDifferences(starts, differences, every - starts.size)


def even_differences(
    champion: Rows,
    challenger: Rows,
    *,
    smallest: float = 0.0,
    least_rows: int = LEAST_ROWS,
    losses: float = LOSSES,
) -> Floats:
    """The challenger's mean loss minus the champion's, in stretches of parts of blocks in time order: (n,).

    A part is what came of a block while the challenger's share was one: within it a row is the challenger's by chance, whenever
    it came. Of each part the first rows of both count, as many as the one has that has fewer: if both versions are alike, a
    difference is symmetric about 0 whatever losses look like, and what a part does to all rows falls out. Neighbouring
    parts are put together until they hold `least_rows` of each, and as many as have `losses` to show by what was seen in the
    stretches before (`_wanted`; of the first, in itself); the last stretch counts once it does.

    `smallest`: the difference of means that matters, as a share of the range. Where fewer than `losses` are expected of so
    much, whatever is rarer cannot make one.
    """
    own, other, counts = _as_many(champion, challenger)
    gained = challenger.losses[other] - champion.losses[own]
    sums = np.cumsum(np.vstack([gained, gained**2, gained**4]), axis=1)
    most = losses / smallest if smallest > 0.0 else np.inf
    found, start, before = [], 0, np.zeros(3)
    for end in np.cumsum(counts).tolist():
        now = sums[:, end - 1]
        seen, rows = (before, start) if start else (now, end)
        if end - start >= max(least_rows, min(most, _wanted(seen, rows, losses))):
            found.append((now[0] - before[0]) / (end - start))
            start, before = end, now
    return np.array(found, np.float64)


def unit_spread(champion: Rows, challenger: Rows) -> UnitSpread:
    """What the units' own levels of loss give to the mean of `even_differences`.

    A unit stays with its version, so it brings what is its own to each difference, and no number of them averages that out: of
    fifty customers ten of which are a challenger's, these may be the ones with the larger losses. Weighed by the pairs of rows
    of one unit, the variance between units is that of the difference (`_levels`). It is that of all units, or of a version's own where
    that is larger: the few of a challenger alone tell little of it, and one nothing. 0 where no unit comes twice.
    """
    if champion.units is None or challenger.units is None:
        return UnitSpread(0.0, 0.0)
    own, other, counts = _as_many(champion, challenger)
    near = np.repeat((np.cumsum(counts) - counts) // LEAST_ROWS, counts)
    both = [
        _levels(units, losses, near)
        for units, losses in (
            (champion.units[own], champion.losses[own]),
            (challenger.units[other], challenger.losses[other]),
        )
    ]
    if not any(each.weight for each in both):
        return UnitSpread(0.0, 0.0)
    freedom = sum(each.freedom for each in both)
    if not freedom:
        return UnitSpread(np.inf, 0.0)
    pooled = sum(each.freedom * each.variance for each in both) / freedom
    return UnitSpread(float(np.sqrt(sum(each.weight * max(pooled, each.variance) for each in both))), freedom)


@dataclass(frozen=True, slots=True)
class _Levels:
    """How far the levels of one version's units lie apart."""

    variance: float = 0.0
    freedom: float = 0.0  # degrees of it: units less one; 0: the variance is unknown
    weight: float = 0.0  # of that variance in the version's mean


def _levels(units: NDArray[np.int64], losses: Floats, near: NDArray[np.intp]) -> _Levels:
    """By the analysis of variance with one random effect: products of two rows of the same unit, each less the version's mean of
    the neighbouring parts that hold `LEAST_ROWS` together.

    That mean holds the unit itself, with its share q of the rows: of as many rows of each of n units 1 - 1/n of a variance is
    left (the division by n - 1), else 1 - 2 sum q^3 / sum q^2 + sum q^2. At least what the rows' own variance makes of so
    few pairs by chance. A few units with most of the pairs count as few, and one as one.
    """
    rows = losses.size
    _, unit, often = np.unique(units, return_inverse=True, return_counts=True)
    pairs = often * (often - 1.0)
    total = float(pairs.sum())
    if not total:
        return _Levels()
    weight, freedom = total / rows**2, total**2 / float((pairs**2).sum()) - 1.0
    if freedom < LEAST_FREEDOM:
        return _Levels(weight=weight)
    rest = losses - (np.bincount(near, losses) / np.maximum(np.bincount(near), 1))[near]
    share = often / rows
    same = float((share**2).sum())
    squares = float((rest**2).sum())
    products = float((np.bincount(unit, rest) ** 2).sum()) - (1.0 - same) * squares
    known = rows**2 * (same - 2.0 * float((share**3).sum()) + same**2) - rows * (1.0 - same) ** 2
    by_chance = squares / rows * float(np.sqrt(2.0 / total))
    return _Levels(max(products / known, by_chance), freedom, weight)


def _wanted(sums: Floats, rows: int, losses: float) -> float:
    """Pairs of rows in which so many losses show, by the sums of the differences of `rows` pairs, their squares and fourth
    powers. One shows in as many as the kurtosis about 0 says: of losses of 0 and 1 in those that come to one loss, of normal
    ones in 3; where none has shown, in more than there are.
    """
    _, squares, fourths = sums.tolist()
    if not losses:
        return 0.0
    return losses * rows * fourths / squares**2 if squares**2 > 0.0 else np.inf


def _parts(champion: Rows, challenger: Rows) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The number of each row's part, by block and then by share."""
    pair = (champion, challenger)
    _, block = np.unique(np.concatenate([rows.starts for rows in pair]), return_inverse=True)
    shares, share = np.unique(np.concatenate([rows.shares for rows in pair]), return_inverse=True)
    numbers = block * shares.size + share
    return numbers[: champion.losses.size], numbers[champion.losses.size :]


def _as_many(champion: Rows, challenger: Rows) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]:
    """The champion's rows that count, and the challenger's, by parts and in their order; how many of each in each part."""
    ours, theirs = _parts(champion, challenger)
    common = np.intersect1d(ours, theirs)
    own, other = _within(common, ours), _within(common, theirs)
    counts = np.minimum(*(np.bincount(place, minlength=common.size) for _, place in (own, other)))
    return _first(*own, counts), _first(*other, counts), counts


def _within(common: NDArray[np.intp], numbers: NDArray[np.intp]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The rows within common parts, and the place of each one's part; by parts, otherwise in their order."""
    known = np.flatnonzero(np.isin(numbers, common))
    place = np.searchsorted(common, numbers[known])
    order = np.argsort(place, kind="stable")
    return known[order], place[order]


def _first(rows: NDArray[np.intp], place: NDArray[np.intp], counts: NDArray[np.intp]) -> NDArray[np.intp]:
    """The first `counts` rows of each part."""
    rank = np.arange(place.size) - np.searchsorted(place, place)
    return rows[rank < counts[place]]


def compare_unpaired(
    champion: ArrayLike, challenger: ArrayLike, *, loss_range: LossRange, margin: float, alpha: float = 0.05
) -> UnpairedComparison:
    """Judge a challenger by losses (n,) and (m,) of independent units of each, valid at every look.

    Each side of each mean has error alpha / 2, so each side of the difference alpha: "worse" is false with probability at
    most alpha, and so is "not worse" or "better". ValueError for no losses, or a senseless margin, range or alpha.
    """
    check_error_rate(alpha, "alpha")
    low, high = checked_range(loss_range)
    if not 0.0 <= margin < high - low:
        raise ValueError(f"margin: expected at least 0 and under the width {high - low}, got {margin}")
    samples = [clip_losses(losses, loss_range).values for losses in (champion, challenger)]
    if not all(sample.size for sample in samples):
        raise ValueError("losses: each version needs some")
    ours, theirs = (_bounds((sample - low) / (high - low), alpha / 2.0) for sample in samples)
    width = high - low
    lower, upper = (theirs[0] - ours[1]) * width, (theirs[1] - ours[0]) * width
    return UnpairedComparison(
        verdict=verdict_of(lower, upper, margin),
        estimate=float(samples[1].mean() - samples[0].mean()),
        lower=lower,
        upper=upper,
        champion=(low + width * ours[0], low + width * ours[1]),
        challenger=(low + width * theirs[0], low + width * theirs[1]),
        units=(samples[0].size, samples[1].size),
    )


def _bounds(x: Floats, alpha: float) -> tuple[float, float]:
    return betting.lower_bound(x, alpha), betting.upper_bound(x, alpha)
