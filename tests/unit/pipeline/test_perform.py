"""One step in a worker: what it is given, what it may give back, and what is said when it may not."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import noria
from noria.adapters.folder import FolderStore
from noria.artifacts import Artifacts
from noria.artifacts.lists import save_list
from noria.declare import Pipeline, resolve
from noria.errors import NoriaError
from noria.pipeline.perform import MUTATED, perform
from noria.records.artifacts import Artifact
from noria.records.runs import DataVersion
from noria.records.tasks import RunStep, StepDone

DAY = datetime(2013, 1, 1, tzinfo=UTC)
SPEC = {"key": "id", "time": "at", "known": "seen", "label": "late", "outcomes": ("delay",)}


def frame(rows: int = 100, **columns: Any) -> pl.DataFrame:
    """Flights, one an hour, whose label is known two days later."""
    at = [DAY + timedelta(hours=n) for n in range(rows)]
    made = pl.DataFrame(
        {
            "id": [f"f{n}" for n in range(rows)],
            "at": at,
            "seen": [moment + timedelta(days=2) for moment in at],
            "late": [n % 2 for n in range(rows)],
            "delay": [float(n) for n in range(rows)],
            "wind": [n / 10 for n in range(rows)],
        }
    )
    return made.with_columns(**columns)


class Bench:
    """A pipeline's steps, performed one after another with the store in a folder."""

    def __init__(self, pipeline: Pipeline, folder: Path) -> None:
        self.resolved = resolve(pipeline)
        self.artifacts = Artifacts(FolderStore(folder, durable=False))
        self.outputs: dict[str, Artifact] = {}
        self.watched = False

    def run(
        self, step: str, *, as_of: datetime = DAY + timedelta(days=365), seed: int = 0, **parameters: Any
    ) -> StepDone:
        declared = next(one for one in self.resolved.order if one.name == step)
        request = self.resolved.request
        task = RunStep(
            pipeline="pipeline:p",
            step=step,
            inputs={name: self.outputs[name] for name in declared.inputs if name != "as_of"},
            rows=self.outputs.get(request.name) if request else None,
            parameters=parameters,
            as_of=as_of,
            seed=seed,
            watched=self.watched,
        )
        done = perform(task, self.resolved, self.artifacts)
        self.outputs |= done.outputs
        return done

    def all(self, **options: Any) -> dict[str, Any]:
        for step in self.resolved.order:
            self.run(step.name, **options)
        return {name: self.artifacts.load(artifact) for name, artifact in self.outputs.items()}


@pytest.fixture
def bench(tmp_path: Path) -> Callable[[Pipeline], Bench]:
    return lambda pipeline: Bench(pipeline, tmp_path)


def data_only(value: Any, **spec: Any) -> Pipeline:
    p = noria.Pipeline("p")

    @p.data(**spec)
    def flights():
        return value

    return p


def version(done: StepDone) -> DataVersion:
    assert done.data is not None
    return done.data


def failure(act: Callable[[], object]) -> NoriaError:
    with pytest.raises(NoriaError) as caught:
        act()
    return caught.value


Bencher = Callable[[Pipeline], Bench]


def test_data_keeps_the_rows_known_by_then(bench: Bencher) -> None:
    rows = frame(100, seen=pl.when(pl.col("id") == "f3").then(None).otherwise(pl.col("seen")))
    made = bench(data_only(rows, **SPEC))
    said = version(made.run("flights", as_of=DAY + timedelta(days=2, hours=9)))
    kept = made.artifacts.load(made.outputs["flights"])
    assert kept["id"].to_list() == [f"f{n}" for n in range(10) if n != 3]
    assert (said.rows, said.dropped) == (9, 91)
    assert (said.first, said.last) == (DAY, DAY + timedelta(hours=9))
    assert said.digest == made.outputs["flights"].digest
    assert [column.name for column in said.columns] == rows.columns


