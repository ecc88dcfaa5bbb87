"""Alarms over time: raised, seen again, acknowledged, muted, resolved; and what is told of them to whom."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Literal

from noria.records.base import Json, Record
from noria.records.monitoring import Alarm

AlarmState = Literal["open", "acknowledged", "muted", "resolved"]


class AlarmRaised(Record, tag="alarm.raised"):
    alarm: Alarm
    deliver: tuple[str, ...] = ()
    """The channels that are told; the messages go into the outbox with the event, or neither does."""


class AlarmSeen(Record, kw_only=True, tag="alarm.seen"):
    """The cause of an alarm that stands was found again in a later block: it is not raised again."""

    model: str
    alarm: str
    block: datetime
    why: str
    figures: dict[str, Json] = {}


class AlarmMoved(Record, kw_only=True, tag="alarm.moved"):
    """A person, or Noria, changed the state of an alarm. Refused once it is resolved."""

    model: str
    alarm: str
    to: AlarmState
    at: datetime
    until: datetime | None = None
    """Of a mute: when it ends."""
    why: str
    by: str
    """A person's name, or `noria`."""
    deliver: tuple[str, ...] = ()


class Standing(Record, kw_only=True):
    """An alarm as it stands, after all that was said of it."""

    alarm: Alarm
    state: AlarmState = "open"
    since: datetime
    until: datetime | None = None
    by: str = ""
    why: str = ""
    """Of the newest change of state."""
    seen: int = 1
    """Blocks in which the cause was found."""
    last: datetime
    """Start of the newest of them."""
    said: str = ""
    """What was found in the newest of them."""
    told: tuple[str, ...] = ()
    """The channels to which went that it began: whoever was told of nothing is not told that it is over."""

    @property
    def stands(self) -> bool:
        return self.state != "resolved"


class Notice(Record, kw_only=True):
    """One message of one alarm to one channel."""

    id: str
    """The same whenever it is sent again, so that a receiver can tell; of no other message of any store."""
    kind: Literal["raised", "resolved", "test"]
    at: datetime
    alarm: Alarm
    by: str = ""
    why: str = ""
    """Of what was resolved."""


class Delivery(Record, kw_only=True):
    """A message on its way."""

    seq: int
    model: str
    channel: str
    notice: Notice
    due: datetime
    """When it is tried next."""
    attempts: int = 0
    state: Literal["waiting", "sent", "failed"] = "waiting"
    ended: datetime | None = None
    error: str = ""
    """What the newest attempt met."""


class Alarms:
    """All alarms of one model, folded out of its events."""

    def __init__(self, changes: Iterable[object] = ()) -> None:
        self.standing: dict[str, Standing] = {}
        """By id, in the order in which they were raised."""
        self._mutes: dict[str, AlarmMoved] = {}
        for change in changes:
            self.follow(change)

    def follow(self, change: object) -> None:
        match change:
            case AlarmRaised():
                self._raised(change)
            case AlarmSeen() if change.alarm in self.standing:
                self._seen(change)
            case AlarmMoved() if change.alarm in self.standing:
                self._moved(change)

    def of(self, version: int, topic: str) -> Standing | None:
        """The alarm of this cause that stands."""
        for one in self.standing.values():
            if one.stands and one.alarm.version == version and topic in one.alarm.topics:
                return one
        return None

    def count(self, version: int, topic: str) -> int:
        """How often this cause has been an alarm of the version."""
        return sum(
            one.alarm.version == version and one.alarm.topic == topic for one in self.standing.values()
        )

    def muted(self, topic: str, now: datetime) -> bool:
        """Whether a cause is muted, on whichever version: a mute outlives the version that it was said of."""
        return self._mute(topic, now) is not None

    def _mute(self, topic: str, now: datetime) -> AlarmMoved | None:
        mute = self._mutes.get(topic)
        return mute if mute is not None and mute.until is not None and now < mute.until else None

    def _raised(self, change: AlarmRaised) -> None:
        """What is muted altogether makes a muted alarm: it is told when the first mute ends, and starts nothing before."""
        alarm = change.alarm
        mutes = [self._mute(topic, alarm.raised) for topic in alarm.topics]
        mute = None if None in mutes else min(filter(None, mutes), key=lambda one: one.until or alarm.raised)
        self.standing[alarm.id] = Standing(
            alarm=alarm,
            state="open" if mute is None else "muted",
            since=alarm.raised,
            until=None if mute is None else mute.until,
            by="" if mute is None else mute.by,
            why="" if mute is None else mute.why,
            last=alarm.block,
            said=alarm.why,
            told=change.deliver,
        )

    def _seen(self, change: AlarmSeen) -> None:
        from msgspec.structs import replace

        known = self.standing[change.alarm]
        self.standing[change.alarm] = replace(
            known, seen=known.seen + 1, last=max(known.last, change.block), said=change.why
        )

    def _moved(self, change: AlarmMoved) -> None:
        from msgspec.structs import replace

        known = self.standing[change.alarm]
        told = known.told if change.to == "resolved" else tuple(dict.fromkeys((*known.told, *change.deliver)))
        self.standing[change.alarm] = replace(
            known,
            state=change.to,
            since=change.at,
            until=change.until,
            by=change.by,
            why=change.why,
            told=told,
        )
        for topic in known.alarm.topics:
            if change.to == "muted" and change.until is not None:
                self._mutes[topic] = change
            elif change.by != NORIA:
                self._mutes.pop(topic, None)


NORIA = "noria"  # who changes a state where no person does
