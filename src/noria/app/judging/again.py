"""A version judged again: by today's gates, beside today's champion, on the data as they are today."""

from __future__ import annotations

from contextlib import ExitStack, closing
from typing import TYPE_CHECKING

from msgspec.structs import replace

from noria.app.fit import check_fit
from noria.app.gone import require_whole
from noria.app.judging.expecting import expectations_of
from noria.app.judging.gathered import Ground, own_ground, workers_of
from noria.app.judging.judged import Expecting, judged
from noria.app.judging.proven import asked_proof
from noria.app.promote import find_version
from noria.ports.engine import Engine, ask
from noria.records.events import Change, Judged, Proved
from noria.records.gates import Judgement
from noria.records.policy import ModelPolicy
from noria.records.runs import Run
from noria.records.tasks import RunStep, StepDone
from noria.records.versions import Version

if TYPE_CHECKING:
    from noria.app.wiring import App


def judge_again(app: App, text: str, *, as_recorded: bool = False, dry_run: bool = False) -> Judgement:
    """The judgement, appended to the version's chain unless it is a `dry_run`; it moves no alias.

    The version's own data step reads the outside world anew; where that gives the rows that it was trained with, its own
    holdout judges, and else all rows that it was not trained on: it is another look, with its own share of alpha.
    `as_recorded`: its own holdout in any case. Raises `UnknownVersion`, `VersionGone`, `PolicyMismatch` where today's gates
    do not fit the pipeline as it lies in the project, and what a step raises.
    """
    version = find_version(app, text)
    require_whole(app, version)
    policy = app.model(version.model)
    found = app.records.runs.run(version.model, version.run)
    if found is None:
        raise RuntimeError(f"{version.name} has no run")
    with ExitStack() as stack:
        stack.enter_context(app.driving(f"a judgement of {version.name}"))
        expecting = _expecting(app, policy, stack)
        proof = asked_proof(
            app, policy, version, found[0], app.records.runs.steps(version.model, version.run)
        )
        engine = stack.enter_context(workers_of(app, version))
        ground = own_ground(version) if as_recorded else _todays(app, version, found[0], engine)
        made = judged(app, policy, version, engine, proof=proof, expecting=expecting, ground=ground)
    judgement = replace(made, cause="asked")
    if not dry_run:
        changes: list[Change] = [Judged(judgement=judgement), *([Proved(proof=proof)] if proof else [])]
        app.records.ledger.append(version.model, changes, at=app.clock.now())
    return judgement


def _todays(app: App, version: Version, run: Run, engine: Engine) -> Ground:
    """What the version's data step reads now; its own rows where that is the same, or where rows have no key to tell which
    of them it was trained on."""
    if not version.signature.key:
        return own_ground(version)
    task = RunStep(
        pipeline=version.graph.pipeline,
        step=version.graph.data,
        inputs={},
        parameters=run.asked.parameters.get(version.graph.data, {}),
        as_of=app.clock.now(),
        seed=run.asked.seed,
        run=f"{run.name}-judged-again",
    )
    rows = ask(engine, task, StepDone).outputs[version.graph.data]
    if rows.digest == version.rows.digest:
        return own_ground(version)
    return Ground(rows=rows, keys=None, data=rows.digest)


def _expecting(app: App, policy: ModelPolicy, stack: ExitStack) -> Expecting:
    """What the pipeline expects as it lies in the project now. Raises `PolicyMismatch`."""
    from noria.declare import resolve
    from noria.graph.load import load_pipeline

    resolved = resolve(load_pipeline(app.project, policy.pipeline))
    check_fit(policy, resolved)
    return Expecting(expectations_of(resolved), policy.pipeline, stack.enter_context(closing(app.engine())))
