"""From rows to blocks: the unit of evidence is a stretch of event time, because rows within it depend on
each other.

Rows of one day share its weather, its holidays and its incidents. A test that takes each row for a fresh
piece of evidence counts one stormy day a thousand times; a test over block means counts it once.
"""

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from noria.statistics.arrays import Floats, finite_vector

LossRange = tuple[float, float]

_UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}  # s
_MONDAY = np.datetime64("1970-01-05", "us")  # so that weeks start on Mondays


@dataclass(frozen=True, slots=True, eq=False)
class Blocks:
    """The blocks that hold at least one row, earliest first."""

    starts: NDArray[np.datetime64]  # (n,) us, the start of the block (with "row": the time of the row)
    means: Floats  # (n,) mean of the losses in the block, in the unit of the losses
    counts: NDArray[np.int64]  # (n,) rows in the block

    def __len__(self) -> int:
        return int(self.means.size)


@dataclass(frozen=True, slots=True, eq=False)
class Clipped:
    """Losses brought into their declared range, and how many had to be."""

    values: Floats
    clipped: int


def block_means(times: ArrayLike, losses: ArrayLike, block: str = "1d") -> Blocks:
    """Mean loss of each block of event time; for a paired comparison give the paired differences as `losses`.

    `times` (n,) datetime64, naive or UTC; `losses` (n,) finite; `block` is a count and a unit of s, m, h,
    d, w, or "row" for one block a row, in order of time (only where rows really are independent). A block's
    mean weighs the same whether it holds one row or a thousand: drop by `counts` those too thin to stand
    for their day. ValueError for NaT, NaN, infinite losses, unequal lengths or an unknown `block`.
    """
    when = _instants(times)
    values = finite_vector(losses, "losses")
    if when.shape != values.shape:
        raise ValueError(f"times and losses differ in length: {when.size} and {values.size}")
    if block == "row":
        order = np.argsort(when, kind="stable")
        return Blocks(when[order], values[order], np.ones(values.size, dtype=np.int64))
    width = block_width(block)
    starts, index = np.unique((when - _MONDAY) // width, return_inverse=True)
    counts = np.bincount(index, minlength=starts.size)
    sums = np.bincount(index, weights=values, minlength=starts.size)
    return Blocks(_MONDAY + starts * width, sums / counts, counts.astype(np.int64))


def block_width(block: str) -> np.timedelta64:
    """The width of "6h", "1d", "2w" in microseconds; ValueError for anything else, "row" among it."""
    match = re.fullmatch(r"([1-9]\d*)([smhdw])", block)
    if match is None:
        raise ValueError(
            f'block: expected "row" or a count and a unit of s, m, h, d, w ("6h"); got {block!r}'
        )
    return np.timedelta64(int(match[1]) * _UNITS[match[2]] * 1_000_000, "us")


def clip_losses(losses: ArrayLike, loss_range: LossRange) -> Clipped:
    """`losses` (n,) clipped into the declared range. Show the count: a bound is about the clipped loss."""
    low, high = checked_range(loss_range)
    values = finite_vector(losses, "losses")
    outside = int(np.count_nonzero((values < low) | (values > high)))
    return Clipped(np.clip(values, low, high), outside)


def checked_range(loss_range: LossRange) -> LossRange:
    """The range as floats; ValueError unless both ends are finite and the first is below the second."""
    low, high = float(loss_range[0]), float(loss_range[1])
    if not (np.isfinite(low) and np.isfinite(high) and low < high):
        raise ValueError(f"loss range: expected two finite numbers, the smaller first; got ({low}, {high})")
    return low, high


def _instants(times: ArrayLike) -> NDArray[np.datetime64]:
    array = np.asarray(times)
    if array.ndim != 1 or array.dtype.kind != "M":
        raise ValueError(
            f"times: expected datetime64 of shape (n,), got {array.dtype} of shape {array.shape}"
        )
    missing = int(np.count_nonzero(np.isnat(array)))
    if missing:
        raise ValueError(f"times: {missing} of {array.size} are missing (NaT)")
    return array.astype("datetime64[us]")
