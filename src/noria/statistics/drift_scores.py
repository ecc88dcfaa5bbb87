"""What a unit of rows is reduced to, a feature: four numbers that move when its distribution does.

| summary | of a column of numbers | of a column of categories |
| --- | --- | --- |
| location | mean rank of its rows | mean rank of its rows in the order of a keyed hash |
| shape | mean distance of the ranks from the middle, times two | share of levels that were not there |
| missing | share of missing values | share of missing values |
| distance | Kolmogorov-Smirnov distance of its rows from the profile | total variation distance from the profile |

Ranks are those among the *profile*, rows of the reference that are set aside for nothing else, so each summary is one fixed
function of the unit's rows, and units are exchangeable as soon as their rows are, and as many. A block is therefore thinned
to the same number of rows as all others: few rows scatter more, and would look like a change. In row mode a unit is a handful
of consecutive rows and has no distance.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from noria.statistics.arrays import Floats
from noria.statistics.drift_cells import LEAST, MISSING

SUMMARIES = ("location", "shape", "missing", "distance")
LOCATION, SHAPE, ABSENT, DISTANCE = range(4)

ONE = 65_535  # a score of one: sums of whole numbers are the same in any order, so counters merge exactly
_FIELD = 24  # bits a summary takes in a packed score: the scores of 256 rows add up below it
MOST_ROWS = 256  # of a unit in row mode, therefore


@dataclass(frozen=True, slots=True, eq=False)
class Scores:
    """For each feature and cell (or group of cells), what a row there adds to its unit's summaries."""

    profile: NDArray[np.int64]  # (features, cells), rows of the profile in each cell
    numeric: NDArray[np.bool_]  # (features,)
    location: NDArray[np.int64]  # (features, cells), 0 to ONE
    shape: NDArray[np.int64]  # (features, cells), 0 to ONE
    packed: NDArray[np.int64]  # (features, cells): location, shape and missing in one number, to be added up

    @classmethod
    def of(cls, profile: NDArray[np.int64], numeric: NDArray[np.bool_]) -> Scores:
        """From the profile's rows in each cell (features, cells)."""
        present = profile.astype(np.float64)
        present[:, MISSING] = 0.0
        total = np.maximum(present.sum(axis=1, keepdims=True), 1.0)
        rank = (np.cumsum(present, axis=1) - present / 2.0) / total
        rank[:, MISSING] = 0.0
        place = np.arange(profile.shape[1])
        shape = np.where(numeric[:, None], np.abs(2.0 * rank - 1.0), place == LEAST)
        shape[:, MISSING] = 0.0
        whole, about = (np.rint(part * ONE).astype(np.int64) for part in (rank, shape))
        absent = (place == MISSING).astype(np.int64)
        return cls(profile, numeric, whole, about, whole | about << _FIELD | absent << 2 * _FIELD)

    def of_sums(self, packed: NDArray[np.int64], rows: NDArray[np.int64]) -> Floats:
        """Summaries (units, features, 4) of units in row mode, from their sums (units, features) and rows (units,)."""
        mask = (1 << _FIELD) - 1
        absent = packed >> 2 * _FIELD
        present = np.maximum(rows[:, None] - absent, 1)
        found = np.zeros((*packed.shape, len(SUMMARIES)))
        found[..., LOCATION] = (packed & mask) / (present * ONE)
        found[..., SHAPE] = (packed >> _FIELD & mask) / (present * ONE)
        found[..., ABSENT] = absent / np.maximum(rows[:, None], 1)
        return self._without_rows(found, absent == rows[:, None])

    def of_counts(self, counts: NDArray[np.int64]) -> Floats:
        """Summaries (units, features, 4) of units from their rows in each cell (units, features, cells)."""
        rows = counts.sum(axis=-1)
        present = np.maximum(rows - counts[..., MISSING], 1)
        found = np.zeros((*rows.shape, len(SUMMARIES)))
        found[..., LOCATION] = (counts * self.location).sum(axis=-1) / (present * ONE)
        found[..., SHAPE] = (counts * self.shape).sum(axis=-1) / (present * ONE)
        found[..., ABSENT] = counts[..., MISSING] / np.maximum(rows, 1)
        found[..., DISTANCE] = distances(counts[..., 1:], self.profile[:, 1:], self.numeric)
        return self._without_rows(found, counts[..., MISSING] == rows)

    def _without_rows(self, found: Floats, empty: NDArray[np.bool_]) -> Floats:
        """A unit with nothing but missing values is in the middle of everything, whatever the column."""
        for summary in (LOCATION, SHAPE):
            found[..., summary] = np.where(empty, 0.5, found[..., summary])
        return found


def thinned(counts: NDArray[np.int64], rows: int, source: np.random.Generator) -> NDArray[np.int64]:
    """`rows` rows drawn without replacement out of `counts` (features, cells), whose rows are as many for each feature.

    The rows of a feature are thought of in the order of its cells, and the same places are drawn for all features: each
    feature for itself is a fair sample.
    """
    drawn = np.sort(source.choice(int(counts[0].sum()), rows, replace=False, shuffle=False))
    upto = np.searchsorted(drawn, np.cumsum(counts, axis=-1), "left")
    return np.diff(upto, axis=-1, prepend=0)


def distances(ours: NDArray[np.int64], theirs: NDArray[np.int64], numeric: NDArray[np.bool_]) -> Floats:
    """Between two sets of counts (..., features, cells): Kolmogorov-Smirnov for numbers, total variation for categories; 0
    where one of them is empty.
    """
    sizes = ours.sum(axis=-1, keepdims=True), theirs.sum(axis=-1, keepdims=True)
    apart = ours / np.maximum(sizes[0], 1) - theirs / np.maximum(sizes[1], 1)
    farthest = np.abs(np.cumsum(apart, axis=-1)).max(axis=-1)
    moved = np.abs(apart).sum(axis=-1) / 2.0
    empty = (sizes[0] == 0) | (sizes[1] == 0)
    return np.where(empty[..., 0], 0.0, np.where(numeric, farthest, moved))
