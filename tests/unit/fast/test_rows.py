"""Rows answered together are what they are one by one, and what the original says of their matrix."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from noria.fast.compiling import compile_model
from noria.fast.direct import open_direct
from noria.fast.errors import CannotAnswer
from noria.fast.opened import open_model
from noria.records.fast import Plan
from unit.fast.zoo import BOOSTERS, LINEAR, TREES, with_gaps

NAMES = ("key", "f", "e", "d", "c", "b", "a")
CHOSEN = ("a", "b", "c", "d", "e", "f")


def direct_of(name: str) -> tuple[Any, Any, list[tuple[Any, ...]], np.ndarray]:
    """A model behind requests that hold its columns backwards, beside a key."""
    model, rows = (TREES | LINEAR | BOOSTERS)[name]()
    plan = Plan(estimator="model", method="predict_proba", table="rows", columns=CHOSEN, column=1)
    fast = open_model(compile_model(model))
    asked = [(f"k{at}", *reversed(row)) for at, row in enumerate(rows.tolist())]
    return open_direct(plan, fast, NAMES), model, asked, rows


@pytest.mark.parametrize("name", ["histogram, gaps", "forest", "lightgbm", "xgboost", "logistic"])
def test_rows_are_answered_as_their_matrix(name: str) -> None:
    direct, model, asked, rows = direct_of(name)
    together = direct.rows(asked)
    near = 1e-12 if name == "logistic" else 0.0
    assert np.allclose(together, model.predict_proba(rows)[:, 1], rtol=near, atol=near)
    assert together.tolist() == pytest.approx([direct.one(row) for row in asked], rel=near, abs=near)
    assert np.array_equal(together, direct.many(list(zip(*asked, strict=True))))


def test_none_integers_and_booleans_among_the_rows_change_nothing() -> None:
    direct, model, _, _ = direct_of("histogram, gaps")
    rows = with_gaps()[0][:3]
    odd = [tuple(None if math.isnan(value) else value for value in reversed(row)) for row in rows.tolist()]
    odd[1] = (True, 2, *odd[1][2:])
    wanted = np.array([[math.nan if value is None else float(value) for value in row] for row in odd])
    given = [("k", *row) for row in odd]
    assert np.array_equal(direct.rows(given), model.predict_proba(wanted[:, ::-1])[:, 1])


@pytest.mark.parametrize("wrong", ["1.5", [1.0], {}])
def test_what_is_no_number_is_refused_among_many_too(wrong: Any) -> None:
    direct, _, asked, _ = direct_of("histogram, gaps")
    with pytest.raises((CannotAnswer, ValueError, TypeError)):
        direct.rows([*asked[:2], ("k", wrong, *asked[2][2:])])