@pytest.mark.parametrize("unit", ["ms", "us", "ns"])
@pytest.mark.parametrize("zone", ["UTC", "America/New_York"])
def test_times_of_any_unit_and_zone_are_the_moments_they_are(bench: Bencher, unit: Any, zone: str) -> None:
    rows = frame(48).with_columns(pl.col("at", "seen").dt.cast_time_unit(unit).dt.convert_time_zone(zone))
    made = bench(data_only(rows, **SPEC))
    said = version(made.run("flights", as_of=DAY + timedelta(days=2, hours=5)))
    assert (said.rows, said.first, said.last) == (6, DAY, DAY + timedelta(hours=5))
    assert made.artifacts.load(made.outputs["flights"]).schema["at"] == pl.Datetime(unit, zone)


@pytest.mark.parametrize("kind", [pl.DataFrame, pl.LazyFrame, pd.DataFrame, pa.Table])
def test_data_of_any_library_stays_in_it(bench: Bencher, kind: Any) -> None:
    rows = frame(10)
    value = {
        pl.DataFrame: rows,
        pl.LazyFrame: rows.lazy(),
        pd.DataFrame: rows.to_pandas(),
        pa.Table: rows.to_arrow(),
    }[kind]
    made = bench(data_only(value, **SPEC))
    assert version(made.run("flights", as_of=DAY + timedelta(days=2, hours=4))).rows == 5
    kept = made.artifacts.load(made.outputs["flights"])
    assert isinstance(kept, pl.DataFrame if kind is pl.LazyFrame else kind)


def test_as_of_is_given_to_who_asks(bench: Bencher) -> None:
    p = noria.Pipeline("p")

    @p.data
    def when(as_of, *, back: int = 1):
        return pl.DataFrame({"at": [as_of - timedelta(days=back)]})

    made = bench(p)
    made.run("when", as_of=DAY, back=3)
    assert made.artifacts.load(made.outputs["when"])["at"][0] == DAY - timedelta(days=3)


BAD_DATA = {
    "empty": (lambda: frame(0), "DATA-EMPTY", "gave no rows", ""),
    "none known": (
        lambda: frame(5, seen=pl.lit(DAY + timedelta(days=999))),
        "DATA-EMPTY",
        "in all 5 of them",
        "--as-of",
    ),
    "no columns": (pl.DataFrame, "DATA-EMPTY", "gave no rows", ""),
    "no table": (lambda: [1, 2], "DATA-TYPE", "gave a list", "polars or pandas"),
    "nothing": (lambda: None, "DATA-TYPE", "gave a NoneType", "polars or pandas"),
    "no key": (lambda: frame().drop("id"), "DATA-COLUMNS", "no column id, which `key` names", ""),
    "no label": (lambda: frame().drop("late"), "DATA-COLUMNS", "no column late, which `label` names", ""),
    "no outcome": (
        lambda: frame().drop("delay"),
        "DATA-COLUMNS",
        "no column delay, which `outcomes` names",
        "",
    ),
    "naive": (
        lambda: frame().with_columns(pl.col("at").dt.replace_time_zone(None)),
        "DATA-TIME",
        "'at' of data step flights holds times without a zone",
        'pl.col("at").dt.replace_time_zone("UTC")',
    ),
    "naive pandas": (
        lambda: frame().with_columns(pl.col("seen").dt.replace_time_zone(None)).to_pandas(),
        "DATA-TIME",
        "'seen' of data step flights holds times without a zone",
        'frame["seen"].dt.tz_localize("UTC")',
    ),
    "dates": (
        lambda: frame(1, at=pl.lit(date(2013, 1, 1))),
        "DATA-TIME",
        "holds dates",
        'pl.Datetime("us", "UTC")',
    ),
    "text": (
        lambda: frame(1, at=pl.lit("2013")),
        "DATA-TIME",
        "no times",
        'str.to_datetime(time_zone="UTC")',
    ),
    "null time": (
        lambda: frame(3, at=pl.lit(None, pl.Datetime("us", "UTC"))),
        "DATA-TIME",
        "is null in 3 rows",
        "drop",
    ),
    "null key": (lambda: frame(3, id=pl.lit(None, pl.String)), "DATA-KEY", "is null in 3 rows", "unique"),
    "key twice": (
        lambda: pl.concat([frame(4), frame(2)]),
        "DATA-KEY",
        "not unique in 4 rows, such as: f0, f1",
        "key=(",
    ),
}


