"""How a champion's monitors stand: each test's evidence against its threshold, and what it would take."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import datetime
from typing import TYPE_CHECKING, Any

from noria.app.alarms.budget import recorded
from noria.app.alarms.standing import list_alarms
from noria.app.attribution import attribution
from noria.app.baseline import hidden_since
from noria.app.estimates import Estimate, estimate
from noria.app.monitor_tests import Test, drift_tests, risk_tests
from noria.app.skew import Skew, skew
from noria.app.status import Labels, status
from noria.monitor.blocks import block_span
from noria.records.alarms import Standing
from noria.records.attribution import Attribution
from noria.records.base import Record, parse
from noria.records.monitoring import Plan, RiskState
from noria.records.sights import Baseline, Sight
from noria.records.versions import Version

if TYPE_CHECKING:
    import polars as pl

    from noria.app.wiring import App


class MonitorsView(Record, kw_only=True):
    """One model's monitors, at one time."""

    model: str
    version: int | None
    at: datetime
    plan: Plan | None = None
    tests: tuple[Test, ...] = ()
    """Those nearest to an alarm first, within their family."""
    newest: Sight | None = None
    """The newest block of questions."""
    rows: tuple[int, ...] = ()
    """Of each block."""
    why: tuple[str, ...] = ()
    """What is not watched, and why."""
    labels: Labels | None = None
    alarms: tuple[Standing, ...] = ()
    estimate: Estimate | None = None
    """Without labels, and calibration; only when it is asked for."""
    attribution: Attribution | None = None
    """What the change of loss is made of; only when it is asked for."""
    skew: Skew | None = None
    """The same rows as asked and as in training; only when it is asked for."""


def monitors(
    app: App,
    model: str | None = None,
    *,
    estimated: bool = False,
    skewed: bool = False,
    attributed: bool = False,
) -> MonitorsView:
    """`estimated`: with what the log says of quality without labels; `skewed`: with its rows beside those of training;
    `attributed`: with what its change of loss is made of, for which the newest rows are scored again by a worker.
    Raises `UnknownModel`."""
    name = app.model(model).name
    (stands,) = status(app, name)
    number = stands.champion.version.number if stands.champion else None
    view = MonitorsView(
        model=name,
        version=number,
        at=app.clock.now(),
        labels=stands.labels,
        alarms=tuple(list_alarms(app, name)),
    )
    if number is None:
        return view
    from msgspec.structs import replace

    sights = app.records.monitors.sights(name, number)
    states = app.records.monitors.states(name, number)
    scored = app.records.monitors.blocks(name, number)
    newest = sights[-1] if sights else None
    baseline = parse(app.store.get(newest.baseline), Baseline) if newest else Baseline()
    plan = recorded(app, name, number)
    why = (*baseline.why, *hidden_since(baseline, newest, app.policy.service.log).why) if newest else ()
    return replace(
        view,
        plan=plan,
        tests=(
            *risk_tests(states, scored),
            *drift_tests(sights, "drift", baseline),
            *drift_tests(sights, "prediction", baseline),
        ),
        newest=newest,
        rows=tuple(one.rows for one in sights),
        why=why,
        skew=skew(app, stands.champion.version) if skewed and stands.champion else None,
        attribution=_attributed(app, stands.champion.version, plan, states)
        if attributed and stands.champion
        else None,
        estimate=estimate(app, stands.champion.version) if estimated and stands.champion else None,
    )


def _attributed(app: App, version: Version, plan: Plan | None, states: Sequence[RiskState]) -> Attribution:
    scored = states[-1].scored_until if states else None
    if scored is None:
        return Attribution(why="no block of labelled answers has been scored yet")
    block = (plan and plan.block) or app.model(version.model).monitor.block
    with closing(app.engine(app.code(version.code))) as engine:
        return attribution(app, version, engine, width=block_span(block), until=scored)


def history(app: App, model: str | None = None) -> pl.DataFrame:
    """A row a block and test of every version: `version`, `start`, `family`, `subject`, `e_value`, `threshold`, `value`:
    the block's loss, or the distance of a distribution. Raises `UnknownModel`."""
    import polars as pl

    name = app.model(model).name
    rows = [*_risk_rows(app, name), *_drift_rows(app.records.monitors.sights(name))]
    schema: dict[str, Any] = {
        "version": pl.Int64,
        "start": pl.Datetime("us", "UTC"),
        "family": pl.String,
        "subject": pl.String,
        "e_value": pl.Float64,
        "threshold": pl.Float64,
        "value": pl.Float64,
    }
    return pl.DataFrame(rows, schema=schema, orient="row").sort("version", "family", "subject", "start")


def blocks(app: App, model: str | None = None) -> pl.DataFrame:
    """A row a block and column of what was asked: `version`, `start`, `rows`, `column`, `missing`, `outside`, `unknown`,
    `mean`. Raises `UnknownModel`."""
    import polars as pl

    rows = [
        (one.version, one.start, one.rows, name, seen.missing, seen.outside, seen.unknown, seen.mean)
        for one in app.records.monitors.sights(app.model(model).name)
        for name, seen in one.columns.items()
    ]
    shares: dict[str, Any] = dict.fromkeys(("missing", "outside", "unknown", "mean"), pl.Float64)
    schema: dict[str, Any] = {
        "version": pl.Int64,
        "start": pl.Datetime("us", "UTC"),
        "rows": pl.Int64,
        "column": pl.String,
    }
    return pl.DataFrame(rows, schema={**schema, **shares}, orient="row")


def _risk_rows(app: App, model: str) -> Iterator[tuple[object, ...]]:
    losses = {(one.version, one.end): one for one in app.records.monitors.blocks(model)}
    for version in sorted({number for number, _ in losses}):
        for state in app.records.monitors.states(model, version):
            block = None if state.scored_until is None else losses.get((version, state.scored_until))
            if block is None:
                continue
            yield version, block.start, "risk", "", state.e_value, state.threshold, block.loss
            for one in state.segments:
                yield version, block.start, "segment", one.name, one.e_value, one.threshold, one.loss


def _drift_rows(sights: Sequence[Sight]) -> Iterator[tuple[object, ...]]:
    for sight in sights:
        for family in ("drift", "prediction"):
            for name, one in getattr(sight, family).items():
                yield sight.version, sight.start, family, name, one.e_value, one.threshold, one.distance
