"""What an alarm's changes do to the tables: a row for the alarm, and a message in the outbox for each channel."""

from __future__ import annotations

import msgspec

from noria.adapters.sql.conflicts import AlarmOver, UnknownAlarm
from noria.adapters.sql.database import Connection
from noria.adapters.sql.decoding import reader
from noria.adapters.sql.times import to_micros
from noria.records.alarms import AlarmMoved, AlarmRaised, AlarmSeen, Notice
from noria.records.base import canonical, short
from noria.records.events import Event
from noria.records.monitoring import Alarm

_read_alarm = reader(Alarm)
_read_moved = msgspec.json.Decoder(AlarmMoved).decode

_ALARMS = "SELECT body FROM alarms WHERE model = :model AND body IS NOT NULL"
_MOVES = "SELECT outline FROM events WHERE model = :model AND kind = 'alarm.moved' ORDER BY seq"
_MESSAGE = (
    "INSERT INTO outbox (model, seq, channel, alarm, due, attempts, state, error, body) "
    "VALUES (:model, :seq, :channel, :alarm, :due, 0, 'waiting', '', :body)"
)


def tell_raised(connection: Connection, change: AlarmRaised, event: Event) -> None:
    alarm = change.alarm
    for channel in change.deliver:
        notice = Notice(id=_id(event, channel), kind="raised", at=alarm.raised, alarm=alarm)
        _put(connection, event.seq, channel, notice)


def see_alarm(connection: Connection, change: AlarmSeen) -> None:
    """Raises `UnknownAlarm`."""
    _found(connection, change.model, change.alarm)


def move_alarm(connection: Connection, change: AlarmMoved, event: Event) -> None:
    """Raises `UnknownAlarm`, and `AlarmOver` where it is resolved already."""
    alarm = _found(connection, change.model, change.alarm)
    moves = [_read_moved(outline) for (outline,) in connection.all(_MOVES, {"model": change.model})]
    last = next((one for one in reversed(moves) if one.alarm == change.alarm), None)
    if last is not None and last.to == "resolved":
        raise AlarmOver(alarm=change.alarm, by=last.by, why=last.why)
    for channel in change.deliver:
        notice = Notice(
            id=_id(event, channel),
            kind="resolved" if change.to == "resolved" else "raised",
            at=change.at,
            alarm=alarm,
            by=change.by,
            why=change.why,
        )
        _put(connection, event.seq, channel, notice)


def _found(connection: Connection, model: str, id: str) -> Alarm:
    alarms = (_read_alarm(body) for (body,) in connection.all(_ALARMS, {"model": model}))
    found = next((one for one in alarms if one.id == id), None)
    if found is None:
        raise UnknownAlarm(alarm=id)
    return found


def _id(event: Event, channel: str) -> str:
    """Of this message alone, also where several stores have a model of this name and one receiver: the chain's hash tells
    them apart."""
    return f"{event.model}-{event.seq}-{channel}-{short(event.hash)}"


def _put(connection: Connection, seq: int, channel: str, notice: Notice) -> None:
    row = {
        "model": notice.alarm.model,
        "seq": seq,
        "channel": channel,
        "alarm": notice.alarm.id,
        "due": to_micros(notice.at),
        "body": canonical(notice).decode(),
    }
    connection.run(_MESSAGE, [row])
