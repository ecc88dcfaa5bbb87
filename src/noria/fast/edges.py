"""Rows that find out what a compiled model does differently: at and beside every split, missing, unknown, extreme.

Two kinds. *Packed* rows hold, in each column, a value at or beside one of its splits, so that each such value occurs.
*Aimed* rows are led down a tree to one node and stand at or beside its split, or miss its value there, so that a
node deep in a tree is reached on purpose. Ordinary rows reach few of either: checks on those alone miss the large
errors.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from noria.fast.compiled import (
    Change,
    Compiled,
    Filled,
    Linear,
    Number,
    OneHot,
    Ordinal,
    Scaled,
    Trees,
    XgBoost,
)
from noria.fast.splits import SplitTree, split_trees
from noria.fast.trees import LARGEST

if TYPE_CHECKING:
    import numpy as np

PACKED = 1024  # rows; a model of 100 trees on 30 columns has its splits' values in 300 to 600
AIMED = 256  # rows, drawn with the fixed seed where the nodes and their variants are more
BASE = 256  # rows of the sample that the others are made of
SEED = 20130101
SMALL = (0.0, -0.0, 5e-324, -5e-324, 1e-40, -1e-40, 1e-36, -1e-36, 1.2e-38, 1.0, -1.0)
HUGE = (1e18, -1e18, 3.0e38, -3.0e38)  # the largest that are finite in 32 bits, too
BEYOND = (3.5e38, -3.5e38, 1e300, -1e300, 1.7976931348623157e308)  # infinite in 32 bits
LINEAR_HUGE = (1e9, -1e9)  # beyond, sums cancel to noise in either implementation
NEW_LEVELS = ("", "never seen", " ", "ÄÖ\u00a0")
NEW_CODES = (-1.0, 0.5, 255.0, 256.0, 300.0, 1e9)


@dataclass(frozen=True)
class Rows:
    """Input columns of a compiled model: float64 arrays, and lists for categories."""

    columns: list[Any]

    def __len__(self) -> int:
        return len(self.columns[0]) if self.columns else 0

    def listed(self) -> list[tuple[Any, ...]]:
        """The rows as requests' values are."""
        plain = [column if isinstance(column, list) else column.tolist() for column in self.columns]
        return list(zip(*plain, strict=True))

    def take(self, positions: Any) -> Rows:
        """The rows at these positions."""
        return Rows([_taken(column, positions) for column in self.columns])


def parity_rows(compiled: Compiled, sample: Sequence[Any]) -> Rows:
    """The sample's rows, then packed and aimed ones. `sample`: its columns, in the order of the model's inputs.

    The same model and sample give the same rows.
    """
    import numpy as np

    random = np.random.default_rng(SEED)
    base = _sample(compiled, sample)
    few = base.take(np.arange(min(len(base), BASE)))
    trees = split_trees(compiled)
    splits = _by_column(trees)
    values = [_values(compiled, at, splits) for at in range(compiled.width)]
    packed = _packed(few, values, random)
    aimed = _aimed(compiled, few, trees, random)
    return Rows([_joined(parts) for parts in zip(base.columns, packed.columns, aimed.columns, strict=True)])


def refused_rows(compiled: Compiled, sample: Sequence[Any]) -> Rows:
    """One row for each value that the original refuses: missing, infinite, too large for 32 bits."""
    import numpy as np

    at = next((at for at in range(compiled.width) if _is_number(compiled, at)), None)
    if compiled.finite == "anything" or at is None:
        return Rows([[] for _ in range(compiled.width)])
    wrong = [np.inf, -np.inf, *(BEYOND[:2] if _single(compiled) else ())]
    if compiled.finite == "finite" and not _fills(compiled, at):
        wrong.append(np.nan)
    made = _sample(compiled, sample).take(np.zeros(len(wrong), int))
    made.columns[at] = np.array(wrong)
    return made


Splits = dict[int, "np.ndarray"]


def _by_column(trees: Sequence[SplitTree]) -> Splits:
    """The thresholds of each column of the model's matrix, each once."""
    import numpy as np

    if not trees:
        return {}
    numeric = ~np.concatenate([tree.categorical for tree in trees])
    feature = np.concatenate([tree.feature for tree in trees])[numeric]
    threshold = np.concatenate([tree.threshold for tree in trees])[numeric]
    return {column: np.unique(threshold[feature == column]) for column in np.unique(feature).tolist()}


