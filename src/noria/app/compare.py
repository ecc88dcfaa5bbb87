"""Runs side by side: what was asked of each, what each came to, and which is best where better is known."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, ClassVar, Literal

from noria.app.errors import BadReference
from noria.app.pages.words import amount
from noria.app.promote import find_version
from noria.app.read import RunView, find_run, list_runs
from noria.app.series import charts_beside, read_series
from noria.errors import NotFound, UsageError
from noria.records.base import Json, Record, short
from noria.records.gates import Better as BetterThan
from noria.records.gates import Gate, NoWorse, Threshold
from noria.records.runs import StepResult, Succeeded
from noria.records.sources import Environment
from noria.registry.references import parse_reference

if TYPE_CHECKING:
    from noria.app.pages.lines import Chart
    from noria.app.wiring import App

Better = Literal["lower", "higher"]

DRAWN = 40  # runs whose series are drawn: more lines are one smear
SOON = timedelta(
    minutes=10
)  # between asking for a run "now" and its start: pinning the source of a large project
LOOKED = 5  # versions that are asked for their loss: its name changes once in a project's life, if ever


@dataclass(eq=False)
class UnknownMetric(NotFound):
    code: ClassVar[str] = "METRIC-UNKNOWN"
    what: ClassVar[str] = "none of the {runs} runs has a metric {name!r}; they have: {known}"
    next: ClassVar[str] = "name one of them"
    name: str
    runs: int
    known: Sequence[str]


@dataclass(eq=False)
class NothingToCompare(UsageError):
    code: ClassVar[str] = "COMPARE-NOTHING"
    what: ClassVar[str] = "there is nothing to compare: {why}"
    next: ClassVar[str] = "name two runs or more (noria runs), or a model and --last"
    why: str


class Side(Record, kw_only=True):
    """One run of a comparison."""

    name: str
    state: str
    started: datetime
    seconds: float | None = None
    commit: str
    dirty: bool = False
    version: str | None = None


class Setting(Record, kw_only=True):
    """Something that is not the same in all runs, with its value in each; None where it is absent."""

    name: str
    values: tuple[Json, ...]


class Measure(Record, kw_only=True):
    """A metric in each run; None where it is absent."""

    name: str
    values: tuple[float | None, ...]
    better: Better | None = None
    """None: neither the loss nor a gate says which direction is better."""
    best: tuple[int, ...] = ()
    """Positions of the best values; none where the direction is not known, or all are alike."""


class Comparison(Record, kw_only=True):
    """Runs side by side: every `values` has one entry a run, in the order of `runs`."""

    runs: tuple[Side, ...]
    parameters: tuple[Setting, ...] = ()
    """Those that differ, as `step.name`."""
    alike: int = 0
    """How many parameters have one value in all of the runs."""
    origins: tuple[Setting, ...] = ()
    """What else differs of `as of`, `seed`, `data`, `environment`."""
    metrics: tuple[Measure, ...] = ()
    metric: str | None = None
    """The one that pictures look at: the one asked for, else the loss, else the first."""


def compare(
    app: App, names: Sequence[str], *, last: int | None = None, metric: str | None = None
) -> Comparison:
    """Compare runs by name (a version means the run that made it), or a model's `last` ones.

    With a metric the best run comes first, where better is known; else the runs stand as they were named, a model's the
    newest first. Raises `NothingToCompare` for fewer than two runs, `UnknownMetric`, and what `find_run` raises.
    """
    views = _last_of(app, names, last) if last else [_view(app, name) for name in names]
    views = list({view.name: view for view in views}.values())
    if len(views) < 2:
        raise NothingToCompare(why=f"{len(views) or 'no'} run{'' if len(views) == 1 else 's'} of that name")
    steps = [app.records.runs.steps(view.run.asked.model, view.run.number) for view in views]
    return compared(views, steps, directions(app, views), metric=metric)


def charts(app: App, found: Comparison) -> list[Chart]:
    """The series that at least two of the runs have; of many runs, those that stand first."""
    views = [find_run(app, side.name) for side in found.runs[:DRAWN]]
    frames = {
        view.name: read_series(app, view.run, app.records.runs.steps(view.run.asked.model, view.run.number))
        for view in views
    }
    measure = next((one for one in found.metrics if one.name == found.metric), None)
    best = found.runs[measure.best[0]].name if measure and measure.best else ""
    return charts_beside(frames, best)


def compared(
    views: Sequence[RunView],
    steps: Sequence[Sequence[StepResult]],
    better: dict[str, Better],
    *,
    metric: str | None = None,
) -> Comparison:
    """The comparison of runs that were read already."""
    names = _all(_metrics(view) for view in views)
    if metric is not None and metric not in names:
        raise UnknownMetric(name=metric, runs=len(views), known=names or ["none"])
    chosen = metric or next(
        (name for name in names if better.get(name) == "lower"), names[0] if names else None
    )
    order = _ordered(views, metric, better.get(metric or ""))
    views, steps = [views[at] for at in order], [steps[at] for at in order]
    settings = [_flat(view) for view in views]
    parameters = _settings(settings)
    return Comparison(
        runs=tuple(map(_side, views)),
        parameters=parameters,
        alike=len(_all(settings)) - len(parameters),
        origins=_settings(_origins(views, steps)),
        metrics=tuple(_measure(name, [_metrics(view).get(name) for view in views], better) for name in names),
        metric=chosen,
    )


def directions(app: App, views: Sequence[RunView]) -> dict[str, Better]:
    """Which way each metric is better, as far as somebody said: a loss is better lower, and a gate's bound tells.
    Where two models say opposite things of one name, nothing."""
    found: dict[str, set[Better]] = {}
    models = {view.run.asked.model for view in views}
    for policy in app.policy.models:
        for gate in policy.gates if policy.name in models else ():
            if isinstance(gate, Threshold | NoWorse | BetterThan) and (better := better_by(gate)):
                found.setdefault(gate.metric, set()).add(better)
    for loss in _losses(app, views):
        found[loss] = {"lower"}
    return {name: next(iter(said)) for name, said in found.items() if len(said) == 1}


def better_by(gate: Gate) -> Better | None:
    """Which way a gate wants its metric; None for one with bounds on both sides, or without a metric."""
    if isinstance(gate, NoWorse | BetterThan):
        return "lower"
    if not isinstance(gate, Threshold):
        return None
    if gate.at_least is None:
        return "lower"
    return "higher" if gate.at_most is None else None


def _losses(app: App, views: Sequence[RunView]) -> set[str]:
    made = [
        (view.run.asked.model, view.outcome.version) for view in views if isinstance(view.outcome, Succeeded)
    ]
    versions = [app.records.versions.version(model, number) for model, number in made if number][:LOOKED]
    return {version.quality.loss for version in versions if version and version.quality}


def _last_of(app: App, names: Sequence[str], last: int) -> list[RunView]:
    if len(names) > 1 or (names and ("/" in names[0] or ":" in names[0] or "@" in names[0])):
        raise NothingToCompare(why=f"--last takes one model, not {' '.join(names)}")
    return list(list_runs(app, app.model(names[0] if names else None).name, last=last))


def _view(app: App, text: str) -> RunView:
    if "/" in text:
        return find_run(app, text)
    if parse_reference(text) is None:
        raise BadReference(text=text, kind="run or version", example="delay/3, delay/last or delay:3")
    version = find_version(app, text)
    return find_run(app, f"{version.model}/{version.run}")


def _side(view: RunView) -> Side:
    asked, outcome = view.run.asked, view.outcome
    source = asked.provenance.source
    number = outcome.version if isinstance(outcome, Succeeded) else None
    return Side(
        name=view.name,
        state=view.state,
        started=view.run.started,
        seconds=(view.finished - view.run.started).total_seconds() if view.finished else None,
        commit=source.commit,
        dirty=source.dirty or bool(source.untracked),
        version=f"{asked.model}:{number}" if number else None,
    )


def _metrics(view: RunView) -> dict[str, float]:
    return view.outcome.metrics if isinstance(view.outcome, Succeeded) else {}


def _flat(view: RunView) -> dict[str, Json]:
    return {
        f"{step}.{name}": value
        for step, part in view.run.asked.parameters.items()
        for name, value in part.items()
    }


def _origins(views: Sequence[RunView], steps: Sequence[Sequence[StepResult]]) -> list[dict[str, Json]]:
    """What else may make the difference, in a reader's words. `as of` only where somebody set it: else it is the start."""
    asked = [view.run.asked for view in views]
    chosen = any(abs(view.run.started - view.run.asked.as_of) > SOON for view in views)
    times: list[dict[str, Json]] = [
        {"as of": f"{one.as_of:%Y-%m-%d %H:%M}"} if chosen else {} for one in asked
    ]
    return [
        {**time, "seed": one.seed, **_data(made), "environment": _place(one.provenance.environment)}
        for time, one, made in zip(times, asked, steps, strict=True)
    ]


