"""Rows that are led down a tree to one node, to stand at or beside its split, or to miss its value there."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from noria.fast.compiled import Compiled
from noria.fast.inputs import before, fills, is_number, is_single, places_of
from noria.fast.rows import Rows
from noria.fast.splits import SplitTree
from noria.fast.trees import LARGEST

if TYPE_CHECKING:
    import numpy as np

AIMED = 256  # rows, drawn with the fixed seed where the nodes and their variants are more
LARGEST_32 = 3.0e38  # what a model of 32 bits is led to: finite there
VARIANTS = 6  # of a row at a split: at it, beside it by a float of 64 and of 32 bits, and without a value

Back = Callable[[float], float]


@dataclass(frozen=True)
class Input:
    """A number that the model looks at: which, the way back to it from a threshold, and whether it may be missing."""

    at: int
    back: Back
    may_miss: bool


@dataclass(frozen=True)
class Node:
    """An inner node: its split, and the bounds that the splits above it set."""

    feature: int
    threshold: float
    bounds: dict[int, tuple[float, float]]


def aimed_rows(
    compiled: Compiled, base: Rows, trees: Sequence[SplitTree], random: np.random.Generator
) -> Rows:
    """Rows of `base`, each led to a node."""
    import numpy as np

    numeric = [np.flatnonzero(~tree.categorical) for tree in trees]
    first = [0, *np.cumsum([len(nodes) for nodes in numeric]).tolist()]
    if not first[-1]:
        return base.take(np.empty(0, int))
    many = first[-1] * VARIANTS > AIMED
    chosen = random.integers(0, first[-1], AIMED) if many else np.arange(first[-1] * VARIANTS) // VARIANTS
    made = base.take(random.integers(0, len(base), len(chosen)))
    inputs, single = _inputs_of(compiled), is_single(compiled)
    for tree, nodes, (begin, end) in zip(trees, numeric, pairwise(first), strict=True):
        rows = np.flatnonzero((chosen >= begin) & (chosen < end))
        aims = _nodes(tree, nodes[chosen[rows] - begin].tolist()) if len(rows) else ()
        for row, node in zip(rows.tolist(), aims, strict=True):
            _lead(made, row, node, inputs, LARGEST_32 if single else LARGEST)
            _stand(made, row, node, inputs, single)
    return made


def _inputs_of(compiled: Compiled) -> dict[int, Input]:
    """The input behind each numeric column of the model's matrix."""
    found: dict[int, Input] = {}
    for at in range(compiled.width):
        if is_number(compiled, at):
            may_miss = compiled.finite != "finite" or fills(compiled, at)
            for position, changes in places_of(compiled, at):
                found[position] = Input(at, lambda value, made=changes: float(before(value, made)), may_miss)  # type: ignore[misc]
    return found


def _nodes(tree: SplitTree, wanted: Sequence[int]) -> Iterator[Node]:
    """Nodes of one tree with the conditions on the way to each, as far as they are numeric."""
    parent, is_left = tree.parents()
    feature, threshold, categorical = (
        tree.feature.tolist(),
        tree.threshold.tolist(),
        tree.categorical.tolist(),
    )
    for node in wanted:
        bounds: dict[int, tuple[float, float]] = {}
        at = node
        while (up := parent[at]) >= 0:
            if not categorical[up]:
                low, high = bounds.get(feature[up], (-math.inf, math.inf))
                limit = threshold[up]
                bounds[feature[up]] = (low, min(high, limit)) if is_left[at] else (max(low, limit), high)
            at = up
        yield Node(feature[node], threshold[node], bounds)


def _lead(made: Rows, row: int, node: Node, inputs: dict[int, Input], most: float) -> None:
    """Make a row meet the conditions on the way to a node."""
    for feature, (low, high) in node.bounds.items():
        if one := inputs.get(feature):
            _put_between(made.columns[one.at], row, one.back(low), one.back(high), most)


def _put_between(column: Any, row: int, low: float, high: float, most: float) -> None:
    """Where nothing lies between, only a missing value comes by, and what stands there stays."""
    if not low < column[row] <= high and low < most:
        column[row] = min(high, most) if math.isfinite(high) else math.nextafter(low, math.inf)


def _stand(made: Rows, row: int, node: Node, inputs: dict[int, Input], single: bool) -> None:
    """At the node's split, one float of 64 or 32 bits beside it, or without a value."""
    one = inputs.get(node.feature)
    if one is None:
        return
    value = one.back(node.threshold)
    if single and abs(value) > LARGEST_32:
        return
    chosen = math.nan if one.may_miss and row % VARIANTS == VARIANTS - 1 else _beside(value, row % VARIANTS)
    made.columns[one.at][row] = value if math.isinf(chosen) else chosen


def _beside(value: float, variant: int) -> float:
    if variant < 3:
        return (value, math.nextafter(value, math.inf), math.nextafter(value, -math.inf))[variant]
    import numpy as np

    narrow = np.float32(min(max(value, -LARGEST_32), LARGEST_32))
    if variant == 5:
        return float(narrow)
    return float(np.nextafter(narrow, np.float32(math.inf if variant == 3 else -math.inf)))
