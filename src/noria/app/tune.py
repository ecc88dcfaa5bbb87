"""A search for hyperparameters with Optuna: each trial is a run, several at once, weak ones are given up early."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import msgspec

from noria.app.train import Wish, asked_for
from noria.errors import ConfigError, NoriaError, StepFailed, UsageError
from noria.inside.spool import SUFFIX, points_in
from noria.ports.engine import Engine, Happening, Job
from noria.records.base import Json
from noria.records.events import RunFinished
from noria.records.runs import Failed, Interrupted, Outcome, Run, StepResult, Succeeded, Trigger
from noria.records.tuning import Choice, Range, Space, Trial, Tuned

if TYPE_CHECKING:
    import optuna

    from noria.app.wiring import App
    from noria.declare import Resolved
    from noria.pipeline.listen import Listener
    from noria.pipeline.plan import Plan

LOOK = 0.5  # s between two looks at what a trial has logged: a pruned one wastes no more than that

Direction = Literal["minimize", "maximize"]


@dataclass(eq=False)
class NeedsOptuna(ConfigError):
    code: ClassVar[str] = "TUNE-LIBRARY"
    what: ClassVar[str] = "noria tune needs the package optuna, which is not installed"
    next: ClassVar[str] = "pip install 'noria[tune]'"


@dataclass(eq=False)
class NoSpace(UsageError):
    code: ClassVar[str] = "TUNE-SPACE"
    what: ClassVar[str] = "nothing is given to be tried for {model}"
    next: ClassVar[str] = "--try STEP.NAME=LOW:HIGH, or --try STEP.NAME=one,other; may be given several times"
    model: str


@dataclass(eq=False)
class NoMetric(StepFailed):
    code: ClassVar[str] = "TUNE-METRIC"
    what: ClassVar[str] = "run {run} has no metric {metric!r}; it has: {known}"
    next: ClassVar[str] = "let a @metrics step return it, and name it with --metric"
    run: str
    metric: str
    known: list[str]


@dataclass(frozen=True)
class Search:
    """What to look for."""

    space: Space
    metric: str
    direction: Direction = "minimize"
    trials: int = 20
    """In all, those of earlier calls included."""
    jobs: int = 1
    """Trials at once; the engine's cores are shared among them."""
    study: str = "study"
    """Its name: a second call goes on with it."""
    prune: str | None = None
    """A series that the steps log with `noria.log`: a trial whose figures are worse than the median of the others' at
    the same step is given up."""
    seed: int = 0
    as_of: datetime | None = None


class Pruned(Exception):
    """A trial is not worth going on with."""


def tune(app: App, model: str | None, search: Search, listener: Listener) -> Tuned:
    """Try until there are so many trials; returns all of them, the best one beside. Trials share every step whose
    parameters are not tried. A search that was killed goes on: trials that were under way are tried again.

    The metric must not be of the rows that the gates judge by: what was chosen by them would look better than it is.
    Raises `NeedsOptuna`, `NoSpace`, and what keeps a run from beginning; a trial that fails is one of the results.
    """
    policy = app.model(model)
    if not search.space:
        raise NoSpace(model=policy.name)
    study = _study(app, policy.name, search)
    search = _checked(app, model, search)
    _revive(study)
    tuning = _Tuning(app, policy.name, search, study, listener)
    left = search.trials - sum(trial.state.is_finished() for trial in study.trials)
    tuning.run(max(0, left))
    return told(study, policy.name, search)


def told(study: optuna.Study, model: str, search: Search) -> Tuned:
    """A study as a record."""
    trials = tuple(_trial(one, model) for one in study.trials)
    done = [one for one in trials if one.state == "complete" and one.value is not None]
    better = min if search.direction == "minimize" else max
    best = better(done, key=lambda one: one.value or 0.0) if done else None
    return Tuned(
        model=model,
        study=search.study,
        metric=search.metric,
        direction=search.direction,
        trials=trials,
        best=best,
    )


def _study(app: App, model: str, search: Search) -> optuna.Study:
    try:
        import optuna
    except ImportError as error:
        raise NeedsOptuna from error
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    folder = app.state / "studies"
    folder.mkdir(parents=True, exist_ok=True)
    return optuna.create_study(
        study_name=f"{model}/{search.study}",
        storage=JournalStorage(JournalFileBackend(str(folder / f"{model}.journal"))),
        sampler=optuna.samplers.TPESampler(seed=search.seed),
        pruner=optuna.pruners.MedianPruner(n_startup_trials=3),
        direction=search.direction,
        load_if_exists=True,
    )


