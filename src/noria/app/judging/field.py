"""Where a drill's candidates grow: a recorded run's code and data, its pipeline carried out again with other rows."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from msgspec.structs import replace

from noria.app.canary import BadData, inspector
from noria.app.candidate import collected_metrics, holdout_quality
from noria.app.environments.groups import Prepareds, prepared
from noria.app.judging.expecting import expectations_of
from noria.app.judging.gathered import workers_of
from noria.app.judging.judged import Expecting, judged
from noria.app.judging.plants import CannotPlant, Soil, Sown
from noria.app.proof.rebuild import Nowhere, recorded_data
from noria.declare import Resolved, resolve
from noria.graph.load import forget, load_pipeline
from noria.ports.engine import ask
from noria.records.artifacts import Artifact
from noria.records.base import Digest
from noria.records.gates import Cost, Gate, Judgement
from noria.records.policy import ModelPolicy
from noria.records.profiles import Finding
from noria.records.runs import Run, StepResult, Trigger
from noria.records.tasks import Sign, Signed
from noria.records.versions import Version
from noria.registry.build import build_version, serving_graph

if TYPE_CHECKING:
    import polars as pl

    from noria.app.wiring import App
    from noria.pipeline.listen import Listener
    from noria.pipeline.plan import Plan
    from noria.ports.engine import Engine


@dataclass(frozen=True)
class Grown:
    """A candidate with a fault."""

    version: Version
    """By the number of the version without it: so it has the same share of alpha, and that one's environment."""
    what: str = ""
    costs: bool = True
    """Whether latency and memory are asked for: a fault in the data leaves them as they are."""
    findings: Sequence[Finding] = ()
    """What the data checks found, that would have stopped the run, and not in the data without the fault."""


@dataclass
class Cached(Nowhere):
    """Records of a planted run: nothing is kept of it; a step that reads what it read before is reused."""

    app: App

    @property
    def runs(self) -> Cached:
        return self

    def cached(self, model: str, fingerprint: Digest) -> tuple[StepResult, str] | None:
        return self.app.records.runs.cached(model, fingerprint)


