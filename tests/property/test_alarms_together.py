"""Findings of any blocks, in any order, with alarms resolved and muted in between: each cause that is found stands in one alarm."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as some

from noria.app.alarms.raising import changes_for
from noria.records.alarms import AlarmMoved, AlarmRaised, Alarms, AlarmSeen, AlarmState
from noria.records.monitoring import Alarm

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
FOUND = some.sets(some.tuples(some.sampled_from(("missing", "range", "vanished")), some.sampled_from("abcd")))
MOVES = some.lists(
    some.tuples(some.integers(0, 5), some.sampled_from(("resolved", "muted", "open"))), max_size=2
)


def alarm(day: int, monitor: str, column: str) -> Alarm:
    at = NOON + DAY * day
    return Alarm(
        model="m",
        version=1,
        monitor=monitor,
        subject=f"{column}=x" if monitor == "vanished" else column,
        raised=at,
        block=at,
        e_value=0.0,
        threshold=0.0,
        risk=0.0,
        bound=0.0,
        severity="warning",
        why=f"{monitor} of {column}",
        figures={"share": 1.0, "rows": 100.0},
    )


def moved(one: Any, to: AlarmState, day: int) -> AlarmMoved:
    at = NOON + DAY * day
    until = at + 2 * DAY if to == "muted" else None
    return AlarmMoved(model="m", alarm=one.alarm.id, to=to, at=at, until=until, why="so", by="ada")


@settings(max_examples=60, deadline=None)
@given(days=some.lists(some.tuples(FOUND, MOVES), max_size=6))
def test_each_cause_that_is_found_stands_once_and_what_is_muted_is_told_to_nobody(days: Any) -> None:
    history: list[object] = []
    ledger = SimpleNamespace(events=lambda *_, **__: [(None, change) for change in history])
    channel = SimpleNamespace(name="ops", wants=lambda _: True)
    app: Any = SimpleNamespace(
        records=SimpleNamespace(ledger=ledger),
        policy=SimpleNamespace(alarms=SimpleNamespace(channels=(channel,))),
    )
    for day, (found, moves) in enumerate(days):
        alarms = [alarm(day, *each) for each in sorted(found)]
        before = Alarms(history)
        changes = changes_for(app, "m", alarms)
        history += changes
        stands = [one for one in Alarms(history).standing.values() if one.stands]
        named = [topic for one in stands for topic in one.alarm.topics]
        assert len(named) == len(set(named)), "no cause stands in two alarms"
        assert {one.topic for one in alarms} <= set(named)
        told = [one.alarm for one in changes if isinstance(one, AlarmSeen)]
        assert len(told) == len(set(told)), "a block is one sighting of an alarm"
        for change in changes:
            if isinstance(change, AlarmRaised):
                silent = {before.muted(topic, change.alarm.raised) for topic in change.alarm.topics}
                assert silent == {not change.deliver}
        for at, to in moves:
            if at < len(stands) and Alarms(history).standing[stands[at].alarm.id].stands:
                history.append(moved(stands[at], to, day))
    ids = [change.alarm.id for change in history if isinstance(change, AlarmRaised)]
    assert len(ids) == len(set(ids))
