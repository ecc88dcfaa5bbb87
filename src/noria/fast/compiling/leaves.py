"""XGBoost's trees as trees whose leaves LightGBM finds: a row costs a tenth of what XGBoost's own interface asks."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Literal

from noria.fast.compiled import Leaves, XgBoost
from noria.fast.compiling.refusal import NoForm
from noria.fast.compiling.text import Tree, constant_text, model_text, tree_text
from noria.fast.trees import BESIDE_ZERO, NEAR_ZERO

if TYPE_CHECKING:
    import numpy as np

Kind = Literal["identity", "exp", "expit", "softmax"]
LINKS: dict[str, Kind] = {
    "binary:logistic": "expit",
    "reg:logistic": "expit",
    "multi:softprob": "softmax",
    "reg:squarederror": "identity",
    "reg:absoluteerror": "identity",
    "reg:pseudohubererror": "identity",
    "reg:squaredlogerror": "identity",
    "count:poisson": "exp",
    "reg:gamma": "exp",
    "reg:tweedie": "exp",
}


def leaves_of(booster: Any, own: XgBoost, width: int) -> Leaves:
    """The same beside the model as XGBoost itself has it. Raises `NoForm` for what adds up in another way."""
    learner = json.loads(bytes(booster.save_raw("json")))["learner"]
    objective = learner["objective"]["name"]
    gradient = learner["gradient_booster"]
    if gradient["name"] != "gbtree" or objective not in LINKS or own.missing is not None:
        raise NoForm(f"XGBoost's {gradient['name']} with objective {objective} is answered by XGBoost alone")
    model = gradient["model"]
    count = model["iteration_indptr"][own.best] if own.best else len(model["trees"])
    trees = model["trees"][:count]
    if not trees:
        raise NoForm("it has no tree")
    margins = _margins(learner["learner_model_param"]["base_score"], LINKS[objective], own.outputs)
    terms = [
        text
        for output, margin in enumerate(margins)
        for text in (constant_text(margin), *(tree_text(_tree(one)) for one in _of(output, trees, model)))
    ]
    return Leaves(
        own=own,
        text=model_text(terms, outputs=len(terms), width=width),
        link=LINKS[objective],
        tiny=tuple(sorted({at for tree in trees for at in _at_zero(tree)})),
    )


def _of(output: int, trees: Sequence[dict[str, Any]], model: dict[str, Any]) -> Iterator[dict[str, Any]]:
    return (tree for tree, adds_to in zip(trees, model["tree_info"], strict=False) if adds_to == output)


def _tree(one: dict[str, Any]) -> Tree:
    """It goes left where `x < condition` in 32 bits: at the number below the condition, and under."""
    import numpy as np

    left = np.array(one["left_children"])
    leaf = left < 0
    condition = np.array(one["split_conditions"], np.float32)
    inner = condition[~leaf]
    if ((np.abs(inner) <= BESIDE_ZERO) & (inner != 0)).any():
        raise NoForm("it splits within 1e-35 of zero, where LightGBM tells no numbers apart")
    below = np.nextafter(condition, np.float32(-np.inf)).astype(np.float64)
    return Tree(
        left=left,
        right=np.array(one["right_children"]),
        leaf=leaf,
        feature=np.array(one["split_indices"]),
        threshold=np.where(condition == 0, -NEAR_ZERO, below),
        missing_left=np.array(one["default_left"]),
        value=condition.astype(np.float64),
    )


def _at_zero(one: dict[str, Any]) -> set[int]:
    """Columns that are split at zero."""
    each = zip(one["split_indices"], one["split_conditions"], one["left_children"], strict=True)
    return {feature for feature, condition, left in each if left >= 0 and condition == 0}


def _margins(spelled: str, link: Kind, outputs: int) -> tuple[float, ...]:
    """What sums begin with: the base score as a margin, in the 32-bit operations of XGBoost."""
    import numpy as np

    found = json.loads(spelled)
    scores = np.array(found if isinstance(found, list) else [found], np.float32)
    return tuple(
        _margin(score, link) for score in (scores if len(scores) == outputs else [scores[0]] * outputs)
    )


def _margin(score: np.float32, link: Kind) -> float:
    import numpy as np

    from noria.fast.leaves import logf

    if link == "expit":
        return -float(logf(float(np.float32(1) / score - np.float32(1))))
    return float(logf(float(score))) if link == "exp" else float(score)
