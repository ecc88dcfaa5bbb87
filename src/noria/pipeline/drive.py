"""A plan carried out: each step reused, kept or performed, and durable before the next one begins."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from noria.declare import Step
from noria.pipeline.code import Code, Coded
from noria.pipeline.fingerprint import ALWAYS_READ, carried, fingerprint, is_data, why
from noria.pipeline.plan import Plan
from noria.ports.clock import Clock
from noria.ports.engine import Engine
from noria.ports.objects import ObjectStore
from noria.ports.records import Ledger, RunRecords
from noria.records.artifacts import Artifact
from noria.records.base import Digest, digest_of
from noria.records.events import StepFinished
from noria.records.runs import Fingerprint, Ran, Reused, Run, StepResult
from noria.records.tasks import RunStep, StepDone


class Listener(Protocol):
    """Hears of a run while it goes on; can neither stop nor change it. Called on the driver's own thread."""

    def began(self, run: Run, plan: Plan, resumed: bool) -> None:
        """`resumed`: an interrupted run goes on."""
        ...

    def started(self, step: str, why: str) -> None:
        """A step is being executed."""
        ...

    def output(self, step: str, line: str) -> None:
        """A line that it printed, while it runs."""
        ...

    def finished(self, result: StepResult) -> None:
        """It was executed, and its result is durable."""
        ...

    def reused(self, result: StepResult) -> None:
        """It was not executed: another run's result serves, or this run's own from before it was interrupted."""
        ...

    def judging(self) -> None:
        """All steps are done; signature, quality and gates follow."""
        ...


class Silent:
    """A listener that says nothing."""

    def began(self, run: Run, plan: Plan, resumed: bool) -> None: ...
    def started(self, step: str, why: str) -> None: ...
    def output(self, step: str, line: str) -> None: ...
    def finished(self, result: StepResult) -> None: ...
    def reused(self, result: StepResult) -> None: ...
    def judging(self) -> None: ...


class Records(Protocol):
    """The doors that a run needs."""

    @property
    def ledger(self) -> Ledger: ...
    @property
    def runs(self) -> RunRecords: ...


def drive(
    plan: Plan,
    run: Run,
    *,
    pipeline: str,
    project: Path,
    engine: Engine,
    store: ObjectStore,
    records: Records,
    clock: Clock,
    listener: Listener,
    finished: list[StepResult],
) -> dict[str, Artifact]:
    """Carry out a run's steps in order; returns every output by name.

    `finished` grows as steps finish, so that the caller has them when a step fails. Raises what the engine raises.
    A result that this run recorded before it was interrupted is kept as it is, when its fingerprint still holds; a
    step that an earlier run executed under the same fingerprint is reused; data is always read.
    """
    turn = _Turn(plan, run, pipeline, project, engine, store, records, clock, listener)
    for step in plan.order:
        finished.append(turn.finish(step))
    return turn.outputs