def _values(compiled: Compiled, at: int, splits: Splits) -> list[Any]:
    """Everything that one input should be once."""
    if not _is_number(compiled, at):
        return _levels(compiled, at)
    import numpy as np

    found = [around(each, _single(compiled)) for each in _thresholds(compiled, at, splits)]
    special: tuple[float, ...] = (*SMALL, *(LINEAR_HUGE if isinstance(compiled.model, Linear) else HUGE))
    if not isinstance(compiled.model, Linear) and not (_single(compiled) and compiled.finite != "anything"):
        special = (*special, *BEYOND)
    if compiled.finite == "anything":
        special = (*special, np.inf, -np.inf)
    if compiled.finite != "finite" or _fills(compiled, at):
        special = (*special, np.nan)
    return [*special, *np.unique(np.concatenate([*found, np.empty(0)])).tolist()]


def around(thresholds: np.ndarray, single: bool) -> np.ndarray:
    """Each threshold, and its neighbours among doubles and among 32-bit floats."""
    import numpy as np

    with np.errstate(over="ignore"):
        narrow = thresholds.astype(np.float32)
        limits = np.float32(np.inf), np.float32(-np.inf)
        beside32 = [np.nextafter(narrow, limit) for limit in limits]
    beside64 = [np.nextafter(thresholds, limit) for limit in (np.inf, -np.inf)]
    made = np.concatenate([thresholds, *beside64, narrow, *beside32]).astype(np.float64)
    return made[np.isfinite(made)] if not single else made[np.abs(made) < 3.4e38]


def _thresholds(compiled: Compiled, at: int, splits: Splits) -> list[np.ndarray]:
    columns = _columns_of(compiled, at)
    return [_before(splits[column], changes) for column, changes in columns if column in splits]


def _columns_of(compiled: Compiled, at: int) -> list[tuple[int, tuple[Change, ...]]]:
    """Where in the model's matrix a numeric input stands, and what was done to it."""
    if not compiled.blocks:
        return [(at, ())]
    found, position = [], 0
    for block in compiled.blocks:
        if isinstance(block, Number) and block.source == at:
            found.append((position, block.changes))
        position += block.width if isinstance(block, OneHot) else 1
    return found


def _before(values: Any, changes: Sequence[Change]) -> Any:
    """What an input was before its changes, as near as doubles come."""
    for change in reversed(changes):
        if isinstance(change, Scaled):
            values = values * (1.0 if change.over is None else change.over)
            values = values + (0.0 if change.minus is None else change.minus)
        elif not isinstance(change, Filled):
            values = (values - change.plus) / (change.times or 1.0)
    return values


def _levels(compiled: Compiled, at: int) -> list[Any]:
    known = [
        level
        for block in compiled.blocks
        if isinstance(block, Ordinal | OneHot) and block.source == at
        for level in block.levels
    ]
    numeric = bool(known) and not any(isinstance(level, str) for level in known)
    new: tuple[Any, ...] = (*NEW_CODES, float("nan")) if numeric else (*NEW_LEVELS, None)
    if any(
        "refuse" in (block.none, block.nan, block.other)
        for block in compiled.blocks
        if isinstance(block, Ordinal | OneHot) and block.source == at
    ):
        new = ()
    return [*new, *known]


