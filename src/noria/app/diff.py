"""What differs between two runs: code, data, environment, parameters, and so steps and metrics."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from noria.app.environments.packages import Packages, packages
from noria.app.promote import find_version
from noria.app.read import RunView, find_run
from noria.app.sources import SourceChange, diff_sources
from noria.records.artifacts import Column
from noria.records.base import Digest, Json, Record, parse
from noria.records.runs import DataVersion, Run, StepResult, Succeeded
from noria.records.sources import Environment, Tree
from noria.source.locks import LOCKS

if TYPE_CHECKING:
    from noria.app.wiring import App

LARGEST = 400_000  # bytes of a file whose lines are compared: difflib takes seconds beyond


class FileChange(Record, kw_only=True):
    """A file that one tree has otherwise, or has not."""

    path: str
    kind: Literal["added", "removed", "changed"]
    diff: str = ""
    """Unified; empty for what is no text, is a lock file, or is too large."""


class Change(Record, kw_only=True):
    """A named value on both sides; None where it is absent."""

    name: str
    a: Json = None
    b: Json = None


class DataChange(Record, kw_only=True):
    """A data step's output on both sides."""

    step: str
    same: bool
    a: DataVersion | None = None
    b: DataVersion | None = None
    columns: tuple[Change, ...] = ()
    """Types of columns that came, went or changed."""
    sources: tuple[SourceChange, ...] = ()
    """What was read outside, and which files of it differ."""


class StepChange(Record, kw_only=True):
    """Why a step's outputs differ, and whether they do."""

    step: str
    because: tuple[str, ...]
    """`code`, `input NAME`, `parameter NAME`, `environment`, `seed`, `the data outside`; `added` or `removed`."""
    outputs: tuple[Change, ...] = ()
    """Digests of the outputs that differ."""


class Diff(Record, kw_only=True):
    """Two runs side by side; each part holds only what differs."""

    a: RunView
    b: RunView
    code: tuple[FileChange, ...] = ()
    data: tuple[DataChange, ...] = ()
    environment: tuple[Change, ...] = ()
    packages: tuple[Change, ...] = ()
    """By name and version, where the lists of both are kept."""
    parameters: tuple[Change, ...] = ()
    metrics: tuple[Change, ...] = ()
    steps: tuple[StepChange, ...] = ()


def diff(app: App, a: str, b: str) -> Diff:
    """Compare two runs, or two versions by the runs that made them. Raises what `find_run` and `find_version` do."""
    left, right = _run_of(app, a), _run_of(app, b)
    sources = left.run.asked.provenance.source, right.run.asked.provenance.source
    trees = _files(app, sources[0].tree), _files(app, sources[1].tree)
    places = left.run.asked.provenance.environment, right.run.asked.provenance.environment
    steps = _steps(app, left), _steps(app, right)
    return Diff(
        a=left,
        b=right,
        code=_code(app, *trees),
        data=_data(app, *steps),
        environment=_environment(*places),
        packages=_packages(app, left.run, right.run),
        parameters=_changes(_flat(left.run.asked.parameters), _flat(right.run.asked.parameters)),
        metrics=_changes(_metrics(left), _metrics(right)),
        steps=_step_changes(*steps),
    )


def _run_of(app: App, text: str) -> RunView:
    if "/" in text:
        return find_run(app, text)
    version = find_version(app, text)
    return find_run(app, f"{version.model}/{version.run}")


def _files(app: App, tree: Digest) -> dict[str, Digest]:
    return {file.path: file.digest for file in parse(app.store.get(tree), Tree).files}


def _steps(app: App, view: RunView) -> dict[str, StepResult]:
    found = app.records.runs.steps(view.run.asked.model, view.run.number)
    return {result.step: result for result in found}


def _code(app: App, a: Mapping[str, Digest], b: Mapping[str, Digest]) -> tuple[FileChange, ...]:
    changes: list[FileChange] = []
    for path in sorted(a.keys() | b.keys()):
        if a.get(path) == b.get(path):
            continue
        kind: Literal["added", "removed", "changed"] = (
            "added" if path not in a else "removed" if path not in b else "changed"
        )
        changes.append(FileChange(path=path, kind=kind, diff=_unified(app, path, a.get(path), b.get(path))))
    return tuple(changes)


