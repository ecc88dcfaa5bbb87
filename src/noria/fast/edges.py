"""Rows that find out what a compiled model does differently: at and beside every split, missing, unknown, extreme.

Two kinds. *Packed* rows hold, in each column, a value at or beside one of its splits, so that each such value occurs.
*Aimed* rows are led down a tree to one node and stand at or beside its split, or miss its value there, so that a
node deep in a tree is reached on purpose. Ordinary rows reach few of either: checks on those alone miss the large
errors.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from noria.fast.aimed import aimed_rows
from noria.fast.compiled import (
    Compiled,
    Linear,
    OneHot,
    Ordinal,
)
from noria.fast.inputs import before, fills, is_number, is_single, is_used, places_of
from noria.fast.rows import Rows
from noria.fast.splits import SplitTree, split_trees

if TYPE_CHECKING:
    import numpy as np

PACKED = 1024  # rows; a model of 100 trees on 30 columns has its splits' values in 300 to 600
BASE = 256  # rows of the sample that the others are made of
SEED = 20130101
SMALL = (0.0, -0.0, 5e-324, -5e-324, 1e-40, -1e-40, 1e-36, -1e-36, 1.2e-38, 1.0, -1.0)
HUGE = (1e18, -1e18, 3.0e38, -3.0e38)  # the largest that are finite in 32 bits, too
BEYOND = (3.5e38, -3.5e38, 1e300, -1e300, 1.7976931348623157e308)  # infinite in 32 bits
LINEAR_HUGE = (1e9, -1e9)  # beyond, sums cancel to noise in either implementation
NEW_LEVELS = ("", "never seen", " ", "ÄÖ\u00a0")
NEW_CODES = (-1.0, 0.5, 255.0, 256.0, 300.0, 1e9)


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
    aimed = aimed_rows(compiled, few, trees, random)
    return Rows([_joined(parts) for parts in zip(base.columns, packed.columns, aimed.columns, strict=True)])


def refused_rows(compiled: Compiled, sample: Sequence[Any]) -> Rows:
    """One row for each value that the original refuses: missing, infinite, too large for 32 bits."""
    import numpy as np

    at = next((at for at in range(compiled.width) if is_number(compiled, at)), None)
    if compiled.finite == "anything" or at is None:
        return Rows([[] for _ in range(compiled.width)])
    wrong = [np.inf, -np.inf, *(BEYOND[:2] if is_single(compiled) else ())]
    if compiled.finite == "finite" and not fills(compiled, at):
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
    if not is_number(compiled, at):
        return _levels(compiled, at)
    import numpy as np

    found = [around(each, is_single(compiled)) for each in _thresholds(compiled, at, splits)]
    special: tuple[float, ...] = (*SMALL, *(LINEAR_HUGE if isinstance(compiled.model, Linear) else HUGE))
    if not isinstance(compiled.model, Linear) and not (is_single(compiled) and compiled.finite != "anything"):
        special = (*special, *BEYOND)
    if compiled.finite == "anything":
        special = (*special, np.inf, -np.inf)
    if compiled.finite != "finite" or fills(compiled, at):
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
    columns = places_of(compiled, at)
    return [before(splits[column], changes) for column, changes in columns if column in splits]


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


def _sample(compiled: Compiled, sample: Sequence[Any]) -> Rows:
    """The sample's columns; those that the model does not look at stay empty."""
    import numpy as np

    from noria.fast.encode import numbers_of, plain_values

    count = max((len(values) for values in sample), default=0)
    made: list[Any] = []
    for at, values in enumerate(sample):
        if not is_used(compiled, at):
            made.append([None] * count)
        elif is_number(compiled, at):
            made.append(np.array(numbers_of(values), np.float64))
        else:
            made.append(list(plain_values(values)))
    return Rows(made)


def _joined(parts: Sequence[Any]) -> Any:
    if isinstance(parts[0], list):
        return [value for part in parts for value in part]
    import numpy as np

    return np.concatenate(parts)
