"""The contract of alarms: what holds of their states, and messages that come with the events that they tell."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from noria.errors import Conflict, NotFound
from noria.records.alarms import AlarmMoved, AlarmRaised, Alarms, AlarmSeen, AlarmState
from noria.records.base import short
from noria.records.chain import verify_chain
from noria.records.events import VersionRegistered
from noria.records.monitoring import MonitorsBegun, Plan
from noria.testing.records.doors import Doors, append
from noria.testing.samples import MODEL, NOON, a_version, an_alarm

HOUR = timedelta(hours=1)


def moved(to: AlarmState, *deliver: str, id: str = "delay:1/log_loss") -> AlarmMoved:
    return AlarmMoved(model=MODEL, alarm=id, to=to, at=NOON, why="a test", by="ada", deliver=deliver)


class AlarmRecordsContract:
    @pytest.fixture(autouse=True)
    def _version(self, records: Doors) -> None:
        append(records, VersionRegistered(version=a_version()))

    def test_an_alarm_is_what_was_said_of_it(self, records: Doors) -> None:
        alarm = an_alarm()
        seen = AlarmSeen(model=MODEL, alarm=alarm.id, block=NOON + HOUR, why="still")
        append(records, AlarmRaised(alarm=alarm), seen, moved("acknowledged"))
        (one,) = Alarms(change for _, change in records.ledger.events(MODEL)).standing.values()
        assert (one.alarm, one.state, one.seen, one.said, one.by) == (
            alarm,
            "acknowledged",
            2,
            "still",
            "ada",
        )
        assert verify_chain(records.ledger.events(MODEL)) == 4

    def test_what_is_resolved_is_over(self, records: Doors) -> None:
        append(records, AlarmRaised(alarm=an_alarm()), moved("resolved"))
        with pytest.raises(Conflict):
            append(records, moved("acknowledged"))

    def test_an_alarm_that_was_never_raised(self, records: Doors) -> None:
        with pytest.raises(NotFound):
            append(records, moved("resolved"))
        with pytest.raises(NotFound):
            append(records, AlarmSeen(model=MODEL, alarm="delay:1/none", block=NOON, why="?"))

    def test_messages_come_with_the_event_or_neither_does(self, records: Doors) -> None:
        append(records, AlarmRaised(alarm=an_alarm(), deliver=("ops", "chat")), moved("resolved", "ops"))
        (_, raised, resolved) = (short(event.hash) for event, _ in records.ledger.events(MODEL))
        with pytest.raises(Conflict):
            append(records, moved("resolved", "chat"))
        found = records.outbox.all(MODEL)
        assert [(one.channel, one.notice.kind, one.notice.id) for one in found] == [
            ("ops", "raised", f"delay-2-ops-{raised}"),
            ("chat", "raised", f"delay-2-chat-{raised}"),
            ("ops", "resolved", f"delay-3-ops-{resolved}"),
        ]
        assert all(one.notice.alarm == an_alarm() for one in found)

    def test_of_several_senders_one_gets_a_message(self, records: Doors) -> None:
        append(records, AlarmRaised(alarm=an_alarm(), deliver=tuple(f"c{number}" for number in range(8))))
        now = an_alarm().raised
        with ThreadPoolExecutor(4) as pool:
            taken = list(pool.map(lambda _: records.outbox.take(now, now + HOUR, limit=4), range(4)))
        channels = [one.channel for each in taken for one in each]
        assert sorted(channels) == sorted({*channels})
        assert len(channels) == 8
        assert not records.outbox.waits(now)

    def test_what_a_killed_sender_had_taken_is_due_again(self, records: Doors) -> None:
        append(records, AlarmRaised(alarm=an_alarm(), deliver=("ops",)))
        now = an_alarm().raised
        (first,) = records.outbox.take(now, now + HOUR)
        assert records.outbox.take(now, now + HOUR) == []
        (again,) = records.outbox.take(now + HOUR, now + 2 * HOUR)
        assert again.notice == first.notice

    def test_what_is_told_of_an_alarm_keeps_its_order(self, records: Doors) -> None:
        """The first is put off: the second waits for it, in that channel alone."""
        append(records, AlarmRaised(alarm=an_alarm(), deliver=("ops", "chat")))
        now = an_alarm().raised
        ops, chat = records.outbox.take(now, now + HOUR)
        append(records, moved("resolved", "ops", "chat"))
        assert not records.outbox.waits(now), "somebody is at it"
        records.outbox.again(ops.seq, now + HOUR, "no answer")
        records.outbox.sent(chat.seq, now)
        (second,) = records.outbox.take(now, now + HOUR)
        assert (second.channel, second.notice.kind) == ("chat", "resolved")
        assert not records.outbox.waits(now)
        both = records.outbox.take(now + HOUR, now + 2 * HOUR)
        assert [one.notice.kind for one in both if one.channel == "ops"] == ["raised", "resolved"]

    def test_a_message_ends_sent_or_given_up(self, records: Doors) -> None:
        append(records, AlarmRaised(alarm=an_alarm(), deliver=("ops", "chat")))
        now = an_alarm().raised
        ops, chat = records.outbox.take(now, now + HOUR)
        records.outbox.again(ops.seq, now, "no answer")
        records.outbox.again(chat.seq, now, "not tried", tried=False)
        ops, chat = records.outbox.take(now, now + HOUR)
        assert [(one.attempts, one.error) for one in (ops, chat)] == [(1, "no answer"), (0, "not tried")]
        records.outbox.sent(ops.seq, now)
        records.outbox.give_up(chat.seq, now, "gone")
        ops, chat = records.outbox.all(MODEL)
        assert (ops.state, ops.ended, ops.attempts, ops.error) == ("sent", now, 2, "")
        assert (chat.state, chat.ended, chat.error) == ("failed", now, "gone")
        assert not records.outbox.waits(now + 99 * HOUR)

    def test_the_monitors_of_a_version_begin_once(self, records: Doors) -> None:
        plan = Plan(model=MODEL, version=1, begun=NOON, false_alarm=0.02, shares={"risk": 0.02})
        append(records, MonitorsBegun(plan=plan))
        with pytest.raises(Conflict):
            append(records, MonitorsBegun(plan=plan))
        with pytest.raises(NotFound):
            append(
                records,
                MonitorsBegun(plan=Plan(model=MODEL, version=9, begun=NOON, false_alarm=0.02, shares={})),
            )
