"""One step once more, in this process, on what a past run gave it: for a debugger."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from noria.app.environments.groups import foreseen, groups
from noria.app.errors import UnknownStep
from noria.app.fit import check_fit
from noria.app.pages.words import pinned
from noria.app.read import find_run
from noria.errors import NotFound
from noria.inside.context import Inside, holding, performing
from noria.inside.recall import Recall
from noria.inside.spool import Spool
from noria.records.artifacts import Artifact
from noria.records.base import Digest, Json, Record
from noria.records.runs import DataSource, StepResult

if TYPE_CHECKING:
    from noria.app.wiring import App
    from noria.declare import Resolved, Step
    from noria.pipeline.items import Item
    from noria.pipeline.prints import Prints

Parameters = Mapping[str, Mapping[str, Json]]
Told = Callable[[str], None]
"""Hears, a line at a time, what a data step is given and what not."""

UNKEPT = frozenset({"clock", "chance", "unseeded", "environment", "unseen"})
"""Rules of `noria lint` about what a data step takes from around it and no record holds."""


@dataclass(eq=False)
class InputGone(NotFound):
    code: ClassVar[str] = "STEP-INPUT-GONE"
    what: ClassVar[str] = "run {run} does not have what step {step} reads: {missing}"
    next: ClassVar[str] = "name a run that got so far (noria runs), or run the pipeline: noria run"
    run: str
    step: str
    missing: Sequence[str]


class Output(Record, kw_only=True):
    """One output, beside the recorded one."""

    name: str
    made: Artifact
    recorded: Digest | None = None
    """None: the run did not get so far."""

    @property
    def same(self) -> bool:
        return self.recorded == self.made.digest


class Again(Record, kw_only=True):
    """A step that was run once more."""

    run: str
    step: str
    outputs: tuple[Output, ...]
    seconds: float


def again(app: App, model: str | None, run: str | None, step: str, told: Told = lambda line: None) -> Again:
    """Perform a step (`classifier`, or an item: `score[3]`) with the project's present code on the inputs that a run
    gave it (default: the newest), with that run's parameters, seed and `as_of`. A data step gets the files and
    snapshots that the run read through `noria.files` and its like. Records nothing. Raises what the step raises,
    `UnknownStep`, `UnknownRun`, `InputGone`, `SourceGone`, `SourceMoved`.
    """
    from noria.declare import resolve
    from noria.graph.load import load_pipeline
    from noria.pipeline.perform import perform
    from noria.pipeline.plan import plan
    from noria.pipeline.prints import Prints
    from noria.pipeline.task import task_of

    policy = app.model(model)
    resolved = resolve(load_pipeline(app.project, policy.pipeline))
    check_fit(policy, resolved)
    view = find_run(app, run or f"{policy.name}/last")
    results = {one.step: one for one in app.records.runs.steps(policy.name, view.run.number)}
    planned = plan(resolved, {}, _still_there(resolved, view.run.asked.parameters))
    prints = Prints(planned, view.run.asked, app.project, foreseen(groups(resolved, app.project, app.store)))
    for result in results.values():
        if "[" not in result.step:
            prints.outputs.update(result.outputs)
    item = item_of(app, resolved, prints, step, view.name)
    task = task_of(prints, resolved, view.run, policy.pipeline, item, prints.of(item))
    with holding(app.store), _reading(app, item.step, _recall(view.name, results.get(step), told)):
        _tell_given(app, item.step, view.name, results.get(step), told)
        done = perform(task, resolved, app.artifacts)
    outputs = [_beside(name, made, results.get(step)) for name, made in done.outputs.items()]
    return Again(run=view.name, step=step, outputs=tuple(outputs), seconds=done.seconds)


@contextmanager
def _reading(app: App, step: Step, recall: Recall) -> Iterator[None]:
    """Let a data step read outside what the run read there; other steps are as outside of a run."""
    if step.role != "data":
        yield
        return
    with tempfile.TemporaryDirectory(prefix="noria-again-") as folder:
        inside = Inside(
            run=recall.run,
            step=step.name,
            project=app.project,
            artifacts=app.artifacts,
            slots=app.slots,
            spool=Spool(Path(folder), step.name),
            door=app.outside,
            role=step.role,
            recall=recall,
        )
        with performing(inside):
            yield
            inside.settle()


def _recall(run: str, recorded: StepResult | None, told: Told) -> Recall:
    return Recall(
        run, _sources(recorded), lambda name: told(f"{name} was not read by {run}: it is read as it is now")
    )


def _sources(recorded: StepResult | None) -> tuple[DataSource, ...]:
    return recorded.data.sources if recorded and recorded.data else ()


def _tell_given(app: App, step: Step, run: str, recorded: StepResult | None, told: Told) -> None:
    """What a data step is given of the run's, and that the rest is as it is now."""
    from noria.pipeline.code import Code
    from noria.pipeline.lint import lint_step

    if step.role != "data":
        return
    for source in _sources(recorded):
        told(f"{step.name} reads what {run} read: {pinned(source)}")
    rest = "what else it reads" if _sources(recorded) else f"what {step.name} reads outside"
    told(f"{rest} (a database, the clock) is not recorded in {run}: it is as it is now")
    for found in lint_step(step, Code(app.project)):
        if found.rule in UNKEPT:
            told(f"  {found.where} {found.what}")


def group_of(app: App, model: str | None, step: str) -> str | None:
    """The environment that a step names, where the pipeline has such a step."""
    from noria.declare import resolve
    from noria.graph.load import load_pipeline

    resolved = resolve(load_pipeline(app.project, app.model(model).pipeline))
    named = {one.name: one.running.environment for one in resolved.order}
    return named.get(step.partition("[")[0])


def _still_there(resolved: Resolved, parameters: Parameters) -> dict[str, dict[str, Json]]:
    """The run's values for hyperparameters that the pipeline still has."""
    known = {step.name: step.parameters for step in resolved.order}
    return {
        step: {name: value for name, value in values.items() if name in known.get(step, {})}
        for step, values in parameters.items()
        if step in known
    }


def item_of(app: App, resolved: Resolved, prints: Prints, name: str, run: str) -> Item:
    """The step, or the item of it, that a name means, with its inputs."""
    from noria.artifacts.lists import items_of
    from noria.pipeline.items import expand, leaves
    from noria.pipeline.schedule import needs_of

    found = next((one for one in resolved.order if one.name == name.partition("[")[0]), None)
    if found is None:
        raise UnknownStep(name=name, pipeline=resolved.name, known=[one.name for one in resolved.order])
    read = prints.read(found)
    wanted = [one for one in found.inputs if one in resolved.maker]
    missing = [one for one in wanted if one not in read or not app.store.has(read[one].digest)]
    rows = resolved.request.name if resolved.request else None
    if rows in needs_of(resolved)[found.name] and rows not in prints.outputs:
        missing.append(str(rows))
    if missing:
        raise InputGone(run=run, step=name, missing=missing)
    items = {one.name: one for one in leaves(expand(found, read, lambda one: items_of(one, app.store)))}
    if name not in items:
        raise UnknownStep(name=name, pipeline=resolved.name, known=list(items))
    return items[name]


def _beside(name: str, made: Artifact, recorded: StepResult | None) -> Output:
    before = recorded.outputs.get(name) if recorded else None
    return Output(name=name, made=made, recorded=before.digest if before else None)
