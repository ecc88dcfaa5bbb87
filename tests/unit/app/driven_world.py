"""The real driver over a real log, records and labels, at a time of the test's choice. The service is a stand-in that goes by the
table that it was told, its callers write the log and the failures as its workers would, and a stand-in scores the labels.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from msgspec.structs import replace

from noria.adapters.log_writer import LogWriter
from noria.app.rollouts import door
from noria.app.rollouts.driver import Driver
from noria.app.rollouts.verbs import start
from noria.app.service import RoutingView
from noria.app.wiring import App
from noria.ports.clock import VirtualClock
from noria.ports.engine import Ended, Happening, Job
from noria.ports.serving import Answered, Failure
from noria.records.artifacts import Artifact
from noria.records.events import AliasMoved, VersionRegistered
from noria.records.monitoring import NewFeedback
from noria.records.rollouts import Phase, Rehearsal, Rollout, RolloutPolicy
from noria.records.routing import Challenger, Routing
from noria.records.runs import Run
from noria.records.tasks import Score, Scored
from noria.records.versions import Quality, Version
from noria.rollout.drive import Held
from noria.rollout.machine import Table
from unit.app import stored
from unit.app.stored import START, history, opened
from unit.app.stored import version as stored_version

OLD, NEW = 1, 2
QUICK, LATE = 20_000, 40_000  # microseconds
Row = tuple[datetime, datetime, str, int, float]
"""When it was asked, of which day it is, its key and unit, microseconds, the answer."""
LOOK = timedelta(minutes=1)  # between two turns


@dataclass
class Worker:
    """Scores by the absolute difference; whose loss the predecessor's is, finds nothing ever wrong."""

    artifacts: Any
    jobs: list[Job] = field(default_factory=list)

    def submit(self, job: Job) -> None:
        self.jobs.append(job)

    def wait(self, seconds: float | None = None) -> list[Happening]:
        jobs, self.jobs = self.jobs, []
        return [Ended(job.id, self._scored(job.task)) for job in jobs]

    def cancel(self, id: str) -> None: ...

    def warm(self, pipeline: str = "") -> None: ...

    def close(self) -> None: ...

    def _scored(self, task: Any) -> Scored:
        assert isinstance(task, Score)
        late = pl.DataFrame(self.artifacts.table(task.rows))["late"].cast(pl.Float64)
        losses = (late - pl.DataFrame(self.artifacts.table(task.answers))["answer"]).abs()
        losses *= task.pipeline == pipeline_of(NEW)
        stored = self.artifacts.save(pl.DataFrame({"loss": losses}))
        mean = float(losses.mean())  # type: ignore[arg-type]
        return Scored(
            quality=Quality(loss="log_loss", range=(0, 5), mean=mean, rows=losses.len(), losses=stored)
        )


@dataclass(frozen=True)
class Staffed(App):
    """An app whose workers are one stand-in."""

    worker: Worker
    roots: list[Path | None]
    """The code of each engine that was asked for."""

    def engine(self, root: Path | None = None) -> Worker:
        self.roots.append(root)
        return self.worker


