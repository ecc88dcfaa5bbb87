"""From a run's outputs to a judged candidate: signature, quality on the holdout, gates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from noria.app.overlap import Look
from noria.artifacts.unframed import moment_of
from noria.errors import ConfigError, StepFailed
from noria.gates.judge import judge
from noria.gates.paired import Paired, pair
from noria.pipeline.code import Code
from noria.ports.engine import Engine, ask
from noria.records.artifacts import Artifact
from noria.records.gates import Gate, Judgement, NoWorse, Reproducible
from noria.records.policy import ModelPolicy
from noria.records.proofs import Proof
from noria.records.runs import Run, StepResult
from noria.records.tasks import Answer, Answered, Quicken, Quickened, Score, Scored, Sign, Signed
from noria.records.versions import Quality, ServingGraph, Version
from noria.registry.build import build_version, same_as, serving_graph
from noria.registry.references import CHAMPION

if TYPE_CHECKING:
    from noria.app.wiring import App
    from noria.declare import Resolved


@dataclass(frozen=True)
class Candidate:
    """What a run made: a version, and what the gates say of it; `known` when the newest version is the same."""

    version: Version
    judgement: Judgement
    known: bool
    proof: Proof | None = None
    """Of a gate that asks for one."""


def make_candidate(
    app: App,
    policy: ModelPolicy,
    resolved: Resolved,
    run: Run,
    *,
    steps: Sequence[StepResult],
    outputs: Mapping[str, Artifact],
    engine: Engine,
    look: Look,
) -> Candidate:
    """Build a version out of finished steps, let `look` see it, and judge it. Appends nothing: all is committed at once."""
    model, parameters = run.asked.model, run.asked.parameters
    code = Code(app.project).of_all(resolved)
    graph = serving_graph(resolved, policy.pipeline, code, outputs, parameters)
    rows = outputs[graph.data]
    holdout = outputs[resolved.loss_spec.on] if resolved.loss_spec else None
    versions = app.records.versions.versions(model)
    newest = versions[0] if versions else None
    if newest and same_as(newest, graph=graph, rows=rows, holdout=holdout):
        judgements = app.records.versions.judgements(model, newest.number)
        if judgements:
            return Candidate(newest, judgements[0], known=True)
    signing = Sign(graph=graph, rows=rows, seed=run.asked.seed)
    signed = ask(engine, signing, Signed, meanwhile=lambda: look(outputs))
    fast = ask(engine, Quicken(graph=graph, rows=rows, keys=holdout), Quickened).fast
    quality = _holdout_quality(engine, resolved, graph, rows, outputs)
    version = build_version(
        run,
        number=(newest.number if newest else 0) + 1,
        now=app.clock.now(),
        resolved=resolved,
        graph=graph,
        signed=signed,
        fast=fast,
        steps=steps,
        outputs=outputs,
        metrics=collected_metrics(app, resolved, outputs, quality),
        quality=quality,
    )
    proof = _proof(app, policy, version, run, steps)
    return Candidate(version, judged(app, policy.gates, version, engine, proof), known=False, proof=proof)


def _proof(
    app: App, policy: ModelPolicy, version: Version, run: Run, steps: Sequence[StepResult]
) -> Proof | None:
    """The candidate rebuilt, where a gate asks for it."""
    if not any(isinstance(gate, Reproducible) for gate in policy.gates):
        return None
    from noria.app.proof.reproduce import prove
    from noria.pipeline.listen import Silent

    return prove(app, version, run, steps, Silent())


def collected_metrics(
    app: App, resolved: Resolved, outputs: Mapping[str, Artifact], quality: Quality | None
) -> dict[str, float]:
    """The figures of all metrics steps, and the mean loss under the loss's own name."""
    metrics: dict[str, float] = {}
    for step in resolved.order:
        if step.role == "metrics":
            values = app.artifacts.load(outputs[step.name])
            if isinstance(values, dict):
                metrics |= {name: float(value) for name, value in values.items()}
    if quality is not None:
        metrics[quality.loss] = quality.mean
    return metrics


