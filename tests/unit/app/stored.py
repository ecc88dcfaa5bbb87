"""A project whose records hold a short history, for the tests of what reads them.

delay/1 made delay:1 (no champion yet, promoted), delay/2 made delay:2 (other code and learning rate, refused by its
gate), delay/3 failed in `classifier`, delay/4 was interrupted.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from noria.app.wiring import App, open_app
from noria.ports.clock import VirtualClock
from noria.records.artifacts import Artifact, Column
from noria.records.base import Digest, canonical, digest_bytes
from noria.records.events import AliasMoved, Change, Judged, RunFinished, StepFinished, VersionRegistered
from noria.records.gates import Judgement, Verdict
from noria.records.runs import (
    DataVersion,
    Failed,
    Fingerprint,
    Interrupted,
    NewRun,
    Outcome,
    Ran,
    Reused,
    Run,
    StepResult,
    Succeeded,
    Trigger,
)
from noria.records.sources import Environment, Machine, Provenance, Source, Tree, TreeFile
from noria.records.versions import Quality, RequestColumn, ServingGraph, Signature, Version

START = datetime(2025, 3, 1, 9, tzinfo=UTC)
TOML = """
[model.delay]
pipeline = "pipeline:delay"

[model.delay.retrain]
on = ["schedule"]
every = "7d"
"""
ENVIRONMENT = Environment(
    python="3.11.7", implementation="cpython", platform="linux-x86_64", packages=digest_bytes(b"packages")
)
COLUMNS = (
    Column(name="flight_id", type="int64"),
    Column(name="scheduled", type="timestamp[us, tz=UTC]"),
    Column(name="carrier", type="string"),
    Column(name="late", type="bool"),
)
PERSON = Trigger()
CODE = {1: "RATE = 1\n", 2: "RATE = 2\n"}


def project(folder: Path) -> Path:
    """A folder with a noria.toml."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "noria.toml").write_text(TOML)
    return folder


@contextmanager
def opened(folder: Path, at: datetime = START + timedelta(hours=12)) -> Iterator[App]:
    """The project's app at a time of the test's choice."""
    with open_app(folder, clock=VirtualClock(at)) as app:
        yield app


def history(folder: Path) -> Path:
    """The project with the history of this module's first lines."""
    with opened(project(folder)) as app:
        _succeed(app, 1, rate=0.05, auc=0.71, passed=True)
        _succeed(app, 2, rate=0.1, auc=0.66, passed=False)
        _fail(app)
        _interrupt(app)
    return folder


def asked(app: App, code: int, rate: float, *, at: datetime, trigger: Trigger = PERSON) -> NewRun:
    """A run of the tree with this code."""
    file = TreeFile(path="pipeline.py", digest=app.store.put(CODE[code].encode()))
    logo = TreeFile(path="logo.png", digest=app.store.put(b"\0PNG" + bytes([code])))
    source = Source(
        commit=f"{code}" * 40,
        branch="main",
        tree=app.store.put(canonical(Tree(files=(logo, file)))),
        dirty=code == 2,
        untracked=("notes.txt",) if code == 2 else (),
    )
    machine = Machine(host="mill", cpu="Zen", cores=2, memory=8 * 10**9, threads=2)
    return NewRun(
        model="delay",
        as_of=at,
        trigger=trigger,
        parameters={"classifier": {"learning_rate": rate}},
        seed=0,
        provenance=Provenance(source=source, environment=ENVIRONMENT, machine=machine),
    )


def step(
    name: str, *, code: int, rate: float | None = None, reused: str = "", log: Digest | None = None
) -> StepResult:
    """A finished step; `flights` is the data step."""
    made = Artifact(
        digest=digest_bytes(f"{name} {code} {rate}".encode()),
        codec="arrow/1" if name == "flights" else "skops/1",
        size=1234,
        rows=1000 if name == "flights" else None,
    )
    return StepResult(
        step=name,
        role="data" if name == "flights" else "step",
        fingerprint=Fingerprint(
            code=digest_bytes(CODE[code].encode()),
            inputs={} if name == "flights" else {"flights": digest_bytes(b"flights")},
            parameters={} if rate is None else {"learning_rate": rate},
            environment=digest_bytes(b"env"),
        ),
        outputs={name: made},
        reason=Reused(run=reused) if reused else Ran(why="first run" if code == 1 else "code changed"),
        started=START,
        seconds=0.0 if reused else 1.5,
        log=log,
        data=data() if name == "flights" else None,
    )


