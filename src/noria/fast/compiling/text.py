"""Trees in LightGBM's text format, written column by column of their nodes.

A node with number i goes left where `x <= threshold`; `missing_left` says where NaN goes. Numbers are written so that
they read back as the very same doubles.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

CATEGORICAL, MISSING_LEFT, MISSING_IS_NAN = 1, 2, 8  # bits of a node's decision type
WORD = 32  # bits of one word of a set of categories


@dataclass(frozen=True)
class Tree:
    """One tree; arrays have an item a node, the root first."""

    left: np.ndarray
    right: np.ndarray
    leaf: np.ndarray
    """Which nodes are leaves."""
    feature: np.ndarray
    threshold: np.ndarray
    missing_left: np.ndarray
    value: np.ndarray
    """The leaves' answers."""
    categories: dict[int, Sequence[int]] = field(default_factory=dict)
    """Of categorical nodes, by number: the categories that go left."""


def model_text(trees: Iterable[str], *, outputs: int, width: int, average: bool = False) -> str:
    """A whole model; the trees of one round stand side by side, one a score."""
    head = [
        "tree",
        "version=v4",
        f"num_class={outputs}",
        f"num_tree_per_iteration={outputs}",
        "label_index=0",
        f"max_feature_idx={width - 1}",
        "feature_names=" + " ".join(f"c{at}" for at in range(width)),
        "feature_infos=" + " ".join(["none"] * width),
        *(["average_output"] if average else []),
    ]
    body = [f"Tree={number}\n{tree}" for number, tree in enumerate(trees)]
    return "\n".join(head) + "\n\n" + "\n\n".join(body) + "\n\nend of trees\n"


def constant_text(value: float) -> str:
    """A tree of one leaf."""
    return f"num_leaves=1\nnum_cat=0\nleaf_value={value!r}\nis_linear=0\nshrinkage=1"


def tree_text(tree: Tree) -> str:
    """One tree. The leaves' values are the only part that differs between the classes of a forest."""
    if tree.leaf[0]:
        return constant_text(float(tree.value[0]))
    return f"{structure_text(tree)}\n{values_text(tree.leaf, tree.value)}"


def values_text(leaf: np.ndarray, value: np.ndarray) -> str:
    """What the leaves answer."""
    return f"leaf_value={_floats(value[leaf])}\nis_linear=0\nshrinkage=1"


def structure_text(tree: Tree) -> str:
    """Which way a row takes."""
    import numpy as np

    inner = ~tree.leaf
    number = np.where(tree.leaf, ~(np.cumsum(tree.leaf) - 1), np.cumsum(inner) - 1)
    kind = np.where(tree.missing_left.astype(bool), MISSING_LEFT, 0) + MISSING_IS_NAN
    threshold = tree.threshold.astype(np.float64).copy()
    sets = _category_sets(tree, kind, threshold)
    return "\n".join(
        [
            f"num_leaves={int(tree.leaf.sum())}",
            f"num_cat={len(tree.categories)}",
            f"split_feature={_integers(tree.feature[inner])}",
            f"threshold={_floats(threshold[inner])}",
            f"decision_type={_integers(kind[inner])}",
            f"left_child={_integers(number[tree.left[inner]])}",
            f"right_child={_integers(number[tree.right[inner]])}",
            *sets,
        ]
    )


def _category_sets(tree: Tree, kind: np.ndarray, threshold: np.ndarray) -> list[str]:
    """The sets of categories as words of bits; `kind` and `threshold` of their nodes become what points at them."""
    words: list[int] = []
    bounds = [0]
    for place, (node, chosen) in enumerate(sorted(tree.categories.items())):
        kind[node], threshold[node] = CATEGORICAL, place
        each = [0] * (max(chosen, default=0) // WORD + 1)
        for category in chosen:
            each[category // WORD] |= 1 << (category % WORD)
        words += each
        bounds.append(len(words))
    if not tree.categories:
        return []
    return [f"cat_boundaries={' '.join(map(str, bounds))}", f"cat_threshold={' '.join(map(str, words))}"]


def _integers(values: np.ndarray) -> str:
    return " ".join(map(str, values.tolist()))


def _floats(values: np.ndarray) -> str:
    """The shortest digits that read back as the same double."""
    return " ".join(map(repr, values.tolist()))
