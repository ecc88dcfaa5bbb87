"""The serving graph: frozen inputs, recomputed transforms, answers of every shape, losses."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import noria
from noria.declare import Resolved, resolve
from noria.graph.answer import Graph, answer_kind, answer_table, float_rows, losses
from noria.graph.errors import BadAnswer, BadLoss, NotATable, RowsChanged

ROWS = pl.DataFrame({"id": ["a", "b", "c"], "x": [1.0, 2.0, 3.0]})


def pipeline(
    predict: Callable[..., object] | None = None,
    loss: Callable[..., object] | None = None,
    classes: tuple[str, ...] = (),
) -> Resolved:
    """Rows, a transform with fitted state and a hyperparameter, and the predict and loss to try."""
    p = noria.Pipeline("p")

    @p.data(key="id", label="y")
    def rows() -> pl.DataFrame:
        return ROWS.with_columns(y=pl.col("x") * 2)

    @p.step
    def mean(rows: pl.DataFrame) -> float:
        return 2.0

    @p.transform
    def centred(rows: pl.DataFrame, mean: float, *, scale: float = 1.0) -> pl.DataFrame:
        return rows.select(z=(pl.col("x") - mean) * scale)

    def answer(centred: pl.DataFrame) -> np.ndarray:
        return centred["z"].to_numpy()

    def absolute(label: np.ndarray, answer: np.ndarray) -> np.ndarray:
        return np.abs(label - answer)

    chosen = predict or answer
    chosen.__name__ = "answer_"
    p.predict(classes=classes)(chosen)
    p.loss(on="mean", range=(0, 3))(loss or absolute)
    return resolve(p)


def test_transforms_are_recomputed_and_fitted_state_is_frozen() -> None:
    graph = Graph(pipeline(), {"mean": 1.0}, {"centred": {"scale": 10.0}})
    assert graph.answer(ROWS).column("answer").to_pylist() == [0.0, 10.0, 20.0]


@pytest.mark.parametrize("kind", [pl.DataFrame, pd.DataFrame, pa.Table])
def test_rows_come_in_any_kind_of_table(kind: type) -> None:
    rows = {
        pl.DataFrame: ROWS,
        pd.DataFrame: pd.DataFrame(ROWS.to_dict(as_series=False)),
        pa.Table: ROWS.to_arrow(),
    }
    graph = Graph(pipeline(), {"mean": 2.0})
    assert graph.answer(rows[kind]).column("answer").to_pylist() == [-1.0, 0.0, 1.0]


@pytest.mark.parametrize(
    ("value", "classes", "names", "kind"),
    [
        (np.array([1, 2, 3]), (), ["answer"], "array"),
        ([1.0, 2.0, 3.0], (), ["answer"], "array"),
        (pl.Series([[1, 2], [3], []]), (), ["answer"], "array"),
        (np.zeros((3, 2)), (), ["answer_0", "answer_1"], "matrix"),
        (np.zeros((3, 2)), ("no", "yes"), ["no", "yes"], "matrix"),
        ({"low": np.zeros(3), "high": np.ones(3)}, (), ["low", "high"], "frame"),
        (pl.DataFrame({"films": [[1], [2, 3], []]}), (), ["films"], "frame"),
    ],
)
def test_answers_of_every_shape(value: object, classes: tuple[str, ...], names: list[str], kind: str) -> None:
    step = pipeline(classes=classes).predict
    assert step is not None
    assert answer_table(value, 3, step).column_names == names
    assert answer_kind(value) == kind


@pytest.mark.parametrize("classes", [(), ("no", "yes"), ("no", "yes", "maybe")])
@pytest.mark.parametrize("count", [2, 3])
@pytest.mark.parametrize(
    "value",
    [
        np.array([0.1, float("nan"), -0.0]),
        np.array([[0.1, 0.9], [1e300, -0.0], [0.5, float("inf")]]),
        np.asfortranarray(np.arange(6.0).reshape(3, 2)),
        np.zeros((3, 2, 2)),
        np.zeros(3, np.float32),
        np.ma.masked_array(np.zeros(3), [False, True, False]),
        np.array([0.1, None, 0.2], object),
        [0.1, 0.2, 0.3],
        pl.Series([0.1, None, 0.2]),
        {"answer": np.zeros(3)},
    ],
    ids=lambda value: str(getattr(value, "dtype", type(value).__name__)) + str(np.shape(value)),
)
def test_floats_past_a_table_are_those_of_the_table(value: Any, count: int, classes: tuple[str, ...]) -> None:
    step = pipeline(classes=classes).predict
    assert step is not None
    try:
        table = answer_table(value, count, step)
    except BadAnswer:
        assert all(float_rows(value, count, step, names) is None for names in (["answer"], ["no", "yes"]))
        return
    assert float_rows(value, count, step, [*table.column_names, "more"]) is None
    found = float_rows(value, count, step, table.column_names)
    assert (found is not None) == (type(value) is np.ndarray and value.dtype == np.float64)
    if found is not None:
        rows = list(zip(*(column.to_pylist() for column in table.columns), strict=True))
        assert repr(found) == repr(rows)  # NaN and the sign of zero among them


@pytest.mark.parametrize(
    ("value", "classes", "text"),
    [
        (np.zeros(2), (), "asked 3 rows and answered 2"),
        (np.zeros((3, 2, 2)), (), "shape (3, 2, 2)"),
        (np.zeros((3, 3)), ("no", "yes"), "3 columns for 2 classes"),
        ({"low": np.zeros((3, 2))}, (), "shape (3, 2)"),
    ],
)
def test_an_answer_that_does_not_fit_says_why(value: object, classes: tuple[str, ...], text: str) -> None:
    step = pipeline(classes=classes).predict
    assert step is not None
    with pytest.raises(BadAnswer, match=text.replace("(", r"\(").replace(")", r"\)")):
        answer_table(value, 3, step)


def test_a_transform_that_changes_the_number_of_rows_or_gives_no_table() -> None:
    p = noria.Pipeline("p")

    @p.data
    def rows() -> pl.DataFrame:
        return ROWS

    @p.transform
    def features(rows: pl.DataFrame, *, how: str = "drop") -> object:
        return rows[1:] if how == "drop" else rows["x"]

    @p.predict
    def out(features: pl.DataFrame) -> np.ndarray:
        return features["x"].to_numpy()

    with pytest.raises(RowsChanged, match="got 3 rows and gave 2"):
        Graph(resolve(p), {}).answer(ROWS)
    with pytest.raises(NotATable):
        Graph(resolve(p), {}, {"features": {"how": "series"}}).answer(ROWS)


def test_losses_are_clipped_into_their_range_and_counted() -> None:
    labels = pa.table({"y": [0.0, 2.0, 9.0]})
    answers = pa.table({"answer": [0.5, 2.0, 1.0]})
    each, clipped = losses(pipeline(), labels, answers, "array")
    assert each.tolist() == [0.5, 0.0, 3.0]
    assert clipped == 1


def test_a_loss_without_annotations_gets_arrays_that_can_be_counted_with() -> None:
    labels, answers = pa.table({"y": [0.0, 2.0, 9.0]}), pa.table({"answer": [0.5, 2.0, 8.0]})
    each, _ = losses(pipeline(loss=lambda label, answer: (label - answer) ** 2), labels, answers, "array")
    assert each.tolist() == [0.25, 0.0, 1.0]


@pytest.mark.parametrize(
    ("loss", "text"),
    [
        (lambda label, answer: np.full(3, np.nan), "NaN for 3 of 3"),
        (lambda label, answer: np.zeros(2), r"shape \(2,\) for 3 labels"),
        (lambda label, answer: 1.0, r"shape \(\) for 3 labels"),
    ],
)
def test_a_loss_that_is_none_says_why(loss: Callable[..., object], text: str) -> None:
    labels, answers = pa.table({"y": [0.0, 2.0, 9.0]}), pa.table({"answer": [0.5, 2.0, 1.0]})
    with pytest.raises(BadLoss, match=text):
        losses(pipeline(loss=loss), labels, answers, "array")


def test_a_loss_gets_a_matrix_of_classes_back() -> None:
    def of_classes(label: np.ndarray, answer: np.ndarray) -> np.ndarray:
        return 1 - answer[np.arange(len(label)), label]

    labels = pa.table({"y": [0, 1]})
    answers = pa.table({"no": [0.75, 0.5], "yes": [0.25, 0.5]})
    each, _ = losses(pipeline(loss=of_classes), labels, answers, "matrix")
    assert each.tolist() == [0.25, 0.5]
