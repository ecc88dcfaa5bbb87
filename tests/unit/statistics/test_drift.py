"""Drift as its user meets it: a reference, a state that advances, names, and numbers that survive."""

import json

import numpy as np
import pytest
from numpy.typing import NDArray

from noria.statistics import (
    Categories,
    Column,
    DriftReference,
    DriftState,
    advance_drift,
    drift_evidence,
    drift_reference,
    hour_of_week,
)
from noria.statistics.exact import pack

Columns = dict[str, Column]
LEVELS = ["AA", "B6", "DL", "UA", "WN"]


def rows(rng: np.random.Generator, n: int, *, shift: float = 0.0) -> Columns:
    """Three columns; the first moves by `shift` standard deviations."""
    delay = rng.normal(shift, 1.0, n)
    missing = np.where(rng.random(n) < 0.1, np.nan, rng.exponential(1.0, n))
    return {"delay": delay, "gap": missing, "carrier": Categories(rng.integers(0, 5, n), LEVELS)}


def days(
    rng: np.random.Generator, count: int, size: int = 200, **changes: float
) -> tuple[Columns, NDArray[np.int64]]:
    return rows(rng, count * size, **changes), np.repeat(np.arange(count), size)


def by_days(**settings: float) -> DriftReference:
    columns, blocks = days(np.random.default_rng(1), 40)
    return drift_reference(columns, blocks=blocks, **settings)  # type: ignore[arg-type]


def watched(reference: DriftReference, columns: Columns, blocks: NDArray[np.int64]) -> DriftState:
    return advance_drift(
        reference, DriftState.first(reference), reference.summarise(reference.count(columns, blocks))
    )


def alarms(reference: DriftReference, columns: Columns, blocks: NDArray[np.int64]) -> tuple[str, ...]:
    return drift_evidence(reference, watched(reference, columns, blocks)).alarms


def test_the_first_day_knows_nothing() -> None:
    reference = by_days()
    found = drift_evidence(reference, DriftState.first(reference))
    assert found.alarms == ()
    assert found.threshold == 300.0
    assert (found.peak <= 1.0).all()


def test_a_feature_that_moved_is_named_and_the_others_are_not() -> None:
    columns, blocks = days(np.random.default_rng(2), 20, shift=1.0)
    assert alarms(by_days(), columns, blocks) == ("delay",)
    columns, blocks = days(np.random.default_rng(2), 200)
    assert alarms(by_days(), columns, blocks) == ()


def test_a_level_that_vanishes_values_that_go_missing_and_a_level_never_seen_are_named() -> None:
    rng = np.random.default_rng(3)
    columns, blocks = days(rng, 20)
    vanished = Categories(rng.integers(0, 4, blocks.size), LEVELS)
    new = Categories(rng.integers(0, 6, blocks.size), [*LEVELS, "ZZ"])
    gone = np.full(blocks.size, np.nan)
    for change in ({"carrier": vanished}, {"carrier": new}, {"gap": gone}):
        assert alarms(by_days(), columns | change, blocks) == tuple(change)