def _packed(base: Rows, values: Sequence[Sequence[Any]], random: np.random.Generator) -> Rows:
    """Rows in which each value of each column occurs, beside ordinary ones of other columns."""
    import numpy as np

    count = min(PACKED, max(map(len, values)) * 3 // 2)
    made = base.take(random.integers(0, len(base), count))
    for at, wanted in enumerate(values):
        if wanted:
            chosen = (
                list(wanted)
                if len(wanted) <= count
                else [wanted[one] for one in _some(wanted, count, random)]
            )
            for row, value in zip(random.permutation(count).tolist(), chosen, strict=False):
                made.columns[at][row] = value
    return made if count else base.take(np.empty(0, int))


def _some(values: Sequence[Any], count: int, random: np.random.Generator) -> list[int]:
    chosen: list[int] = random.choice(len(values), count, replace=False).tolist()
    return chosen


def _aimed(compiled: Compiled, base: Rows, trees: Sequence[SplitTree], random: np.random.Generator) -> Rows:
    """Rows that are led to a node of a tree, and stand at its split."""
    import numpy as np

    nodes = [(tree, node) for tree in trees for node in np.flatnonzero(~tree.categorical).tolist()]
    if not nodes:
        return base.take(np.empty(0, int))
    chosen = (
        random.integers(0, len(nodes), AIMED) if len(nodes) * 6 > AIMED else np.arange(len(nodes) * 6) // 6
    )
    made = base.take(random.integers(0, len(base), len(chosen)))
    where = _inputs_of(compiled)
    most = HUGE[2] if _single(compiled) else LARGEST
    parents = {id(tree): tuple(part.tolist() for part in tree.parents()) for tree in trees}
    for row, one in enumerate(chosen.tolist()):
        tree, node = nodes[one]
        _lead(made, row, tree, node, parents[id(tree)], where, most)
        _stand(compiled, made, row, tree, node, where, row % 6)
    return made


Where = dict[int, tuple[int, Callable[[float], float]]]


def _inputs_of(compiled: Compiled) -> Where:
    """Of each numeric column of the model's matrix: its input, and the way back to the input's values."""
    found: Where = {}
    for at in range(compiled.width):
        if _is_number(compiled, at):
            for position, changes in _columns_of(compiled, at):
                found[position] = at, lambda value, changes=changes: float(_before(value, changes))  # type: ignore[misc]
    return found


def _lead(
    made: Rows, row: int, tree: SplitTree, node: int, above: tuple[Any, ...], where: Where, most: float
) -> None:
    """Make a row meet the conditions on the way to a node, as far as they are numeric."""
    parent, is_left = above
    bounds: dict[int, tuple[float, float]] = {}
    while parent[node] >= 0:
        up = parent[node]
        if not tree.categorical[up]:
            feature, threshold = int(tree.feature[up]), float(tree.threshold[up])
            low, high = bounds.get(feature, (-float("inf"), float("inf")))
            bounds[feature] = (low, min(high, threshold)) if is_left[node] else (max(low, threshold), high)
        node = up
    for feature, (low, high) in bounds.items():
        if feature in where:
            at, back = where[feature]
            _put_between(made.columns[at], row, back(low), back(high), most)


def _put_between(column: Any, row: int, low: float, high: float, most: float) -> None:
    """Where nothing lies between, only a missing value comes by, and what stands there stays."""
    import numpy as np

    value = column[row]
    if not low < value <= high and low < most:
        column[row] = min(high, most) if np.isfinite(high) else np.nextafter(low, np.inf)


def _stand(
    compiled: Compiled, made: Rows, row: int, tree: SplitTree, node: int, where: Where, variant: int
) -> None:
    """At the node's split, one float of 64 or 32 bits beside it, or without a value."""
    import numpy as np

    feature = int(tree.feature[node])
    if feature not in where:
        return
    at, back = where[feature]
    value = back(float(tree.threshold[node]))
    if _single(compiled) and abs(value) > HUGE[2]:
        return
    if variant == 5 and (compiled.finite != "finite" or _fills(compiled, at)):
        made.columns[at][row] = np.nan
        return
    narrow = np.float32(min(max(value, -3.0e38), 3.0e38))
    limit = np.float32(np.inf)
    variants = (
        value,
        np.nextafter(value, np.inf),
        np.nextafter(value, -np.inf),
        float(np.nextafter(narrow, limit)),
        float(np.nextafter(narrow, -limit)),
        float(narrow),
    )
    chosen = float(variants[variant])
    made.columns[at][row] = chosen if np.isfinite(chosen) else value


def _sample(compiled: Compiled, sample: Sequence[Any]) -> Rows:
    """The sample's columns; those that the model does not look at stay empty."""
    import numpy as np

    from noria.fast.encode import numbers_of, plain_values

    count = max((len(values) for values in sample), default=0)
    made: list[Any] = []
    for at, values in enumerate(sample):
        if not _is_used(compiled, at):
            made.append([None] * count)
        elif _is_number(compiled, at):
            made.append(np.array(numbers_of(values), np.float64))
        else:
            made.append(list(plain_values(values)))
    return Rows(made)


def _is_used(compiled: Compiled, at: int) -> bool:
    return not compiled.blocks or any(block.source == at for block in compiled.blocks)


def _is_number(compiled: Compiled, at: int) -> bool:
    blocks = [block for block in compiled.blocks if block.source == at]
    return _is_used(compiled, at) and all(isinstance(block, Number) for block in blocks)


def _fills(compiled: Compiled, at: int) -> bool:
    """Whether a missing value of this input is filled in before the model sees it."""
    blocks = [block for block in compiled.blocks if isinstance(block, Number) and block.source == at]
    return bool(blocks) and all(any(isinstance(one, Filled) for one in block.changes) for block in blocks)


def _single(compiled: Compiled) -> bool:
    model = compiled.model
    return isinstance(model, XgBoost) or (isinstance(model, Trees) and model.single)


def _taken(column: Any, positions: Any) -> Any:
    if isinstance(column, list):
        return [column[at] for at in positions.tolist()]
    return column[positions]


def _joined(parts: Sequence[Any]) -> Any:
    if isinstance(parts[0], list):
        return [value for part in parts for value in part]
    import numpy as np

    return np.concatenate(parts)
