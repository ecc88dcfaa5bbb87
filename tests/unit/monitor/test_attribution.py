"""Rows into cells by their columns, and the sentences of what came of it."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from noria.monitor.attribution import figures_of, sentences, taken_apart
from noria.records.attribution import Attribution

ROWS, DAYS = 200, 14


def frame(rng: np.random.Generator, *, far: float, prefix: str = "") -> pl.DataFrame:
    """`far`: the share of long distances; a row in twenty has none."""
    n = ROWS * DAYS
    distance = np.where(rng.random(n) < far, rng.uniform(800.0, 2_000.0, n), rng.uniform(100.0, 800.0, n))
    known = pl.Series(np.where(rng.random(n) < 0.05, np.nan, distance), nan_to_null=True)
    carrier = pl.Series(rng.choice(["AA", "UA", None], n).tolist(), dtype=pl.String)
    return pl.DataFrame({f"{prefix}distance": known, f"{prefix}carrier": carrier, "far": distance > 800.0})


def compared(old: pl.DataFrame, new: pl.DataFrame) -> Attribution:
    blocks = np.repeat(np.arange(DAYS), ROWS)
    losses = [0.1 + 0.5 * one["far"].cast(pl.Float64).to_numpy() for one in (old, new)]
    kinds = {"distance": "number", "carrier": "category"}
    return taken_apart(old, new, (losses[0], losses[1]), (blocks, blocks), kinds, prefix="request.")


def test_more_rows_of_the_worse_values_are_a_mix_of_that_column() -> None:
    rng = np.random.default_rng(3)
    found = compared(frame(rng, far=0.3), frame(rng, far=0.6, prefix="request."))
    told = list(sentences(found))
    assert [one.feature for one in found.mix if one.share is not None] == ["distance"]
    assert found.mix[0].mix.lower > 0.08
    assert "goes with another mix of distance" in told[1]
    assert "where distance missing" in told[2]  # there, too, are more long ones, which nothing tells
    assert len(told) == 4
    assert set(figures_of(found)["mix"]) == {"distance"}  # type: ignore[arg-type]


def test_a_column_that_is_not_asked_any_more_is_missing_throughout() -> None:
    rng = np.random.default_rng(4)
    found = compared(frame(rng, far=0.3), frame(rng, far=0.3).select("far"))
    assert {one.feature for one in found.mix} == {"distance", "carrier"}
    assert found.change is not None and found.change.lower < 0.0 < found.change.upper
    for one in found.mix:
        assert one.mix.value + one.within.value == pytest.approx(found.change.value)
        assert one.share is None


def test_of_what_could_not_be_taken_apart_nothing_is_said() -> None:
    assert list(sentences(Attribution(why="no rows"))) == []
    assert figures_of(Attribution(why="no rows")) == {"why": "no rows"}
