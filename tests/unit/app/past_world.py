"""A project whose runs have real objects, made at times of a test's choice: for what collects them."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast

from noria.adapters.folder import FolderStore
from noria.app.wiring import App, open_app
from noria.artifacts.lists import save_list
from noria.ports.clock import VirtualClock
from noria.records.artifacts import Artifact
from noria.records.base import Digest, canonical, digest_bytes
from noria.records.checkpoints import Saved
from noria.records.events import AliasMoved, Change, RunFinished, RunStarted, StepFinished, VersionRegistered
from noria.records.runs import (
    DataVersion,
    Failed,
    Fingerprint,
    NewRun,
    Outcome,
    Ran,
    Run,
    StepResult,
    Succeeded,
    Trigger,
    TriggerKind,
)
from noria.records.sources import Environment, Machine, Provenance, Source, Tree, TreeFile
from noria.records.versions import Quality, ServingGraph, Signature, Version

TOML = """
[model.delay]
pipeline = "pipeline:delay"

[model.delay.monitor]
maturity = "2d"

[model.rain]
pipeline = "pipeline:rain"

[keep]
runs = 2
younger = "10d"
"""
NOW = datetime(2025, 6, 1, tzinfo=UTC)
OLD = 30 * 86_400.0  # s
ENVIRONMENT = Environment(
    python="3.11.7", implementation="cpython", platform="linux-x86_64", packages=digest_bytes(b"packages")
)


class World:
    """Runs with real objects; `days` says how long ago."""

    def __init__(self, app: App) -> None:
        self.app = app
        self.store = cast(FolderStore, app.store)

    def run(
        self,
        days: float,
        *,
        model: str = "delay",
        outcome: Outcome | None = None,
        version: bool = False,
        kind: TriggerKind = "person",
        cause: str = "",
        made: str = "",
        unfinished: bool = False,
    ) -> Run:
        """A run; `made` is what its step made, its own name unless given: two runs may make the same."""
        at = NOW - timedelta(days=days)
        run = self.app.records.ledger.begin(self._asked(model, at, Trigger(kind=kind, cause=cause)), at=at)
        result = self.step(run, made or run.name)
        changes: list[Change] = [StepFinished(model=model, run=run.number, result=result)]
        if not unfinished:
            number = self._number(model) if version else None
            if number:
                changes.append(VersionRegistered(version=self._version(run, number, result)))
            end = outcome or Succeeded(version=number)
            changes.append(
                RunFinished(model=model, run=run.number, finished=at, outcome=end, steps=(result,))
            )
        self.app.records.ledger.append(model, changes, at=at)
        return run

    def fail(self, days: float) -> Run:
        log = self.store.put(f"log {days}".encode())
        return self.run(days, outcome=Failed(step="model", code="STEP-RAISED", error="x", log=log))

    def step(self, run: Run, content: str) -> StepResult:
        """A step's result: a list of two items, each an object of its own, a log and a listed file."""
        items = [self.artifact(f"{content} item {number}") for number in range(2)]
        return StepResult(
            step="model",
            role="step",
            fingerprint=Fingerprint(
                code=digest_bytes(content.encode()),
                inputs={},
                parameters={},
                environment=digest_bytes(b"env"),
            ),
            outputs={"model": self.artifact(content), "items": save_list(items, self.store)},
            reason=Ran(why="first run"),
            started=run.started,
            seconds=1.0,
            log=self.store.put(f"{content} log".encode()),
        )

    def artifact(self, content: str) -> Artifact:
        data = content.encode()
        return Artifact(digest=self.store.put(data), codec="bytes/1", size=len(data))

    def alias(self, number: int, days: float, *, alias: str = "champion", model: str = "delay") -> None:
        before = self.app.records.versions.aliases(model).get(alias)
        at = NOW - timedelta(days=days)
        moved = AliasMoved(model=model, alias=alias, before=before, after=number, why="a test", by="ada")
        self.app.records.ledger.append(model, [moved], at=at)

    def age(self, seconds: float = OLD) -> None:
        """Let every object have been used last so long ago."""
        then = time.time() - seconds
        for one in list(self.store.stored()):
            os.utime(self.store.path(one.digest), (then, then))

    def has(self, content: str) -> bool:
        """Whether an object is there, without asking the store, which would keep it."""
        digest = digest_bytes(content.encode())
        return digest in set(self.store.digests())

    def whole(self, made: str) -> bool:
        """Whether all that a run made is there: its output, the items and the log."""
        return all(self.has(part) for part in (made, f"{made} item 0", f"{made} item 1", f"{made} log"))

    def any_of(self, made: str) -> bool:
        return any(self.has(part) for part in (made, f"{made} item 0", f"{made} item 1", f"{made} log"))

    def _asked(self, model: str, at: datetime, trigger: Trigger) -> NewRun:
        file = TreeFile(path="pipeline.py", digest=self.store.put(f"code of {at:%F}".encode()))
        source = Source(commit="a" * 40, tree=self.store.put(canonical(Tree(files=(file,)))))
        machine = Machine(host="mill", cpu="Zen", cores=2, memory=8 * 10**9, threads=2)
        return NewRun(
            model=model,
            as_of=at,
            trigger=trigger,
            parameters={},
            seed=0,
            provenance=Provenance(source=source, environment=ENVIRONMENT, machine=machine),
        )

    def _number(self, model: str) -> int:
        return len(self.app.records.versions.versions(model)) + 1

    def _version(self, run: Run, number: int, result: StepResult) -> Version:
        name = f"{run.asked.model}:{number}"
        rows = self.artifact(f"{name} rows")
        losses = self.artifact(f"{name} losses")
        return Version(
            model=run.asked.model,
            number=number,
            run=run.number,
            created=run.started,
            as_of=run.asked.as_of,
            graph=ServingGraph(
                pipeline="pipeline:delay", data="rows", transforms=(), predict="late", frozen=result.outputs
            ),
            signature=Signature(request=(), answer=()),
            source=run.asked.provenance.source,
            environment=ENVIRONMENT,
            data=DataVersion(digest=rows.digest, rows=1, columns=()),
            rows=rows,
            holdout=self.artifact(f"{name} holdout"),
            quality=Quality(loss="loss", range=(0, 1), mean=0.5, rows=1, losses=losses),
        )


@contextmanager
def world(folder: Path, toml: str = TOML) -> Iterator[World]:
    (folder / "noria.toml").write_text(toml)
    with open_app(folder, clock=VirtualClock(NOW)) as app:
        yield World(app)


def reopened(app: App, run: Run) -> None:
    """An interrupted run goes on."""
    app.records.ledger.append(run.asked.model, [RunStarted(run=run)], at=NOW)


def with_slot(world: World, fingerprint: Digest, content: str) -> str:
    """A step's checkpoint; the name of its slot."""
    name = f"checkpoints/{fingerprint.removeprefix('blake3:')}"
    world.app.slots.put(name, canonical(Saved(state=world.artifact(content))))
    return name
