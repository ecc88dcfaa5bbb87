"""One turn of training: plan, run, register, judge, promote; a killed one is finished by the next."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from msgspec.structs import replace

from noria.app.begun import Begun, as_begun
from noria.app.canary import BadData, inspector
from noria.app.candidate import Candidate, collected_metrics, make_candidate
from noria.app.consequence import consequence
from noria.app.environments.groups import Prepareds, groups, prepared
from noria.app.environments.wanted import require
from noria.app.errors import UnknownStep
from noria.app.fit import check_fit
from noria.app.overlap import BadSplit, split_inspector
from noria.declare import resolve
from noria.errors import Conflict, NoriaError
from noria.graph.load import load_pipeline
from noria.ports.engine import Engine, EngineLost
from noria.ports.objects import ObjectStore
from noria.records.base import Json
from noria.records.events import (
    AliasMoved,
    Change,
    DataRefused,
    Judged,
    Proved,
    RunFinished,
    VersionRegistered,
)
from noria.records.gates import Judgement
from noria.records.policy import ModelPolicy
from noria.records.rollouts import Rollout, RolloutStarted
from noria.records.runs import (
    Abandoned,
    Failed,
    Interrupted,
    NewRun,
    Outcome,
    Run,
    StepResult,
    Succeeded,
    Trigger,
)
from noria.records.versions import Version
from noria.registry.moves import move
from noria.registry.references import CHAMPION

if TYPE_CHECKING:
    from noria.app.wiring import App
    from noria.declare import Resolved
    from noria.pipeline.drive import Listener
    from noria.pipeline.plan import Plan


@dataclass(frozen=True)
class Trained:
    """What a run came to."""

    run: Run
    steps: tuple[StepResult, ...]
    version: Version | None
    judgement: Judgement | None
    moved: AliasMoved | None
    """The promotion, if there was one."""
    resumed: bool
    known: bool
    """True when the newest version is the same to the last bit, so that none was made."""
    rollout: Rollout | None = None
    """What has begun in the place of a promotion, where the policy wants one."""
    held: str = ""
    """Why none could begin."""


@dataclass(frozen=True)
class Wish:
    """What somebody wants a run to be."""

    trigger: Trigger = field(default_factory=Trigger)
    parameters: Mapping[str, Mapping[str, Json]] | None = None
    """Overrides, step by step."""
    as_of: datetime | None = None
    promote: bool = True
    """False: hold a passing candidate back, whatever the policy says."""
    afresh: bool = False
    """True: don't go on with an interrupted run."""
    fresh: tuple[str, ...] = ()
    """Steps that run anew with all that is below them, whatever was kept."""
    accept_data: bool = False
    """True: let new data pass whatever the canary finds, for this once."""


def train(
    app: App, model: str | None, wish: Wish, listener: Listener, *, rest: ExitStack | None = None
) -> Trained:
    """Run a model's pipeline to its end. One run a model at a time: raises `Busy`. `rest`: ends the workers when it is
    closed, which takes longer than making a version durable; without it they are gone on return.

    Every finished step is durable at once; version, verdicts and promotion are one transaction at the end. So a
    kill at any moment leaves either a run that the next call goes on with, or all of it done.
    """
    policy = app.model(model)
    with ExitStack() as own:
        stack = own if rest is None else rest
        stack.enter_context(app.alone(policy.name))
        engine = stack.enter_context(closing(app.engine()))
        engine.warm(policy.pipeline)
        asked, resolved, plan = asked_for(app, policy, wish)
        begun = as_begun(app, resolved, asked)
        require(app, asked.provenance.environment)
        ready = stack.enter_context(prepared(app, asked.provenance.groups, listener))
        run, resumed = _begin(app, asked, wish)
        listener.began(run, plan, resumed)
        finished: list[StepResult] = []
        try:
            held = begun.held(engine)
            return _turn(
                app, policy, resolved, plan, run, wish, held, listener, finished, resumed, ready, begun
            )
        except KeyboardInterrupt:
            _finish(app, run, finished, Interrupted())
            raise
        except EngineLost as error:
            _finish(app, run, finished, Interrupted(why=str(error)))
            raise
        except (
            Exception
        ) as error:  # a bug of Noria's too ends the run: else the next one would only meet it again
            refused = _refused(run, error)
            _finish(app, run, finished, _failure(error, plan, finished), before=refused)
            raise