@dataclass
class World:
    """delay:2 in the place of delay:1, and whoever asks."""

    app: Staffed
    clock: VirtualClock
    table: Table = field(default_factory=Table)
    asked: int = 0
    random: np.random.Generator = field(default_factory=lambda: np.random.default_rng(1))

    def __post_init__(self) -> None:
        self.driver = Driver(self.app, "delay")
        self.log = LogWriter(self.app.state / "log", "delay")

    # -- the service

    def hold(self, app: App, rollout: Rollout, table: Table) -> Held:
        self.table = table
        return Held()

    def tables(self, app: App, model: str) -> Sequence[RoutingView]:
        challengers = ()
        if self.table.challenger is not None:
            challengers = (Challenger(version=self.table.challenger, share=self.table.share),)
        shadows = () if self.table.shadow is None else (self.table.shadow,)
        routing = Routing(model=model, champion=self.champion, challengers=challengers, shadows=shadows)
        return [RoutingView(table=routing, workers=(), problems={})]

    # -- callers

    def ask(
        self,
        units: int,
        *,
        failing: float = 0.0,
        slow: float = 0.0,
        answer: float = 0.1,
        days: Sequence[datetime] = (START,),
    ) -> list[str]:
        """So many new units, one after the other, each asking once; their keys. `failing` and `slow` are shares of what comes
        to the challenger, and `answer` what it answers where the champion says 0.1. `days`: of the rows, in turn. Once it is the
        champion and the predecessor stands by, the shares are of what comes to it as before."""
        keys = [f"u{self.asked + at}" for at in range(units)]
        self.asked += units
        rows: dict[tuple[int, str], list[Row]] = defaultdict(list)
        for at, key in enumerate(keys):
            now = self.clock.advance(timedelta(milliseconds=20))
            day, took = days[at % len(days)], LATE if self.random.random() < slow else QUICK
            fails, own, new = (
                self.random.random() < failing,
                (now, day, key, QUICK, 0.1),
                (now, day, key, took, answer),
            )
            if self.table.shadow == OLD:
                self._on_standby(rows, key, own, new, fails=fails)
                continue
            if self.table.challenger is not None and self.random.random() < self.table.share:
                rows[(OLD, "instead") if fails else (NEW, "canary")].append(new)
            else:
                rows[OLD, ""].append(own)
            if self.table.shadow is not None and not fails:
                rows[NEW, "shadow"].append(new)
            elif self.table.shadow is not None:
                when = int(now.timestamp() * 1e6)
                self.app.failures("delay").note(Failure(at=when, version=NEW, unit=key, way="shadow"))
        for (version, way), answered in rows.items():
            self._log(version, way, answered)
        return keys

    def _on_standby(
        self, rows: dict[tuple[int, str], list[Row]], key: str, own: Row, new: Row, *, fails: bool
    ) -> None:
        """The version is the champion, and its predecessor gets the copy."""
        if fails:
            when = int(new[0].timestamp() * 1e6)
            self.app.failures("delay").note(Failure(at=when, version=NEW, unit=key, way=""))
        else:
            rows[NEW, ""].append(new)
        rows[OLD, "shadow"].append(own)

    def label(self, keys: Sequence[str], *, late: bool = False) -> None:
        """Whether they were late, all of them: 1 or 0 is right."""
        now = self.clock.now()
        given = [NewFeedback(by="key", ref=key, label=late, known=now) for key in keys]
        self.app.records.feedback.add("delay", given, at=now)

    def _log(self, version: int, way: str, rows: Sequence[Row]) -> None:
        at, day, keys, took, answers = zip(*rows, strict=True)
        kind = pa.timestamp("us", tz="UTC")
        columns = {
            "at": pa.array(at, kind),
            "time": pa.array(day, kind),
            "key": pa.array(keys),
            "unit": pa.array(keys),
            "took": pa.array(took, pa.int64()),
            "way": pa.array([way] * len(rows)),
            "answer.answer": pa.array(answers),
        }
        self.log.append(Answered(version=version, rows=pa.RecordBatch.from_pydict(columns)))

    # -- the rollout

    @property
    def rollout(self) -> Rollout:
        return self.app.records.rollouts.rollouts("delay")[0]

    @property
    def champion(self) -> int:
        return self.app.records.versions.aliases("delay")["champion"]

    def register(self, *numbers: int) -> None:
        """Further versions, like the newer one."""
        known = self.app.records.versions.version("delay", NEW)
        assert known is not None
        changes = [VersionRegistered(version=replace(known, number=number)) for number in numbers]
        self.app.records.ledger.append("delay", changes, at=self.clock.now())

    def name(self, champion: int) -> None:
        """By hand."""
        moved = AliasMoved(
            model="delay", alias="champion", before=self.champion, after=champion, why="a test", by="ada"
        )
        self.app.records.ledger.append("delay", [moved], at=self.clock.now())

    def begin(self, policy: RolloutPolicy) -> None:
        start(self.app, "delay:2", policy, by="ada", force=True)

    def drive(self, until: type[Phase] | None = None) -> Phase:
        """One turn, or as many as it takes to come to a phase, which few are."""
        for _ in range(8):
            self.clock.advance(LOOK)
            self.driver.turn()
            if until is None or isinstance(self.rollout.phase, until):
                return self.rollout.phase
        raise AssertionError(f"it does not come to {until}: {self.rollout.phase}")


def pipeline_of(number: int) -> str:
    """Each version's code has a module of its own name, so that whose loss it is can be told."""
    return f"pipeline_{number}:delay"


def _version(run: Run, number: int, auc: float, model: Artifact) -> Version:
    made = stored_version(run, number, auc, model)
    return replace(made, graph=replace(made.graph, pipeline=pipeline_of(number)))


@contextmanager
def world(folder: Path, patch: pytest.MonkeyPatch) -> Iterator[World]:
    patch.setattr(stored, "version", _version)
    with opened(history(folder), START + timedelta(hours=12)) as app:
        own = {one.name: getattr(app, one.name) for one in fields(app)}
        staffed = Staffed(**own, worker=Worker(app.artifacts), roots=[])
        assert isinstance(app.clock, VirtualClock)
        here = World(staffed, app.clock)
        patch.setattr(door, "hold", here.hold)
        patch.setattr(door, "tables", here.tables)
        patch.setattr(door, "rehearse", lambda app, version: Rehearsal(version=version.number, whole=True))
        try:
            yield here
        finally:
            here.driver.close()
            here.log.close()
