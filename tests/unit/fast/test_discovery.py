"""Which predict functions have a direct path, and the one sentence why others have none."""

# mypy: ignore-errors
from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression

from noria.fast.compiled import Compiled, Uncompiled
from noria.fast.compiling import compile_model
from noria.fast.discovery import Predicting, discover
from noria.fast.opened import open_model
from noria.fast.standing import stand_in
from noria.records.fast import Plan
from unit.fast.zoo import TREES, encoded, frame

COLUMNS = ["a", "c", "b"]


def table() -> pl.DataFrame:
    random = np.random.default_rng(0)
    return pl.DataFrame({name: random.normal(size=60) for name in ["a", "b", "c", "d"]})


def model() -> LogisticRegression:
    rows = table()
    return LogisticRegression().fit(rows.select(COLUMNS).to_numpy(), (rows["a"] > 0).to_numpy())


def by_matrix(model, rows):
    return model.predict_proba(rows.select(COLUMNS).to_numpy())[:, 1]


def by_names(model, rows):
    chosen = rows.select(*COLUMNS)
    matrix = np.asarray(chosen.to_numpy())
    answer = model.predict_proba(matrix)
    return answer


def by_class(model, rows):
    """A docstring is no work."""
    return model.predict(rows.drop("d").select_seq("a", "c", "b").to_numpy())


def as_doubles(model, rows):
    matrix = np.asarray(rows.select(COLUMNS).to_numpy(), dtype=float)
    return model.predict(matrix)


def as_small_numbers(model, rows):
    matrix = np.asarray(rows.select(COLUMNS).to_numpy(), dtype=np.int8)
    return model.predict(matrix)


def with_a_branch(model, rows):
    if len(rows) > 3:
        return model.predict(rows.select(COLUMNS).to_numpy())
    return np.zeros(len(rows))


def with_arithmetic(model, rows):
    return 1 - model.predict_proba(rows.select(COLUMNS).to_numpy())[:, 1]


def with_a_sum(model, rows):
    return model.predict_proba(rows.select(COLUMNS).to_numpy())[:, 1] + np.float64(0.5)


def with_a_call(model, rows):
    return np.clip(model.predict_proba(rows.select(COLUMNS).to_numpy())[:, 1], 0.1, 0.9)


def with_two_calls(model, rows):
    first = model.predict(rows.select(COLUMNS).to_numpy())
    second = model.predict(rows.select(COLUMNS).to_numpy())
    return [first, second][0]


def with_a_computed_column(model, rows):
    return model.predict(rows.select("a", "c", pl.col("b") + 1).to_numpy())


def twice_the_same(model, rows):
    return model.predict((rows.select(COLUMNS) + rows.select(COLUMNS)).to_numpy())


def of_fewer_rows(model, rows):
    return model.predict(rows.select(COLUMNS).to_numpy()[:5])


def as_a_list(model, rows):
    answer = model.predict(rows.select(COLUMNS).to_numpy())
    return [answer]


def by_lookup(model, rows):
    return model.predict([list(row) for row in rows.select(COLUMNS).rows()])


def planned(function) -> Plan | Uncompiled:
    estimator = model()
    compiled = compile_model(estimator)
    assert isinstance(compiled, Compiled)
    predicting = Predicting(
        function=function,
        table="rows",
        frozen={"model": estimator},
        parameters={},
        as_wanted=lambda rows: rows,
    )
    return discover(predicting, {"model": compiled}, table())


@pytest.mark.parametrize(
    ("function", "method", "column"),
    [
        (by_matrix, "predict_proba", 1),
        (by_names, "predict_proba", None),
        (by_class, "predict", None),
        (as_doubles, "predict", None),
    ],
)
def test_one_call_on_columns_is_a_plan(function, method: str, column: int | None) -> None:
    assert planned(function) == Plan(
        table="rows", estimator="model", columns=tuple(COLUMNS), method=method, column=column
    )


@pytest.mark.parametrize(
    ("function", "why"),
    [
        (with_a_branch, "more than an assignment or a return"),
        (with_arithmetic, "it has a Sub"),
        (with_a_sum, "it calls np.float64"),
        (with_a_call, "it calls np.clip"),
        (as_small_numbers, "it calls np.asarray for int8"),
        (with_two_calls, "asks its estimator 2 times"),
        (with_a_computed_column, "it calls pl.col"),
        (twice_the_same, "column 0 of the matrix is computed"),
        (of_fewer_rows, "called with 5 rows"),
        (as_a_list, "answers with a list"),
        (by_lookup, "it has a ListComp"),
        (len, "its source cannot be read"),
    ],
)
def test_anything_else_says_what_stands_in_the_way(function, why: str) -> None:
    found = planned(function)
    assert isinstance(found, Uncompiled) and why in found.reason


