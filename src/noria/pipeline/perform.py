"""In a worker: one step, from its stored inputs to its stored outputs."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from noria.artifacts.artifacts import Artifacts
from noria.artifacts.codec import CannotStore
from noria.artifacts.filed import Files
from noria.artifacts.kinds import kind_wanted
from noria.artifacts.lists import save_list
from noria.artifacts.tables import as_kind, is_table, row_count
from noria.artifacts.unstored import Unstored
from noria.declare import DataSpec, Resolved, Step, StepSpec
from noria.graph.answer import apply
from noria.graph.columns import require_carried
from noria.graph.rows import beside, visible
from noria.pipeline.alone import check_alone
from noria.pipeline.data import Read, checked
from noria.pipeline.errors import BadFinding, BadMetrics, CheckFailed, DataShape, NoItems, WrongOutputs
from noria.pipeline.seeds import seed_generators, seed_of
from noria.records.artifacts import Artifact
from noria.records.base import Digest, canonical
from noria.records.runs import DataVersion
from noria.records.tasks import RunStep, StepDone

if TYPE_CHECKING:
    import pyarrow as pa


AS_OF = "as_of"
MUTATED = "it changes what it reads:"  # the beginning of a note, and the name of the input after it


@dataclass(frozen=True)
class _Work:
    """A task with everything that it names."""

    task: RunStep
    step: Step
    resolved: Resolved
    artifacts: Artifacts
    found: list[str] = field(default_factory=list)
    """Notes on what the step did beside its result."""

    @property
    def parameters(self) -> dict[str, Any]:
        return {**self.step.parameters, **self.task.parameters}

    @property
    def seed(self) -> int:
        """Each item of a fan-out has its own, by its content: an item keeps its result when its place changes."""
        mapped = sorted(name for name in self.task.inputs if self.step.depth(name)) if self.task.item else []
        return seed_of(
            self.task.seed, "/".join([self.step.name, *(self.task.inputs[name].digest for name in mapped)])
        )


def perform(task: RunStep, resolved: Resolved, artifacts: Artifacts) -> StepDone:
    """Run a step of any role. Raises what the user's code raises, and a `StepFailed` for what it may not give."""
    step = next(step for step in resolved.order if step.name == task.step)
    work = _Work(task, step, resolved, artifacts)
    started = time.perf_counter()
    seed_generators(work.seed)
    done = _ROLES.get(step.role, _plain)(work)
    notes = [
        *done.notes,
        *work.found,
        *(
            f"{name} is a {it.codec.partition('/')[0]}: reading it runs code"
            for name, it in done.outputs.items()
            if it.unsafe
        ),
    ]
    return StepDone(
        outputs=done.outputs, seconds=time.perf_counter() - started, data=done.data, notes=tuple(notes)
    )


@dataclass(frozen=True)
class _Done:
    outputs: dict[str, Artifact]
    data: DataVersion | None = None
    notes: tuple[str, ...] = ()


def _data(work: _Work) -> _Done:
    step, spec = work.step, work.step.spec
    asked = {AS_OF: work.task.as_of} if AS_OF in step.inputs else {}
    value = step.function(**asked, **work.parameters)
    if not isinstance(spec, DataSpec):
        raise TypeError(f"{step.where} is a data step without a data spec")
    if is_table(value):
        read = checked(value, step, spec, work.task.as_of)
    elif spec == DataSpec() and (
        step is not work.resolved.request or (isinstance(value, Files) and not _asks(work.resolved))
    ):
        read = Read(value, dropped=0, first=None, last=None)
    else:
        raise DataShape(step=step.name, type=type(value).__name__)
    outputs = _stored(work, read.value)
    stored = outputs[step.name]
    if step is work.resolved.request and work.resolved.predict is not None:
        require_carried(visible(work.artifacts.table(stored), spec).schema)
    version = DataVersion(
        digest=stored.digest,
        rows=stored.rows or 0,
        dropped=read.dropped,
        columns=stored.columns,
        first=read.first,
        last=read.last,
        profile=_outline(work, stored) if stored.codec.startswith("arrow/") else None,
        files=len(value) if isinstance(value, Files) else None,
    )
    return _Done(outputs, data=version)


def _asks(resolved: Resolved) -> bool:
    """Whether anything takes the request's rows one by one."""
    return resolved.predict is not None or len(resolved.rows) > 1


def _outline(work: _Work, stored: Artifact) -> Digest:
    spec = work.resolved.data if work.step is work.resolved.request else DataSpec()
    return profiled(work.artifacts, stored, spec)


def profiled(artifacts: Artifacts, stored: Artifact, spec: DataSpec) -> Digest:
    """Store the outline of what was read, as it was stored: where its digest leads."""
    from noria.profiles import profile

    hidden = {*spec.hidden, *spec.key, *filter(None, [spec.time])}
    return artifacts.store.put(canonical(profile(artifacts.table(stored), label=spec.label, hidden=hidden)))


def _transform(work: _Work) -> _Done:
    step, spec = work.step, work.resolved.data
    rows = {name: _row_table(work, name) for name in step.inputs if name in work.resolved.rows}
    others = {name: _loaded(work, name) for name in step.inputs if name not in work.resolved.rows}
    count = next(iter(rows.values())).num_rows
    together = {name: _as_asked(work, name, table) for name, table in rows.items()}
    made = apply(step, {**together, **others}, count, work.parameters)
    raw = work.artifacts.table(work.task.rows) if work.task.rows else None
    keys = raw.select(list(spec.key)) if raw is not None and spec.key else None
    note = check_alone(
        step, rows=rows, others=others, parameters=work.parameters, made=made, keys=keys, seed=work.seed
    )
    return _Done(_stored(work, made), notes=(note,) if note else ())


