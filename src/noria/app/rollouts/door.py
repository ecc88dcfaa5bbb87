"""What a rollout is driven through, for real: the ledger, the services, the log, the labels."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import msgspec

from noria.app.rollouts.answers import Answers
from noria.app.rollouts.counts import observed
from noria.app.rollouts.losses import losses_of
from noria.app.rollouts.rehearse import rehearse
from noria.app.rollouts.services import goes_by, hold, tables
from noria.errors import Conflict
from noria.ports.engine import Engine
from noria.records.events import AliasMoved, Change
from noria.records.rollouts import (
    Losses,
    Observed,
    Owing,
    Rehearsal,
    Rollout,
    RolloutEnded,
    RolloutMoved,
    Standby,
    Strategy,
)
from noria.registry.references import CHAMPION
from noria.rollout.copies import in_evidence
from noria.rollout.drive import Held, Move, Never, NotYet
from noria.rollout.machine import Table, wanted
from noria.rollout.standby import turned

if TYPE_CHECKING:
    from noria.app.wiring import App

LABELS = timedelta(
    seconds=30
)  # between two looks at labels: each scores all that have come, in the user's code


@dataclass
class _Evidence:
    """What was read so far; a canary's and its copies' are apart."""

    answers: Answers
    losses: Losses = field(default_factory=Losses)
    scored: datetime | None = None


class AppDoor:
    """Of one rollout; what it remembers is read again by the next one. Close it: it may hold a worker process."""

    def __init__(self, app: App, rollout: Rollout, *, labels: bool = True) -> None:
        """`labels`: whether to look at those too, which runs the user's code."""
        self._looks_at_labels = labels
        self._app = app
        self._model = rollout.model
        self._version = rollout.version  # whose loss judges, whoever is counted as the challenger
        self._kept: dict[Strategy, _Evidence] = {}
        self._engine: Engine | None = None

    def now(self) -> datetime:
        return self._app.clock.now()

    def champion(self) -> int | None:
        return self._app.records.versions.aliases(self._model).get(CHAMPION)

    def rehearse(self, rollout: Rollout) -> Rehearsal:
        version = self._app.records.versions.version(rollout.model, rollout.champion)
        if version is None:
            return Rehearsal(version=rollout.champion, whole=False, problem="its record is gone")
        self._app.failures(rollout.model).clear()  # those of the rollout before
        return rehearse(self._app, version)

    def hold(self, rollout: Rollout, table: Table) -> Held | NotYet | Never:
        return hold(self._app, rollout, table)

    def observe(self, rollout: Rollout) -> Observed | NotYet:
        if isinstance(rollout.phase, Owing):
            return Observed(losses=self._labels(in_evidence(rollout)))
        found = tables(self._app, rollout.model)
        if isinstance(found, NotYet):
            return found
        now, table, counted = self.now(), wanted(rollout), in_evidence(rollout)
        answers = self._evidence(counted).answers
        trials = answers.read(self._app.failures(rollout.model).read(), counted.stretches)
        seen = observed(counted, trials, self._labels(counted), now)
        seen = msgspec.structs.replace(seen, came=answers.units.came())
        if isinstance(rollout.phase, Standby):
            seen = turned(seen)
        gone = next((view.problems.get(str(counted.version), "") for view in found), "")
        if all(goes_by(view, table) for view in found):
            return seen
        if gone:
            return msgspec.structs.replace(seen, gone=gone)
        last = answers.last or rollout.stretches[-1].since
        return msgspec.structs.replace(seen, displaced=min(now, last))

    def append(self, rollout: Rollout, *, why: str, by: str, move: Move | None = None) -> bool:
        return append(self._app, rollout, why=why, by=by, move=move)

    def close(self) -> None:
        if self._engine is not None:
            self._engine.close()
            self._engine = None

    def _labels(self, rollout: Rollout) -> Losses:
        """Looked at now and then."""
        now, kept = self.now(), self._evidence(rollout)
        if rollout.policy.quality is None or not rollout.stretches or not self._looks_at_labels:
            return Losses()
        if kept.scored is None or now - kept.scored >= LABELS:
            judge = self._app.records.versions.version(self._model, self._version)
            if judge is not None:
                self._engine = self._engine or self._app.engine(self._app.code(judge.code))
                kept.losses, kept.scored = losses_of(self._app, rollout, judge, self._engine, now), now
        return kept.losses

    def _evidence(self, rollout: Rollout) -> _Evidence:
        """Of the rollout as it is counted: a canary's, or its copies'."""
        kind = rollout.policy.strategy
        if kind not in self._kept:
            self._kept[kind] = _Evidence(Answers(rollout, self._app.predictions))
        return self._kept[kind]


def append(app: App, rollout: Rollout, *, why: str, by: str, move: Move | None = None) -> bool:
    """Write a rollout's next revision down, with the move of the alias where there is one: all or nothing. False where
    either has moved on."""
    ended = not rollout.open
    change: Change = (RolloutEnded if ended else RolloutMoved)(rollout=rollout, why=why, by=by)
    changes = [change]
    if move is not None:
        changes.append(
            AliasMoved(
                model=rollout.model,
                alias=CHAMPION,
                before=move.before,
                after=move.after,
                why=move.why,
                by=move.by,
                forth=move.after == rollout.version,
            )
        )
    try:
        app.records.ledger.append(rollout.model, changes, at=app.clock.now())
    except Conflict:
        return False
    return True