def _checked(app: App, model: str | None, search: Search) -> Search:
    """The search, with ranges of whole numbers for parameters whose defaults are whole. A misspelled parameter, or a
    value of another type, shows before the first trial."""
    values = {name: _first(what) for name, what in search.space.items()}
    _, resolved, _ = asked_for(app, app.model(model), Wish(parameters=_nested(values)), store=_unstored(app))
    defaults = {
        f"{step.name}.{name}": value
        for step in (*resolved.order, *([resolved.predict] if resolved.predict else []))
        for name, value in step.parameters.items()
    }
    return replace(search, space={name: _fitted(what, defaults[name]) for name, what in search.space.items()})


def _fitted(what: Range | Choice, default: Json) -> Range | Choice:
    if isinstance(what, Choice) or default is None:
        return what
    return msgspec.structs.replace(what, whole=isinstance(default, int))


def _unstored(app: App) -> Any:
    from noria.artifacts.unstored import Unstored

    return Unstored(app.store)


def _first(what: Range | Choice) -> Json:
    if isinstance(what, Choice):
        return what.values[0]
    return int(what.low) if what.whole else what.low


def _revive(study: optuna.Study) -> None:
    """Trials that a killed search left under way are tried again."""
    import optuna

    for trial in study.trials:
        if trial.state == optuna.trial.TrialState.RUNNING:
            study.tell(trial.number, state=optuna.trial.TrialState.FAIL)
            study.enqueue_trial(trial.params)


@dataclass
class _Tuning:
    """A search under way."""

    app: App
    model: str
    search: Search
    study: optuna.Study
    listener: Listener
    stopped: threading.Event = field(default_factory=threading.Event)
    starting: threading.Lock = field(default_factory=threading.Lock)
    """Importing the user's pipeline and drawing parameters happen one after another."""

    def run(self, trials: int) -> None:
        with ThreadPoolExecutor(self.search.jobs, thread_name_prefix="noria-trial") as threads:
            waiting = [threads.submit(self.one) for _ in range(trials)]
            try:
                done, _ = wait(waiting, return_when=FIRST_EXCEPTION)
                for one in done:
                    one.result()
            except BaseException:  # Ctrl-C too: what runs is stopped at its next look
                self.stopped.set()
                for one in waiting:
                    one.cancel()
                raise

    def one(self) -> None:
        """One trial, whose own failure is its result."""
        import optuna

        if self.stopped.is_set():
            return
        with self.starting:
            trial = self.study.ask()
            drawn = {name: _draw(trial, name, what) for name, what in self.search.space.items()}
            run, plan, resolved = self._begin(drawn, trial)
        try:
            value = self._value(run, plan, resolved, trial)
        except Pruned:
            self.study.tell(trial, state=optuna.trial.TrialState.PRUNED)
        except NoMetric:
            self.study.tell(trial, state=optuna.trial.TrialState.FAIL)
            raise
        except StepFailed:
            self.study.tell(trial, state=optuna.trial.TrialState.FAIL)
        else:
            self.study.tell(trial, value)

    def _begin(self, drawn: Mapping[str, Json], trial: optuna.Trial) -> tuple[Run, Plan, Resolved]:
        trigger = Trigger(kind="trial", cause=f"{self.search.study} {trial.number}")
        wish = Wish(trigger=trigger, parameters=_nested(drawn), as_of=self._as_of())
        asked, resolved, plan = asked_for(self.app, self.app.model(self.model), wish)
        run = self.app.records.ledger.begin(asked, at=self.app.clock.now())
        trial.set_user_attr("run", run.name)
        return run, plan, resolved

    def _as_of(self) -> datetime:
        """The same for all trials of a study: they are compared with one another."""
        kept = self.study.user_attrs.get("as_of")
        if kept is None:
            moment = self.search.as_of or self.app.clock.now()
            self.study.set_user_attr("as_of", moment.isoformat())
            return moment
        return datetime.fromisoformat(kept)

    def _value(self, run: Run, plan: Plan, resolved: Resolved, trial: optuna.Trial) -> float:
        finished: list[StepResult] = []
        metrics: dict[str, float] = {}
        outcome: Outcome = Interrupted()
        try:
            metrics = self._metrics(run, plan, resolved, trial, finished)
            if self.search.metric not in metrics:
                raise NoMetric(run=run.name, metric=self.search.metric, known=sorted(metrics) or ["none"])
            outcome = Succeeded(metrics=metrics)
        except NoriaError as error:
            outcome = Failed(step=_waiting(plan, finished), code=error.code, error=str(error))
            raise
        finally:
            over = RunFinished(
                model=self.model,
                run=run.number,
                finished=self.app.clock.now(),
                outcome=outcome,
                steps=tuple(finished),
            )
            self.app.records.ledger.append(self.model, [over], at=self.app.clock.now())
        return metrics[self.search.metric]

    def _metrics(
        self, run: Run, plan: Plan, resolved: Resolved, trial: optuna.Trial, finished: list[StepResult]
    ) -> dict[str, float]:
        from noria.app.candidate import collected_metrics
        from noria.pipeline.drive import drive

        with self.app.driving(run.name), closing(self.app.engine(share=self.search.jobs)) as engine:
            outputs = drive(
                plan,
                run,
                pipeline=self.app.model(self.model).pipeline,
                project=self.app.project,
                engine=_Watched(engine, lambda: self._look(run, trial)),
                store=self.app.store,
                records=self.app.records,
                clock=self.app.clock,
                listener=self.listener,
                finished=finished,
            )
        return collected_metrics(self.app, resolved, outputs, None)

    def _look(self, run: Run, trial: optuna.Trial) -> None:
        """Tell Optuna what the trial has logged so far; raises `Pruned`."""
        if self.stopped.is_set():
            raise Pruned
        if self.search.prune is None:
            return
        for step, value in sorted(_logged(self.app.state / "spool" / run.name, self.search.prune).items()):
            trial.report(value, step)
        if trial.should_prune():
            raise Pruned


