"""A run once more, from its record alone, in a clean folder."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from msgspec.structs import replace

from noria.app.environments.groups import Prepareds, prepared
from noria.artifacts.trees import materialise
from noria.declare import Resolved, resolve
from noria.errors import ConfigError, NotFound
from noria.graph.load import forget, load_pipeline
from noria.ports.engine import Engine
from noria.records.artifacts import Artifact
from noria.records.base import Digest
from noria.records.events import Change, Event
from noria.records.runs import Reused, Run, StepResult, Trigger

if TYPE_CHECKING:
    from noria.app.wiring import App
    from noria.pipeline.listen import Listener
    from noria.pipeline.plan import Plan


@dataclass(eq=False)
class DataGone(NotFound):
    code: ClassVar[str] = "PROOF-DATA-GONE"
    what: ClassVar[str] = "the data of {run} cannot be had any more: {missing}"
    next: ClassVar[str] = (
        "restore the objects from a backup; `noria gc` keeps those of versions that an alias names"
    )
    run: str
    missing: Sequence[str]


@dataclass(eq=False)
class CodeGone(NotFound):
    code: ClassVar[str] = "PROOF-CODE-GONE"
    what: ClassVar[str] = "the source tree of {run} (commit {commit}) is not in the object store any more"
    next: ClassVar[str] = (
        "restore the objects from a backup; `noria gc` keeps those of versions that an alias names"
    )
    run: str
    commit: str


@dataclass(eq=False)
class OtherParameters(ConfigError):
    code: ClassVar[str] = "PROOF-PARAMETERS"
    what: ClassVar[str] = (
        "the recorded code of {run} takes other hyperparameters than the record says: {difference}"
    )
    next: ClassVar[str] = "the record is at odds with itself: noria audit"
    run: str
    difference: str


@dataclass(frozen=True)
class Rebuilt:
    """What came of it; usable inside of the block alone."""

    root: Path
    """The clean folder with the recorded files."""
    pipeline: str
    """`module:name` in there."""
    resolved: Resolved
    plan: Plan
    run: Run
    outputs: Mapping[str, Artifact]
    results: Mapping[str, StepResult]
    threads: int
    prepared: Prepareds
    """Environments of single steps."""


@dataclass
class Nowhere:
    """Records of a rebuild: they are kept nowhere, and nothing is found in them, so that every step runs."""

    @property
    def ledger(self) -> Nowhere:
        return self

    @property
    def runs(self) -> Nowhere:
        return self

    def append(self, model: str, changes: Sequence[Change], *, at: datetime) -> Sequence[Event]:
        return ()

    def steps(self, model: str, number: int) -> Sequence[StepResult]:
        return ()

    def cached(self, model: str, fingerprint: Digest) -> tuple[StepResult, str] | None:
        return None

    def ahead(self, model: str, run: int) -> dict[Digest, tuple[StepResult, str]]:
        return {}

    def last(self, model: str, step: str) -> StepResult | None:
        return None


@contextmanager
def rebuilt(
    app: App, run: Run, pipeline: str, recorded: Mapping[str, StepResult], listener: Listener
) -> Iterator[Rebuilt]:
    """Lay the recorded files into a clean folder and run their pipeline there: the recorded parameters, seed, `as_of`
    and number of threads; data by its digest, since the outside world has moved on. Nothing is reused and nothing is
    recorded. Raises `CodeGone`, `DataGone`, and what a step raises.
    """
    forget(app.project)  # its modules may have the same names
    with (
        app.driving(f"a rebuild of {run.name}"),
        tempfile.TemporaryDirectory(prefix="noria-proof-") as folder,
    ):
        root = files_of(app, run, Path(folder))
        resolved = resolve(load_pipeline(root, pipeline))
        try:
            with prepared(app, run.asked.provenance.groups, listener, root) as ready:
                yield _rebuilt(app, run, pipeline, root, resolved, recorded, listener, ready)
        finally:
            forget(root)


def _rebuilt(
    app: App,
    run: Run,
    pipeline: str,
    root: Path,
    resolved: Resolved,
    recorded: Mapping[str, StepResult],
    listener: Listener,
    ready: Prepareds,
) -> Rebuilt:
    from noria.pipeline.drive import drive

    plan = _planned(resolved, run)
    results: list[StepResult] = []
    again = replace(run, asked=replace(run.asked, trigger=Trigger(kind="proof", cause=run.name)))
    with closing(engine(app, root, run)) as workers:
        outputs = drive(
            plan,
            again,
            pipeline=pipeline,
            project=root,
            engine=workers,
            store=app.store,
            records=Nowhere(),  # type: ignore[arg-type]  # the doors that a run needs, and no others
            clock=app.clock,
            listener=listener,
            finished=results,
            prepared=ready,
            given=recorded_data(app, run, resolved, recorded),
            watched=True,
        )
    by_name = {result.step: result for result in results}
    threads = run.asked.provenance.machine.threads
    return Rebuilt(root, pipeline, resolved, plan, again, outputs, by_name, threads, ready)


def engine(app: App, root: Path, run: Run) -> Engine:
    """Fresh workers on the clean folder, with as many threads as the record says."""
    return app.engine(root, project=root, threads=run.asked.provenance.machine.threads)


def files_of(app: App, run: Run, into: Path) -> Path:
    """Every file of a run's source tree. Raises `CodeGone`."""
    source = run.asked.provenance.source
    try:
        return materialise(source.tree, app.store, into)
    except NotFound as error:
        raise CodeGone(run=run.name, commit=source.commit) from error


def _planned(resolved: Resolved, run: Run) -> Plan:
    from noria.pipeline.plan import plan

    planned = plan(resolved, {}, run.asked.parameters)
    if planned.parameters != run.asked.parameters:
        missing = sorted(planned.parameters.keys() ^ run.asked.parameters.keys())
        raise OtherParameters(run=run.name, difference=", ".join(missing) or "other values")
    return planned


def recorded_data(
    app: App, run: Run, resolved: Resolved, recorded: Mapping[str, StepResult]
) -> dict[str, StepResult]:
    """The data steps' recorded results, which the rebuild reuses. Raises `DataGone`."""
    found = {
        step.name: replace(recorded[step.name], reason=Reused(run=run.name))
        for step in resolved.order
        if step.role == "data" and step.name in recorded
    }
    missing = [
        f"{name} ({digest})"
        for name, result in found.items()
        for artifact in result.outputs.values()
        for digest in _missing(app, artifact)
    ]
    if missing:
        raise DataGone(run=run.name, missing=missing)
    return found


def _missing(app: App, artifact: Artifact) -> list[Digest]:
    """What of an artifact is in the object store no more: of files, each one's bytes count."""
    if not app.store.has(artifact.digest):
        return [artifact.digest]
    return [digest for digest in app.artifacts.holds(artifact) if not app.store.has(digest)]
