"""Records to test with: valid, small, and different where a test names a difference."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from noria.records.artifacts import Artifact, Column
from noria.records.base import Digest, digest_of
from noria.records.drills import Drill, Plant
from noria.records.events import RunFinished, StepFinished
from noria.records.gates import Approval, Judgement, Verdict
from noria.records.monitoring import Alarm, Block, NewFeedback, RiskState
from noria.records.rollouts import Ended, Opening, Rollout, RolloutPolicy
from noria.records.runs import (
    DataVersion,
    Fingerprint,
    NewRun,
    Outcome,
    Ran,
    Reused,
    Run,
    StepResult,
    Succeeded,
    Trigger,
)
from noria.records.service import Service
from noria.records.sights import ColumnSeen, Evidence, Sight
from noria.records.sources import Environment, Machine, Provenance, Source
from noria.records.versions import RequestColumn, ServingGraph, Signature, Version

MODEL = "delay"
NOON = datetime(2013, 2, 1, 12, tzinfo=UTC)

_COLUMNS = (Column(name="flight_id", type="int64", nullable=False), Column(name="distance", type="double"))


def a_digest(of: object = "bytes") -> Digest:
    return digest_of(of)


def an_artifact(content: object = "rows") -> Artifact:
    return Artifact(
        digest=a_digest(content), codec="arrow", size=2048, type="polars.DataFrame", rows=20, columns=_COLUMNS
    )


def a_provenance() -> Provenance:
    return Provenance(
        source=Source(commit="4f0c" * 10, branch="main", tree=a_digest("tree")),
        environment=Environment(
            python="3.11.7", implementation="cpython", platform="linux-x86_64", packages=a_digest("packages")
        ),
        machine=Machine(host="here", cpu="a cpu", cores=2, memory=2**34, threads=2),
    )


def a_new_run(model: str = MODEL, *, seed: int = 0) -> NewRun:
    return NewRun(
        model=model,
        as_of=NOON,
        trigger=Trigger(),
        parameters={"classifier": {"learning_rate": 0.05, "rounds": 100}},
        seed=seed,
        provenance=a_provenance(),
    )


def a_result(step: str, *, code: object = "code", content: object = "rows", reused: str = "") -> StepResult:
    """A step's result; `code` decides its fingerprint, `content` its output."""
    return StepResult(
        step=step,
        role="step",
        fingerprint=Fingerprint(
            code=a_digest([step, code]), inputs={}, parameters={}, environment=a_digest("packages")
        ),
        outputs={step: an_artifact([step, content])},
        reason=Reused(run=reused) if reused else Ran(why="first run"),
        started=NOON,
        seconds=0.25,
    )


def step_finished(run: Run, result: StepResult) -> StepFinished:
    return StepFinished(model=run.asked.model, run=run.number, result=result)


def run_finished(
    run: Run, *steps: StepResult, outcome: Outcome | None = None, after: int = 60
) -> RunFinished:
    return RunFinished(
        model=run.asked.model,
        run=run.number,
        finished=run.started + timedelta(seconds=after),
        outcome=outcome or Succeeded(version=1, metrics={"auc": 0.7}),
        steps=steps,
    )


def a_version(number: int = 1, *, model: str = MODEL, run: int = 1) -> Version:
    provenance = a_provenance()
    return Version(
        model=model,
        number=number,
        run=run,
        created=NOON,
        as_of=NOON,
        graph=ServingGraph(
            pipeline="pipeline:delay",
            data="flights",
            transforms=("features",),
            predict="late",
            frozen={"classifier": an_artifact(["classifier", number])},
        ),
        signature=Signature(
            request=(RequestColumn(name="distance", type="double"),),
            key=("flight_id",),
            answer=(Column(name="answer", type="double"),),
        ),
        source=provenance.source,
        environment=provenance.environment,
        data=DataVersion(digest=a_digest("data"), rows=20, columns=_COLUMNS),
        rows=an_artifact(),
        metrics={"auc": 0.7},
    )


