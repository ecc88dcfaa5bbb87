"""What a version's requests and answers are held against: made of its own training data on its first day under watch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple

from noria.errors import ConfigError, NotFound, StepFailed
from noria.monitor.blocks import block_span
from noria.monitor.columns import block_numbers, columns_of, kinds_of, specs_of
from noria.monitor.drift import reference_of
from noria.monitor.strata import NONE, chosen, strata_of
from noria.ports.engine import ask
from noria.records.base import Json
from noria.records.monitoring import Plan
from noria.records.policy import LogPolicy, ModelPolicy, MonitorPolicy
from noria.records.sights import Baseline, ColumnSpec, Evidence, Sight
from noria.records.tasks import Answer, Answered
from noria.records.versions import Version

if TYPE_CHECKING:
    import numpy as np
    import polars as pl

    from noria.app.version_worker import VersionWorker
    from noria.app.wiring import App
    from noria.statistics import Column


def baseline_of(
    app: App, policy: ModelPolicy, version: Version, plan: Plan, worker: VersionWorker
) -> Baseline:
    """The same for the same version, plan and settings. What cannot be watched is said, not raised: the version's risk is
    watched beside it. Raises `Unavailable` and `Corrupt`."""
    import polars as pl

    time = version.signature.time
    if time is None:
        return Baseline(
            why=("nothing is known of drift: the data step names no time, so its rows have no blocks",)
        )
    width = block_span(plan.block)
    try:
        rows = pl.DataFrame(app.artifacts.table(version.rows))
    except NotFound as error:
        return Baseline(why=(f"nothing is known of drift: the training data are gone: {error}",))
    specs, drift, why = _features(app, policy, version, rows, width, plan)
    prediction, unsaid = _answers(app, policy, version, width, plan, worker)
    return Baseline(
        columns=specs,
        drift=drift.test,
        prediction=prediction.test,
        strata={name: one.strata for name, one in (("drift", drift), ("prediction", prediction)) if one.test},
        why=(*why, *unsaid),
    )


class Referred(NamedTuple):
    """A test's reference, and what blocks must have in common to be compared."""

    test: dict[str, Json] | None = None
    strata: str = NONE


class Hidden(NamedTuple):
    """What a version was to be watched in, and the log has hidden since its first day."""

    now: frozenset[str]
    """Columns that are hidden."""
    before: frozenset[str]
    """Features that were for a time: their tests have counted what were not their values, so each stays out."""

    def without(self, evidence: Mapping[str, Evidence]) -> dict[str, Evidence]:
        """To leave a feature out of a union bound only makes it surer."""
        return {name: one for name, one in evidence.items() if name not in self.now | self.before}

    @property
    def why(self) -> list[str]:
        once = self.before - self.now
        return _unwatched(self.now) + [
            f"drift of {name} is not watched: the log hid it for a time" for name in sorted(once)
        ]


def hidden_since(baseline: Baseline, last: Sight | None, log: LogPolicy) -> Hidden:
    """`last`: the newest block that was looked at."""
    features: list[str] = (baseline.drift or {}).get("features", [])  # type: ignore[assignment]
    seen = features if last is None else last.drift
    watched = {spec.name for spec in baseline.columns}
    return Hidden(frozenset(watched & hidden(log)), frozenset(features) - frozenset(seen))


def hidden(log: LogPolicy) -> set[str]:
    """The columns that the log does not hold as they were asked."""
    return {*log.redact, *log.hash}


def _unwatched(columns: Iterable[str]) -> list[str]:
    return [f"{name} is not watched: the log does not hold it as it was" for name in sorted(columns)]


def unfit(rows: pl.DataFrame, names: Iterable[str], kinds: Mapping[str, str]) -> list[str]:
    """Of the columns of a request those that no test is made for, and why."""
    import polars as pl

    said = []
    for name in names:
        if name in kinds or name not in rows.columns:
            continue
        series = rows[name]
        if series.dtype in (pl.String, pl.Categorical, pl.Enum):
            distinct = series.n_unique()
            said.append(
                f"{name} is not watched: {distinct:,} different texts in {len(series):,} rows name rows, and no categories"
            )
        else:
            said.append(f"{name} is not watched: {series.dtype} is neither a number nor a category")
    return said


def _features(
    app: App, policy: ModelPolicy, version: Version, rows: pl.DataFrame, width: timedelta, plan: Plan
) -> tuple[tuple[ColumnSpec, ...], Referred, list[str]]:
    secret = hidden(app.policy.service.log)
    signature = version.signature
    leave = {*signature.key, signature.time or "", *secret}
    names = [column.name for column in signature.request if column.name not in leave]
    kinds = kinds_of(rows, names, ())
    blocks = block_numbers(rows[signature.time or ""], width)
    why = _unwatched(secret) + unfit(rows, names, kinds)
    if not kinds or not rows.height:
        return (), Referred(), [*why, "no column of the request can be watched"]
    specs = specs_of(rows, kinds, blocks)
    reference, problem = _reference(
        columns_of(rows, kinds), blocks, width, policy.monitor, plan.shares.get("drift", 0.0), version.number
    )
    return specs, reference, why + problem


def _answers(
    app: App,
    policy: ModelPolicy,
    version: Version,
    width: timedelta,
    plan: Plan,
    worker: VersionWorker,
) -> tuple[Referred, list[str]]:
    """The reference of the version's answers: those that it gives for its own holdout."""
    import polars as pl

    if version.holdout is None or version.signature.time is None:
        return Referred(), ["nothing is known of drift of the answers: the version has no holdout"]
    task = Answer(graph=version.graph, rows=version.rows, keys=version.holdout)
    try:
        answered = ask(worker.of(version), task, Answered)
    except (ConfigError, NotFound, StepFailed) as error:  # the rest is watched all the same
        return Referred(), [
            f"nothing is known of drift of the answers: its own holdout is not answered any more: {error.headline()}"
        ]
    answers = pl.DataFrame(app.artifacts.table(answered.answers))
    times = pl.DataFrame(app.artifacts.table(answered.rows))[version.signature.time]
    kinds = kinds_of(answers, answers.columns, ())
    if not kinds or not answers.height:
        return Referred(), [
            "nothing is known of drift of the answers: they are neither numbers nor categories"
        ]
    blocks = block_numbers(times, width)
    share = plan.shares.get("prediction", 0.0)
    return _reference(columns_of(answers, kinds), blocks, width, policy.monitor, share, version.number)


def _reference(
    columns: dict[str, Column],
    blocks: np.ndarray,
    width: timedelta,
    limits: MonitorPolicy,
    false_alarm: float,
    seed: int,
) -> tuple[Referred, list[str]]:
    named, strata = ", ".join(list(columns)[:5]), chosen(limits.strata, blocks, width)
    places = strata_of(strata, blocks, width)
    try:
        made = reference_of(
            columns, blocks, places, false_alarm=false_alarm, tolerance=limits.drift, seed=seed
        )
    except ValueError as error:
        return Referred(), [f"nothing is known of drift of {named}: {error}"]
    why = []
    if made.deaf:
        each = "" if strata == NONE else f" for each {strata}"
        why.append(
            f"deaf to drift of {named}: {int(made.units.sum())} blocks of training data are too few{each}"
        )
    return Referred(made.to_dict(), strata), why
