"""Where back ends are chosen: a project's folder becomes an `App`."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from noria.app.config import find_project, load_policy
from noria.app.drivers import driving
from noria.app.errors import UnknownModel, UnnamedModel
from noria.app.telling import on_stderr
from noria.app.users import claim
from noria.ports.clock import Clock, RealClock
from noria.records.base import Digest
from noria.records.policy import ModelPolicy, Policy

if TYPE_CHECKING:
    from noria.adapters.log_failures import FailureCounts, FailureLog
    from noria.adapters.ray_engine import RayEngine
    from noria.adapters.sql import Records
    from noria.artifacts import Artifacts
    from noria.ports.alerts import Alert
    from noria.ports.engine import Engine
    from noria.ports.environments import Shelf
    from noria.ports.leases import Leases
    from noria.ports.objects import ObjectStore
    from noria.ports.outside import Outside
    from noria.ports.places import Place
    from noria.ports.serving import Predictions
    from noria.ports.slots import Slots
    from noria.ports.source import Git
    from noria.records.channels import Channel
    from noria.records.predictions import Hashing
    from noria.records.sources import Environment, Machine

STATE = ".noria"  # the project's own folder: records, objects, logs; never under version control


@dataclass(frozen=True)
class Surroundings:
    """What a process runs in."""

    environment: Environment
    machine: Machine


@dataclass(frozen=True)
class App:
    """A project with its back ends: everything that a verb needs, passed in. What a reading command does without is not
    imported before it is asked for."""

    project: Path
    policy: Policy
    records: Records
    store: ObjectStore
    slots: Slots
    clock: Clock

    @cached_property
    def artifacts(self) -> Artifacts:
        from noria.artifacts import Artifacts

        return Artifacts(self.store)

    @cached_property
    def git(self) -> Git:
        from noria.adapters.git import Git

        return Git()

    @cached_property
    def predictions(self) -> Predictions:
        from noria.adapters.log_reader import LogReader

        return LogReader(self.state / "log")

    def failures(self, model: str) -> FailureLog:
        """What versions of a model gave no answer to while they were compared."""
        from noria.adapters.log_failures import FailureLog

        return FailureLog(self.state, model)

    def failure_counts(self, model: str) -> FailureCounts:
        """How many requests got no answer, and why."""
        from noria.adapters.log_failures import FailureCounts

        return FailureCounts(self.state, model)

    @cached_property
    def hashing(self) -> Hashing | None:
        """How the prediction log hashes columns; None where it hashes none."""
        from noria.adapters.log_secret import hashing_of

        return hashing_of(self.state, self.policy.service.log)

    def alert(self, channel: Channel) -> Alert:
        """What sends alarms to a channel."""
        from noria.adapters.alerts import open_alert

        return open_alert(channel, self.project)

    @property
    def state(self) -> Path:
        return self.project / STATE

    @property
    def threads(self) -> int:
        """Threads that each worker gets."""
        return self.policy.threads or os.cpu_count() or 1

    def model(self, name: str | None) -> ModelPolicy:
        """The policy of a model; the only one when no name is given. Raises `UnknownModel`, `UnnamedModel`."""
        for model in self.policy.models:
            if model.name == name or (name is None and len(self.policy.models) == 1):
                return model
        known = [model.name for model in self.policy.models]
        if name is None:
            raise UnnamedModel(known=known)
        raise UnknownModel(name=name, known=known)

    def engine(
        self,
        root: Path | None = None,
        *,
        project: Path | None = None,
        threads: int | None = None,
        share: int = 1,
    ) -> Engine:
        """Workers for the source tree at `root`: the project's own working tree unless another is given. `project` is
        their working folder, `threads` what their libraries get, `share` how many engines share the machine."""
        if self.policy.engine.kind == "ray":
            return self._ray(root or self.project, project or self.project, threads or self.threads)
        from noria.adapters.local_engine import LocalEngine

        asked = self.policy.engine
        return LocalEngine(
            root=root or self.project,
            project=project or self.project,
            state=self.state,
            objects=objects_url(self.policy),
            store=self.store,
            threads=threads or self.threads,
            cpus=asked.cpus if share == 1 else max(1, (asked.cpus or os.cpu_count() or 1) // share),
            gpus=asked.gpus,
            memory=asked.memory,
        )

    def nodes(self, folder: Path | None = None) -> tuple[list[str], list[str]]:
        """What each node of the Ray cluster has, once all of them have said that they can run steps; and those that do
        not see a `folder` of this machine. Empty with another engine."""
        if self.policy.engine.kind != "ray":
            return [], []
        with self._ray(self.project, self.project, self.threads) as engine:
            return engine.nodes(), engine.blind(folder) if folder else []

    def _ray(self, root: Path, project: Path, threads: int) -> RayEngine:
        from noria.adapters.ray_engine import RayEngine
        from noria.adapters.ray_wanted import Code, Wanted
        from noria.artifacts.trees import materialise

        asked = self.policy.engine
        limits = {"num_cpus": asked.cpus, "num_gpus": asked.gpus, "_memory": asked.memory}
        wanted = Wanted(
            address=asked.address,
            limits={name: limit for name, limit in limits.items() if limit is not None},
            grows=asked.grows,
            variables=matching(asked.variables, os.environ),
        )
        return RayEngine(
            wanted,
            Code(root=root, project=project, tree=lambda: self._tree(root), lay_out=materialise),
            state=self.state,
            objects=objects_url(self.policy) or f"file://{quote(str(self.state))}",
            store=self.store,
            threads=threads,
        )

    def _tree(self, root: Path) -> Digest:
        """The source tree that lies at `root`: the working tree as it is now, or one that was laid out by its digest,
        which is then its folder's name."""
        if root == self.project:
            from noria.source import capture

            return capture(self.project, self.store, self.git).tree
        return Digest(f"blake3:{root.name}")

    def provenance_now(self, project: Path | None = None) -> Surroundings:
        """The environment and the machine of this process; `project`: whose lock counts, unless it is our own."""
        from noria.source import environment, machine

        return Surroundings(environment(project or self.project), machine(self.threads))

    @property
    def shelf(self) -> Shelf:
        return open_shelf()

    def outside(self) -> Outside:
        """The door of one step to files beyond the project."""
        from noria.adapters.outside import FilesOutside

        return FilesOutside(self.store, self.state, tell=on_stderr)

    def place(self, url: str) -> Place:
        """A folder of files, on this machine or in a bucket, for the rows of batches and their answers."""
        from noria.adapters.places import open_place

        return open_place(url)

    def code(self, tree: Digest) -> Path:
        """A version's source tree as files, made once."""
        from noria.artifacts.trees import materialise

        return materialise(tree, self.store, self.state / "code")

    @contextmanager
    def alone(self, model: str) -> Iterator[None]:
        """Hold the right to run and promote a model, announced as one who drives it; raises `Busy`."""
        holder = f"process {os.getpid()} since {self.clock.now():%Y-%m-%d %H:%M:%S} UTC"
        with self.leases.hold(model, holder), self.driving(model):
            yield

    @contextmanager
    def driving(self, what: str) -> Iterator[None]:
        """Announce that objects are relied on which no record names yet, so that no `noria gc` takes them."""
        with driving(self.slots, what):
            claim(self)
            yield

    @property
    def elsewhere(self) -> dict[str, str]:
        """Environment variables by which a process that we start finds records and objects outside of `.noria`."""
        places = {"NORIA_RECORDS": self.policy.store.records, "NORIA_OBJECTS": self.policy.store.objects}
        return {name: os.environ.get(name) or place for name, place in places.items() if place}

    @property
    def leases(self) -> Leases:
        """Among all who share the records: through the database where it is a server, else through the kernel."""
        from noria.adapters.lock import FolderLeases

        return self.records.leases or FolderLeases(self.state / "locks")


