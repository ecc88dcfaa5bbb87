"""The contract of `RolloutRecords`."""

from __future__ import annotations

import pytest

from noria.errors import Conflict, NotFound
from noria.records.events import VersionRegistered
from noria.records.rollouts import RolloutEnded, RolloutMoved, RolloutStarted
from noria.testing.records.doors import Doors, append
from noria.testing.samples import MODEL, a_rollout, a_version


def started(number: int = 1) -> RolloutStarted:
    return RolloutStarted(rollout=a_rollout(number=number))


def went_on(revision: int, number: int = 1) -> RolloutMoved:
    return RolloutMoved(rollout=a_rollout(revision, number=number), why="a test", by="ada")


def ended(revision: int, number: int = 1) -> RolloutEnded:
    return RolloutEnded(rollout=a_rollout(revision, number=number, ended=True), why="a test", by="ada")


class RolloutRecordsContract:
    @pytest.fixture(autouse=True)
    def _version(self, records: Doors) -> None:
        append(records, VersionRegistered(version=a_version()))

    def test_lists_each_as_it_stands_the_newest_first(self, records: Doors) -> None:
        assert records.rollouts.rollouts(MODEL) == []
        assert records.rollouts.last(MODEL) is None
        append(records, started(), went_on(2), ended(3), started(2))
        standing = records.rollouts.rollouts(MODEL)
        assert records.rollouts.last(MODEL) == standing[0]
        assert standing == [a_rollout(number=2), a_rollout(3, ended=True)]

    def test_remembers_every_change(self, records: Doors) -> None:
        append(records, started(), went_on(2), ended(3))
        history = records.rollouts.history(MODEL, 1)
        assert history == [a_rollout(), a_rollout(2), a_rollout(3, ended=True)]

    @pytest.mark.parametrize("revision", [1, 3])
    def test_takes_a_change_after_the_one_before_alone(self, records: Doors, revision: int) -> None:
        append(records, started())
        with pytest.raises(Conflict):
            append(records, went_on(revision))
        assert records.rollouts.rollouts(MODEL) == [a_rollout()]

    def test_takes_nothing_after_the_end(self, records: Doors) -> None:
        append(records, started(), ended(2))
        with pytest.raises(Conflict):
            append(records, went_on(3))

    @pytest.mark.parametrize("number", [1, 2])
    def test_one_at_a_time(self, records: Doors, number: int) -> None:
        append(records, started())
        with pytest.raises(Conflict):
            append(records, started(number))

    def test_needs_versions_that_are_registered(self, records: Doors) -> None:
        import msgspec

        rollout = msgspec.structs.replace(a_rollout(), version=9)
        with pytest.raises(NotFound):
            append(records, RolloutStarted(rollout=rollout))
