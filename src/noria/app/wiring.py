"""Where back ends are chosen: a project's folder becomes an `App`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from noria.app.config import find_project, load_policy
from noria.app.errors import UnknownModel
from noria.ports.clock import Clock, RealClock
from noria.records.policy import ModelPolicy, Policy

if TYPE_CHECKING:
    from noria.adapters.sql import Records
    from noria.artifacts import Artifacts
    from noria.ports.engine import Engine
    from noria.ports.objects import ObjectStore
    from noria.ports.serving import Predictions
    from noria.ports.source import Git
    from noria.records.base import Digest

STATE = ".noria"  # the project's own folder: records, objects, logs; never under version control


@dataclass(frozen=True)
class App:
    """A project with its back ends: everything that a verb needs, passed in."""

    project: Path
    policy: Policy
    records: Records
    store: ObjectStore
    artifacts: Artifacts
    git: Git
    predictions: Predictions
    clock: Clock

    @property
    def state(self) -> Path:
        return self.project / STATE

    @property
    def threads(self) -> int:
        """Threads that each worker gets."""
        return self.policy.threads or os.cpu_count() or 1

    def model(self, name: str | None) -> ModelPolicy:
        """The policy of a model; the only one when no name is given. Raises `UnknownModel`."""
        for model in self.policy.models:
            if model.name == name or (name is None and len(self.policy.models) == 1):
                return model
        raise UnknownModel(name=name or "", known=[model.name for model in self.policy.models])

    def engine(self, root: Path | None = None) -> Engine:
        """Workers for the source tree at `root`: the project's own working tree unless another is given."""
        from noria.adapters.local_engine import LocalEngine

        asked = self.policy.engine
        return LocalEngine(
            root=root or self.project,
            project=self.project,
            state=self.state,
            threads=self.threads,
            cpus=asked.cpus,
            gpus=asked.gpus,
            memory=asked.memory,
        )

    def code(self, tree: Digest) -> Path:
        """A version's source tree as files, made once."""
        from noria.artifacts.trees import materialise

        return materialise(tree, self.store, self.state / "code")

    def alone(self, model: str) -> AbstractContextManager[None]:
        """Hold the right to run and promote a model; raises `Busy`."""
        from noria.adapters.lock import exclusive

        return exclusive(
            self.state / "locks" / f"{model}.lock",
            what_for=model,
            holder=f"process {os.getpid()} since {self.clock.now():%Y-%m-%d %H:%M:%S} UTC",
        )


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


def build_app(project: Path, policy: Policy, clock: Clock) -> App:
    """The wiring: SQLite and a folder under `.noria`."""
    from noria.adapters.folder import FolderStore
    from noria.adapters.git import Git
    from noria.adapters.prediction_log import LogReader
    from noria.adapters.sql import open_records
    from noria.artifacts import Artifacts

    state = project / STATE
    _keep_out_of_git(state)
    store = FolderStore(state)
    return App(
        project=project,
        policy=policy,
        records=open_records(state / "noria.db"),
        store=store,
        artifacts=Artifacts(store),
        git=Git(),
        predictions=LogReader(state / "log"),
        clock=clock,
    )


def _keep_out_of_git(state: Path) -> None:
    state.mkdir(parents=True, exist_ok=True)
    ignore = state / ".gitignore"
    if not ignore.exists():
        ignore.write_text("*\n")