@dataclass
class Field:
    """One drill under way. For one thread."""

    version: Version
    """The newest one, without a fault."""
    what: str = field(default="", init=False)
    """What was planted last, for a candidate that never came to be."""
    app: App
    policy: ModelPolicy
    gates: Sequence[Gate]
    resolved: Resolved
    plan: Plan
    run: Run
    recorded: Mapping[str, StepResult]
    engine: Engine
    ready: Prepareds
    listener: Listener

    @cached_property
    def refused_anyway(self) -> Sequence[Finding]:
        """What the data checks refuse in the data without a fault: somebody accepted it, or limits have changed."""
        return self._checked(self.recorded[self.version.graph.data])

    def judge(self, grown: Grown) -> Judgement:
        """By the policy's gates as they are; where there is no champion, beside the version without a fault."""
        with self._workers(grown.version) as engine:
            expecting = Expecting(expectations_of(self.resolved), self.version.graph.pipeline, self.engine)
            return judged(
                self.app,
                self.policy,
                grown.version,
                engine,
                expecting=expecting,
                gates=self.gates
                if grown.costs
                else [gate for gate in self.gates if not isinstance(gate, Cost)],
                stand_in=self.version.number,
            )

    @contextmanager
    def _workers(self, version: Version) -> Iterator[Engine]:
        if version.code == self.version.code:
            yield self.engine
            return
        with workers_of(self.app, version) as engine:
            yield engine

    def with_code(self, version: Version, what: str) -> Grown:
        """A candidate whose source tree is another one, and whose answers are the same."""
        self.what = what
        return Grown(version, what)

    def with_outputs(self, made: Mapping[str, Artifact], what: str) -> Grown:
        """A candidate of which some steps gave other outputs."""
        self.what = what
        given: dict[str, StepResult] = {}
        for name, artifact in made.items():
            step = self.resolved.maker[name].name
            result = given.get(step, self.recorded[step])
            given[step] = replace(result, outputs={**result.outputs, name: artifact})
        outputs, steps = self._trained(given)
        return Grown(self._candidate(outputs, steps, self.version.rows), what, costs=False)

    def grow(self, name: str, sow: Callable[[Soil], Sown]) -> Grown:
        """A candidate that was trained on rows with a fault."""
        sown = sow(self._soil(name))
        self.what = sown.what
        data, findings = self._data(sown.rows)
        outputs, steps = self._trained({data.step: data})
        judging = self.version.rows if sown.judged_by is None else self._saved(sown.judged_by)
        version = self._candidate(outputs, steps, judging)
        return Grown(version, sown.what, costs=False, findings=findings)

    def _soil(self, name: str) -> Soil:
        import numpy as np
        import polars as pl

        from noria.profiles.leakage import telling

        if not self.version.rows.codec.startswith("arrow/"):
            raise CannotPlant(f"has data that are no table ({self.version.rows.codec})")
        spec, table = self.resolved.data, self.app.artifacts.table(self.version.rows)
        rows = pl.DataFrame(table)
        trains = np.ones(rows.height, dtype=bool)
        if self.version.holdout is not None:
            key = list(spec.key)
            held = pl.DataFrame(self.app.artifacts.table(self.version.holdout).select(key)).unique()
            joined = rows.select(key).join(
                held.with_columns(_held=True), on=key, how="left", nulls_equal=True, maintain_order="left"
            )
            trains = ~joined["_held"].fill_null(False).to_numpy()
        return Soil(
            rows=rows,
            trains=trains,
            spec=spec,
            telling=telling(table, spec.label, spec.hidden) if spec.label else {},
            random=np.random.default_rng([self.run.asked.seed, zlib.crc32(name.encode())]),
        )

    def _saved(self, rows: pl.DataFrame) -> Artifact:
        """As the data step's own output was: in the library that its readers get it in."""
        return replace(self.app.artifacts.save(rows), type=self.version.rows.type)

    def _data(self, rows: pl.DataFrame) -> tuple[StepResult, list[Finding]]:
        """The data step's result with other rows, and what the project's data checks say of it and not of the true ones."""
        from noria.pipeline.perform import profiled

        name = self.version.graph.data
        saved, before = self._saved(rows), self.recorded[name]
        data = replace(
            self.version.data,
            digest=saved.digest,
            rows=rows.height,
            profile=profiled(self.app.artifacts, saved, self.resolved.data),
        )
        result = replace(before, outputs={**before.outputs, name: saved}, data=data)
        known = {(one.check, one.column) for one in self.refused_anyway}
        return result, [one for one in self._checked(result) if (one.check, one.column) not in known]

    def _checked(self, result: StepResult) -> Sequence[Finding]:
        look = inspector(self.app, self.policy, self.resolved, lambda step, what: None, accept=False)
        try:
            look(result)
        except BadData as error:
            return error.findings
        return ()

    def _trained(self, planted: Mapping[str, StepResult]) -> tuple[dict[str, Artifact], list[StepResult]]:
        """The pipeline carried out with these results of some steps; what nothing of them reaches is reused."""
        from noria.pipeline.drive import drive

        steps: list[StepResult] = []
        given = recorded_data(self.app, self.run, self.resolved, self.recorded)
        outputs = drive(
            self.plan,
            self.run,
            pipeline=self.version.graph.pipeline,
            project=self.app.code(self.version.code),
            engine=self.engine,
            store=self.app.store,
            records=Cached(self.app),  # type: ignore[arg-type]  # the doors that a run needs, and no others
            clock=self.app.clock,
            listener=self.listener,
            finished=steps,
            prepared=self.ready,
            given={**given, **planted},
        )
        return outputs, steps

    def _candidate(
        self, outputs: Mapping[str, Artifact], steps: Sequence[StepResult], rows: Artifact
    ) -> Version:
        """The version that a run would have registered, whose holdout is answered on the rows that judge."""
        before, resolved = self.version, self.resolved
        code = before.graph.code or before.code
        graph = serving_graph(resolved, before.graph.pipeline, code, outputs, self.run.asked.parameters)
        judging = {**outputs, graph.data: rows}
        signed = ask(self.engine, Sign(graph=graph, rows=rows, seed=self.run.asked.seed), Signed)
        quality = holdout_quality(self.engine, resolved, graph, rows, judging)
        return build_version(
            self.run,
            number=before.number,
            now=self.app.clock.now(),
            resolved=resolved,
            graph=graph,
            signed=signed,
            steps=steps,
            outputs=judging,
            metrics=collected_metrics(self.app, resolved, outputs, quality),
            quality=quality,
        )


@contextmanager
def open_field(
    app: App, policy: ModelPolicy, version: Version, gates: Sequence[Gate], listener: Listener
) -> Iterator[Field]:
    """The version's run, its recorded files laid out and its pipeline imported. Raises what keeps them from being had."""
    from noria.pipeline.plan import plan

    found = app.records.runs.run(version.model, version.run)
    if found is None:
        raise RuntimeError(f"{version.name} has no run")
    run = found[0]
    root = app.code(version.code)
    recorded = {one.step: one for one in app.records.runs.steps(version.model, version.run)}
    forget(app.project)  # its modules may have the same names
    resolved = resolve(load_pipeline(root, version.graph.pipeline))
    again = replace(run, asked=replace(run.asked, trigger=Trigger(kind="drill", cause=run.name)))
    try:
        with (
            prepared(app, run.asked.provenance.groups, listener, root) as ready,
            closing(app.engine(root)) as engine,
        ):
            yield Field(
                version=version,
                app=app,
                policy=policy,
                gates=gates,
                resolved=resolved,
                plan=plan(resolved, {}, run.asked.parameters),
                run=again,
                recorded=recorded,
                engine=engine,
                ready=ready,
                listener=listener,
            )
    finally:
        forget(root)
