"""Alarms as they stand, and what people do about them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, ClassVar

from noria.errors import NotFound, UsageError
from noria.records.alarms import AlarmMoved, Alarms, AlarmState, Delivery, Standing
from noria.records.base import Record
from noria.records.channels import Channel
from noria.records.monitoring import Alarm

if TYPE_CHECKING:
    from noria.app.wiring import App

KINDS = ("alarm.raised", "alarm.seen", "alarm.moved")  # of events that an alarm's state follows from
LONGEST = timedelta(days=365)  # of a mute: what is to be silent for longer is a limit to change


@dataclass(eq=False)
class NoAlarm(NotFound):
    code: ClassVar[str] = "ALARM-NONE"
    what: ClassVar[str] = "there is no alarm {name}; {known}"
    next: ClassVar[str] = "noria alarms list --all"
    name: str
    known: str


@dataclass(eq=False)
class BadMute(UsageError):
    code: ClassVar[str] = "ALARM-MUTE"
    what: ClassVar[str] = "an alarm cannot be muted for {span}: a mute ends within a year"
    next: ClassVar[str] = "noria alarms mute {alarm} --for 7d"
    alarm: str
    span: str


@dataclass(eq=False)
class NoReason(UsageError):
    code: ClassVar[str] = "ALARM-WHY"
    what: ClassVar[str] = "a change of an alarm needs its reason, for whoever reads the record later"
    next: ClassVar[str] = 'noria alarms {verb} {alarm} --why "..."'
    verb: str
    alarm: str


class AlarmView(Record, kw_only=True):
    """An alarm with the messages about it."""

    standing: Standing
    deliveries: tuple[Delivery, ...] = ()


def alarms_of(app: App, model: str) -> Alarms:
    """A model's alarms as they are now."""
    return Alarms(change for _, change in app.records.ledger.events(model, kinds=KINDS))


def list_alarms(app: App, model: str | None = None, *, all: bool = False) -> list[Standing]:
    """Those that stand, or `all`, of one model or of every one; the newest first. Raises `UnknownModel`."""
    names = [app.model(model).name] if model else [policy.name for policy in app.policy.models]
    found = [one for name in names for one in alarms_of(app, name).standing.values()]
    wanted = [one for one in found if all or one.stands]
    return sorted(wanted, key=lambda one: (one.alarm.raised, one.alarm.id), reverse=True)


def show_alarm(app: App, id: str) -> AlarmView:
    """Raises `NoAlarm`."""
    standing = find_alarm(app, id)
    sent = app.records.outbox.all(standing.alarm.model)
    return AlarmView(
        standing=standing, deliveries=tuple(one for one in sent if one.notice.alarm.id == standing.alarm.id)
    )


def find_alarm(app: App, id: str) -> Standing:
    """An alarm by its id, as in `delay:3/drift/distance`. Raises `NoAlarm`."""
    model = id.partition(":")[0]
    if model in app.records.versions.models():
        found = alarms_of(app, model).standing
        if id in found:
            return found[id]
    standing = [one.alarm.id for one in list_alarms(app)]
    known = f"those that stand: {', '.join(standing[:5])}" if standing else "none stands"
    raise NoAlarm(name=id, known=known)


def acknowledge(app: App, id: str, *, by: str, why: str, dry_run: bool = False) -> Standing:
    """Somebody sees to it: it stands, and is said to be in hands."""
    return _move(app, id, "acknowledged", by=by, why=why, dry_run=dry_run)


def mute(app: App, id: str, span: timedelta, *, by: str, why: str, dry_run: bool = False) -> Standing:
    """Nothing is told of this cause for a while, on later versions too. When it ends and the alarm still stands,
    it is told again. Raises `BadMute`."""
    if not timedelta(0) < span <= LONGEST:
        raise BadMute(alarm=id, span=str(span))
    return _move(app, id, "muted", by=by, why=why, span=span, dry_run=dry_run)


def reopen(app: App, id: str, *, by: str, why: str, dry_run: bool = False) -> Standing:
    """Take back a mute or an acknowledgement."""
    return _move(app, id, "open", by=by, why=why, dry_run=dry_run)


def resolve_alarm(app: App, id: str, *, by: str, why: str, dry_run: bool = False) -> Standing:
    """It is over; whoever was told that it began is told."""
    return _move(app, id, "resolved", by=by, why=why, dry_run=dry_run)


def _move(
    app: App, id: str, to: AlarmState, *, by: str, why: str, dry_run: bool, span: timedelta | None = None
) -> Standing:
    """Raises `NoAlarm`, `NoReason`, and `Conflict` where it is resolved already."""
    standing = find_alarm(app, id)
    if not why.strip():
        verb = {"acknowledged": "ack", "muted": "mute", "open": "reopen", "resolved": "resolve"}[to]
        raise NoReason(verb=verb, alarm=id)
    now = app.clock.now()
    moved = AlarmMoved(
        model=standing.alarm.model,
        alarm=id,
        to=to,
        at=now,
        until=None if span is None else now + span,
        why=why.strip(),
        by=by,
        deliver=told_of(app, standing) if to == "resolved" else (),
    )
    if not dry_run:
        app.records.ledger.append(moved.model, [moved], at=now)
    known = Alarms()
    known.standing[id] = standing
    known.follow(moved)
    return known.standing[id]


def told_of(app: App, standing: Standing) -> tuple[str, ...]:
    """Who was told of an alarm, and is to hear that it is over."""
    return tuple(name for name in channels_for(app, standing.alarm) if name in standing.told)


def channels_for(app: App, alarm: Alarm) -> tuple[str, ...]:
    """Who is to be told of an alarm."""
    channels: Sequence[Channel] = app.policy.alarms.channels
    return tuple(channel.name for channel in channels if channel.wants(alarm))
