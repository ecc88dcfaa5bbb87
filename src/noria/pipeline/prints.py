"""A run's fingerprints: for each item of each step, what decides its result."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from noria.declare import Cut, Step
from noria.pipeline.code import Code, Coded
from noria.pipeline.errors import NoGroup
from noria.pipeline.fingerprint import carried, fingerprint
from noria.pipeline.items import Item
from noria.pipeline.plan import Plan
from noria.pipeline.prepared import Prepared
from noria.records.artifacts import Artifact
from noria.records.base import Digest, digest_of
from noria.records.needs import Needs
from noria.records.runs import Fingerprint, NewRun

CUT = digest_of(["noria.Partition", 1])
"""Stands for the code that cuts tables; its number grows when that comes to give other parts."""


class Prints:
    """What the fingerprints of one run are made of. Outputs are told to it as they come."""

    def __init__(
        self,
        plan: Plan,
        asked: NewRun,
        project: Path,
        prepared: Mapping[str | None, Prepared],
        code: Code | None = None,
    ) -> None:
        self.outputs: dict[str, Artifact] = {}
        """All that is known so far, by output's name."""
        self._plan = plan
        self._asked = asked
        self._prepared = prepared
        self._code = code or Code(project)
        self._coded: dict[str, Coded] = {}
        self._makers: dict[str, Digest] = {}
        self._environments: dict[tuple[str | None, int], Digest] = {}

    def add(self, step: Step, outputs: Mapping[str, Artifact]) -> None:
        """Take in what a step made."""
        self.outputs.update(outputs)
        code = carried(self.coded(step), self.inputs(step), self._makers)
        self._makers.update(dict.fromkeys(outputs, code))

    def coded(self, step: Step) -> Coded:
        """Its code, and what the data's declaration makes Noria do with its inputs."""
        if step.name not in self._coded:
            spec = self._plan.resolved.data
            hides = step.role == "transform" or self._reads_transform(step)
            self._coded[step.name] = self._code.of(
                step, about=[spec.hidden, spec.attached] if hides else None
            )
        return self._coded[step.name]

    def rows_for(self, step: Step) -> Artifact | None:
        """The raw rows, where Noria puts columns of theirs beside a transform's output, or checks row by row."""
        request = self._plan.resolved.request
        if request is None or step.role == "data":
            return None
        needed = self._reads_transform(step) or step.role == "transform"
        return self.outputs[request.name] if needed else None

    def read(self, step: Step) -> dict[str, Artifact]:
        """What it reads; for a table that it takes part by part, the list of the parts."""
        found = {}
        for name in step.inputs:
            partition = step.partition(name)
            key = Cut(name, partition.by).name if partition else name
            if key in self.outputs:
                found[name] = self.outputs[key]
        return found

    def inputs(self, step: Step) -> dict[str, Artifact]:
        """What decides the result: what it reads, and the raw rows that Noria reads for it."""
        inputs = self.read(step)
        request, rows = self._plan.resolved.request, self.rows_for(step)
        if request and rows and step.role != "transform":  # a transform sees the rows only if it says so
            inputs.setdefault(request.name, rows)
        return inputs

    def of(self, item: Item) -> Fingerprint:
        step = item.step
        return fingerprint(
            step,
            coded=self.coded(step),
            inputs={**self.inputs(step), **item.inputs},
            makers=self._makers,
            parameters=self._plan.parameters.get(step.name, {}),
            environment=self._environment(step),
            seed=self._asked.seed,
        )

    def of_cut(self, cut: Cut) -> Fingerprint:
        table = {cut.table: self.outputs[cut.table].digest}
        rows = self.rows_of_cut(cut)
        spec = self._plan.resolved.data
        return Fingerprint(
            code=digest_of([CUT, spec.hidden, spec.attached]) if rows else CUT,
            inputs=table | ({"rows": rows.digest} if rows else {}),
            parameters={"by": list(cut.by)},
            environment=digest_of(["noria.Partition"]),
        )

    def rows_of_cut(self, cut: Cut) -> Artifact | None:
        """The raw rows, whose columns stand beside a transform's output that is cut."""
        resolved = self._plan.resolved
        request = resolved.request
        beside = request is not None and cut.table in resolved.rows and cut.table != request.name
        return self.outputs[request.name] if request and beside else None

    def needs(self, step: Step) -> Needs:
        """What an item of the step takes for itself: what is declared, else one core; the threads of a plain step are
        the run's, those of a fan-out one, for its items run side by side."""
        resources = step.running.resources
        mapped = bool(self._plan.resolved.fan_out.levels.get(step.name))
        usual = 1 if mapped else self._asked.provenance.machine.threads
        return Needs(
            cpus=resources.cpus or 1,
            gpus=resources.gpus,
            memory=resources.bytes,
            threads=resources.cpus or usual,
            pinned=resources.cpus is not None,
        )

    def python(self, step: Step) -> Path | None:
        """The interpreter of the step's environment; None: the engine's own."""
        return self._where(step).python

    def _where(self, step: Step) -> Prepared:
        group = step.running.environment
        if group is None:
            return self._prepared.get(None) or Prepared(None, self._asked.provenance.environment)
        if group not in self._prepared:
            known = [name for name in self._prepared if name]
            raise NoGroup(step=step.name, group=group, known=known or ["none"])
        return self._prepared[group]

    def _environment(self, step: Step) -> Digest:
        threads = self.needs(step).threads or 1
        key = (step.running.environment, threads)
        if key not in self._environments:
            self._environments[key] = digest_of(
                [self._where(step).environment, threads]
            )  # floats depend on both
        return self._environments[key]

    def _reads_transform(self, step: Step) -> bool:
        resolved = self._plan.resolved
        request = {resolved.request.name} if resolved.request else set()
        whole = {name for name in step.inputs if not step.depth(name)}
        return step.role != "data" and bool((resolved.rows & whole) - request)
