"""A look at the indices in a model's trees before the model is made: scikit-learn follows them without looking.

Models of ours pass by their making, and their bytes are those of their digest. This is a second guard, for a file
that came from elsewhere: a forged tree could point anywhere into memory, or at itself and never end.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from noria.artifacts.archives import Node, nodes_loaded_by, nodes_of
from noria.errors import Corrupt

Files = dict[str, bytes]
Array = np.ndarray[Any, Any]

LEAF = -1  # scikit-learn's child of a leaf
NO_FEATURE = "splits on a feature it does not have"
_BOOSTING = "sklearn.ensemble._hist_gradient_boosting"


@dataclass(eq=False)
class ForgedTree(Corrupt):
    """A tree's indices lead out of it."""

    code = "TREE-FORGED"
    what = "a {type} in this model {fault}: no training makes such a tree"
    next = "do not use this model; train it again, and find out who wrote the file"
    type: str
    fault: str


def check_trees(schema: Node, files: Files) -> None:
    """Raise `ForgedTree` unless every index of every tree stays inside, and every child comes after its parent."""
    for node in nodes_loaded_by(schema, "TreeNode"):
        _checked(_check_tree, "Tree", node, files)
    for model in nodes_of(schema, f"{_BOOSTING}.gradient_boosting", "HistGradientBoosting"):
        _checked(_check_boosting, "TreePredictor", model, files)
    for module, name in (("_kd_tree", "KDTree"), ("_ball_tree", "BallTree")):
        for node in nodes_of(schema, f"sklearn.neighbors.{module}", name):
            _checked(partial(_check_neighbours, name=name), name, node, files)


def _checked(check: Callable[[Node, Files], None], name: str, node: Node, files: Files) -> None:
    try:
        check(node, files)
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise ForgedTree(type=name, fault=f"is not built like one ({error!r})") from error


def _check_tree(node: Node, files: Files) -> None:
    state, (features, _, _) = node["content"]["content"], node["__reduce__"]["args"]["content"]
    nodes, values = _array(state["nodes"], files), _array(state["values"], files)
    counted = json.loads(state["node_count"]["content"])
    _require(len(nodes) == counted == len(values), "Tree", "counts its nodes wrongly")
    inner = nodes["left_child"] != LEAF
    _check_children(nodes["left_child"], nodes["right_child"], inner, "Tree")
    _check_within(nodes["feature"][inner], json.loads(features["content"]), "Tree", NO_FEATURE)


def _check_boosting(model: Node, files: Files) -> None:
    trees = list(nodes_of(model, f"{_BOOSTING}.predictor", "TreePredictor"))
    if not trees:  # not fitted: what a stacking, a search or a calibration keeps of the model that it copies
        return
    features = json.loads(model["content"]["content"]["n_features_in_"]["content"])
    for node in trees:
        _check_predictor(node, files, features)


def _check_predictor(node: Node, files: Files, features: int) -> None:
    name, state = "TreePredictor", node["content"]["content"]
    nodes, sets = _array(state["nodes"], files), _array(state["raw_left_cat_bitsets"], files)
    inner = nodes["is_leaf"] == 0
    _check_children(nodes["left"].astype(np.int64), nodes["right"].astype(np.int64), inner, name)
    _check_within(nodes["feature_idx"][inner], features, name, NO_FEATURE)
    categorical = inner & (nodes["is_categorical"] != 0)
    _check_within(nodes["bitset_idx"][categorical], len(sets), name, "splits on categories it does not have")


def _check_neighbours(node: Node, files: Files, name: str) -> None:
    rows, order, nodes, bounds = (_array(part, files) for part in node["content"]["content"][:4])
    _require(len(order) == len(rows) and bounds.shape[1] == len(nodes), name, "counts its rows wrongly")
    _check_within(order, len(rows), name, "names a row it does not have")
    _check_within(nodes["idx_start"], len(rows), name, "begins a node outside of its rows")
    _check_within(nodes["idx_end"], len(rows) + 1, name, "ends a node outside of its rows")


def _check_children(left: Array, right: Array, inner: Array, name: str) -> None:
    parents = np.flatnonzero(inner)
    for child in (left[inner], right[inner]):
        stays = bool(((child > parents) & (child < len(inner))).all())
        _require(stays, name, "has a child outside of it or before its parent")


def _check_within(indices: Array, end: int, name: str, fault: str) -> None:
    _require(bool(((indices >= 0) & (indices < end)).all()), name, fault)


def _array(node: Node, files: Files) -> Array:
    return np.load(io.BytesIO(files[node["file"]]), allow_pickle=False)  # type: ignore[no-any-return]


def _require(holds: bool, name: str, fault: str) -> None:
    if not holds:
        raise ForgedTree(type=name, fault=fault)