@pytest.mark.parametrize("case", BAD_DATA)
def test_bad_data_is_refused(bench: Bencher, case: str) -> None:
    make, code, said, advice = BAD_DATA[case]
    error = failure(lambda: bench(data_only(make(), **SPEC)).run("flights"))
    assert error.code == code
    assert said in str(error)
    assert advice in error.advice()


def asked(table: pl.DataFrame) -> Pipeline:
    p = data_only(table, **SPEC)

    @p.predict
    def answer(flights: pl.DataFrame) -> Any:
        return flights["wind"]

    return p


def test_columns_that_no_request_can_carry_are_refused_before_anything_is_trained(bench: Bencher) -> None:
    odd = frame(5, took=pl.duration(hours=1), fare=pl.lit("1.5").cast(pl.Decimal(12, 2)))
    error = failure(lambda: bench(asked(odd)).run("flights"))
    assert error.code == "SERVE-COLUMN-TYPE"
    assert "column took of duration[us], column fare of decimal128(12, 2)" in str(error)
    assert "leave it out" in error.advice()


def test_such_columns_are_fine_where_no_request_has_them(bench: Bencher) -> None:
    hidden = frame(5, delay=pl.duration(hours=1))
    assert bench(asked(hidden)).run("flights")
    assert bench(data_only(frame(5, took=pl.duration(hours=1)), **SPEC)).run("flights")


def test_the_advice_on_times_works() -> None:
    naive = pl.DataFrame(
        {"at": [datetime(2013, 1, 1)], "day": [date(2013, 1, 1)], "text": ["2013-01-01T00:00"]}
    )
    made = naive.select(
        pl.col("at").dt.replace_time_zone("UTC"),
        pl.col("day").cast(pl.Datetime("us", "UTC")),
        pl.col("text").str.to_datetime(time_zone="UTC"),
    )
    assert made.row(0) == (DAY, DAY, DAY)


def flights(**transforms: Callable[..., Any]) -> Pipeline:
    p = data_only(frame(), **SPEC)
    for name, function in transforms.items():
        function.__name__ = name
        p.transform(function)
    return p


def test_each_role_sees_what_it_may(bench: Bencher) -> None:
    p = data_only(frame(), **SPEC)
    seen: dict[str, Any] = {}

    @p.transform
    def features(flights: pl.DataFrame):
        seen["transform"] = flights.columns
        return flights.select(strong=pl.col("wind") * 2, late=pl.lit(9))

    @p.transform
    def more(features: pd.DataFrame):
        seen["second"] = list(features.columns), type(features)
        return features[["strong"]] + 1

    @p.step
    def fit(features, flights: pa.Table):
        seen["step"] = features.columns, type(features), flights.column_names
        return features["late"].to_list()

    @p.check
    def sound(more: pd.DataFrame):
        seen["check"] = list(more.columns)

    made = bench(p).all()
    assert seen["transform"] == ["id", "at", "wind"]
    assert seen["second"] == (["strong", "late"], pd.DataFrame)
    assert seen["step"] == (["strong", "late", "id", "at", "delay"], pl.DataFrame, frame().columns)
    assert seen["check"] == ["strong", "id", "at", "late", "delay"]
    assert made["fit"] == [n % 2 for n in range(100)]  # the label, not what the transform made under its name
    assert made["sound"] is None


SOUND = {
    "arithmetic": lambda flights: flights.select(x=pl.col("wind").sin() / 3),
    "hour": lambda flights: flights.select(x=pl.col("at").dt.hour(), at=pl.col("at")),
    "nulls": lambda flights: flights.select(x=pl.when(pl.col("wind") > 5).then("wind"), y=pl.lit(float("nan"))),
    "lists": lambda flights: flights.select(x=pl.concat_list("wind", pl.col("wind") * 2)),
    "structs": lambda flights: flights.select(x=pl.struct("wind", "id")),
    "float32 sums": lambda flights: pl.DataFrame({"x": np.float32(flights["wind"].to_numpy()).reshape(-1, 1) @ np.ones((1, 1), np.float32) @ np.ones(1, np.float32)}),
}  # fmt: skip
WRONG = {
    "mean": (lambda flights: flights.select(x=pl.col("wind") - pl.col("wind").mean()), "'x'"),
    "lag": (lambda flights: flights.select(x=pl.col("wind").shift(1)), "'x'"),
    "rank": (lambda flights: flights.select(y=pl.col("wind"), x=pl.col("wind").rank()), "'x'"),
    "count": (lambda flights: flights.select(x=pl.len().over(pl.col("at").dt.date())), "'x'"),
    "noise": (lambda flights: flights.select(x=np.random.rand(len(flights))), "'x'"),
    "dummies": (lambda flights: flights.select(pl.col("at").dt.hour().alias("h")).to_dummies("h"), "'h_"),
    "nearest": (
        lambda flights: flights.select(x=pl.col("wind").round(8) + 1e-6 * pl.col("wind").max()),
        "'x'",
    ),
    "in a list": (lambda flights: flights.select(x=pl.concat_list("wind", pl.col("wind").max())), "'x'"),
}


