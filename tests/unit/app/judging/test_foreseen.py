"""What of answers and labels is a probability and its outcome."""

import numpy as np
import polars as pl
import pytest

from noria.app.judging.foreseen import of_one

ANSWERS = pl.Series("late", [0.1, 0.9, 0.5])


@pytest.mark.parametrize("label", [pl.Series([0, 1, None]), pl.Series([False, True, None])])
def test_a_probability_stands_beside_what_came_of_it(label: pl.Series) -> None:
    found = of_one(ANSWERS, label)
    assert not isinstance(found, str)
    assert found[0].tolist() == [0.1, 0.9, 0.5]
    np.testing.assert_array_equal(found[1], [0.0, 1.0, np.nan])


def test_answers_whose_labels_are_all_still_out_have_no_outcome() -> None:
    found = of_one(ANSWERS, pl.Series([None, None, None]))
    assert not isinstance(found, str) and np.isnan(found[1]).all()


@pytest.mark.parametrize(
    ("answers", "label", "told"),
    [
        (pl.Series("late", ["a", "b", "c"]), pl.Series([0, 1, 1]), "late is String"),
        (pl.Series([0.1, 1.5, 0.2]), pl.Series([0, 1, 1]), "from 0.1 to 1.5"),
        (pl.Series([0.1, None, 0.2]), pl.Series([0, 1, 1]), "1 of 3 are missing"),
        (pl.Series([0.1, float("nan"), 0.2]), pl.Series([0, 1, 1]), "1 of 3 are missing"),
        (ANSWERS, pl.Series(["yes", "no", "no"]), "the label is String"),
        (ANSWERS, pl.Series([0, 1, 2]), "beside 0 and 1"),
    ],
)
def test_what_is_none_is_told(answers: pl.Series, label: pl.Series, told: str) -> None:
    assert told in str(of_one(answers, label))