def open_shelf() -> Shelf:
    """Where built environments lie, for all projects of this user."""
    from noria.adapters.environments import FolderShelf, usual_folder

    return FolderShelf(usual_folder())


@contextmanager
def open_app(start: Path | None = None, *, clock: Clock | None = None) -> Iterator[App]:
    """The app of the project that `start` (the working folder) lies in. Raises a `ConfigError` for a bad
    noria.toml, with all its faults."""
    project = find_project(start or Path.cwd())
    app = build_app(project, load_policy(project / "noria.toml"), clock or RealClock())
    try:
        yield app
    finally:
        app.records.close()


@contextmanager
def open_reading(start: Path | None = None, *, clock: Clock | None = None) -> Iterator[App]:
    """As `open_app`, to look alone: nothing is created, migrated or locked. Raises `NoRecords` where nothing was
    recorded yet."""
    project = find_project(start or Path.cwd())
    app = build_app(project, load_policy(project / "noria.toml"), clock or RealClock(), looking=True)
    try:
        yield app
    finally:
        app.records.close()


def build_app(project: Path, policy: Policy, clock: Clock, *, looking: bool = False) -> App:
    """The wiring: SQLite and a folder under `.noria`. `looking`: to read alone, as where nobody may write to the records."""
    from noria.adapters.objects import open_objects
    from noria.adapters.sql import only_readable

    state = project / STATE
    kept = os.environ.get("NORIA_RECORDS") or policy.store.records or state / "noria.db"
    if looking or only_readable(kept):
        from noria.adapters.sql.reading import open_reading as open_records
    else:
        from noria.adapters.sql import open_records

        _keep_out_of_git(state)
    store, slots = open_objects(objects_url(policy), state, tell=on_stderr, unmet=True)
    return App(
        project=project,
        policy=policy,
        records=open_records(kept, tell=on_stderr),
        store=store,
        slots=slots,
        clock=clock,
    )


def matching(patterns: Iterable[str], variables: Mapping[str, str]) -> dict[str, str]:
    """Those of the variables whose name fits a pattern."""
    return {
        name: value for name, value in variables.items() if any(fnmatchcase(name, one) for one in patterns)
    }


def objects_url(policy: Policy) -> str | None:
    """Where objects lie; None: in the project's own state."""
    return os.environ.get("NORIA_OBJECTS") or policy.store.objects


def _keep_out_of_git(state: Path) -> None:
    state.mkdir(parents=True, exist_ok=True)
    ignore = state / ".gitignore"
    if not ignore.exists():
        ignore.write_text("*\n")