class _Watched:
    """An engine that lets somebody look in between; what the look raises ends the run."""

    def __init__(self, engine: Engine, look: Any) -> None:
        self._engine = engine
        self._look = look

    def submit(self, job: Job) -> None:
        self._engine.submit(job)

    def wait(self, seconds: float | None = None) -> list[Happening]:
        happened = self._engine.wait(LOOK if seconds is None else min(seconds, LOOK))
        self._look()
        return happened

    def cancel(self, id: str) -> None:
        self._engine.cancel(id)

    def warm(self, pipeline: str = "") -> None:
        self._engine.warm(pipeline)

    def close(self) -> None:
        self._engine.close()


def _logged(folder: Path, series: str) -> dict[int, float]:
    """A series so far, from what the steps under way have written."""
    found: dict[int, float] = {}
    for path in sorted(folder.glob(f"*{SUFFIX}")) if folder.is_dir() else ():
        found |= {point.step: point.value for point in points_in(path) if point.name == series}
    return found


def _draw(trial: optuna.Trial, name: str, what: Range | Choice) -> Json:
    if isinstance(what, Choice):
        drawn: Json = trial.suggest_categorical(name, list(what.values))  # type: ignore[arg-type]  # any JSON value
        return drawn
    if what.whole:
        return trial.suggest_int(name, int(what.low), int(what.high), log=what.log)
    return trial.suggest_float(name, what.low, what.high, log=what.log)


def _nested(values: Mapping[str, Json]) -> dict[str, dict[str, Json]]:
    found: dict[str, dict[str, Json]] = {}
    for path, value in values.items():
        step, _, name = path.partition(".")
        found.setdefault(step, {})[name] = value
    return found


def _waiting(plan: Plan, finished: list[StepResult]) -> str:
    done = {result.step for result in finished}
    return next((step.name for step in plan.order if step.name not in done), "metrics")


def _trial(one: optuna.trial.FrozenTrial, model: str) -> Trial:
    states: dict[str, Literal["complete", "pruned", "failed", "running"]] = {
        "COMPLETE": "complete",
        "PRUNED": "pruned",
        "FAIL": "failed",
    }
    return Trial(
        number=one.number,
        run=str(one.user_attrs.get("run", "")),
        state=states.get(one.state.name, "running"),
        value=one.value if one.state.name == "COMPLETE" else None,
        parameters=dict(one.params),
    )
