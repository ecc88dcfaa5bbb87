"""The trials of a search: each a run, several at once, weak ones given up early."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

from noria.app import study as studies
from noria.app.asking import Wish, asked_for
from noria.app.begun import Begun, as_begun
from noria.app.environments.groups import prepared
from noria.app.environments.wanted import require
from noria.app.lent import Engines, Watched
from noria.app.study import RUN, WHY, Search
from noria.errors import Conflict, NoriaError, StepFailed
from noria.graph.errors import SourceChanged
from noria.pipeline.listen import Silent
from noria.ports.engine import EngineLost
from noria.records.base import Json
from noria.records.events import RunFinished
from noria.records.runs import Failed, Interrupted, Outcome, Pruned, Run, StepResult, Succeeded, Trigger
from noria.records.tuning import Trial

if TYPE_CHECKING:
    import optuna

    from noria.app.wiring import App
    from noria.declare import Resolved
    from noria.pipeline.plan import Plan

FINE = 128  # steps that are all reported; then, of each doubling, every second, fourth, eighth ...
EARLY = 0.25  # of the steps of those that came to their end: before that, slow beginners would be given up for weak
HEEDED = 0.2  # s until Ctrl-C is heard
FAILING = 3  # trials that fail before any succeeds: it is the code then, not the values

Heard = Callable[[Trial], None]
"""Called as a trial begins (state `running`), and as it ends; by one thread at a time."""


@dataclass(eq=False)
class NoMetric(StepFailed):
    code: ClassVar[str] = "TUNE-METRIC"
    what: ClassVar[str] = "run {run} has no metric {metric!r}; it has: {known}"
    next: ClassVar[str] = "let a @metrics step return it, and name it with --metric"
    run: str
    metric: str
    known: list[str]


@dataclass(eq=False)
class AllFail(StepFailed):
    code: ClassVar[str] = "TUNE-FAILING"
    what: ClassVar[str] = "the first {count} trials all failed, the last one ({run}): {why}"
    next: ClassVar[str] = "noria logs {run}; mend the code, or try other values"
    count: int
    run: str
    why: str


class GivenUp(Exception):
    """A trial is not worth going on with."""


class Stopped(Exception):
    """Nor is the search: somebody stopped it, or it failed as a whole."""


def until_done(waiting: Collection[Future[None]]) -> None:
    """Raises what the first of them raised. Waits a moment at a time: polars sets a handler of SIGINT after which the
    system goes on waiting for a lock (SA_RESTART), so Ctrl-C would be heard only when all is over."""
    left: Collection[Future[None]] = waiting
    while left:
        done, left = wait(left, timeout=HEEDED, return_when=FIRST_EXCEPTION)
        for one in done:
            one.result()


def nested(values: Mapping[str, Json]) -> dict[str, dict[str, Json]]:
    """`step.name` to a value, by step."""
    found: dict[str, dict[str, Json]] = {}
    for path, value in values.items():
        step, _, name = path.partition(".")
        found.setdefault(step, {})[name] = value
    return found


@dataclass
class Trials:
    """A search under way."""

    app: App
    model: str
    search: Search
    study: optuna.Study
    heard: Heard
    stopped: threading.Event = field(default_factory=threading.Event)
    starting: threading.Lock = field(default_factory=threading.Lock)
    """Importing the user's pipeline and drawing parameters happen one after another."""
    telling: threading.Lock = field(default_factory=threading.Lock)
    ended: list[Trial] = field(default_factory=list)
    """In this call."""

    @cached_property
    def engines(self) -> Engines:
        return Engines(self.app, self.search.jobs)

    def run(self, trials: int) -> None:
        """So many more. Raises `NoMetric`, `AllFail`, and what keeps a run from beginning."""
        with (
            closing(self.engines),
            ThreadPoolExecutor(self.search.jobs, thread_name_prefix="noria-trial") as threads,
        ):
            waiting = [threads.submit(self._next) for _ in range(trials)]
            try:
                until_done(waiting)
            except BaseException:  # Ctrl-C too: what runs is stopped at its next look
                self.stopped.set()
                for one in waiting:
                    one.cancel()
                raise

    def _next(self) -> None:
        try:
            self._one()
        except BaseException:  # at once: this thread's next trial must not begin
            self.stopped.set()
            raise

    def _one(self) -> None:
        """One trial, whose own failure is its result. One that is stopped stays under way in the study: the next call
        tries it again."""
        import optuna

        with self.starting:
            if self.stopped.is_set():
                return
            trial = self.study.ask()
            drawn = studies.draw(trial, self.search.space)
            run, plan, resolved, begun = self._begin(drawn, trial)
        self._tell(trial)
        try:
            value = self._value(run, plan, resolved, begun, trial)
        except Stopped:
            return
        except GivenUp:
            self.study.tell(trial, state=optuna.trial.TrialState.PRUNED)
        except (StepFailed, Conflict) as error:
            if isinstance(error, Conflict) and error.code != SourceChanged.code:
                raise
            trial.set_user_attr(WHY, error.headline())
            self.study.tell(trial, state=optuna.trial.TrialState.FAIL)
            if isinstance(error, NoMetric):
                raise
        else:
            self.study.tell(trial, value)
        self._tell(trial)

    def _tell(self, trial: optuna.Trial) -> None:
        """Let the others hear of it. Raises `AllFail`."""
        with self.telling:
            now = studies.trial_of(self.study.get_trials()[trial.number])
            self.heard(now)
            if now.state != "running":
                self.ended.append(now)
            if len(self.ended) >= FAILING and all(one.state == "failed" for one in self.ended):
                raise AllFail(count=len(self.ended), run=self.ended[-1].run, why=self.ended[-1].why)

    def _begin(self, drawn: Mapping[str, Json], trial: optuna.Trial) -> tuple[Run, Plan, Resolved, Begun]:
        trigger = Trigger(kind="trial", cause=f"{self.search.study} {trial.number}")
        moment = studies.as_of(self.study, self.search.as_of or self.app.clock.now())
        fixed = self.search.fixed or {}
        values = nested(drawn)
        together = {step: {**fixed.get(step, {}), **values.get(step, {})} for step in {**fixed, **values}}
        wish = Wish(trigger=trigger, parameters=together, as_of=moment)
        asked, resolved, plan = asked_for(self.app, self.app.model(self.model), wish)
        begun = as_begun(self.app, resolved, asked)
        require(self.app, asked.provenance.environment)
        run = self.app.records.ledger.begin(asked, at=self.app.clock.now())
        trial.set_user_attr(RUN, run.name)
        return run, replace(plan, resolved=unreported(resolved)), resolved, begun

    def _value(self, run: Run, plan: Plan, resolved: Resolved, begun: Begun, trial: optuna.Trial) -> float:
        """The metric; whatever comes, the run has an end."""
        finished: list[StepResult] = []
        outcome: Outcome = Interrupted()
        try:
            metrics = self._metrics(run, plan, resolved, begun, trial, finished)
            if self.search.metric not in metrics:
                raise NoMetric(run=run.name, metric=self.search.metric, known=sorted(metrics) or ["none"])
            outcome = Succeeded(metrics=metrics)
            return metrics[self.search.metric]
        except GivenUp:
            outcome = Pruned()
            raise
        except EngineLost as error:
            outcome = Interrupted(why=str(error))
            raise
        except NoriaError as error:
            failed = error.at_step or _waiting(plan, finished)
            outcome = Failed(step=failed, code=error.code, error=str(error))
            raise
        finally:
            now = self.app.clock.now()
            over = RunFinished(
                model=self.model, run=run.number, finished=now, outcome=outcome, steps=tuple(finished)
            )
            self.app.records.ledger.append(self.model, [over], at=now)

    def _metrics(
        self,
        run: Run,
        plan: Plan,
        resolved: Resolved,
        begun: Begun,
        trial: optuna.Trial,
        finished: list[StepResult],
    ) -> dict[str, float]:
        from noria.app.candidate import collected_metrics
        from noria.pipeline.drive import drive

        watch = _Watch(self, run, trial)
        with (
            self.app.driving(run.name),
            prepared(self.app, run.asked.provenance.groups, Silent()) as ready,
            self.engines.lent(run.asked.provenance.source.tree) as engine,
        ):
            outputs = drive(
                plan,
                run,
                pipeline=self.app.model(self.model).pipeline,
                project=self.app.project,
                engine=begun.held(Watched(engine, watch.look)),
                store=self.app.store,
                records=self.app.records,
                clock=self.app.clock,
                listener=Silent(),
                finished=finished,
                prepared=ready,
                code=begun.code,
            )
        watch.report(finished)  # of steps that were over before the first look, for the trials to come
        return collected_metrics(self.app, resolved, outputs, None)