def annotated(function: Any) -> Any:
    def features(flights: pl.DataFrame):
        return function(flights)

    return features


@pytest.mark.parametrize("case", SOUND)
def test_a_transform_that_works_row_by_row_passes(bench: Bencher, case: str) -> None:
    made = bench(flights(features=annotated(SOUND[case])))
    made.run("flights")
    assert made.run("features").notes == ()


@pytest.mark.parametrize("case", WRONG)
def test_a_transform_that_looks_at_other_rows_is_found(bench: Bencher, case: str) -> None:
    function, column = WRONG[case]
    made = bench(flights(features=annotated(function)))
    made.run("flights")
    error = failure(lambda: made.run("features"))
    assert error.code == "TRANSFORM-LOOKS-AT-OTHER-ROWS"
    assert f"another {column}" in str(error)
    assert "id='f" in str(error)
    assert "in a @step" in error.advice()


def test_a_fitted_table_is_the_way_out(bench: Bencher) -> None:
    p = data_only(frame(), **SPEC)

    @p.step
    def mean(flights):
        return flights["wind"].mean()

    @p.transform
    def features(flights: pl.DataFrame, mean):
        return flights.select(x=pl.col("wind") - mean)

    assert bench(p).all()["features"]["x"].mean() == pytest.approx(0)


@pytest.mark.parametrize(
    ("function", "code", "said"),
    [
        (lambda flights: flights.head(3), "TRANSFORM-ROWS", "got 100 rows and gave 3"),
        (lambda flights: 3, "TRANSFORM-TYPE", "gave a int"),
        (
            lambda flights: flights.with_columns(x=pl.lit(1 / (len(flights) - 1))),
            "TRANSFORM-ONE-ROW",
            "ZeroDivisionError",
        ),
    ],
)
def test_a_transform_that_gives_no_row_for_a_row_is_refused(
    bench: Bencher, function: Any, code: str, said: str
) -> None:
    made = bench(flights(features=annotated(function)))
    made.run("flights")
    error = failure(lambda: made.run("features"))
    assert (error.code, said in str(error)) == (code, True)


def stepping(function: Any, role: str = "step", **options: Any) -> Pipeline:
    p = noria.Pipeline("p")
    function.__name__ = "made"
    decorate = getattr(p, role)
    (decorate(**options) if options else decorate)(function)
    return p


@pytest.mark.parametrize(
    ("value", "kept"),
    [(None, None), (3, 3), ({"a": [1, 2]}, {"a": [1, 2]}), ((1, 2), (1, 2))],
)
def test_a_step_may_give_anything_that_can_be_stored(bench: Bencher, value: Any, kept: Any) -> None:
    assert bench(stepping(lambda: value)).all() == {"made": kept}


def test_named_outputs_come_in_order(bench: Bencher) -> None:
    assert bench(stepping(lambda: (1, 2), outputs=("a", "b"))).all() == {"a": 1, "b": 2}


def test_named_outputs_may_be_the_list_that_train_test_split_gives(bench: Bencher) -> None:
    assert bench(stepping(lambda: [1, 2], outputs=("a", "b"))).all() == {"a": 1, "b": 2}


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ((1, 2, 3), "a tuple of 3"),
        ([1], "a list of 1"),
        (None, "a NoneType"),
        (frame(7), "a DataFrame of 7 rows"),
    ],
)
def test_outputs_that_are_not_all_there_are_refused(bench: Bencher, value: Any, said: str) -> None:
    error = failure(lambda: bench(stepping(lambda: value, outputs=("a", "b"))).run("made"))
    assert (error.code, str(error)) == (
        "STEP-OUTPUTS",
        f"step made declares 2 outputs (a, b) and gave {said}",
    )