def _check(work: _Work) -> _Done:
    found = _called(work)
    findings: Sequence[Any] = [] if found is None else [found] if isinstance(found, str) else found
    if not isinstance(findings, list | tuple) or not all(isinstance(one, str) for one in findings):
        raise BadFinding(step=work.step.name, type=type(found).__name__)
    if findings:
        raise CheckFailed(step=work.step.name, findings=findings)
    return _Done(_stored(work, None))


def _metrics(work: _Work) -> _Done:
    found = _called(work)
    if not isinstance(found, dict):
        raise BadMetrics(step=work.step.name, problem=f"gave a {type(found).__name__}")
    return _Done(_stored(work, {str(name): _number(work.step, name, value) for name, value in found.items()}))


def _plain(work: _Work) -> _Done:
    return _Done(_stored(work, _called(work)))


_ROLES: Mapping[str, Callable[[_Work], _Done]] = {
    "data": _data,
    "transform": _transform,
    "check": _check,
    "metrics": _metrics,
}


def _called(work: _Work) -> Any:
    inputs = {name: _seen(work, name) for name in work.step.inputs}
    if not work.task.watched:
        return work.step.function(**inputs, **work.parameters)
    before = _digests(work, inputs)
    value = work.step.function(**inputs, **work.parameters)
    changed = [name for name, digest in _digests(work, inputs).items() if before[name] != digest]
    work.found.extend(f"{MUTATED} {name}" for name in changed)
    return value


def _digests(work: _Work, inputs: Mapping[str, Any]) -> dict[str, str]:
    """What the inputs are at this moment, by the bytes that they would be stored as. A list gathered of items that have
    no safe form is not looked at."""
    shelf = Artifacts(Unstored(work.artifacts.store), digests_only=True)
    digests: dict[str, str] = {}
    for name, value in inputs.items():
        stored = work.task.inputs[name]
        if not stored.unsafe:
            digests[name] = shelf.save(value).digest
        elif not stored.codec.startswith("list/"):
            digests[name] = shelf.save(value, codec=stored.codec).digest
    return digests


def _seen(work: _Work, name: str) -> Any:
    """An input as steps other than transforms see it: a transform's rows with key, time, label and outcomes."""
    resolved, raw = work.resolved, work.task.rows
    request = resolved.request.name if resolved.request else None
    if name not in resolved.rows or name == request or raw is None or work.step.depth(name):
        return _loaded(work, name)
    output = work.artifacts.table(work.task.inputs[name])
    return _as_asked(work, name, beside(output, work.artifacts.table(raw), resolved.data))


def _row_table(work: _Work, name: str) -> pa.Table:
    """An input as a transform sees it: the request without what nobody knows yet."""
    table = work.artifacts.table(work.task.inputs[name])
    request = work.resolved.request
    return visible(table, work.resolved.data) if request and name == request.name else table


def _loaded(work: _Work, name: str) -> Any:
    return work.artifacts.load(work.task.inputs[name], work.step.wanted(name))


def _as_asked(work: _Work, name: str, table: pa.Table) -> Any:
    """In the library that the annotation names, or else in the one that the table was made with."""
    return as_kind(table, kind_wanted(work.step.wanted(name)) or work.task.inputs[name].type)


def _stored(work: _Work, value: Any) -> dict[str, Artifact]:
    step = work.step
    codec = step.spec.codec if isinstance(step.spec, StepSpec) else None
    values = {step.name: value} if step.outputs == (step.name,) else _parted(step, value)
    outputs: dict[str, Artifact] = {}
    for name, part in values.items():
        try:
            outputs[name] = _saved(work, part, codec, work.task.spread.get(name, 0))
        except CannotStore as error:
            error.where = ", ".join(filter(None, [f"output {name} of {step.where}", error.where]))
            raise
    return outputs


def _saved(work: _Work, value: Any, codec: str | None, lists: int) -> Artifact:
    """One output; where later steps read it item by item, so many lists deep, each item on its own."""
    if not lists:
        return work.artifacts.save(value, codec=codec)
    if not isinstance(value, list | tuple):
        raise NoItems(step=work.step.name, type=type(value).__name__)
    return save_list([_saved(work, item, codec, lists - 1) for item in value], work.artifacts.store)


def _parted(step: Step, value: Any) -> dict[str, Any]:
    several = isinstance(value, tuple | list)  # a list is what train_test_split gives
    if several and len(value) == len(step.outputs):
        return dict(zip(step.outputs, value, strict=True))
    made = f"a {type(value).__name__} of {len(value)}" if several else f"a {type(value).__name__}"
    if is_table(value):
        made += f" of {row_count(value)} rows"
    raise WrongOutputs(step=step.name, count=len(step.outputs), outputs=step.outputs, made=made)


def _number(step: Step, name: Any, value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError) as error:
        raise BadMetrics(step=step.name, problem=f"gave {name} a {type(value).__name__}") from error
    if not math.isfinite(number):
        raise BadMetrics(step=step.name, problem=f"gave {name} the value {number}")
    return number