def _data(steps: Iterable[StepResult]) -> dict[str, Json]:
    return {
        f"data {step.step}": f"{amount(step.data)} ({short(step.data.digest)[:8]})"
        for step in steps
        if step.data
    }


def _place(place: Environment) -> str:
    return f"{place.python} ({short(place.packages)[:8]})"


def _settings(given: Sequence[dict[str, Json]]) -> tuple[Setting, ...]:
    """Those that are not alike in all. `1` and `1.0` are alike, `1` and `true` are not."""
    rows = [Setting(name=name, values=tuple(values.get(name) for values in given)) for name in _all(given)]
    return tuple(row for row in rows if any(not _alike(value, row.values[0]) for value in row.values))


def _alike(a: Json, b: Json) -> bool:
    return a == b and isinstance(a, bool) == isinstance(b, bool)


def _measure(name: str, values: Sequence[float | None], better: dict[str, Better]) -> Measure:
    there = [value for value in values if value is not None]
    direction = better.get(name)
    best: tuple[int, ...] = ()
    if direction and len(set(there)) > 1:
        top = min(there) if direction == "lower" else max(there)
        best = tuple(at for at, value in enumerate(values) if value == top)
    return Measure(name=name, values=tuple(values), better=direction, best=best)


def _ordered(views: Sequence[RunView], metric: str | None, better: Better | None) -> list[int]:
    """Best first by a metric whose direction is known, those without it last; else as they come."""
    if metric is None or better is None:
        return list(range(len(views)))
    sign = 1.0 if better == "lower" else -1.0
    key: Callable[[int], tuple[bool, float]] = lambda at: (  # noqa: E731
        metric not in _metrics(views[at]),
        sign * _metrics(views[at]).get(metric, 0.0),
    )
    return sorted(range(len(views)), key=key)


def _all(given: Iterable[dict[str, Json]] | Iterable[dict[str, float]]) -> list[str]:
    """Every name, in the order in which they first come."""
    return list({name: None for values in given for name in values})