def _told(listener: Listener) -> Callable[[str, str], None]:
    """What the canary lets pass is told as if the step had printed it."""
    return lambda step, what: listener.output(step, f"data: {what}")


def _refused(run: Run, error: Exception) -> list[Change]:
    if not isinstance(error, BadData):
        return []
    model, number = run.asked.model, run.number
    findings = tuple(error.findings)
    return [DataRefused(model=model, run=number, step=error.step, data=error.data, findings=findings)]


def asked_for(
    app: App, policy: ModelPolicy, wish: Wish, *, store: ObjectStore | None = None
) -> tuple[NewRun, Resolved, Plan]:
    """Everything that pins the run, before anything runs; the project's files go to the app's store, or to another."""
    from noria.pipeline.plan import plan
    from noria.source import provenance

    pinned = provenance(app.project, store or app.store, app.git, threads=app.threads)
    resolved = resolve(load_pipeline(app.project, policy.pipeline))
    check_fit(policy, resolved)
    fresh_steps(resolved, wish)
    pinned = replace(pinned, groups=groups(resolved, app.project, store or app.store))
    planned = plan(resolved, policy.parameters, wish.parameters or {})
    asked = NewRun(
        model=policy.name,
        as_of=wish.as_of or app.clock.now(),
        trigger=wish.trigger,
        parameters=planned.parameters,
        seed=app.policy.seed,
        provenance=pinned,
    )
    return asked, resolved, planned


def fresh_steps(resolved: Resolved, wish: Wish) -> frozenset[str]:
    """The named steps and all that read them. Raises `UnknownStep`."""
    from noria.pipeline.schedule import below

    for name in wish.fresh:
        known = [step.name for step in resolved.order]
        if name not in known:
            raise UnknownStep(name=name, pipeline=resolved.name, known=known)
    return below(resolved, wish.fresh)


def _begin(app: App, asked: NewRun, wish: Wish) -> tuple[Run, bool]:
    """A new run, or the interrupted one when nothing that was asked for has changed since."""
    left = app.records.runs.unfinished(asked.model)
    if left and not wish.afresh and not wish.fresh and goes_on(left.asked, asked, wish):
        return left, True
    now = app.clock.now()
    if left:
        _give_up(app, left, now)
    return app.records.ledger.begin(asked, at=now), False


def _give_up(app: App, left: Run, now: datetime) -> None:
    """Close a run that nobody will finish. It is the newest, and we hold the model: its successor's name is known."""
    model = left.asked.model
    steps = tuple(app.records.runs.steps(model, left.number))
    outcome = Abandoned(by=f"{model}/{left.number + 1}")
    closed = RunFinished(model=model, run=left.number, finished=now, outcome=outcome, steps=steps)
    app.records.ledger.append(model, [closed], at=now)


def goes_on(left: NewRun, asked: NewRun, wish: Wish) -> bool:
    return (
        left.parameters == asked.parameters
        and left.seed == asked.seed
        and left.provenance.source.tree == asked.provenance.source.tree
        and left.provenance.environment == asked.provenance.environment
        and left.provenance.groups == asked.provenance.groups
        and (wish.as_of is None or wish.as_of == left.as_of)
    )


def _turn(
    app: App,
    policy: ModelPolicy,
    resolved: Resolved,
    plan: Plan,
    run: Run,
    wish: Wish,
    engine: Engine,
    listener: Listener,
    finished: list[StepResult],
    resumed: bool,
    ready: Prepareds,
    begun: Begun,
) -> Trained:
    from noria.pipeline.drive import drive

    outputs = drive(
        plan,
        run,
        pipeline=policy.pipeline,
        project=app.project,
        engine=engine,
        store=app.store,
        records=app.records,
        clock=app.clock,
        listener=listener,
        finished=finished,
        prepared=ready,
        fresh=fresh_steps(resolved, wish),
        inspect=inspector(app, policy, resolved, _told(listener), accept=wish.accept_data),
        code=begun.code,
    )
    candidate: Candidate | None = None
    if begun.whole is not None:
        listener.judging()
        look = split_inspector(app, policy, resolved, _told(listener), accept=wish.accept_data)
        candidate = make_candidate(
            app,
            policy,
            resolved,
            run,
            steps=finished,
            outputs=outputs,
            engine=engine,
            look=look,
            code=begun.whole,
        )
    then, held = _consequence(app, policy, wish, candidate)
    outcome = Succeeded(
        version=candidate.version.number if candidate else None,
        metrics=candidate.version.metrics if candidate else collected_metrics(app, resolved, outputs, None),
    )
    then = _finish_or_hold(app, run, finished, outcome, candidate, then)
    return _trained(run, finished, candidate, then, resumed, held)