def data() -> DataVersion:
    return DataVersion(
        digest=digest_bytes(b"flights"),
        rows=1000,
        dropped=12,
        columns=COLUMNS,
        first=datetime(2025, 1, 1, tzinfo=UTC),
        last=datetime(2025, 2, 28, tzinfo=UTC),
    )


def version(run: Run, number: int, auc: float, model: Artifact) -> Version:
    """What a run made."""
    request = tuple(
        RequestColumn(
            name=column.name, type=column.type, levels=("AA", "UA") if column.name == "carrier" else None
        )
        for column in COLUMNS[:3]
    )
    return Version(
        model="delay",
        number=number,
        run=run.number,
        created=run.started + timedelta(seconds=5),
        as_of=run.asked.as_of,
        graph=ServingGraph(
            pipeline="pipeline:delay",
            data="flights",
            transforms=("features",),
            predict="late",
            frozen={"classifier": model},
        ),
        signature=Signature(
            request=request,
            key=("flight_id",),
            time="scheduled",
            answer=(Column(name="answer", type="double"),),
        ),
        source=run.asked.provenance.source,
        environment=ENVIRONMENT,
        data=data(),
        rows=Artifact(digest=digest_bytes(b"flights"), codec="arrow/1", size=1234, rows=1000),
        label="late",
        metrics={"auc": auc, "log_loss": 0.5},
        quality=Quality(loss="log_loss", range=(0, 5), mean=0.5, rows=200),
        label_delay=7200.0,
    )


def _succeed(app: App, number: int, *, rate: float, auc: float, passed: bool) -> None:
    at = START + timedelta(hours=number)
    run = app.records.ledger.begin(asked(app, number, rate, at=at), at=at)
    steps = (
        step("flights", code=1, reused="" if number == 1 else "delay/1"),
        step("classifier", code=number, rate=rate),
    )
    for content in ("flights", "flights 1 None", f"classifier {number} {rate}"):
        app.store.put(content.encode())
    made = version(run, number, auc, steps[1].outputs["classifier"])
    verdict = Verdict(
        gate="auc",
        outcome="pass" if passed else "fail",
        why=f"auc {auc} is {'' if passed else 'not '}at least 0.68",
    )
    judgement = Judgement(
        model="delay", version=number, champion=None if number == 1 else 1, judged=at, verdicts=(verdict,)
    )
    changes: list[Change] = [VersionRegistered(version=made), Judged(judgement=judgement)]
    if passed:
        changes.append(
            AliasMoved(
                model="delay", alias="champion", before=None, after=number, why=verdict.why, by="gates"
            )
        )
    _end(app, run, steps, Succeeded(version=number, metrics=made.metrics), changes)


def _fail(app: App) -> None:
    at = START + timedelta(hours=3)
    trigger = Trigger(kind="schedule", cause="every 7 days, 0:00:00")
    run = app.records.ledger.begin(asked(app, 2, 0.1, at=at, trigger=trigger), at=at)
    log = app.store.put(b"".join(b"line %d\n" % number for number in range(30)))
    error = 'ValueError: no rows\n  File "pipeline.py", line 7, in classifier'
    _end(
        app,
        run,
        (step("flights", code=2),),
        Failed(step="classifier", code="STEP-RAISED", error=error, log=log),
    )


def _interrupt(app: App) -> None:
    at = START + timedelta(hours=4)
    run = app.records.ledger.begin(asked(app, 2, 0.1, at=at), at=at)
    _end(app, run, (), Interrupted())


def _end(
    app: App, run: Run, steps: tuple[StepResult, ...], outcome: Outcome, changes: list[Change] | None = None
) -> None:
    finished = run.started + timedelta(seconds=10)
    for result in steps:
        app.records.ledger.append(
            "delay", [StepFinished(model="delay", run=run.number, result=result)], at=finished
        )
    ended = RunFinished(model="delay", run=run.number, finished=finished, outcome=outcome, steps=steps)
    app.records.ledger.append("delay", [*(changes or ()), ended], at=finished)
