"""A version out of what a run froze."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from noria.declare import Resolved
from noria.records.artifacts import Artifact
from noria.records.base import Digest, Json
from noria.records.fast import FastPath
from noria.records.runs import Run, StepResult
from noria.records.tasks import Signed
from noria.records.versions import Quality, ServingGraph, Version


def serving_graph(
    resolved: Resolved,
    pipeline: str,
    code: Digest,
    outputs: Mapping[str, Artifact],
    parameters: Mapping[str, Mapping[str, Json]],
) -> ServingGraph:
    """The graph that a service needs: transforms and predict by name, everything else by digest."""
    if resolved.predict is None or resolved.request is None:
        raise ValueError(f"pipeline {resolved.name} answers nothing")
    served = (*resolved.served(), resolved.predict)
    return ServingGraph(
        pipeline=pipeline,
        data=resolved.request.name,
        transforms=tuple(step.name for step in resolved.served()),
        predict=resolved.predict.name,
        frozen={name: outputs[name] for name in resolved.frozen()},
        code=code,
        parameters={step.name: dict(parameters[step.name]) for step in served if parameters.get(step.name)},
    )


def build_version(
    run: Run,
    *,
    number: int,
    now: datetime,
    resolved: Resolved,
    graph: ServingGraph,
    signed: Signed,
    steps: Iterable[StepResult],
    outputs: Mapping[str, Artifact],
    metrics: Mapping[str, float],
    quality: Quality | None,
    fast: FastPath | None = None,
) -> Version:
    """The record of a version, its provenance taken from its run."""
    data = next(result.data for result in steps if result.step == graph.data)
    if data is None:
        raise ValueError(f"{graph.data} left no data version")
    spec = resolved.loss_spec
    asked = run.asked
    return Version(
        model=asked.model,
        number=number,
        run=run.number,
        created=now,
        as_of=asked.as_of,
        graph=graph,
        signature=signed.signature,
        source=asked.provenance.source,
        environment=asked.provenance.environment,
        data=data,
        rows=outputs[graph.data],
        holdout=outputs[spec.on] if spec else None,
        label=resolved.data.label,
        metrics=dict(metrics),
        quality=quality,
        fast=fast,
        label_delay=signed.label_delay,
    )


def same_as(version: Version, *, graph: ServingGraph, rows: Artifact, holdout: Artifact | None) -> bool:
    """Whether a new version would answer and be judged as this one: the same code reached, the same frozen outputs,
    the same data. Another README or comment makes no version."""
    return version.graph == graph and version.rows == rows and version.holdout == holdout
