"""Whether everything that Noria stands on is there and works: asked of the real thing, part by part."""

from __future__ import annotations

import contextlib
import os
import platform
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from noria.app.config import find_project, load_policy
from noria.app.environments.wanted import wanted
from noria.errors import NoriaError
from noria.records.base import Record

if TYPE_CHECKING:
    from noria.app.wiring import App
    from noria.source.environment import Seen

PROBE = b"noria doctor"  # one object, always the same: a second look adds nothing to the store
TIGHT = 2**30  # bytes of free space below which a training can be expected to fail
SLOW = 0.25  # s for a record's read or an object's round trip: twenty steps would wait for five seconds
SKEW = 1e-3  # s by which a clock may step back between two looks
SHOWN = 5  # nodes that one line names
EXTRAS = {
    "sklearn": ("sklearn", "skops"),
    "lightgbm": ("lightgbm",),
    "xgboost": ("xgboost",),
    "onnx": ("onnx", "onnxruntime"),
    "torch": ("torch",),
    "pandas": ("pandas",),
    "figures": ("matplotlib", "plotext"),
    "postgres": ("psycopg2",),
    "s3": ("obstore",),
    "delta": ("deltalake",),
    "iceberg": ("pyiceberg",),
    "ray": ("ray",),
    "tune": ("optuna",),
    "grpc": ("grpc",),
    "otel": ("opentelemetry",),
}
"""Extras of Noria and the modules that they bring."""


class Diagnosis(Record, kw_only=True):
    """What was found out about one part."""

    part: str
    state: Literal["well", "weak", "ill"]
    """`weak`: it works, and will not for long or not everywhere; `ill`: a command will fail."""
    what: str
    next: str = ""


def diagnose(start: Path | None = None) -> tuple[Diagnosis, ...]:
    """Look at everything, in the order in which one part stands on another; never raises what it finds."""
    return (*_machine(), *_project(start or Path.cwd()))


def _machine() -> Iterator[Diagnosis]:
    version = platform.python_version()
    yield _well("python", f"{version} ({sys.executable}), Noria {metadata.version('noria')}")
    yield _git()
    yield _uv()
    yield _clock()
    yield _extras()


def _git() -> Diagnosis:
    found = shutil.which("git")
    if found:
        return _well("git", found)
    return Diagnosis(
        part="git", state="ill", what="is not installed", next="apt-get install git, or the like"
    )


def _uv() -> Diagnosis:
    found = shutil.which("uv") or (shutil.which("uv", path=str(Path(sys.executable).parent)))
    if found:
        return _well("uv", found)
    return Diagnosis(
        part="uv",
        state="weak",
        what="is not installed: environments can be neither built nor rebuilt",
        next="pip install uv",
    )


def _clock() -> Diagnosis:
    """Runs are ordered by the wall clock; one that goes back makes `younger than` and schedules wrong."""
    wall, steady = time.time(), time.monotonic()
    time.sleep(0.01)
    drift = (time.time() - wall) - (time.monotonic() - steady)
    if abs(drift) <= SKEW:
        return _well("clock", time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime()))
    return Diagnosis(
        part="clock",
        state="weak",
        what=f"the wall clock moved by {drift:.3f} s beside the steady one",
        next="let it be set by NTP",
    )


def _extras() -> Diagnosis:
    from importlib.util import find_spec

    there = [name for name, modules in EXTRAS.items() if all(find_spec(module) for module in modules)]
    absent = [name for name in EXTRAS if name not in there]
    what = f"installed: {', '.join(there) or 'none'}"
    return _well("extras", what + (f"; not installed: {', '.join(absent)}" if absent else ""))


def _project(start: Path) -> Iterator[Diagnosis]:
    try:
        project = find_project(start)
        policy = load_policy(project / "noria.toml")
    except NoriaError as error:
        yield _ill("project", error)
        return
    yield _well("project", f"{project}: {', '.join(model.name for model in policy.models)}")
    yield _disk(project)
    from noria.app.wiring import open_app

    try:
        with open_app(project) as app:
            yield from _back_ends(app)
    except NoriaError as error:
        yield _ill("records", error)


def _disk(project: Path) -> Diagnosis:
    free = shutil.disk_usage(project).free
    what = f"{free / 1e9:.1f} GB free at {project}"
    if free >= TIGHT:
        return _well("disk", what)
    return Diagnosis(part="disk", state="weak", what=what, next="noria gc, or a larger disk")


def _back_ends(app: App) -> Iterator[Diagnosis]:
    yield _tried("repository", lambda: _repository(app))
    yield _tried("records", lambda: _records(app))
    yield _tried("objects", lambda: _objects(app))
    for model in app.policy.models:
        yield _tried(f"pipeline {model.name}", lambda entry=model.pipeline: _pipeline(app, entry))  # type: ignore[misc]
    yield _tried("engine", lambda: _engine(app))
    yield _tried("environment", lambda: _environment(app))


def _tried(part: str, look: Callable[[], Diagnosis]) -> Diagnosis:
    try:
        return look()
    except NoriaError as error:
        return _ill(part, error)


