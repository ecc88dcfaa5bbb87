"""The splits of a compiled model, read back from its own bytes: what the parity gate aims its rows at."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from noria.fast.compiled import Compiled, Leaves, Trees, XgBoost

if TYPE_CHECKING:
    import numpy as np

CATEGORICAL = 1  # bit of LightGBM's decision type


@dataclass(frozen=True)
class SplitTree:
    """One tree's inner nodes; children under zero are leaves."""

    feature: np.ndarray
    threshold: np.ndarray
    categorical: np.ndarray
    left: np.ndarray
    right: np.ndarray

    def parents(self) -> tuple[list[int], list[bool]]:
        """Of each node, the one above it (-1 at the root), and whether it is the left child."""
        parent, is_left = [-1] * len(self.feature), [False] * len(self.feature)
        for node, (left, right) in enumerate(zip(self.left.tolist(), self.right.tolist(), strict=True)):
            if left >= 0:
                parent[left], is_left[left] = node, True
            if right >= 0:
                parent[right] = node
        return parent, is_left


def split_trees(compiled: Compiled) -> list[SplitTree]:
    """The trees that have splits; none for a linear model."""
    model = compiled.model
    if isinstance(model, Trees):
        shared = model.applies and "\naverage_output\n" in model.text
        return list(_of_text(model.text, every=model.outputs if shared else 1))
    if isinstance(model, Leaves):
        return list(_of_text(model.text))
    return list(_of_xgboost(model)) if isinstance(model, XgBoost) else []


def tree_fields(text: str, every: int = 1) -> Iterator[dict[str, str]]:
    """What LightGBM's text says of each tree, or of every so many: the parts by their names, as they are written."""
    for tree in text.split("\nTree=")[1::every]:
        yield dict(line.split("=", 1) for line in tree.splitlines() if "=" in line)


def _of_text(text: str, every: int = 1) -> Iterator[SplitTree]:
    """`every`: the classes of a forest share their trees' splits."""
    import numpy as np

    for lines in tree_fields(text, every):
        if "split_feature" not in lines or not lines["split_feature"]:
            continue
        integers = {
            name: np.array(lines[name].split(), np.int64)
            for name in ("split_feature", "decision_type", "left_child", "right_child")
        }
        yield SplitTree(
            feature=integers["split_feature"],
            threshold=np.array(lines["threshold"].split(), np.float64),
            categorical=(integers["decision_type"] & CATEGORICAL) > 0,
            left=integers["left_child"],
            right=integers["right_child"],
        )


def _of_xgboost(model: XgBoost) -> Iterator[SplitTree]:
    import numpy as np
    import xgboost

    learner = json.loads(bytes(xgboost.Booster(model_file=bytearray(model.model)).save_raw("json")))[
        "learner"
    ]
    booster = learner["gradient_booster"]
    for tree in _xgboost_trees(booster):
        left, right = np.array(tree["left_children"]), np.array(tree["right_children"])
        inner = left >= 0
        number = np.where(inner, np.cumsum(inner) - 1, -1)
        if inner.any():
            yield SplitTree(
                feature=np.array(tree["split_indices"])[inner],
                threshold=np.array(tree["split_conditions"], np.float32)[inner].astype(np.float64),
                categorical=np.zeros(int(inner.sum()), bool),
                left=number[left[inner]],
                right=number[right[inner]],
            )


def _xgboost_trees(booster: dict[str, Any]) -> list[dict[str, Any]]:
    model = booster.get("model") or booster.get("gbtree", {}).get("model") or {}
    found: list[dict[str, Any]] = model.get("trees", [])
    return found
