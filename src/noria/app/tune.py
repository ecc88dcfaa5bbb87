"""A search for hyperparameters with Optuna: each trial is a run, several at once, weak ones are given up early."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

import msgspec

from noria.app.compare import better_by
from noria.app.drivers import study_lease
from noria.app.read import find_run
from noria.app.study import Direction, Search, done, open_study, revive, told
from noria.app.trials import Heard, Trials, nested
from noria.errors import UsageError
from noria.records.base import Json
from noria.records.events import RunFinished
from noria.records.policy import ModelPolicy
from noria.records.runs import Abandoned, Interrupted
from noria.records.tuning import Choice, Range, Tuned

if TYPE_CHECKING:
    import optuna

    from noria.app.wiring import App

__all__ = ["Search", "tune"]


@dataclass(eq=False)
class NoSpace(UsageError):
    code: ClassVar[str] = "TUNE-SPACE"
    what: ClassVar[str] = "nothing is given to be tried for {model}"
    next: ClassVar[str] = "--try STEP.NAME=LOW:HIGH, or --try STEP.NAME=one,other; may be given several times"
    model: str


@dataclass(eq=False)
class TriedAndSet(UsageError):
    code: ClassVar[str] = "TUNE-TWICE"
    what: ClassVar[str] = "{name} is both tried and set"
    next: ClassVar[str] = "leave out --try, or --set"
    name: str


@dataclass(eq=False)
class NoDirection(UsageError):
    code: ClassVar[str] = "TUNE-DIRECTION"
    what: ClassVar[str] = "nobody says whether {metric} is better higher or lower"
    next: ClassVar[str] = "--maximize or --minimize; a gate on {metric} in noria.toml says it, too"
    metric: str


def tune(app: App, model: str | None, search: Search, heard: Heard = lambda trial: None) -> Tuned:
    """Try until so many trials have come to an end; returns all of them, the best one beside. Trials share every step
    whose parameters are not tried, and leave out reports. Nothing is registered or promoted. A search that was killed
    or interrupted goes on: trials that were under way are tried again.

    The metric must not be of the rows that the gates judge by: what was chosen by them would look better than it is.
    Raises `NeedsOptuna`, `NoSpace`, `TriedAndSet`, `NoDirection`, `OtherStudy`, `Busy` where somebody else works on the
    study, `NoMetric`, `AllFail`, and what keeps a run from beginning; a trial that fails is one of the results.
    """
    policy = app.model(model)
    if not search.space:
        raise NoSpace(model=policy.name)
    search = replace(search, direction=search.direction or _direction(policy, search.metric))
    search = _checked(app, policy, search)
    holder = f"process {os.getpid()} since {app.clock.now():%Y-%m-%d %H:%M:%S} UTC"
    with app.leases.hold(study_lease(policy.name, search.study), holder):
        study = open_study(app, policy.name, search)
        _close(app, policy.name, revive(study, search.space))
        Trials(app, policy.name, search, study, heard).run(max(0, search.trials - done(study)))
        return told(study, policy.name, search, tuple(_notes(study, search)))


def _direction(policy: ModelPolicy, metric: str) -> Direction:
    """As a gate on the metric says. Raises `NoDirection`."""
    said = {better_by(gate) for gate in policy.gates if getattr(gate, "metric", None) == metric}
    if len(said) != 1 or (better := said.pop()) is None:
        raise NoDirection(metric=metric)
    return "maximize" if better == "higher" else "minimize"


def _checked(app: App, policy: ModelPolicy, search: Search) -> Search:
    """The search, with ranges of whole numbers for parameters whose defaults are whole. A misspelled parameter, or a
    value of another type, shows before the first trial."""
    from noria.declare import resolve
    from noria.graph.load import load_pipeline
    from noria.pipeline.plan import plan

    fixed = search.fixed or {}
    resolved = resolve(load_pipeline(app.project, policy.pipeline))
    defaults = plan(resolved, policy.parameters, fixed).parameters
    space: dict[str, Range | Choice] = {}
    for name, what in search.space.items():
        step, _, parameter = name.partition(".")
        if parameter in fixed.get(step, {}):
            raise TriedAndSet(name=name)
        for value in _values(what):
            plan(resolved, policy.parameters, nested({name: value}))
        space[name] = _fitted(what, defaults[step][parameter])
    return replace(search, space=space)


def _values(what: Range | Choice) -> tuple[Json, ...]:
    """Those that must be of the parameter's type."""
    if isinstance(what, Choice):
        return what.values
    return (int(what.low), int(what.high)) if what.whole else (what.low, what.high)


def _fitted(what: Range | Choice, default: Json) -> Range | Choice:
    if isinstance(what, Choice) or default is None:
        return what
    return msgspec.structs.replace(what, whole=isinstance(default, int))


def _close(app: App, model: str, names: list[str]) -> None:
    """Nobody goes on with the runs of trials that were broken off: their values are tried in a run of their own."""
    now = app.clock.now()
    for name in names:
        view = find_run(app, name)
        if view.outcome is None or isinstance(view.outcome, Interrupted):
            number = view.run.number
            over = RunFinished(
                model=model,
                run=number,
                finished=now,
                outcome=Abandoned(by="another trial of the same values"),
                steps=tuple(app.records.runs.steps(model, number)),
            )
            app.records.ledger.append(model, [over], at=now)


def _notes(study: optuna.Study, search: Search) -> Iterator[str]:
    if search.prune and study.trials and not any(trial.intermediate_values for trial in study.trials):
        yield f"no trial logged a series {search.prune!r}, so none was given up early: noria.log names them"