class Rate:
    """Of a project's own, without a safe form."""

    def __init__(self, value: int) -> None:
        self.value = value


def test_a_rebuild_sees_that_a_step_changes_an_input_without_a_safe_form(bench: Bencher) -> None:
    p = stepping(lambda: Rate(1), codec="pickle")

    @p.step
    def read(made: Any) -> int:
        return int(made.value)

    @p.step
    def spoilt(made: Any) -> int:
        made.value += 1
        return int(made.value)

    again = bench(p)
    again.watched = True
    again.run("made")
    assert again.run("read").notes == ()
    assert again.run("spoilt").notes == (f"{MUTATED} made",)


def test_a_rebuild_gets_past_a_list_of_what_has_no_safe_form(bench: Bencher) -> None:
    p = stepping(lambda: Rate(1), codec="pickle")

    @p.step
    def total(made: list[Any]) -> int:
        return sum(rate.value for rate in made)

    again = bench(p)
    again.watched = True
    again.run("made")
    again.outputs["made"] = save_list([again.outputs["made"]] * 3, again.artifacts.store)
    assert again.outputs["made"].unsafe
    again.run("total")
    assert again.artifacts.load(again.outputs["total"]) == 3


def test_what_cannot_be_stored_names_the_step(bench: Bencher) -> None:
    error = failure(lambda: bench(stepping(lambda: (1, {"x": object()}), outputs=("a", "b"))).run("made"))
    assert error.code == "CANNOT-STORE"
    assert "output b of test_what_cannot_be_stored" in str(error).replace("<lambda>", "")


def test_a_pickle_is_noted(bench: Bencher) -> None:
    assert bench(stepping(lambda: {"x": complex(1)}, codec="pickle")).run("made").notes == (
        "made is a pickle: reading it runs code",
    )


@pytest.mark.parametrize(
    ("found", "said"), [("no rows on 3 May", "no rows on 3 May"), (["a", "b"], "found: a, b")]
)
def test_a_check_fails_the_run_with_its_findings(bench: Bencher, found: Any, said: str) -> None:
    error = failure(lambda: bench(stepping(lambda: found, "check")).run("made"))
    assert (error.code, said in str(error)) == ("CHECK-FAILED", True)


@pytest.mark.parametrize("found", [None, [], ()])
def test_a_check_that_finds_nothing_passes(bench: Bencher, found: Any) -> None:
    assert bench(stepping(lambda: found, "check")).all() == {"made": None}


@pytest.mark.parametrize("found", [True, False, 0, {"a": 1}, [1]])
def test_a_check_says_what_it_found_in_words(bench: Bencher, found: Any) -> None:
    assert failure(lambda: bench(stepping(lambda: found, "check")).run("made")).code == "CHECK-VALUE"


def test_metrics_are_plain_numbers(bench: Bencher) -> None:
    found = {"auc": np.float32(0.5), "rows": 3, "exact": True}
    assert bench(stepping(lambda: found, "metrics")).all() == {
        "made": {"auc": 0.5, "rows": 3.0, "exact": 1.0}
    }


@pytest.mark.parametrize(
    ("found", "said"),
    [(0.5, "gave a float"), ({"auc": float("nan")}, "auc the value nan"), ({"auc": None}, "auc a NoneType")],
)
def test_metrics_that_are_no_numbers_are_refused(bench: Bencher, found: Any, said: str) -> None:
    error = failure(lambda: bench(stepping(lambda: found, "metrics")).run("made"))
    assert (error.code, said in str(error)) == ("METRICS-VALUE", True)


def test_random_numbers_follow_the_seed_and_the_step(bench: Bencher) -> None:
    p = noria.Pipeline("p")

    @p.step
    def one():
        return [random.random(), float(np.random.rand())]

    @p.step
    def two():
        return [random.random(), float(np.random.rand())]

    made = [bench(p).all(seed=seed) for seed in (0, 0, 1)]
    assert made[0] == made[1]
    assert len({number for values in (made[0], made[2]) for step in values.values() for number in step}) == 8
