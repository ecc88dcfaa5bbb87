"""What every suite stands on: an open store, and short words for changing it."""

from __future__ import annotations

from datetime import timedelta
from typing import Protocol

from noria.ports.records import (
    FeedbackRecords,
    Ledger,
    MonitorRecords,
    OutboxRecords,
    RolloutRecords,
    RunRecords,
    ServiceRecords,
    VersionRecords,
)
from noria.records.alarms import AlarmRaised
from noria.records.events import (
    AliasMoved,
    BlockScored,
    Change,
    GatesDrilled,
    Judged,
    RunStarted,
    VersionApproved,
    VersionRegistered,
)
from noria.records.rollouts import RolloutEnded, RolloutMoved, RolloutStarted
from noria.records.runs import Run
from noria.testing.samples import (
    MODEL,
    NOON,
    a_block,
    a_drill,
    a_judgement,
    a_new_run,
    a_result,
    a_rollout,
    a_state,
    a_version,
    an_alarm,
    an_approval,
    run_finished,
    step_finished,
)


class Doors(Protocol):
    """An open records store."""

    ledger: Ledger
    runs: RunRecords
    versions: VersionRecords
    monitors: MonitorRecords
    outbox: OutboxRecords
    rollouts: RolloutRecords
    feedback: FeedbackRecords
    services: ServiceRecords


def begin(records: Doors, model: str = MODEL, *, minutes: int = 0) -> Run:
    return records.ledger.begin(a_new_run(model), at=NOON + timedelta(minutes=minutes))


def append(records: Doors, *changes: Change, model: str = MODEL) -> None:
    records.ledger.append(model, changes, at=NOON)


def moved(before: int | None, after: int | None, alias: str = "champion") -> AliasMoved:
    return AliasMoved(model=MODEL, alias=alias, before=before, after=after, why="a test", by="ada")


def every_change(records: Doors) -> list[Change]:
    """One change of each kind, as one model's history would have them."""
    run = begin(records)
    flights, split = a_result("flights"), a_result("split")
    changes: list[Change] = [
        step_finished(run, flights),
        step_finished(run, split),
        VersionRegistered(version=a_version()),
        Judged(judgement=a_judgement()),
        moved(None, 1),
        run_finished(run, flights, split, a_result("features", reused="delay/0")),
        BlockScored(block=a_block(), state=a_state()),
        AlarmRaised(alarm=an_alarm()),
        RolloutStarted(rollout=a_rollout()),
        RolloutMoved(rollout=a_rollout(2), why="a test", by="ada"),
        RolloutEnded(rollout=a_rollout(3, ended=True), why="a test", by="ada"),
        VersionApproved(approval=an_approval()),
        GatesDrilled(drill=a_drill()),
    ]
    append(records, *changes)
    return [RunStarted(run=run), *changes]