class _Turn:
    """One run under way."""

    def __init__(
        self,
        plan: Plan,
        run: Run,
        pipeline: str,
        project: Path,
        engine: Engine,
        store: ObjectStore,
        records: Records,
        clock: Clock,
        listener: Listener,
    ) -> None:
        self.outputs: dict[str, Artifact] = {}
        self._plan = plan
        self._run = run
        self._pipeline = pipeline
        self._engine = engine
        self._store = store
        self._records = records
        self._clock = clock
        self._listener = listener
        self._code = Code(project)
        self._makers: dict[str, Digest] = {}
        pinned = run.asked.provenance
        self._environment = digest_of([pinned.environment, pinned.machine.threads])  # floats depend on both
        self._before = {result.step: result for result in records.runs.steps(run.asked.model, run.number)}

    def finish(self, step: Step) -> StepResult:
        """The step's result, by the cheapest way that gives it."""
        coded = self._coded(step)
        inputs = self._inputs(step)
        print_ = self._fingerprint(step, coded, inputs)
        result = self._kept(step, print_) or self._cached(step, print_)
        if result is not None:
            self._listener.reused(result)
        else:
            result = self._performed(step, coded, print_)
            self._listener.finished(result)
        self.outputs.update(result.outputs)
        self._makers.update(dict.fromkeys(result.outputs, carried(coded, inputs, self._makers)))
        return result

    def _coded(self, step: Step) -> Coded:
        """Its code, and what the data's declaration makes Noria do with its inputs."""
        spec = self._plan.resolved.data
        hides = step.role == "transform" or self._rows_for(step) is not None
        return self._code.of(step, about=[spec.hidden, spec.attached] if hides else None)

    def _rows_for(self, step: Step) -> Artifact | None:
        """The raw rows, where Noria puts columns of theirs beside a transform's output, or checks row by row."""
        resolved = self._plan.resolved
        request = resolved.request
        if request is None or step.role == "data":
            return None
        transforms = (resolved.rows & set(step.inputs)) - {request.name}
        return self.outputs[request.name] if transforms or step.role == "transform" else None

    def _inputs(self, step: Step) -> dict[str, Artifact]:
        """What decides the result: what it reads, and the raw rows that Noria reads for it."""
        inputs = self._read(step)
        request, rows = self._plan.resolved.request, self._rows_for(step)
        if request and rows and step.role != "transform":  # a transform sees the rows only if it says so
            inputs.setdefault(request.name, rows)
        return inputs

    def _read(self, step: Step) -> dict[str, Artifact]:
        return {name: self.outputs[name] for name in step.inputs if name in self.outputs}

    def _fingerprint(self, step: Step, coded: Coded, inputs: Mapping[str, Artifact]) -> Fingerprint:
        return fingerprint(
            step,
            coded=coded,
            inputs=inputs,
            makers=self._makers,
            parameters=self._plan.parameters.get(step.name, {}),
            environment=self._environment,
            seed=self._run.asked.seed,
        )

    def _kept(self, step: Step, now: Fingerprint) -> StepResult | None:
        """This run's own result from before it was interrupted."""
        result = self._before.get(step.name)
        return result if result and result.fingerprint == now and self._there(result) else None

    def _cached(self, step: Step, now: Fingerprint) -> StepResult | None:
        """Another run's result, as this run records it."""
        if step.role == "data":
            return None
        started = time.perf_counter()
        found = self._records.runs.cached(self._run.asked.model, digest_of(now))
        if found is None or not self._there(found[0]):
            return None
        result, source = found
        return StepResult(
            step=step.name,
            role=step.role,
            fingerprint=now,
            outputs=result.outputs,
            reason=Reused(run=source),
            started=self._clock.now(),
            seconds=time.perf_counter() - started,
            log=result.log,
            notes=result.notes,
        )

    def _there(self, result: StepResult) -> bool:
        """Whether its outputs are all in the store, with what their bytes name."""
        return all(self._whole(artifact) for artifact in result.outputs.values())

    def _whole(self, artifact: Artifact) -> bool:
        if not self._store.has(artifact.digest):
            return False
        if is_data(artifact) and not artifact.codec.startswith("path"):
            return True
        from noria.artifacts import Artifacts

        return all(self._store.has(digest) for digest in Artifacts(self._store).holds(artifact))

    def _performed(self, step: Step, coded: Coded, now: Fingerprint) -> StepResult:
        model = self._run.asked.model
        reason = ALWAYS_READ if step.role == "data" else why(self._records.runs.last(model, step.name), now)
        self._listener.started(step.name, reason)
        started = self._clock.now()
        task = RunStep(
            pipeline=self._pipeline,
            step=step.name,
            inputs=self._read(step),
            rows=self._rows_for(step),
            parameters=now.parameters,
            as_of=self._run.asked.as_of,
            seed=self._run.asked.seed,
        )
        done = self._engine.perform(task, on_output=lambda line: self._listener.output(step.name, line))
        if not isinstance(done, StepDone):
            raise TypeError(f"a worker answered {type(done).__name__} to step {step.name}")
        result = StepResult(
            step=step.name,
            role=step.role,
            fingerprint=now,
            outputs=done.outputs,
            reason=Ran(why=reason),
            started=started,
            seconds=done.seconds,
            log=done.log,
            data=done.data,
            notes=(*coded.notes, *done.notes),
        )
        finished = StepFinished(model=model, run=self._run.number, result=result)
        self._records.ledger.append(model, [finished], at=self._clock.now())
        return result
