"""`noria.log`: what it takes, what it refuses, and that nothing of it is lost."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import polars as pl
import pytest

import noria
from noria.artifacts import Artifacts
from noria.inside.series import NotAFigure, collected
from unit.inside.conftest import Step


def logged(artifacts: Artifacts, inside: Any) -> pl.DataFrame:
    stored = collected(inside.spool, artifacts)
    assert stored is not None
    frame = pl.from_arrow(artifacts.table(stored))
    assert isinstance(frame, pl.DataFrame)
    return frame


def test_a_table_of_what_was_logged(step: Step, artifacts: Artifacts) -> None:
    with step() as inside:
        noria.log(loss=0.5, step=1)
        noria.log({"valid/auc": 0.7}, loss=0.25, step=2)
        found = logged(artifacts, inside)
    assert found.drop("at").rows() == [("loss", 1, 0.5), ("valid/auc", 2, 0.7), ("loss", 2, 0.25)]
    assert found.schema["at"] == pl.Datetime("us", "UTC")
    assert found["at"].is_sorted()


@pytest.mark.parametrize(
    "value",
    [
        *(1, True, 0.25, Decimal("0.25"), Fraction(1, 4), np.float32(0.25), np.int64(3), np.array(0.25)),
        *(np.array([0.25])[0], np.bool_(True), pl.Series([0.25]).sum(), 10**300),
    ],
)
def test_numbers_of_any_library(step: Step, artifacts: Artifacts, value: Any) -> None:
    with step() as inside:
        noria.log(loss=value)
        assert logged(artifacts, inside)["value"].to_list() == [float(value)]


def test_a_training_that_diverges_shows_it(step: Step, artifacts: Artifacts) -> None:
    with step() as inside:
        for value in (1.0, float("inf"), float("-inf"), float("nan")):
            noria.log(loss=value)
        values = logged(artifacts, inside)["value"].to_list()
    assert values[:3] == [1.0, float("inf"), float("-inf")] and np.isnan(values[3])


@pytest.mark.parametrize("epoch", [0, -3, np.int64(4), np.float64(4.0), 4.0, True, 2**63 - 1, -(2**63)])
def test_steps_are_whole(step: Step, artifacts: Artifacts, epoch: Any) -> None:
    with step() as inside:
        noria.log(loss=1.0, step=epoch)
        assert logged(artifacts, inside)["step"].to_list() == [int(epoch)]


@pytest.mark.parametrize(
    ("values", "named", "told"),
    [
        ({"loss": "0.5"}, {}, "'0.5' for 'loss'"),
        ({"loss": b"1"}, {}, "b'1' for 'loss'"),
        ({"loss": None}, {}, "None for 'loss'"),
        ({"loss": [0.5]}, {}, "a list for 'loss'"),
        ({"loss": {}}, {}, "a dict for 'loss'"),
        ({"loss": np.array([1.0, 2.0])}, {}, "a ndarray for 'loss'"),
        ({"loss": 1 + 2j}, {}, "a complex for 'loss'"),
        ({"loss": 10**400}, {}, "a int for 'loss'"),
        ({"loss": pl.DataFrame({"a": [1.0]})}, {}, "a DataFrame for 'loss'"),
        ({3: 0.5}, {}, "a name that is no text for '3'"),
        (0.5, {}, "a float for 'values'"),
        ([("loss", 0.5)], {}, "a list for 'values'"),
        ("loss", {}, "a str for 'values'"),
        (None, {"loss": 1.0, "step": "first"}, "'first' for 'step'"),
        (None, {"loss": 1.0, "step": 1.5}, "1.5 for 'step'"),
        (None, {"loss": 1.0, "step": float("nan")}, "nan for 'step'"),
        (None, {"loss": 1.0, "step": float("inf")}, "inf for 'step'"),
        (None, {"loss": 1.0, "step": 2**63}, f"{2**63} for 'step'"),
    ],
)
def test_what_is_no_figure_is_refused_in_and_out_of_a_run(
    step: Step, values: Any, named: dict[str, Any], told: str
) -> None:
    with pytest.raises(NotAFigure) as outside:
        noria.log(values, **named)
    with step() as inside:
        with pytest.raises(NotAFigure) as within:
            noria.log(values, **named)
        assert inside.spool.files() == []
    for caught in (outside.value, within.value):
        assert str(caught) == f"noria.log was given {told}"
        assert len(caught.advice()) > 10


def test_one_bad_value_keeps_the_others_of_its_moment_out(step: Step) -> None:
    with step() as inside:
        with pytest.raises(NotAFigure):
            noria.log(loss=0.5, auc="high")
        assert inside.spool.files() == []


def test_an_empty_call_logs_nothing(step: Step, artifacts: Artifacts) -> None:
    with step() as inside:
        noria.log()
        noria.log({}, step=3)
        assert collected(inside.spool, artifacts) is None


def test_outside_of_a_run_nothing_is_kept(step: Step) -> None:
    with step() as inside:
        pass
    noria.log(loss=0.5)
    assert inside.spool.files() == []


def test_a_hundred_thousand_points(step: Step, artifacts: Artifacts) -> None:
    with step() as inside:
        for number in range(50_000):
            noria.log(loss=1.0 / (1 + number), norm=number, step=number)
        found = logged(artifacts, inside)
    assert found.height == 100_000
    loss = found.filter(pl.col("name") == "loss")
    assert loss["step"].to_list() == list(range(50_000))
    assert np.allclose(loss["value"].to_numpy(), 1 / (1 + np.arange(50_000)))
