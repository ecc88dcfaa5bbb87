"""Predict is asked for some rows together and one by one, before a version is made of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pytest

import noria
from noria.declare import Resolved, resolve
from noria.graph.answer import Graph
from noria.pipeline.alone import check_answers
from noria.pipeline.errors import FailsAlone, LooksAtOtherRows

ROWS = pa.table({"id": ["a", "b", "c", "d"], "x": [1.0, 2.0, 3.0, 5.0]})


def answering(predict: Callable[[Any], Any]) -> Resolved:
    p = noria.Pipeline("p")

    @p.data(key="id")
    def rows() -> pl.DataFrame:
        return pl.DataFrame()

    def answer(rows: pl.DataFrame) -> Any:
        return predict(rows["x"].to_numpy())

    p.predict(answer)
    return resolve(p)


def check(predict: Callable[[Any], Any]) -> None:
    resolved = answering(predict)
    assert resolved.predict is not None
    check_answers(Graph(resolved, {}), resolved.predict, ROWS, ["id"])


@pytest.mark.parametrize(
    "predict",
    [
        lambda x: x * 2,
        lambda x: {"p": x, "name": np.where(x > 2, "large", "small")},
        lambda x: np.column_stack([x, 1 - x]),
        lambda x: np.where(x > 2, np.nan, x),
        lambda x: x * (1 + 1e-14 * len(x)),  # BLAS adds in another order for another number of rows
        lambda x: (x.astype(np.float32) * np.float32(1 + 1e-6 * len(x))).astype(
            float
        ),  # so does a net, in 32 bits
        lambda x: x - 3 + 1e-6 * len(x),  # of a sum that cancels
        lambda x: np.random.default_rng().normal(size=len(x)),  # an answer that is drawn
    ],
)
def test_a_row_that_has_its_answer_alone_is_fine(predict: Callable[[Any], Any]) -> None:
    check(predict)


def test_a_mean_of_those_who_are_asked_together_is_found() -> None:
    with pytest.raises(LooksAtOtherRows) as raised:
        check(lambda x: x - x.mean())
    assert str(raised.value) == (
        "predict answer gives a row another 'answer' when it is asked alone: row id='a' is -1.75 among all rows and "
        "0.0 by itself"
    )


def test_it_is_found_beside_answers_that_are_no_number() -> None:
    with pytest.raises(LooksAtOtherRows, match="row id='b' is"):
        check(lambda x: np.where(x < 2, np.nan, x - x.mean()))


def test_columns_that_depend_on_who_is_asked_are_found() -> None:
    with pytest.raises(LooksAtOtherRows, match="absent"):
        check(lambda x: {f"is {value}": x == value for value in x})


def test_so_is_who_cannot_answer_a_row_alone() -> None:
    with pytest.raises(
        FailsAlone, match=r"predict answer takes all rows together, but not row id='a' alone: IndexError"
    ):
        check(lambda x: x + 0 * x[1])