def judged(
    app: App, gates: Sequence[Gate], version: Version, engine: Engine, proof: Proof | None = None
) -> Judgement:
    """Every gate's verdict on a version, against the aliases as they stand now."""
    aliases = app.records.versions.aliases(version.model)
    paired: dict[str, Paired | str | None] = {}
    for gate in gates:
        if isinstance(gate, NoWorse) and gate.than not in paired:
            number = aliases.get(gate.than)
            other = app.records.versions.version(version.model, number) if number else None
            paired[gate.than] = None if other is None else _paired(app, version, other, engine)
    attempts = _attempts(app, version, aliases.get(CHAMPION))
    return Judgement(
        model=version.model,
        version=version.number,
        champion=aliases.get(CHAMPION),
        judged=app.clock.now(),
        verdicts=judge(shared(gates, attempts), metrics=version.metrics, paired=paired, proof=proof),
    )


def _paired(app: App, candidate: Version, other: Version, engine: Engine) -> Paired | str:
    """The losses of both versions on the candidate's holdout, without rows that the other was trained on."""
    if candidate.quality is None or candidate.quality.losses is None:
        return "the pipeline has no loss"
    try:
        answered = _other_answers(app, candidate, other)
        scored = quality_of(engine, candidate.graph.pipeline, answered)
    except (ConfigError, StepFailed) as error:
        return f"{other.name} cannot be compared on these rows: {error}"
    if scored.losses is None:
        return f"{other.name} left no losses"
    return pair(
        app.artifacts.table(candidate.quality.losses),
        app.artifacts.table(scored.losses),
        key=candidate.signature.key,
        time=candidate.signature.time,
        left_out=answered.left_out,
        range=candidate.quality.range,
        other_name=other.name,
        block=app.model(candidate.model).monitor.block,
    )


def _other_answers(app: App, candidate: Version, other: Version) -> Answered:
    task = Answer(
        graph=other.graph, rows=candidate.rows, keys=candidate.holdout, seen=other.rows, kept=other.holdout
    )
    with closing(app.engine(app.code(other.code))) as engine:
        return ask(engine, task, Answered)


def _holdout_quality(
    engine: Engine, resolved: Resolved, graph: ServingGraph, rows: Artifact, outputs: Mapping[str, Artifact]
) -> Quality | None:
    spec = resolved.loss_spec
    if spec is None:
        return None
    answered = ask(engine, Answer(graph=graph, rows=rows, keys=outputs[spec.on]), Answered)
    return quality_of(engine, graph.pipeline, answered)


def quality_of(engine: Engine, pipeline: str, answered: Answered) -> Quality:
    """The loss of some answers, by the loss of the pipeline in the engine's own source tree."""
    task = Score(pipeline=pipeline, rows=answered.rows, answers=answered.answers, kind=answered.kind)
    return ask(engine, task, Scored).quality


def _attempts(app: App, candidate: Version, champion: int | None) -> int:
    """How many candidates this champion has met already on rows of which this one's holdout has some."""
    begins = _holdout_begins(app, candidate)
    return sum(
        judgement.champion == champion
        for version in app.records.versions.versions(candidate.model)
        if version.number not in (champion, candidate.number) and (begins is None or version.as_of > begins)
        for judgement in app.records.versions.judgements(candidate.model, version.number)
    )


def _holdout_begins(app: App, candidate: Version) -> datetime | None:
    """Event time of the holdout's first row; None where rows have no time."""
    time, quality = candidate.signature.time, candidate.quality
    if time is None or quality is None or quality.losses is None or not quality.rows:
        return None
    import pyarrow.compute as pc

    return moment_of(pc.min(app.artifacts.table(quality.losses).column(time)))


def shared(gates: Sequence[Gate], attempts: int) -> list[Gate]:
    """The k-th candidate that meets one champion on overlapping holdouts gets alpha / (k (k + 1)).

    Candidates whose holdouts hold a row in common overlap pairwise, so their k differ and their shares sum to less
    than alpha: on any stretch of data, all who were judged by it spend at most alpha together. Fresh data bring a
    fresh budget; over a champion's life the chance of one false pass is not bounded by alpha.
    """
    share = (attempts + 1) * (attempts + 2)
    return [
        NoWorse(metric=gate.metric, than=gate.than, margin=gate.margin, alpha=gate.alpha / share)
        if isinstance(gate, NoWorse)
        else gate
        for gate in gates
    ]