def _trained(
    run: Run,
    finished: list[StepResult],
    candidate: Candidate | None,
    then: Sequence[Change],
    resumed: bool,
    held: str,
) -> Trained:
    return Trained(
        run=run,
        steps=tuple(finished),
        version=candidate.version if candidate else None,
        judgement=candidate.judgement if candidate else None,
        moved=next((change for change in then if isinstance(change, AliasMoved)), None),
        resumed=resumed,
        known=candidate.known if candidate else False,
        rollout=next((change.rollout for change in then if isinstance(change, RolloutStarted)), None),
        held=held,
    )


def _consequence(
    app: App, policy: ModelPolicy, wish: Wish, candidate: Candidate | None
) -> tuple[Sequence[Change], str]:
    """What follows from gates that were passed: the alias moves, or a rollout begins that may let it; and why neither."""
    moved = _promotion(app, policy, wish, candidate)
    if moved is None or candidate is None:
        return (), ""
    return consequence(app, candidate.version, moved)


def _promotion(app: App, policy: ModelPolicy, wish: Wish, candidate: Candidate | None) -> AliasMoved | None:
    if candidate is None or not wish.promote or policy.promotion != "automatic":
        return None
    if candidate.known or not candidate.judgement.passed:
        return None
    return move(
        app.records.versions.aliases(policy.name),
        model=policy.name,
        alias=CHAMPION,
        to=candidate.version.number,
        why="; ".join(f"{verdict.gate}: {verdict.why}" for verdict in candidate.judgement.verdicts)
        or "no gates",
        by="gates",
    )


def _finish_or_hold(
    app: App,
    run: Run,
    steps: list[StepResult],
    outcome: Outcome,
    candidate: Candidate | None,
    then: Sequence[Change],
) -> Sequence[Change]:
    """Finish, with what follows if anything does; returns it if it came about. Where a person has moved the champion
    since it was compared with, or another rollout is under way, the candidate is kept with its verdicts alone."""
    try:
        _finish(app, run, steps, outcome, candidate, then)
    except Conflict:
        if not then:
            raise
        _finish(app, run, steps, outcome, candidate)
        return ()
    return then


def _finish(
    app: App,
    run: Run,
    steps: list[StepResult],
    outcome: Outcome,
    candidate: Candidate | None = None,
    then: Sequence[Change] = (),
    before: Sequence[Change] = (),
) -> None:
    """The run's end and all that follows from it, in one transaction."""
    now = app.clock.now()
    model = run.asked.model
    changes: list[Change] = [*before]
    if candidate and not candidate.known:
        changes += [VersionRegistered(version=candidate.version), Judged(judgement=candidate.judgement)]
        changes += [Proved(proof=candidate.proof)] if candidate.proof else []
    changes += then
    changes.append(
        RunFinished(model=model, run=run.number, finished=now, outcome=outcome, steps=tuple(steps))
    )
    app.records.ledger.append(model, changes, at=now)


def _failure(error: Exception, plan: Plan, finished: list[StepResult]) -> Failed:
    log = getattr(error, "log", None) if isinstance(error, NoriaError) else None
    code = error.code if isinstance(error, NoriaError) else "BUG"
    return Failed(step=_failed_at(error, plan, finished), code=code, error=str(error), log=log or None)


def _failed_at(error: Exception, plan: Plan, finished: list[StepResult]) -> str:
    """The step that failed; where nobody says which, the first that had not finished, or the gates."""
    if isinstance(error, BadSplit):
        return error.step
    if isinstance(error, NoriaError) and error.at_step:
        return error.at_step
    done = {result.step for result in finished}
    return next((step.name for step in plan.order if step.name not in done), "gates")
