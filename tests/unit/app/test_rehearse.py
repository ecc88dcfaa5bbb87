"""Whether a predecessor answers as it did."""

import math
from typing import Any

import polars as pl
import pytest

from noria.app.rollouts.rehearse import same_answers

THEN = [0.5310758237963638, 0.24590664555171907]


def given(*answers: object) -> list[dict[str, Any]]:
    return [{"id": str(place), "answer": answer} for place, answer in enumerate(answers)]


@pytest.mark.parametrize(
    ("answers", "same"),
    [
        (THEN, True),
        ([math.nextafter(THEN[0], 1.0), THEN[1]], True),  # summed in another order
        ([THEN[0] + 1e-6, THEN[1]], False),
        ([THEN[0], None], False),
        (THEN[:1], False),
    ],
)
def test_sums_may_be_rounded_in_another_way_and_nothing_else(answers: list[object], same: bool) -> None:
    logged = pl.DataFrame({"answer.answer": THEN}).to_arrow()
    assert same_answers(logged, given(*answers), ["answer"]) is same


def test_answers_of_several_columns() -> None:
    logged = pl.DataFrame(
        {"answer.late": ["yes"], "answer.p": [None]}, schema_overrides={"answer.p": pl.Float64}
    )
    assert same_answers(logged.to_arrow(), given({"late": "yes", "p": None}), ["late", "p"])
    assert not same_answers(logged.to_arrow(), given({"late": "no", "p": None}), ["late", "p"])
