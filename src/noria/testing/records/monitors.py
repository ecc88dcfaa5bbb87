"""The contract of `MonitorRecords`."""

from __future__ import annotations

import pytest

from noria.errors import Conflict
from noria.records.alarms import AlarmRaised
from noria.records.events import BlockScored, VersionRegistered
from noria.records.sights import BlockSeen
from noria.testing.records.doors import Doors, append
from noria.testing.samples import (
    MODEL,
    a_block,
    a_sight,
    a_state,
    a_version,
    an_alarm,
)


class MonitorRecordsContract:
    @pytest.fixture(autouse=True)
    def _versions(self, records: Doors) -> None:
        append(records, *[VersionRegistered(version=a_version(number)) for number in (1, 2)])

    def test_remembers_the_last_state_to_the_last_bit(self, records: Doors) -> None:
        assert records.monitors.state(MODEL, 1) is None
        append(records, BlockScored(block=a_block(0), state=a_state(1)))
        append(records, BlockScored(block=a_block(1), state=a_state(2)))
        assert records.monitors.state(MODEL, 1) == a_state(2)
        assert records.monitors.state(MODEL, 2) is None

    def test_lists_blocks_by_their_start(self, records: Doors) -> None:
        later, earlier, other = a_block(3), a_block(1, loss=None), a_block(2, version=2)
        for block in (later, earlier, other):
            append(records, BlockScored(block=block, state=a_state(version=block.version)))
        assert records.monitors.blocks(MODEL) == [earlier, other, later]
        assert records.monitors.blocks(MODEL, 1) == [earlier, later]

    def test_scores_a_block_once(self, records: Doors) -> None:
        append(records, BlockScored(block=a_block(), state=a_state()))
        with pytest.raises(Conflict):
            append(records, BlockScored(block=a_block(loss=0.9), state=a_state(2)))
        assert records.monitors.state(MODEL, 1) == a_state()

    def test_every_state_stays_in_its_order(self, records: Doors) -> None:
        for day in (3, 1, 2):  # in the order in which they were scored
            append(records, BlockScored(block=a_block(day), state=a_state(day)))
        assert [state.blocks for state in records.monitors.states(MODEL, 1)] == [3, 1, 2]
        assert records.monitors.states(MODEL, 2) == []

    def test_a_block_is_seen_once_and_stays_as_it_was(self, records: Doors) -> None:
        later, earlier, other = a_sight(3), a_sight(1), a_sight(2, version=2)
        append(records, *[BlockSeen(sight=sight) for sight in (later, earlier, other)])
        with pytest.raises(Conflict):
            append(records, BlockSeen(sight=a_sight(3)))
        assert records.monitors.sights(MODEL) == [earlier, other, later]
        assert records.monitors.last_sight(MODEL, 1) == later
        assert records.monitors.last_sight(MODEL, 9) is None
        seen = [change for _, change in records.ledger.events(MODEL, kinds=["block.seen"])]
        assert seen == [BlockSeen(sight=sight) for sight in (later, earlier, other)]

    def test_alarms_stay_in_the_order_in_which_they_were_raised(self, records: Doors) -> None:
        raised = [AlarmRaised(alarm=one) for one in (an_alarm(day=1), an_alarm(day=5), an_alarm(version=2))]
        append(records, *raised)
        assert [change for _, change in records.ledger.events(MODEL, kinds=["alarm.raised"])] == raised

    def test_raises_an_alarm_once(self, records: Doors) -> None:
        append(records, AlarmRaised(alarm=an_alarm()))
        with pytest.raises(Conflict):
            append(records, AlarmRaised(alarm=an_alarm()))
