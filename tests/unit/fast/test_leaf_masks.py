"""Tables of leaves answer as a walk down the trees does: to the bit, wherever a value stands."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import pytest

from noria.fast.compiled import Trees
from noria.fast.compiling.text import Tree, constant_text, model_text, tree_text
from noria.fast.leaf_masks import LEAVES, ZERO, LeafMasks, leaf_masks
from noria.fast.trees import NORMAL, RAW, TreeScores

COLUMNS = 4
THRESHOLDS = (0.0, ZERO, -ZERO, 1.5, -2.25, 0.1, 3.0e38, -1.0e300, 5.0e-324)
ODD = (
    np.nan,
    np.inf,
    -np.inf,
    0.0,
    -0.0,
    5e-324,
    1e-36,
    -1e-36,
    1e-35,
    1.2e-35,
    1e300,
    1.7976931348623157e308,
)


def grown(random: np.random.Generator, leaves: int, shared: Sequence[float] = THRESHOLDS) -> Tree:
    """A tree that split one of its leaves again and again; some thresholds are met in many trees, others in one."""
    inner = leaves - 1
    left, right = np.full(2 * leaves - 1, -1), np.full(2 * leaves - 1, -1)
    ends = [0]
    for split in range(inner):
        node = ends.pop(int(random.integers(len(ends))))
        left[node], right[node] = 2 * split + 1, 2 * split + 2
        ends += [2 * split + 1, 2 * split + 2]
    threshold = np.where(
        random.random(len(left)) < 0.5, random.choice(shared, len(left)), random.normal(size=len(left))
    )
    return Tree(
        left=left,
        right=right,
        leaf=left < 0,
        feature=random.integers(0, COLUMNS, len(left)),
        threshold=threshold,
        missing_left=random.random(len(left)) < 0.5,
        value=random.normal(size=len(left)) * 10.0 ** random.integers(-8, 8, len(left)),
    )


def text_of(random: np.random.Generator, *, leaves: int, outputs: int = 1, rounds: int = 15) -> str:
    trees = [tree_text(grown(random, int(random.integers(1, leaves + 1)))) for _ in range(rounds * outputs)]
    whole = [tree_text(grown(random, leaves)) for _ in range(outputs)]
    return model_text([*trees, *whole], outputs=outputs, width=COLUMNS)


def rows(random: np.random.Generator, text: str, count: int = 600) -> np.ndarray:
    """At each threshold and beside it, by a float of 64 and of 32 bits, and whatever else is odd."""
    found = np.unique(
        [float(one) for line in re.findall(r"^threshold=(.*)$", text, re.MULTILINE) for one in line.split()]
    )
    with np.errstate(over="ignore"):
        near = [np.nextafter(found, way) for way in (np.inf, -np.inf)]
        values = np.concatenate([found, *near, found.astype(np.float32), ODD, random.normal(size=50)])
    return random.choice(values, (count, COLUMNS))


def tables(text: str, outputs: int = 1) -> LeafMasks:
    made = leaf_masks(text, outputs)
    assert made is not None
    return made


@pytest.mark.parametrize(("leaves", "outputs"), [(2, 1), (31, 1), (32, 1), (33, 1), (LEAVES, 1), (20, 3)])
@pytest.mark.parametrize("missing", ["its own side", "zero"])
def test_tables_answer_as_a_walk_does(leaves: int, outputs: int, missing: str) -> None:
    random = np.random.default_rng(leaves + outputs)
    text = text_of(random, leaves=leaves, outputs=outputs)
    if missing == "zero":
        text = re.sub(r"decision_type=.*", lambda found: re.sub(r"\b(8|10)\b", "2", found[0]), text)
    asked = rows(random, text)
    walked = TreeScores(Trees(text=text, outputs=outputs), COLUMNS)._walked(asked)
    assert tables(text, outputs).scores(asked).tobytes() == walked.tobytes()


@pytest.mark.parametrize("count", [2, 63, 64, 255, 256, 257, 513, 1000])
def test_any_number_of_rows(count: int) -> None:
    random = np.random.default_rng(count)
    text = text_of(random, leaves=9)
    masks, asked = tables(text), rows(random, text, 1000)
    whole = masks.scores(asked)
    assert masks.scores(asked[:count]).tobytes() == whole[:count].tobytes()


@pytest.mark.parametrize("objective", ["binary sigmoid:1", "regression", "binary sigmoid:2", "poisson"])
def test_an_objective_of_its_own_is_applied_or_left_to_the_library(objective: str) -> None:
    random = np.random.default_rng(6)
    text = text_of(random, leaves=9).replace("feature_names=", f"objective={objective}\nfeature_names=")
    scores, asked = TreeScores(Trees(text=text, applies=True), COLUMNS, kind=NORMAL), rows(random, text)
    assert (scores._by_tables is not None) == (objective in ("binary sigmoid:1", "regression"))
    assert scores.many(asked).tobytes() == scores._walked(asked).tobytes()
    raw = TreeScores(Trees(text=text, applies=True), COLUMNS, kind=RAW)
    assert raw._by_tables is not None
    assert raw.many(asked).tobytes() == raw._walked(asked).tobytes()


def test_what_a_table_cannot_hold_is_walked() -> None:
    random = np.random.default_rng(7)
    text = text_of(random, leaves=9)
    refused = {
        "a mean": model_text([tree_text(grown(random, 5))] * 16, outputs=1, width=COLUMNS, average=True),
        "zero stands for missing": re.sub(r"decision_type=\S+", "decision_type=6", text),
        "a category": re.sub(r"decision_type=\S+", "decision_type=1", text),
        "a function in its leaves": text.replace("is_linear=0", "is_linear=1"),
        "too many leaves": text_of(random, leaves=LEAVES + 1),
        "no split": model_text([constant_text(1.0)] * 16, outputs=1, width=COLUMNS),
        "a few trees": model_text([tree_text(grown(random, 9))] * 2, outputs=1, width=COLUMNS),
    }
    assert {name: leaf_masks(each, 1) for name, each in refused.items()} == dict.fromkeys(refused)