class _Watch:
    """Tells Optuna what a trial logs."""

    def __init__(self, trials: Trials, run: Run, trial: optuna.Trial) -> None:
        self._trials, self._run, self._trial = trials, run, trial
        self._reported: set[int] = set()

    def look(self) -> None:
        """Raises `Stopped`, `GivenUp`."""
        if self._trials.stopped.is_set():
            raise Stopped
        if self.report(()) and self._ripe() and self._trial.should_prune():
            raise GivenUp

    def _ripe(self) -> bool:
        from optuna.trial import TrialState

        ended = self._trials.study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        lengths = [one.last_step for one in ended if one.last_step is not None]
        return bool(lengths) and max(self._reported) >= EARLY * min(lengths)

    def report(self, steps: tuple[StepResult, ...] | list[StepResult]) -> bool:
        """Whether there was anything new."""
        series = self._trials.search.prune
        if series is None:
            return False
        found = logged_by(self._trials.app, self._run, steps, series)
        new = {at: value for at, value in found.items() if at not in self._reported and milestone(at)}
        for at, value in new.items():
            self._trial.report(value, at)
        self._reported |= new.keys()
        return bool(new)


def logged_by(
    app: App, run: Run, steps: tuple[StepResult, ...] | list[StepResult], series: str
) -> dict[int, float]:
    """A series by step, with the mean of a fan-out's items; without `steps`, of those that are under way."""
    import polars as pl

    from noria.app.series import read_series

    frame = read_series(app, run, steps).filter(pl.col("name") == series)
    means = frame.group_by("at_step").agg(pl.col("value").mean()).sort("at_step")
    return dict(means.iter_rows())


def milestone(step: int) -> bool:
    """Whether trials are compared at this step: at all of the first ones, then less and less often, so that 100,000
    steps are some 700 reports. The same ones in each trial."""
    return 0 <= step < FINE or (
        step > 0 and step % (1 << max(0, step.bit_length() - FINE.bit_length() + 1)) == 0
    )


def unreported(resolved: Resolved) -> Resolved:
    """A pipeline without the reports that no other step reads: nobody looks at the figures of a hundred trials."""
    read = {name for step in resolved.order for name in step.inputs}
    return replace(
        resolved,
        order=tuple(step for step in resolved.order if step.role != "report" or read & set(step.outputs)),
    )


def _waiting(plan: Plan, finished: list[StepResult]) -> str:
    done = {result.step for result in finished}
    return next((step.name for step in plan.order if step.name not in done), "metrics")
