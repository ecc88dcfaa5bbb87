"""Batches through trees without a branch: each value of a row rules leaves out, and the first one left is the row's.

QuickScorer (Lucchese et al., SIGIR 2015) in numpy. The leaves of a tree are numbered from left to right, one bit each. A
split that sends a row to the right rules out the leaves on its left; whatever splits the row has not met rule out none
that it could reach. For each column a table says, by the place of a value among the column's thresholds, what all splits
on it rule out in every tree. A walk down 100 trees of 31 leaves is 500 branches that nobody can foresee; this is 30
look-ups, in a third of the time. The values of the leaves are added tree by tree, as LightGBM adds them: to the bit.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from noria.fast.splits import CATEGORICAL, tree_fields

if TYPE_CHECKING:
    import numpy as np

FEWEST = 64  # rows; below it the calls of numpy cost more than the walk
TOGETHER = 256  # rows at a time: what is worked on stays near the processor
KEPT = 2  # numbers of rows that a thread has arrays for: a large batch's parts differ by a row
LEAVES = 64  # of a tree, a bit each
LARGEST = 8 * 2**20  # bytes of tables in a worker of some 50 MB
SEARCH = 70  # trees whose masks are read in the time in which a value's place is found
WORTH = 130  # columns, of many trees, up to which the tables take half of the walk's time
ZERO = 1.0000000180025095e-35  # LightGBM reads what is not beyond it as zero: 1e-35 in 32 bits
_DEFAULT_LEFT, _MISSING, _AS_ZERO, _AS_NAN = 2, 12, 0, 8  # of a node's decision type


class _Split(NamedTuple):
    """A node, and the leaves on its left as bits."""

    tree: int
    column: int
    threshold: float
    left: int
    missing_left: bool


class _Unfit(Exception):
    """A tree that these tables cannot hold."""


def leaf_masks(text: str, outputs: int) -> LeafMasks | None:
    """Of a model in LightGBM's text, as its raw scores are; None where a walk is not slower, or trees have categories,
    zeros that stand for a missing value, more leaves than bits, or functions in their leaves."""
    if "\naverage_output\n" in text:
        return None
    splits: list[_Split] = []
    leaves: list[list[float]] = []
    try:
        for number, fields in enumerate(tree_fields(text)):
            leaves.append(_read(number, fields, splits))
    except _Unfit:
        return None
    columns = len({split.column for split in splits})
    if not columns or columns * (SEARCH + len(leaves)) > WORTH * len(leaves):
        return None
    if _size(splits, len(leaves), _width(leaves)) > LARGEST:
        return None
    return LeafMasks(splits, leaves, outputs)


def _width(leaves: Sequence[Sequence[float]]) -> int:
    """Bytes of a tree's bits."""
    return 4 if max(map(len, leaves)) <= 32 else 8


def _size(splits: Sequence[_Split], trees: int, width: int) -> int:
    """Bytes of the tables."""
    bins = {(split.column, split.threshold) for split in splits}
    return (len(bins) + 2 * len({column for column, _ in bins})) * trees * width


def _read(tree: int, fields: Mapping[str, str], splits: list[_Split]) -> list[float]:
    """The values of a tree's leaves from left to right; its nodes go to `splits`. Raises `_Unfit`."""
    values = [float(value) for value in fields["leaf_value"].split()]
    if len(values) > LEAVES or fields.get("is_linear", "0") != "0":
        raise _Unfit
    if not fields.get("split_feature"):
        return values
    column, kind, left, right = (
        [int(number) for number in fields[name].split()]
        for name in ("split_feature", "decision_type", "left_child", "right_child")
    )
    threshold = [float(number) for number in fields["threshold"].split()]
    order: list[int] = []

    def reached(node: int) -> int:
        """The leaves below a node, as bits."""
        if node < 0:
            order.append(~node)
            return 1 << (len(order) - 1)
        below = reached(left[node])
        splits.append(
            _Split(tree, column[node], threshold[node], below, _misses_left(kind[node], threshold[node]))
        )
        return below | reached(right[node])

    reached(0)
    return [values[leaf] for leaf in order]


def _misses_left(kind: int, threshold: float) -> bool:
    """Where a missing value goes. Raises `_Unfit`."""
    missing = kind & _MISSING
    if kind & CATEGORICAL or missing not in (_AS_ZERO, _AS_NAN):
        raise _Unfit
    return bool(kind & _DEFAULT_LEFT) if missing == _AS_NAN else threshold >= 0.0