def _repository(app: App) -> Diagnosis:
    from noria.source.choose import choose

    checkout = app.git.look(app.project)
    changed = len(checkout.changed) + len(choose(checkout).untracked)
    files = "1 file" if changed == 1 else f"{changed} files"
    return _well(
        "repository",
        f"{checkout.commit[:9]} on {checkout.branch or 'no branch'}, {files} uncommitted",
    )


def _records(app: App) -> Diagnosis:
    started = time.perf_counter()
    models = app.records.versions.models()
    took = time.perf_counter() - started
    return _speed(
        "records",
        f"{len(models)} {'model' if len(models) == 1 else 'models'} with runs; read in {1000 * took:.1f} ms",
        took,
    )


def _objects(app: App) -> Diagnosis:
    """A round trip, digest and all."""
    started = time.perf_counter()
    app.store.get(app.store.put(PROBE))
    took = time.perf_counter() - started
    return _speed("objects", f"written and read back in {1000 * took:.1f} ms", took)


def _speed(part: str, what: str, took: float) -> Diagnosis:
    if took <= SLOW:
        return _well(part, what)
    return Diagnosis(part=part, state="weak", what=what, next="keep it nearer, on a faster disk or network")


def _pipeline(app: App, entry: str) -> Diagnosis:
    from noria.declare import resolve
    from noria.graph.load import load_pipeline

    try:
        resolved = resolve(load_pipeline(app.project, entry))
    except NoriaError as error:
        if wanted(app.project, app.policy, app.shelf) is None:
            raise
        return Diagnosis(
            part=f"pipeline {entry}",
            state="weak",
            what=f"cannot be tried in this interpreter, and runs go on in another one [{error.code}]",
            next="noria env build, and then noria lint looks at it in there",
        )
    return _well(f"pipeline {resolved.name}", f"{entry}: {len(resolved.order)} steps")


def _engine(app: App) -> Diagnosis:
    """A Ray cluster is joined, and its nodes are asked whether they can run steps, also in environments of their own."""
    groups = _groups(app) if app.policy.engine.kind == "ray" else []
    nodes, blind = app.nodes(app.shelf.folder if groups else None)
    threads = "1 thread" if app.threads == 1 else f"{app.threads} threads"
    if blind:
        return _unshared(app, groups, blind)
    if nodes:
        return _well("engine", f"ray, {threads} a step; {'; '.join(nodes)}")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return _well(
        "engine",
        f"{app.policy.engine.kind}, {app.policy.engine.cpus or cores} cores, {threads} a step",
    )


def _groups(app: App) -> list[str]:
    """Environments that steps name, of the pipelines that can be loaded here: of others their own line tells."""
    from noria.declare import resolve
    from noria.graph.load import load_pipeline

    found: set[str] = set()
    for model in app.policy.models:
        with contextlib.suppress(NoriaError):
            steps = resolve(load_pipeline(app.project, model.pipeline)).order
            found |= {step.running.environment for step in steps if step.running.environment}
    return sorted(found)


def _unshared(app: App, groups: Sequence[str], blind: Sequence[str]) -> Diagnosis:
    who = f"{', '.join(blind[:SHOWN])}{' and others' if blind[SHOWN:] else ''}"
    verb = "do" if blind[1:] else "does"
    return Diagnosis(
        part="engine",
        state="weak",
        what=f"ray, and {who} {verb} not see {app.shelf.folder}, where environments of steps are built: {', '.join(groups)}",
        next="let NORIA_ENVIRONMENTS be a folder that every node sees under the same path",
    )


def _environment(app: App) -> Diagnosis:
    from noria.source.environment import look

    found = look(app.project)
    if found.environment.lock:
        return _well("environment", f"this interpreter has just what {found.lock} says")
    if found.lock:
        return _elsewhere(app, found)
    return Diagnosis(
        part="environment",
        state="weak",
        what="no lock file: what is installed now is recorded by name and version, and cannot be rebuilt to the last bit",
        next="uv lock, and commit uv.lock",
    )


def _elsewhere(app: App, found: Seen) -> Diagnosis:
    """A lock that this interpreter does not follow."""
    differs = f"{found.differs[0]}" + (f", and {len(found.differs) - 1} more" if found.differs[1:] else "")
    if app.policy.environment.build == "current":
        return Diagnosis(
            part="environment",
            state="weak",
            what=f'{found.lock} is not followed, as [environment] build = "current" says: {differs}',
            next="what is installed now is recorded, and cannot be rebuilt: let build be auto",
        )
    wish = wanted(app.project, app.policy, app.shelf)
    built = wish.found(app.shelf) if wish else None
    where = f"built in {built.folder}" if built else "not built yet (noria env build)"
    return _well("environment", f"runs go on in what {found.lock} says, {where}; this interpreter: {differs}")


def _well(part: str, what: str) -> Diagnosis:
    return Diagnosis(part=part, state="well", what=what)


def _ill(part: str, error: NoriaError) -> Diagnosis:
    return Diagnosis(part=part, state="ill", what=f"{error} [{error.code}]", next=error.advice())
