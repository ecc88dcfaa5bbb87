"""From a run's outputs to a judged candidate: signature, quality on the holdout, gates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from noria.app.judging.expecting import expectations_of
from noria.app.judging.gathered import quality_of
from noria.app.judging.judged import Expecting, judged
from noria.app.judging.proven import asked_proof
from noria.app.overlap import Look
from noria.ports.engine import Engine, ask
from noria.records.artifacts import Artifact
from noria.records.base import Digest
from noria.records.gates import Judgement
from noria.records.policy import ModelPolicy
from noria.records.proofs import Proof
from noria.records.runs import Run, StepResult
from noria.records.tasks import Answer, Answered, Quicken, Quickened, Sign, Signed
from noria.records.versions import Quality, ServingGraph, Version
from noria.registry.build import build_version, same_as, serving_graph

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
    code: Digest,
) -> Candidate:
    """Build a version out of finished steps, let `look` see it, and judge it. Appends nothing: all is committed at once.
    `code`: of the whole pipeline, as it was when the run began."""
    model, parameters = run.asked.model, run.asked.parameters
    graph = serving_graph(resolved, policy.pipeline, code, outputs, parameters)
    rows = outputs[graph.data]
    holdout = outputs[resolved.loss_spec.on] if resolved.loss_spec else None
    versions = app.records.versions.versions(model)
    newest = versions[0] if versions else None
    if newest and same_as(newest, graph=graph, rows=rows, holdout=holdout):
        judgements = app.records.versions.judgements(model, newest.number)
        if judgements:
            return Candidate(newest, judgements[0], known=True)
    signed = ask(engine, Sign(graph=graph, rows=rows, seed=run.asked.seed), Signed)
    quicken = Quicken(graph=graph, rows=rows, keys=holdout)
    fast = ask(engine, quicken, Quickened, meanwhile=lambda: look(outputs)).fast
    quality = holdout_quality(engine, resolved, graph, rows, outputs)
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
    proof = asked_proof(app, policy, version, run, steps)
    expecting = Expecting(expectations_of(resolved), policy.pipeline, engine)
    judgement = judged(app, policy, version, engine, proof=proof, expecting=expecting)
    return Candidate(version, judgement, known=False, proof=proof)


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


def holdout_quality(
    engine: Engine, resolved: Resolved, graph: ServingGraph, rows: Artifact, outputs: Mapping[str, Artifact]
) -> Quality | None:
    """The loss on the holdout; None for a pipeline without one."""
    spec = resolved.loss_spec
    if spec is None:
        return None
    answered = ask(engine, Answer(graph=graph, rows=rows, keys=outputs[spec.on]), Answered)
    return quality_of(engine, graph.pipeline, answered)