def _unified(app: App, path: str, a: Digest | None, b: Digest | None) -> str:
    left, right = _lines(app, a), _lines(app, b)
    if path in LOCKS or left is None or right is None:
        return ""
    names = f"a/{path}" if a else "/dev/null", f"b/{path}" if b else "/dev/null"
    return "\n".join(difflib.unified_diff(left, right, *names, lineterm=""))


def _lines(app: App, digest: Digest | None) -> list[str] | None:
    """A file's lines; None for what is no text or too large, an empty list for a file that is not there."""
    content = app.store.get(digest) if digest else b""
    if len(content) > LARGEST or b"\0" in content:
        return None
    try:
        return content.decode().splitlines()
    except UnicodeDecodeError:
        return None


def _data(app: App, a: Mapping[str, StepResult], b: Mapping[str, StepResult]) -> tuple[DataChange, ...]:
    names = dict.fromkeys(name for name, step in (*a.items(), *b.items()) if step.data is not None)
    changes = []
    for name in names:
        left = a[name].data if name in a else None
        right = b[name].data if name in b else None
        changes.append(
            DataChange(
                step=name,
                same=bool(left and right and left.digest == right.digest),
                a=left,
                b=right,
                columns=_changes(_types(left), _types(right)) if left and right else (),
                sources=diff_sources(app, left, right),
            )
        )
    return tuple(changes)


def _types(data: DataVersion) -> dict[str, Json]:
    return {column.name: _type(column) for column in data.columns}


def _type(column: Column) -> str:
    return column.type if column.nullable else f"{column.type} not null"


def _environment(a: Environment, b: Environment) -> tuple[Change, ...]:
    return _changes(_facts(a), _facts(b))


def _facts(place: Environment) -> dict[str, Json]:
    return {name: getattr(place, name) for name in place.__struct_fields__}


def _packages(app: App, a: Run, b: Run) -> tuple[Change, ...]:
    places = a.asked.provenance.environment, b.asked.provenance.environment
    if places[0].packages == places[1].packages and places[0].beside == places[1].beside:
        return ()
    left, right = (
        packages(app, run.asked.provenance.environment, run.asked.provenance.source.tree) for run in (a, b)
    )
    if left is None or right is None:
        return ()
    return _changes(_versions(left), _versions(right))


def _versions(found: Packages) -> dict[str, Json]:
    return {name: version or "pinned by hash" for name, (version, _) in found.items()}


def _flat(parameters: Mapping[str, Mapping[str, Json]]) -> dict[str, Json]:
    return {f"{step}.{name}": value for step, values in parameters.items() for name, value in values.items()}


def _metrics(view: RunView) -> dict[str, Json]:
    return dict(view.outcome.metrics) if isinstance(view.outcome, Succeeded) else {}


def _step_changes(a: Mapping[str, StepResult], b: Mapping[str, StepResult]) -> tuple[StepChange, ...]:
    changes: list[StepChange] = []
    for name in dict.fromkeys((*a, *b)):
        if name not in b or name not in a:
            changes.append(StepChange(step=name, because=("added" if name in b else "removed",)))
            continue
        because, outputs = _because(a[name], b[name]), _changes(_outputs(a[name]), _outputs(b[name]))
        if because or outputs:
            changes.append(StepChange(step=name, because=because, outputs=outputs))
    return tuple(changes)


def _because(a: StepResult, b: StepResult) -> tuple[str, ...]:
    left, right = a.fingerprint, b.fingerprint
    reasons = ["code"] if left.code != right.code else []
    reasons += [f"input {change.name}" for change in _changes(left.inputs, right.inputs)]
    reasons += [f"parameter {change.name}" for change in _changes(left.parameters, right.parameters)]
    reasons += ["environment"] if left.environment != right.environment else []
    reasons += ["seed"] if left.seed != right.seed else []
    reasons += ["the data outside"] if a.data and b.data and a.data.digest != b.data.digest else []
    return tuple(reasons)


def _outputs(step: StepResult) -> dict[str, Json]:
    return {name: artifact.digest for name, artifact in step.outputs.items()}


def _changes(a: Mapping[str, Any], b: Mapping[str, Any]) -> tuple[Change, ...]:
    names = dict.fromkeys((*a, *b))
    return tuple(
        Change(name=name, a=a.get(name), b=b.get(name)) for name in names if a.get(name) != b.get(name)
    )