class LeafMasks:
    """A model's tables. Safe for any number of threads."""

    def __init__(self, splits: Sequence[_Split], leaves: Sequence[Sequence[float]], outputs: int) -> None:
        import numpy as np

        by_column: dict[int, list[_Split]] = {}
        for split in splits:
            by_column.setdefault(split.column, []).append(split)
        self.outputs = outputs
        self._trees = len(leaves)
        self._columns = np.array(sorted(by_column), np.intp)
        self._bits = np.dtype(np.uint32 if _width(leaves) == 4 else np.uint64)
        thresholds = [np.unique([one.threshold for one in by_column[at]]) for at in self._columns.tolist()]
        ends = np.cumsum([len(each) + 2 for each in thresholds])
        self._missing = (ends - 1).reshape(-1, 1)
        self._span = 1 << max(map(len, thresholds)).bit_length()
        self._sorted = np.full((len(thresholds), self._span), np.inf)
        self._masks = np.full((int(ends[-1]), self._trees), ~self._bits.type(0), self._bits)
        for number, (at, each, end) in enumerate(
            zip(self._columns.tolist(), thresholds, ends.tolist(), strict=True)
        ):
            self._sorted[number, : len(each)] = each
            _rule_out(self._masks[end - len(each) - 2 : end], each, by_column[at])
        self._flat = self._sorted.ravel()
        first = np.arange(len(thresholds)) * self._span
        self._first = first.reshape(-1, 1)
        self._to_row = (ends - [len(each) + 2 for each in thresholds] - first).reshape(-1, 1)
        self._near_zero = bool((np.abs(self._sorted) <= ZERO).any())
        widest = max(map(len, leaves))
        self._values = np.zeros((self._trees, widest))
        for tree, values in enumerate(leaves):
            self._values[tree, : len(values)] = values
        self._places = (np.arange(self._trees, dtype=np.intp) * widest).reshape(-1, 1)
        self._room = _Room(len(self._columns), self._trees, self._bits)

    def scores(self, matrix: np.ndarray) -> np.ndarray:
        """`(n, outputs)` raw scores of a matrix of at least two rows; missing values are NaN."""
        import numpy as np

        rows = len(matrix)
        out, parts = np.empty((rows, self.outputs)), -(-rows // TOGETHER)
        for part in range(parts):  # of one size, but for a row
            start, end = rows * part // parts, rows * (part + 1) // parts
            out[start:end] = self._summed(matrix[start:end]).T
        return out

    def _summed(self, matrix: np.ndarray) -> np.ndarray:
        """`(outputs, n)`. numpy adds in pairs along the axis on which values are neighbours alone; these sums go across
        it, tree by tree."""
        import numpy as np

        room = self._room.of(len(matrix))
        self._find_leaves(self._bins(matrix, room), room)
        by_round = room.found.reshape(-1, self.outputs, len(matrix))
        total: np.ndarray = np.add.reduce(by_round, axis=0, initial=0.0)
        return total

    def _bins(self, matrix: np.ndarray, room: _Places) -> np.ndarray:
        """`(columns, n)`: the row of the tables for each value. A binary search for all of them at once: where a
        processor guesses wrong at every second step of one search, none of these has a step that it could guess."""
        import numpy as np

        np.copyto(room.values, matrix.T[self._columns])
        if self._near_zero:
            room.values[np.abs(room.values) <= ZERO] = 0.0
        place, step = room.place, self._span // 2
        place[:] = self._first
        while step:
            np.add(place, step - 1, room.other)
            self._flat.take(room.other, out=room.probed, mode="clip")
            np.less(room.probed, room.values, room.above)
            np.multiply(room.above, step, room.other)
            np.add(place, room.other, place)
            step //= 2
        np.add(place, self._to_row, place)
        missing = np.isnan(room.values)
        if missing.any():
            np.copyto(place, self._missing, where=missing)
        return place

    def _find_leaves(self, bins: np.ndarray, room: _Places) -> None:
        """The values of the leaves, into `room.found`, tree by tree."""
        import numpy as np

        left, also = room.left, room.also
        self._masks.take(bins[0], 0, left, "clip")
        for each in bins[1:]:
            self._masks.take(each, 0, also, "clip")
            np.bitwise_and(left, also, left)
        np.negative(left, also)
        np.bitwise_and(left, also, also)  # the lowest bit alone, a power of two: its exponent is its number
        np.copyto(room.power, also)
        exponent = room.power.view(np.int32 if self._bits.itemsize == 4 else np.int64)
        mantissa, bias = (23, 127) if self._bits.itemsize == 4 else (52, 1023)
        np.right_shift(exponent, mantissa, exponent)
        np.add(exponent.T, self._places - bias, room.leaf)
        self._values.take(room.leaf, out=room.found, mode="clip")


def _rule_out(table: np.ndarray, thresholds: np.ndarray, splits: Sequence[_Split]) -> None:
    """Fill a column's table: a row for the values up to each threshold, one for those beyond all, one for the missing. What a
    threshold rules out, all values beyond it do."""
    import numpy as np

    trees = np.array([split.tree for split in splits], np.intp)
    others = ~np.array([split.left for split in splits], table.dtype)
    beyond = thresholds.searchsorted([split.threshold for split in splits]) + 1
    np.bitwise_and.at(table, (beyond, trees), others)
    np.bitwise_and.accumulate(table[:-1], axis=0, out=table[:-1])
    right = np.array([not split.missing_left for split in splits])
    np.bitwise_and.at(table[-1], trees[right], others[right])


class _Places:
    """Arrays for a number of rows, made once a thread: new ones would cost a third of the work."""

    def __init__(self, columns: int, trees: int, bits: Any, rows: int) -> None:
        import numpy as np

        self.values, self.probed = np.empty((columns, rows)), np.empty((columns, rows))
        self.place, self.other = np.empty((columns, rows), np.intp), np.empty((columns, rows), np.intp)
        self.above = np.empty((columns, rows), bool)
        self.left, self.also = np.empty((rows, trees), bits), np.empty((rows, trees), bits)
        self.power = np.empty((rows, trees), np.float32 if bits.itemsize == 4 else np.float64)
        self.leaf, self.found = np.empty((trees, rows), np.intp), np.empty((trees, rows))


class _Room(threading.local):
    """The calling thread's arrays, those of the last numbers of rows."""

    def __init__(self, columns: int, trees: int, bits: Any) -> None:
        self._sizes = columns, trees, bits
        self._made: dict[int, _Places] = {}

    def of(self, rows: int) -> _Places:
        found = self._made.pop(rows, None) or _Places(*self._sizes, rows)
        self._made[rows] = found
        if len(self._made) > KEPT:
            del self._made[next(iter(self._made))]
        return found
