"""What monitors found becomes changes of alarms: a cause that stands already is not raised a second time."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from msgspec.structs import replace

from noria.app.alarms.standing import alarms_of, channels_for, told_of
from noria.app.alarms.together import grouped, in_one
from noria.errors import Conflict
from noria.records.alarms import NORIA, AlarmMoved, AlarmRaised, Alarms, AlarmSeen, AlarmState, Standing
from noria.records.events import Change
from noria.records.monitoring import Alarm
from noria.records.sights import Sight

if TYPE_CHECKING:
    from noria.app.wiring import App


def changes_for(app: App, model: str, found: Iterable[Alarm]) -> list[Change]:
    """A raised alarm for each new cause, and a word for each that stands. To be appended with the block that they were
    found in, so that of several watchers one raises them."""
    found = list(found)
    if not found:
        return []
    known = alarms_of(app, model)
    again: dict[str, list[Alarm]] = {}
    new: dict[bool, list[Alarm]] = {False: [], True: []}  # by whether they are muted
    for alarm in found:
        standing = known.of(alarm.version, alarm.topic)
        if standing is not None:
            again.setdefault(standing.alarm.id, []).append(alarm)
        else:
            new[known.muted(alarm.topic, alarm.raised)].append(alarm)
    seen = [_seen(id, in_one(alarms)) for id, alarms in again.items()]
    raised = [_raised(app, known, one, silent) for silent, alarms in new.items() for one in grouped(alarms)]
    return [*seen, *raised]


def _seen(standing: str, alarm: Alarm) -> AlarmSeen:
    return AlarmSeen(
        model=alarm.model, alarm=standing, block=alarm.block, why=alarm.why, figures=alarm.figures
    )


def _raised(app: App, known: Alarms, alarm: Alarm, silent: bool) -> AlarmRaised:
    alarm = replace(alarm, number=known.count(alarm.version, alarm.topic) + 1)
    return AlarmRaised(alarm=alarm, deliver=() if silent else channels_for(app, alarm))


def settle(app: App, model: str, champion: int) -> Sequence[Change]:
    """What time alone changes, appended: alarms of versions that are no more the champion are over, and a mute that
    has ended tells again what still stands."""
    now, known = app.clock.now(), alarms_of(app, model)
    changes: list[Change] = []
    for one in known.standing.values():
        if not one.stands:
            continue
        if one.alarm.version != champion:
            why = f"{model}:{champion} is the champion now"
            changes.append(_over(app, one, why, now))
        elif one.state == "muted" and one.until is not None and one.until <= now:
            told = channels_for(app, one.alarm)
            changes.append(_said(one.alarm, "open", "its mute has ended", now, told))
    try:
        if changes:
            app.records.ledger.append(model, changes, at=now)
    except Conflict as error:
        if error.code != OVER:
            raise
        return ()  # a person, or another watcher, was quicker: the next look finds what is left
    return changes


OVER = "ALARM-OVER"  # the code of the conflict when an alarm was resolved meanwhile
QUIET = 3  # blocks without a finding after which its alarm is over: one good day between two bad ones ends nothing
LIMITS = (
    "missing",
    "range",
    "categories",
    "vanished",
    "volume",
    "latency",
    "errors",
)  # monitors that count, and infer nothing


def quiet(app: App, sight: Sight, found: Collection[str], now: datetime) -> list[Change]:
    """The end of each alarm over a limit that was kept for some blocks, this one the last; a test that has rung stays so.
    A block without rows keeps no limit."""
    over: list[Change] = []
    if not sight.rows:
        return over
    for one in alarms_of(app, sight.model).standing.values():
        mine = one.stands and one.alarm.version == sight.version and one.alarm.monitor in LIMITS
        if mine and not {*one.alarm.topics} & {*found} and _kept(app, sight, one.last) >= QUIET:
            why = f"not found in the {QUIET} blocks until {sight.end:%Y-%m-%d %H:%M}"
            over.append(_over(app, one, why, now))
    return over


def _kept(app: App, sight: Sight, since: datetime) -> int:
    """Blocks with rows after the one that began at `since`, this one among them."""
    past = app.records.monitors.sights(sight.model, sight.version)
    return 1 + sum(one.rows > 0 and one.start > since for one in past)


def _over(app: App, standing: Standing, why: str, now: datetime) -> AlarmMoved:
    return _said(standing.alarm, "resolved", why, now, told_of(app, standing))


def _said(alarm: Alarm, to: AlarmState, why: str, now: datetime, told: tuple[str, ...]) -> AlarmMoved:
    return AlarmMoved(model=alarm.model, alarm=alarm.id, to=to, at=now, why=why, by=NORIA, deliver=told)