def test_the_order_of_rows_the_split_over_workers_and_a_restart_change_no_bit() -> None:
    reference = by_days(tolerance=0.05)
    columns, blocks = days(np.random.default_rng(4), 6)
    whole = watched(reference, columns, blocks)
    mixed = np.random.default_rng(5).permutation(blocks.size)
    half = mixed[: blocks.size // 3], mixed[blocks.size // 3 :]
    counted = [reference.count(only(columns, part), blocks[part]) for part in half]
    reference = DriftReference.from_dict(json.loads(json.dumps(reference.to_dict())))
    summaries = reference.summarise(counted[0].merged(counted[1]))
    state = DriftState.first(reference)
    for at in range(6):
        state = DriftState.from_dict(json.loads(json.dumps(state.to_dict())))
        state = advance_drift(reference, state, summaries.only(slice(at, at + 1)))
    assert state.to_dict() == whole.to_dict()


def test_a_state_of_bets_that_are_laid_no_more_is_refused() -> None:
    """Until then five bets were laid on rows in each direction; by blocks they are the same ones still."""
    reference = drift_reference(rows(np.random.default_rng(5), 1_000))
    stored = DriftState.first(reference).to_dict()
    older = stored | {"capital": pack(np.zeros((10, 3, 3)))}
    assert DriftState.from_dict(stored).steps == 0
    with pytest.raises(ValueError, match="begin anew"):
        DriftState.from_dict(older)


def test_rows_that_come_in_any_number_make_the_same_units() -> None:
    rng = np.random.default_rng(6)
    hours = rng.integers(0, 3, 4_000)
    reference = drift_reference(rows(rng, 4_000), strata=hours, unit_rows=20)
    columns = rows(rng, 500)
    kinds = rng.integers(0, 4, 500)  # one of them never seen before
    whole = reference.summarise_rows(columns, kinds)
    left, sums = None, []
    for part in np.split(np.arange(500), [7, 8, 100, 333]):
        found = reference.summarise_rows(only(columns, part), kinds[part], open=left)
        left, sums = found.open, [*sums, found.values]
    assert np.array_equal(np.concatenate(sums), whole.values)
    assert left is not None and whole.open is not None
    assert np.array_equal(left.rows, whole.open.rows)


def test_rows_that_moved_are_seen_in_two_checks_of_a_thousand() -> None:
    rng = np.random.default_rng(7)
    reference = drift_reference(rows(rng, 10_000))
    state = DriftState.first(reference)
    for _ in range(2):
        state = advance_drift(
            reference, state, reference.summarise_rows(rows(rng, 1_000, shift=0.3), open=state.open)
        )
    assert drift_evidence(reference, state).alarms == ("delay",)


def test_what_is_within_the_tolerance_is_silent_and_what_is_beyond_is_not() -> None:
    reference = by_days(tolerance=0.1)
    columns, blocks = days(np.random.default_rng(8), 60, shift=0.15)  # a distance of 0.06
    state = watched(reference, columns, blocks)
    found = drift_evidence(reference, state)
    assert found.peak[0] > found.threshold
    assert found.alarms == ()
    assert 0.04 < found.distance[0] < 0.08
    columns, blocks = days(np.random.default_rng(8), 60, shift=0.8)  # of 0.31
    assert alarms(reference, columns, blocks) == ("delay",)


def test_a_reference_says_what_it_can_never_decide() -> None:
    columns, blocks = days(np.random.default_rng(9), 5)
    few = drift_reference(columns, blocks=blocks)
    assert few.deaf and few.units_to_alarm is None
    columns, blocks = days(np.random.default_rng(10), 10, shift=9.0)
    assert alarms(few, columns, blocks) == ()
    assert by_days().units_to_alarm == 5
    assert not by_days(tolerance=0.1).deaf


def test_blocks_with_too_few_rows_are_left_out_and_counted() -> None:
    reference = by_days()
    columns, blocks = days(np.random.default_rng(11), 3, size=50)
    state = watched(reference, columns, blocks)
    assert (state.thin, state.steps) == (3, 0)


@pytest.mark.parametrize(
    "value",
    [
        np.full(8_000, 3.25),
        np.full(8_000, np.nan),
        np.full(8_000, np.inf),
        np.zeros(8_000),
        np.arange(8_000) % 2 == 0,
    ],
)
def test_a_column_without_variety_is_watched_like_any_other(value: NDArray[np.float64]) -> None:
    blocks = np.repeat(np.arange(40), 200)
    reference = drift_reference({"x": value}, blocks=blocks)
    assert alarms(reference, {"x": value[:4_000]}, blocks[:4_000]) == ()
    assert alarms(reference, {"x": np.linspace(-1.0, 1.0, 4_000)}, blocks[:4_000]) == ("x",)


def test_as_many_categories_as_rows_keep_the_state_small() -> None:
    names = [f"user {i}" for i in range(40_000)]
    column = Categories(np.arange(40_000), names)
    reference = drift_reference({"user": column}, blocks=np.arange(40_000) // 1_000)
    state = watched(reference, {"user": column}, np.arange(40_000) // 1_000)
    assert len(json.dumps(state.to_dict())) < 20_000


def test_categories_are_made_of_values_as_they_come() -> None:
    found = Categories.of(["a", None, "b", "a", float("nan")])
    assert found.codes.tolist() == [0, -1, 1, 0, -1]
    assert list(found.levels) == ["a", "b"]


def test_hours_of_the_week_begin_on_monday() -> None:
    times = np.array(["2026-11-23T00:30", "2026-11-29T23:59"], "datetime64[us]")
    assert hour_of_week(times).tolist() == [0, 167]


def test_bad_columns_are_refused_by_name() -> None:
    reference = by_days()
    columns, blocks = days(np.random.default_rng(12), 2)
    for change, what in (
        ({"delay": Categories(blocks, ["x"])}, "delay: was numbers"),
        ({"carrier": blocks}, "carrier: held categories"),
        ({"delay": blocks[:5]}, "one length"),
        ({"delay": np.array(["x"] * blocks.size)}, "delay: expected numbers"),
    ):
        with pytest.raises(ValueError, match=what):
            reference.count(columns | change, blocks)
    with pytest.raises(ValueError, match="delay: it is not among"):
        reference.count({"gap": columns["gap"], "carrier": columns["carrier"]}, blocks)
    with pytest.raises(ValueError, match="differ in length: 400 and 7"):
        reference.count(columns, blocks[:7])
    for setting, what in (
        ({"tolerance": 1.0}, "tolerance"),
        ({"seed": -1}, "seed"),
        ({"block_rows": 0}, "block_rows"),
    ):
        with pytest.raises(ValueError, match=what):
            drift_reference(columns, blocks=blocks, **setting)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="two blocks"):
        drift_reference(columns, blocks=np.zeros(blocks.size, np.int64))


def only(columns: Columns, which: NDArray[np.int64]) -> Columns:
    return {
        name: Categories(column.codes[which], column.levels)
        if isinstance(column, Categories)
        else np.asarray(column)[which]
        for name, column in columns.items()
    }
