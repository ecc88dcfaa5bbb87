"""One turn of whoever drives a rollout: what its phase asks for is done, and only then written down.

Everything done is harmless to do twice (a table that holds already, a rehearsal), and what is written down is taken once, after
the revision that it was made from. So a driver may die between any two lines, and another begin at the first.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from noria.records.rollouts import (
    Ended,
    Observed,
    Opening,
    Owing,
    Rehearsal,
    Rehearsing,
    Rollout,
    Standby,
    Watching,
    Withdrawing,
)
from noria.rollout.machine import (
    Table,
    aborted,
    advance,
    alone,
    is_due,
    leads_on,
    matured,
    moved_to,
    not_standing_by,
    opened,
    promoted,
    reason,
    rehearsed,
    settled,
    wanted,
)
from noria.rollout.words import phase_words

ITSELF = "rollout"  # who decided, in events


@dataclass(frozen=True)
class Held:
    """Every worker goes by the table."""


@dataclass(frozen=True)
class NotYet:
    """Nobody can bring it about now; it is tried again."""

    why: str


@dataclass(frozen=True)
class Never:
    """The version cannot be loaded."""

    why: str


@dataclass(frozen=True)
class Move:
    """Of the champion's alias, in the same transaction as the change."""

    before: int
    after: int
    why: str
    by: str = ITSELF


class Door(Protocol):
    """What a rollout is driven through."""

    def now(self) -> datetime: ...

    def champion(self) -> int | None:
        """Whom the alias names."""
        ...

    def rehearse(self, rollout: Rollout) -> Rehearsal:
        """Try the way back. Idempotent, and may take minutes."""
        ...

    def hold(self, rollout: Rollout, table: Table) -> Held | NotYet | Never:
        """Let every service of the model go by a table. Idempotent."""
        ...

    def observe(self, rollout: Rollout) -> Observed | NotYet:
        """One look at all that was answered in the rollout's stretches; of one that owes labels, at these alone."""
        ...

    def append(self, rollout: Rollout, *, why: str, by: str, move: Move | None = None) -> bool:
        """Write the next revision down, all or nothing; False where somebody else was quicker."""
        ...


@dataclass(frozen=True)
class Turned:
    """What a turn came to."""

    rollout: Rollout
    why: str = ""
    """What changed; empty where nothing did."""
    waiting: str = ""
    """What is waited for, where somebody has to do something."""


def turn(door: Door, rollout: Rollout) -> Turned:
    """Do the next thing for a rollout, as it stands in the records. Raises what the door raises."""
    return _displaced(door, rollout) or _turn(door, rollout)


def _displaced(door: Door, rollout: Rollout) -> Turned | None:
    """Somebody has moved the alias meanwhile: what was compared is not what would be replaced."""
    champion, now, phase = door.champion(), door.now(), rollout.phase
    if rollout.switched:
        new = moved_to(rollout, champion, "by a person", now)
        return None if new is rollout else _kept(door, rollout, new)
    if champion == rollout.champion or isinstance(phase, Withdrawing | Ended):
        return None
    why = f"the champion is version {champion} now" if champion else "there is no champion any more"
    return _kept(door, rollout, aborted(rollout, why, now))


def _turn(door: Door, rollout: Rollout) -> Turned:
    match rollout.phase:
        case Ended():
            return Turned(rollout)
        case Rehearsing():
            return _kept(door, rollout, rehearsed(rollout, door.rehearse(rollout)))
        case Withdrawing():
            return _withdraw(door, rollout)
        case Opening():
            return _promote(door, rollout) if is_due(rollout) else _open(door, rollout)
        case Watching():
            return _look(door, rollout)
        case Standby(opened=opened):
            return _look(door, rollout) if opened else _stand_by(door, rollout)
        case Owing():
            return _owe(door, rollout)


def _open(door: Door, rollout: Rollout) -> Turned:
    assert isinstance(rollout.phase, Opening)
    if rollout.pause and leads_on(rollout):
        return Turned(rollout, waiting=f"paused by {rollout.pause.by}: {rollout.pause.why}")
    match door.hold(rollout, wanted(rollout)):
        case Held():
            return _kept(door, rollout, opened(rollout, door.now()))
        case Never(why=why):
            return _kept(door, rollout, aborted(rollout, f"it cannot be loaded: {why}", door.now()))
        case NotYet(why=why):
            return Turned(rollout, waiting=why)


def _look(door: Door, rollout: Rollout) -> Turned:
    seen = door.observe(rollout)
    if isinstance(seen, NotYet):
        return Turned(rollout, waiting=seen.why)
    new = advance(rollout, seen, door.now())
    return _kept(door, rollout, new, _back(rollout, new))


def _stand_by(door: Door, rollout: Rollout) -> Turned:
    match door.hold(rollout, wanted(rollout)):
        case Held():
            return _kept(door, rollout, opened(rollout, door.now()))
        case Never(why=why):
            told = f"its predecessor cannot stand by: {why}"
            return _kept(door, rollout, alone(rollout, told, door.now()))
        case NotYet(why=why):
            new = not_standing_by(rollout, why, door.now())
            return Turned(rollout, waiting=why) if new is rollout else _kept(door, rollout, new)


def _promote(door: Door, rollout: Rollout) -> Turned:
    if rollout.pause:
        return Turned(rollout, waiting=f"paused by {rollout.pause.by}: {rollout.pause.why}")
    move = Move(before=rollout.champion, after=rollout.version, why=reason(rollout), by=rollout.by)
    return _kept(door, rollout, promoted(rollout, door.now()), move)


def _withdraw(door: Door, rollout: Rollout) -> Turned:
    held = door.hold(rollout, wanted(rollout))
    if isinstance(held, Held):
        return _kept(door, rollout, settled(rollout, door.now()))
    return Turned(rollout, waiting=held.why)


def _owe(door: Door, rollout: Rollout) -> Turned:
    seen = door.observe(rollout)
    if isinstance(seen, NotYet):
        return Turned(rollout, waiting=seen.why)
    new = advance(rollout, seen, door.now())
    if new is rollout and not seen.losses.unripe:
        new = matured(rollout, seen, door.now())
    return _kept(door, rollout, new, _back(rollout, new))


def _back(rollout: Rollout, new: Rollout) -> Move | None:
    """The alias goes back to whom a version had replaced that its labels, or its predecessor on standby, convict."""
    phase = new.phase
    if not isinstance(phase, Ended) or phase.result != "rolled back":
        return None
    by = "beside its predecessor" if isinstance(rollout.phase, Standby) else "by its labels"
    why = f"rollout {rollout.name}, {by}: {phase.why}"
    return Move(before=rollout.version, after=rollout.champion, why=why)


def _kept(door: Door, rollout: Rollout, new: Rollout, move: Move | None = None) -> Turned:
    if new is rollout:
        return Turned(rollout)
    why = phase_words(new)
    return Turned(new, why=why) if door.append(new, why=why, by=ITSELF, move=move) else Turned(rollout)