def a_judgement(number: int = 1, *, champion: int | None = None, outcome: str = "pass") -> Judgement:
    verdict = Verdict(gate="auc", outcome="pass" if outcome == "pass" else "fail", why="0.70 against 0.68")
    return Judgement(model=MODEL, version=number, champion=champion, judged=NOON, verdicts=(verdict,))


def an_approval(number: int = 1, *, granted: bool = True) -> Approval:
    return Approval(model=MODEL, version=number, granted=granted, by="ada", why="a test", at=NOON)


def a_drill(*, caught: int = 1) -> Drill:
    plants = [Plant(name="label shuffle", what="late shuffled", caught="caught", by=("brier",))] * caught
    missed = Plant(name="slow model", what="100 ms longer", caught="missed")
    return Drill(model=MODEL, run=1, at=NOON, champion=1, control="pass", plants=(*plants, missed))


def a_block(day: int = 0, *, version: int = 1, loss: float | None = 0.4) -> Block:
    start = NOON + timedelta(days=day)
    return Block(
        model=MODEL,
        version=version,
        start=start,
        end=start + timedelta(days=1),
        predictions=900,
        labelled=880 if loss is not None else 0,
        loss=loss,
    )


def a_state(blocks: int = 1, *, version: int = 1) -> RiskState:
    """A monitor's memory after so many blocks; its evidence has no short decimal form."""
    return RiskState(
        model=MODEL,
        version=version,
        bound=0.42,
        threshold=100.0,
        scored_until=NOON + timedelta(days=blocks),
        blocks=blocks,
        e_value=0.1 * 3 * blocks,
        evidence={"sums": [0.1 + 0.2, 1e-300]},
    )


def a_sight(day: int = 0, *, version: int = 1) -> Sight:
    start = NOON + timedelta(days=day)
    evidence = Evidence(e_value=0.1 + 0.2, peak=1e300, threshold=1400.0, moved="location", distance=0.25)
    return Sight(
        model=MODEL,
        version=version,
        start=start,
        end=start + timedelta(days=1),
        rows=900,
        columns={"distance": ColumnSeen(missing=0.25, mean=1 / 3)},
        drift={"distance": evidence},
        baseline=a_digest("baseline"),
        memory=a_digest(["memory", day]),
        cursor={"segment": 4711},
    )


def a_rollout(revision: int = 1, *, number: int = 1, ended: bool = False) -> Rollout:
    """Of version 1 in the place of version 1: what it is about does not matter to a store."""
    phase = Ended(result="aborted", why="a test", at=NOON) if ended else Opening(step=0)
    return Rollout(
        model=MODEL,
        number=number,
        version=1,
        champion=1,
        policy=RolloutPolicy(steps=(0.1, 0.5)),
        started=NOON,
        by="ada",
        revision=revision,
        phase=phase,
    )


def an_alarm(*, version: int = 1, day: int = 0) -> Alarm:
    return Alarm(
        model=MODEL,
        version=version,
        monitor="log_loss",
        raised=NOON + timedelta(days=day + 2),
        block=NOON + timedelta(days=day),
        e_value=120.5,
        threshold=100.0,
        risk=0.5,
        bound=0.42,
        why="the loss of the last 9 days is above 0.42",
    )


def a_label(ref: str, label: object = 1, *, correction: bool = False, by_key: bool = False) -> NewFeedback:
    return NewFeedback(
        by="key" if by_key else "id",
        ref=ref,
        label=label,  # type: ignore[arg-type]
        known=NOON,
        correction=correction,
    )


def a_service(id: str = "s-1", *, model: str = MODEL, version: int = 1) -> Service:
    return Service(
        id=id,
        model=model,
        follows="champion",
        url="http://127.0.0.1:8117",
        pid=4711,
        version=version,
        seen=NOON,
    )
