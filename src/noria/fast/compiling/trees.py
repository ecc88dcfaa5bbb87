"""scikit-learn's trees: gradient boosting with and without histograms, forests, single trees."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from noria.fast.compiled import Finite, Link, Trees
from noria.fast.compiling.refusal import NoForm, named
from noria.fast.compiling.text import (
    Tree,
    constant_text,
    model_text,
    structure_text,
    tree_text,
    values_text,
)
from noria.fast.trees import BESIDE_ZERO, LARGEST

if TYPE_CHECKING:
    import numpy as np

LARGEST_TEXT = 64 * 2**20  # bytes; a forest beyond it takes a worker more memory than it saves time
LINKS: dict[str, Link] = {
    "IdentityLink": "identity",
    "LogLink": "exp",
    "LogitLink": "expit",
    "HalfLogitLink": "half-expit",
    "MultinomialLogit": "softmax",
}


def histogram_trees(model: Any, width: int, missing: dict[int, int]) -> Trees:
    """HistGradientBoosting. `missing`: of each categorical column, the code of a missing or unknown category."""
    base = model._baseline_prediction.ravel().tolist()
    known, places = model._bin_mapper.make_known_categories_bitsets()
    trees = [
        _histogram_tree(predictor, known, places, missing) for each in model._predictors for predictor in each
    ]
    return _joined(trees, base, width)


def boosted_trees(model: Any, width: int) -> Trees:
    """GradientBoosting: it compares 32-bit floats."""
    import numpy as np

    if type(model.init_).__name__ not in ("DummyClassifier", "DummyRegressor", "str"):
        raise NoForm(f"{named(model)} begins with a {named(model.init_)}, which depends on the row")
    base = model._raw_predict_init(np.zeros((1, model.n_features_in_), np.float32)).ravel().tolist()
    trees = [
        _plain_tree(one, one.tree_.value[:, 0, 0] * model.learning_rate)
        for each in model.estimators_
        for one in each
    ]
    return _joined(trees, base, width, single=True)


def forest_trees(estimators: Sequence[Any], width: int) -> Trees:
    """The mean over trees, a score a class: the classes of one tree share their structure."""
    outputs = _outputs(estimators[0])
    texts: list[str] = []
    size = 0
    plain = [_plain_tree(one, one.tree_.value[:, 0, 0]) for one in estimators]
    for one, tree in zip(estimators, plain, strict=True):
        values = one.tree_.value[:, 0, :]
        if tree.leaf[0]:
            texts += [constant_text(float(values[0, at])) for at in range(outputs)]
            continue
        shape = structure_text(tree)
        texts += [f"{shape}\n{values_text(tree.leaf, values[:, at])}" for at in range(outputs)]
        size += len(texts[-1]) * outputs
        if size > LARGEST_TEXT:
            raise NoForm(f"its trees would take more than {LARGEST_TEXT >> 20} MiB")
    tiny, infinite = _edges(plain)
    text = model_text(texts, outputs=outputs, width=width, average=True)
    return Trees(text=text, outputs=outputs, single=True, applies=True, tiny=tiny, infinite=infinite)


def tolerance_of(model: Any) -> Finite:
    """Which numbers the estimator refuses."""
    from sklearn.utils import get_tags

    return "no infinity" if get_tags(model).input_tags.allow_nan else "finite"


def link_of(model: Any) -> Link:
    """The link of a boosting's loss. Raises `NoForm`."""
    link = type(model._loss.link).__name__
    if link not in LINKS:
        raise NoForm(f"the {link} of {named(model)} is unknown to Noria")
    return LINKS[link]


def _outputs(tree: Any) -> int:
    if tree.n_outputs_ != 1:
        raise NoForm(f"{named(tree)} answers {tree.n_outputs_} targets at once")
    return int(tree.tree_.value.shape[2])


def _joined(trees: Sequence[Tree], base: Sequence[float], width: int, *, single: bool = False) -> Trees:
    """A boosting: what it begins with as a first round of one leaf each, so that sums keep their order."""
    tiny, infinite = _edges(trees)
    texts = [*map(constant_text, base), *map(tree_text, trees)]
    text = model_text(texts, outputs=len(base), width=width)
    return Trees(text=text, outputs=len(base), single=single, tiny=tiny, infinite=infinite)


def _histogram_tree(predictor: Any, known: np.ndarray, places: np.ndarray, missing: dict[int, int]) -> Tree:
    import numpy as np

    nodes = predictor.nodes
    leaf = nodes["is_leaf"].astype(bool)
    categorical = np.flatnonzero(nodes["is_categorical"].astype(bool) & ~leaf).tolist()
    return Tree(
        left=nodes["left"],
        right=nodes["right"],
        leaf=leaf,
        feature=nodes["feature_idx"],
        threshold=np.clip(nodes["num_threshold"], -LARGEST, LARGEST),
        missing_left=nodes["missing_go_to_left"],
        value=nodes["value"],
        categories={
            at: _left_categories(nodes[at], predictor.raw_left_cat_bitsets, known, places, missing)
            for at in categorical
        },
    )


def _left_categories(
    node: Any, chosen: np.ndarray, known: np.ndarray, places: np.ndarray, missing: dict[int, int]
) -> list[int]:
    """The codes that go left: those chosen and, where missing ones go left, what is unknown and the missing code."""
    feature = int(node["feature_idx"])
    last = missing[feature]
    left, there = _bits(chosen[node["bitset_idx"]]), _bits(known[places[feature]])
    unknown = set(range(last + 1)) - there if node["missing_go_to_left"] else set()
    return sorted({code for code in left if code < last} | unknown)


def _bits(words: np.ndarray) -> set[int]:
    return {at * 32 + bit for at, word in enumerate(words.tolist()) for bit in range(32) if word >> bit & 1}


def _plain_tree(one: Any, value: np.ndarray) -> Tree:
    import numpy as np

    tree = one.tree_
    leaf = tree.children_left < 0
    return Tree(
        left=tree.children_left,
        right=tree.children_right,
        leaf=leaf,
        feature=tree.feature,
        threshold=np.clip(
            tree.threshold, -LARGEST, LARGEST
        ),  # infinite where all that is a number goes one way
        missing_left=tree.missing_go_to_left,
        value=value,
    )


def _edges(trees: Sequence[Tree]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Columns that are split at zero, and those split at the largest number. Raises `NoForm` for splits nearer to zero
    than LightGBM tells apart."""
    import numpy as np

    tiny: set[int] = set()
    infinite: set[int] = set()
    for tree in trees:
        numeric = ~tree.leaf
        numeric[list(tree.categories)] = False
        feature, threshold = tree.feature[numeric], tree.threshold[numeric]
        near = np.abs(threshold) <= BESIDE_ZERO
        if (near & (threshold != 0)).any():
            raise NoForm("it splits within 1e-35 of zero, where LightGBM tells no numbers apart")
        tiny |= set(feature[near].tolist())
        infinite |= set(feature[threshold >= LARGEST].tolist())
    return tuple(sorted(tiny)), tuple(sorted(infinite))
