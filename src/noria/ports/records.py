"""The records' doors: one writer for all, and a narrow reader a stage."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from typing import Protocol

from noria.records.alarms import Delivery
from noria.records.base import Digest
from noria.records.events import Change, Event
from noria.records.gates import Judgement
from noria.records.monitoring import Block, Feedback, NewFeedback, RiskState
from noria.records.rollouts import Rollout
from noria.records.runs import NewRun, Outcome, Run, StepResult
from noria.records.service import Service
from noria.records.sights import Sight
from noria.records.versions import Version


class Ledger(Protocol):
    """The one way to change a model's state. Each call is one transaction: all changes with their events in the
    model's chain, or none. What it returns from survives the process, and a loss of power too; but steps that were
    appended alone may then be gone, since they can run again. Raises `Conflict` when an alias is not where
    `AliasMoved.before` says, a number is taken, a run is over, a block was scored or a rollout has moved on; `NotFound` for a run or a
    version that was never recorded; `Unavailable` when the store is busy beyond its time-out."""

    def begin(self, asked: NewRun, *, at: datetime) -> Run:
        """Give a run the model's next number and record that it started."""
        ...

    def append(self, model: str, changes: Sequence[Change], *, at: datetime) -> Sequence[Event]:
        """Apply changes in order."""
        ...

    def events(
        self, model: str, *, kinds: Collection[str] = (), after: int = 0
    ) -> Iterator[tuple[Event, Change | None]]:
        """A model's chain after an event, or its events of some kinds alone; the change is None where only a
        tombstone is left. Raises `Corrupt` for a record that is gone or unreadable."""
        ...


class RunRecords(Protocol):
    """Runs and what their steps gave."""

    def run(self, model: str, number: int) -> tuple[Run, datetime | None, Outcome | None] | None: ...

    def runs(
        self, model: str | None = None, *, last: int = 50
    ) -> Sequence[tuple[Run, datetime | None, Outcome | None]]:
        """The newest first."""
        ...

    def unfinished(self, model: str) -> Run | None:
        """The newest run of the model if it has no outcome or was interrupted."""
        ...

    def steps(self, model: str, number: int) -> Sequence[StepResult]:
        """In the order in which they finished."""
        ...

    def results(self, model: str) -> Iterator[tuple[int, StepResult]]:
        """Every result of every run, with the run's number; the oldest run first."""
        ...

    def cached(self, model: str, fingerprint: Digest) -> tuple[StepResult, str] | None:
        """The newest result with this fingerprint, and the name of the run that executed it."""
        ...

    def ahead(self, model: str, run: int) -> dict[Digest, tuple[StepResult, str]]:
        """What `cached` gives now to fingerprints of the run before this one, a few thousand at most: a run that does the
        same again asks once."""
        ...

    def last(self, model: str, step: str) -> StepResult | None:
        """The newest result of a step of this name, whatever its fingerprint."""
        ...


class VersionRecords(Protocol):
    """Versions, aliases and judgements."""

    def version(self, model: str, number: int) -> Version | None: ...

    def versions(self, model: str) -> Sequence[Version]:
        """The newest first."""
        ...

    def aliases(self, model: str) -> dict[str, int]: ...

    def judgements(self, model: str, number: int) -> Sequence[Judgement]:
        """The newest first."""
        ...

    def models(self) -> Sequence[str]:
        """Every model that has a run or a version, by name."""
        ...


TAKEN = (
    "BLOCK-TAKEN"  # the code of the conflict when another process has looked at a block, or begun to watch
)


class MonitorRecords(Protocol):
    """What a monitor remembers."""

    def state(self, model: str, version: int) -> RiskState | None: ...

    def states(self, model: str, version: int) -> Sequence[RiskState]:
        """After each block, in the order in which they were scored."""
        ...

    def blocks(self, model: str, version: int | None = None) -> Sequence[Block]:
        """By their start."""
        ...

    def sights(self, model: str, version: int | None = None) -> Sequence[Sight]:
        """By their start."""
        ...

    def last_sight(self, model: str, version: int) -> Sight | None:
        """That of the newest block."""
        ...


class RolloutRecords(Protocol):
    """Rollouts and their changes."""

    def rollouts(self, model: str) -> Sequence[Rollout]:
        """Each as it stands; the newest first."""
        ...

    def last(self, model: str) -> Rollout | None:
        """The newest alone: who drives asks every few seconds."""
        ...

    def history(self, model: str, number: int) -> Sequence[Rollout]:
        """One after each of its changes, in their order."""
        ...


class FeedbackRecords(Protocol):
    """Labels that arrived. Not part of the hash chain: they are data, addressed by id or key."""

    def add(self, model: str, items: Sequence[NewFeedback], *, at: datetime) -> Sequence[str]:
        """Store a batch in one transaction; one of `stored | repeated | corrected` an item, in order.

        A label equal to the stored one is `repeated` and changes nothing; a different one is a `Conflict`
        (nothing of the batch is stored) unless it is a correction.
        """
        ...

    def after(self, model: str, seq: int, *, limit: int = 100_000) -> Sequence[Feedback]:
        """What arrived after `seq`, in order."""
        ...

    def current(self, model: str, by: str, refs: Sequence[str]) -> dict[str, NewFeedback]:
        """The label that holds for each of these references; those without one are left out."""
        ...


class OutboxRecords(Protocol):
    """Messages of alarms on their way. They come into being with the events that they tell, in `Ledger.append`; what
    becomes of them is no part of the chain."""

    def waits(self, now: datetime) -> bool:
        """Whether a message is due."""
        ...

    def take(self, now: datetime, until: datetime, *, limit: int = 50) -> Sequence[Delivery]:
        """Messages that are due, the oldest first, for this caller alone until `until`: if it dies meanwhile, they
        are due again then. None is due while an earlier one of its alarm and channel is put off or taken: nobody hears
        that it is over before that it began."""
        ...

    def sent(self, seq: int, at: datetime) -> None: ...

    def again(self, seq: int, due: datetime, error: str, *, tried: bool = True) -> None:
        """To be tried at `due`; `tried`: whether it was tried now."""
        ...

    def give_up(self, seq: int, at: datetime, error: str) -> None: ...

    def all(self, model: str) -> Sequence[Delivery]:
        """In the order in which they came."""
        ...


class ServiceRecords(Protocol):
    """Which services run. Mutable, rebuilt by the services themselves; no part of the chain."""

    def announce(self, service: Service) -> None:
        """Insert or replace by id."""
        ...

    def withdraw(self, id: str) -> None: ...

    def services(self, model: str | None = None) -> Sequence[Service]: ...
