"""A serving graph's fast path: what is compiled, how a request reaches it, and why it is no faster where it is not."""

# mypy: ignore-errors
from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.neighbors import KNeighborsClassifier

import noria
from noria.adapters.folder import FolderStore
from noria.artifacts import Artifacts
from noria.declare import Resolved, resolve
from noria.fast.direct import open_direct
from noria.fast.opened import open_model, read_compiled
from noria.graph.answer import Graph
from noria.graph.quicken import quicken
from noria.graph.rowwise import row_function, same_value
from noria.records.fast import FastPath, Plan
from noria.records.tasks import Quicken
from noria.records.versions import ServingGraph

FEATURES = ["hour", "wind", "long"]


def flights() -> pl.DataFrame:
    random = np.random.default_rng(6)
    rows = 120
    return pl.DataFrame(
        {
            "id": range(rows),
            "at": [datetime(2013, 1, 1, tzinfo=UTC) + timedelta(minutes=97 * at) for at in range(rows)],
            "wind": [None if value > 1.2 else float(value) for value in random.normal(size=rows)],
            "distance": random.integers(90, 5000, rows),
            "late": random.integers(0, 2, rows),
        }
    )


def features(flights: pl.DataFrame, *, far: int = 1000) -> pl.DataFrame:
    return flights.select(
        hour=pl.col("at").dt.hour(), wind="wind", long=(pl.col("distance") > far).cast(pl.Int8)
    )


def right(flights: dict, *, far: int = 1000) -> dict:
    return {"hour": flights["at"].hour, "wind": flights["wind"], "long": int(flights["distance"] > far)}


def wrong_when_null(flights: dict, *, far: int = 1000) -> dict:
    return right(flights, far=far) | {"wind": flights["wind"] or 0.0}


def wrong_at_the_edge(flights: dict, *, far: int = 1000) -> dict:
    return right(flights, far=far) | {"long": int(flights["distance"] >= far)}


def without_a_column(flights: dict) -> dict:
    return {"hour": flights["at"].hour, "wind": flights["wind"]}


def raising(flights: dict) -> dict:
    return {"hour": flights["nothing"]}


def pipeline(row: Callable | None = None, predict: Callable | None = None) -> Resolved:
    p = noria.Pipeline("p")

    def model(features: pl.DataFrame): ...

    def chance(model, features: pl.DataFrame) -> np.ndarray:
        return model.predict_proba(features.select(FEATURES).to_numpy())[:, 1]

    p.data(key="id", label="late")(flights)
    p.transform(features)
    p.step(model)
    if row is not None:
        p.row(features)(row)
    p.predict(predict or chance)
    return resolve(p)


def trained(kind: object) -> object:
    rows = flights()
    return kind.fit(features(rows).fill_null(0.0).select(FEATURES).to_numpy(), rows["late"].to_numpy())


def quickened(folder: Path, resolved: Resolved, model: object | None = None, far: int = 1000) -> tuple:
    artifacts = Artifacts(FolderStore(folder), scratch=folder / "scratch")
    model = model or trained(HistGradientBoostingClassifier(max_iter=8, min_samples_leaf=4))
    parameters = {"features": {"far": far}}
    graph = Graph(resolved, {"model": model}, parameters)
    rows = artifacts.save(flights())
    record = ServingGraph(
        pipeline="m:p",
        data="flights",
        transforms=("features",),
        predict=resolved.predict.name,
        frozen={},
        parameters=parameters,
    )
    fast = quicken(Quicken(graph=record, rows=rows), resolved, artifacts, graph).fast
    return fast, graph, artifacts


def test_a_row_function_that_holds_makes_the_path_direct(tmp_path: Path) -> None:
    fast, graph, artifacts = quickened(tmp_path, pipeline(right), far=2000)
    assert (fast.level, fast.why, fast.rows, fast.libraries) == ("direct", "", ("features",), ("lightgbm",))
    assert fast.plan == Plan(
        table="features", estimator="model", columns=tuple(FEATURES), method="predict_proba", column=1
    )
    assert fast.compared > 300 and fast.tolerance == 0.0
    compiled = read_compiled(artifacts.load(fast.compiled["model"]))
    row = row_function(graph.resolved, graph.frozen, graph.given, "features")
    rows = flights().drop("late")
    direct = open_direct(fast.plan, open_model(compiled), rows.columns, row)
    wanted = graph.raw_answer(rows)
    assert [direct.one(one) for one in rows.rows()] == wanted.tolist()
    assert np.array_equal(direct.many([rows[name].to_list() for name in rows.columns]), wanted)


@pytest.mark.parametrize(
    ("row", "why"),
    [
        (None, "features has no row function (@p.row(features))"),
        (wrong_when_null, "column wind is 0.0 by the row function, None by the transform, for id = "),
        (wrong_at_the_edge, "column long is 1 by the row function, 0 by the transform, for id = "),
        (without_a_column, "differ in having column long"),
        (raising, "the row function raises KeyError: 'nothing'"),
    ],
)
def test_without_one_that_holds_predict_runs_as_it_is(tmp_path: Path, row: Callable | None, why: str) -> None:
    fast, _, _ = quickened(tmp_path, pipeline(row))
    assert fast.level == "inside" and list(fast.compiled) == ["model"] and fast.plan is None
    assert why in fast.why


def test_predict_that_computes_has_no_direct_path(tmp_path: Path) -> None:
    def other(model, features: pl.DataFrame) -> np.ndarray:
        return 1 - model.predict_proba(features.select(FEATURES).to_numpy())[:, 1]

    fast, _, _ = quickened(tmp_path, pipeline(right, other))
    assert fast.level == "inside" and "it has a Sub" in fast.why


def test_a_model_without_a_fast_form_serves_as_it_is(tmp_path: Path) -> None:
    def nearest(model, features: pl.DataFrame) -> np.ndarray:
        return model.predict(features.select(pl.col(FEATURES).fill_null(0.0)).to_numpy())

    fast, _, _ = quickened(tmp_path, pipeline(right, nearest), trained(KNeighborsClassifier()))
    assert fast == FastPath(level="original", why="model: KNeighborsClassifier has no fast form")

    def wind(model, features: pl.DataFrame) -> np.ndarray:
        return features["wind"].to_numpy()

    plain, _, _ = quickened(tmp_path, pipeline(right, wind), {"a": 1})
    assert plain.level == "original" and "no frozen output is an estimator" in plain.why


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (0.0, -0.0, False),
        (float("nan"), float("nan"), True),
        (None, float("nan"), False),
        (3, 3.0, True),
        ("3", 3, False),
        (True, 1, True),
        (None, None, True),
    ],
)
def test_values_are_the_same_where_a_model_sees_no_difference(one: object, other: object, same: bool) -> None:
    assert same_value(one, other) is same