def test_a_column_transformer_finds_its_columns_by_name() -> None:
    rows, label = frame()
    estimator = encoded(HistGradientBoostingClassifier(max_iter=3)).fit(rows, label)
    compiled = compile_model(estimator)

    def chance(model, rows):
        return model.predict_proba(rows.select("zero", "wind", "distance", "origin", "carrier"))[:, 1]

    predicting = Predicting(chance, "rows", {"model": estimator}, {}, lambda given: given)
    plan = discover(predicting, {"model": compiled}, rows)
    assert isinstance(plan, Plan)
    assert plan.columns == ("carrier", "origin", "distance", "wind", "zero")


def test_a_stand_in_is_what_it_stands_for() -> None:
    estimator, rows = TREES["histogram, encoded"]()
    asked = []

    def load():
        asked.append(1)
        return estimator

    stand = stand_in(load, open_model(compile_model(estimator)))
    wanted = estimator.predict_proba(rows)
    assert np.array_equal(stand.predict_proba(rows), wanted)
    shuffled = rows.select(reversed(rows.columns)).with_columns(more=1)
    assert np.array_equal(stand.predict_proba(shuffled), wanted)
    assert stand.classes_.tolist() == [0, 1] and list(stand.feature_names_in_) == rows.columns
    assert asked == []
    assert np.array_equal(stand.predict_proba(rows.to_pandas()), estimator.predict_proba(rows.to_pandas()))
    assert isinstance(stand, type(estimator)) and len(stand) == 2 and stand[-1].max_iter == 12
    assert stand.named_steps["histgradientboostingclassifier"] is estimator[-1]
    assert asked == [1]


@pytest.mark.parametrize("kind", ["polars", "pandas", "matrix", "list", "few columns", "32 bits", "empty"])
def test_a_stand_in_answers_or_refuses_as_the_original_does(kind: str) -> None:
    estimator, rows = TREES["histogram, gaps"]()
    names = [f"c{at}" for at in range(rows.shape[1])]
    given = {
        "polars": pl.DataFrame(rows, schema=names),
        "pandas": pl.DataFrame(rows, schema=names).to_pandas(),
        "matrix": np.asfortranarray(rows),
        "list": rows.tolist(),
        "few columns": rows[:, :3],
        "32 bits": rows.astype(np.float32),
        "empty": rows[:0],
    }[kind]
    stand = stand_in(lambda: estimator, open_model(compile_model(estimator)))
    assert outcome(stand, given) == outcome(estimator, given)


@pytest.mark.filterwarnings("ignore:X has feature names")
@pytest.mark.parametrize("name", ["histogram, encoded", "histogram, gaps", "histogram, three"])
@pytest.mark.parametrize("method", ["predict", "predict_proba", "decision_function"])
def test_a_frame_of_one_row_is_answered_as_that_row_among_many(name: str, method: str) -> None:
    estimator, rows = TREES[name]()
    given = (
        rows if isinstance(rows, pl.DataFrame) else pl.DataFrame(rows, schema=[f"c{at}" for at in range(6)])
    )
    odd = given.head(3).with_columns(
        pl.lit("never seen" if kind == pl.String else None, kind).alias(column)
        for column, kind in given.schema.items()
    )
    stand = stand_in(lambda: estimator, open_model(compile_model(estimator)))
    for row in pl.concat([given.head(40), odd]).iter_slices(1):
        found, wanted = getattr(stand, method)(row), getattr(estimator, method)(row)
        assert found.dtype == wanted.dtype and np.array_equal(found, wanted)


def test_a_single_row_that_is_refused_is_refused_in_the_original_s_words() -> None:
    estimator, rows = TREES["histogram, encoded"]()
    stand = stand_in(lambda: estimator, open_model(compile_model(estimator)))
    row = rows.head(1)
    stand.predict_proba(row)
    for given in (row.drop("wind"), row.cast({"wind": pl.Boolean}), row.with_columns(carrier=pl.lit(7))):
        assert outcome(stand, given) == outcome(estimator, given)


def outcome(estimator, given) -> object:
    try:
        return estimator.predict_proba(given).tolist()
    except ValueError as error:
        return str(error)


def test_a_stand_in_leaves_32_bits_of_a_linear_model_to_the_original() -> None:
    estimator = model()
    stand = stand_in(lambda: estimator, open_model(compile_model(estimator)))
    single = table().select(COLUMNS).to_numpy().astype(np.float32)
    assert np.array_equal(stand.decision_function(single), estimator.decision_function(single))
