"""Changes and the hash chain: every change of a model's state is appended as an event."""

from __future__ import annotations

from datetime import datetime

from noria.records.alarms import AlarmMoved, AlarmRaised, AlarmSeen
from noria.records.base import Digest, Record, canonical, digest_bytes, digest_of
from noria.records.batches import Batch
from noria.records.drills import Drill
from noria.records.gates import Approval, Judgement
from noria.records.monitoring import Block, MonitorsBegun, RiskState
from noria.records.profiles import Finding
from noria.records.proofs import Collected, Proof
from noria.records.rollouts import RollbackDrilled, RolloutEnded, RolloutMoved, RolloutStarted
from noria.records.runs import Outcome, Run, StepResult
from noria.records.sights import BlockSeen
from noria.records.tokens import TokenMade, TokenRevoked
from noria.records.versions import Version

GENESIS = Digest("blake3:" + "0" * 64)


class RunStarted(Record, tag="run.started"):
    run: Run


class StepFinished(Record, tag="step.finished"):
    model: str
    run: int
    result: StepResult


class RunFinished(Record, tag="run.finished"):
    model: str
    run: int
    finished: datetime
    outcome: Outcome
    steps: tuple[StepResult, ...]
    """All of them, the reused ones too: the whole record of the run."""


class VersionRegistered(Record, tag="version.registered"):
    version: Version


class Judged(Record, tag="version.judged"):
    judgement: Judgement


class VersionApproved(Record, tag="version.approved"):
    """A person said whether a version may be promoted."""

    approval: Approval


class GatesDrilled(Record, tag="gates.drilled"):
    """Known-bad candidates were planted, and the gates judged them."""

    drill: Drill


class AliasMoved(Record, tag="alias.moved"):
    """Compare-and-set: refused unless the alias still names `before`."""

    model: str
    alias: str
    before: int | None
    after: int | None
    """None removes the alias."""
    why: str
    by: str
    """A person's name, or the part of Noria that decided."""
    forth: bool = False
    """A rollout promoted it: what it replaced is the way back, although it may have been there before."""


class BlockScored(Record, tag="block.scored"):
    """A matured block was looked at once, and the monitor's state moved with it."""

    block: Block
    state: RiskState


class DataRefused(Record, tag="data.refused"):
    """New data failed its checks: no step read it, and no version came of it."""

    model: str
    run: int
    step: str
    data: Digest
    """Of the refused data's content."""
    findings: tuple[Finding, ...]


class Proved(Record, tag="version.proved"):
    """A version was rebuilt from its record and compared."""

    proof: Proof


class GarbageCollected(Record, tag="garbage.collected"):
    """What was removed of a model's past; its records stay, its bytes are gone."""

    model: str
    collected: Collected


class BatchAnswered(Record, tag="batch.answered"):
    """Rows out of files were answered into files."""

    batch: Batch


Change = (
    RunStarted
    | StepFinished
    | RunFinished
    | VersionRegistered
    | Judged
    | VersionApproved
    | GatesDrilled
    | AliasMoved
    | BlockScored
    | AlarmRaised
    | AlarmSeen
    | AlarmMoved
    | MonitorsBegun
    | BlockSeen
    | DataRefused
    | Proved
    | GarbageCollected
    | TokenMade
    | TokenRevoked
    | BatchAnswered
    | RolloutStarted
    | RolloutMoved
    | RolloutEnded
    | RollbackDrilled
)


class Event(Record):
    """One link of a model's chain; `hash` covers everything else in it."""

    model: str
    seq: int
    at: datetime
    kind: str
    digest: Digest
    """Of the change's canonical form."""
    previous: Digest
    hash: Digest


class _Link(Record):
    model: str
    seq: int
    at: datetime
    kind: str
    digest: Digest
    previous: Digest


def link(change: Change, *, model: str, seq: int, at: datetime, previous: Digest) -> Event:
    """The event that appends `change` to a chain whose last hash is `previous` (GENESIS at first)."""
    kind = str(change.__struct_config__.tag)
    digest = digest_bytes(canonical(change))
    body = _Link(model=model, seq=seq, at=at, kind=kind, digest=digest, previous=previous)
    return Event(
        model=model, seq=seq, at=at, kind=kind, digest=digest, previous=previous, hash=digest_of(body)
    )


def verified(event: Event, *, previous: Digest, seq: int) -> bool:
    """Whether an event follows the one whose hash is `previous`, and is what its hash says."""
    body = _Link(
        model=event.model,
        seq=event.seq,
        at=event.at,
        kind=event.kind,
        digest=event.digest,
        previous=event.previous,
    )
    return event.seq == seq and event.previous == previous and event.hash == digest_of(body)
