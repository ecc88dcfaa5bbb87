"""The contract of `Ledger`."""

from __future__ import annotations

from datetime import timedelta, timezone

import msgspec
import pytest

from noria.errors import Bug, Conflict, UsageError
from noria.records.base import digest_of
from noria.records.chain import verify_chain
from noria.records.events import (
    GENESIS,
    VersionRegistered,
)
from noria.records.runs import Succeeded
from noria.testing.records.doors import Doors, append, begin, every_change, moved
from noria.testing.samples import (
    MODEL,
    NOON,
    a_new_run,
    a_result,
    a_version,
    run_finished,
    step_finished,
)


class LedgerContract:
    def test_numbers_runs_by_model(self, records: Doors) -> None:
        names = [begin(records).name, begin(records).name, begin(records, "fare").name]
        assert names == ["delay/1", "delay/2", "fare/1"]

    def test_gives_the_chain_back_as_it_was_appended(self, records: Doors) -> None:
        changes = every_change(records)
        pairs = list(records.ledger.events(MODEL))
        assert [change for _, change in pairs] == changes
        assert [event.digest for event, _ in pairs] == [digest_of(change) for change in changes]
        assert [event.seq for event, _ in pairs] == list(range(1, len(changes) + 1))
        assert pairs[0][0].previous == GENESIS
        assert verify_chain(pairs) == len(changes)

    def test_returns_the_events_that_it_stored(self, records: Doors) -> None:
        append(records, VersionRegistered(version=a_version()))
        appended = records.ledger.append(MODEL, [moved(None, 1), moved(1, None)], at=NOON)
        assert list(appended) == [event for event, _ in records.ledger.events(MODEL)][1:]

    def test_narrows_the_chain_to_kinds(self, records: Doors) -> None:
        every_change(records)
        kinds = ("alias.moved", "alarm.raised")
        found = [event.kind for event, _ in records.ledger.events(MODEL, kinds=kinds)]
        assert found == ["alias.moved", "alarm.raised"]

    def test_keeps_one_chain_a_model(self, records: Doors) -> None:
        begin(records), begin(records, "fare"), begin(records)
        assert verify_chain(records.ledger.events(MODEL)) == 2
        assert verify_chain(records.ledger.events("fare")) == 1
        assert list(records.ledger.events("nobody")) == []

    def test_verifies_whatever_the_numbers_and_zones_looked_like(self, records: Doors) -> None:
        """An integer in a float's place and a local time come back as a float and in UTC."""
        tokyo = timezone(timedelta(hours=9))
        run = records.ledger.begin(
            msgspec.structs.replace(a_new_run(), as_of=NOON.astimezone(tokyo)), at=NOON.astimezone(tokyo)
        )
        result = msgspec.structs.replace(a_result("flights"), seconds=3)
        append(records, run_finished(run, result, outcome=Succeeded(metrics={"auc": 1, "loss": 0.1 + 0.2})))
        assert verify_chain(records.ledger.events(MODEL)) == 2
        assert records.runs.steps(MODEL, 1) == [result]

    def test_goes_on_after_more_events_than_fit_a_page(self, records: Doors) -> None:
        append(records, VersionRegistered(version=a_version()))
        append(records, *[moved(None, 1), moved(1, None)] * 600)
        assert verify_chain(records.ledger.events(MODEL)) == 1201

    def test_stores_all_changes_or_none(self, records: Doors) -> None:
        run = begin(records)
        with pytest.raises(Conflict):
            append(records, step_finished(run, a_result("flights")), moved(7, 8))
        assert records.runs.steps(MODEL, run.number) == []
        assert verify_chain(records.ledger.events(MODEL)) == 1

    def test_appends_nothing_when_given_nothing(self, records: Doors) -> None:
        assert list(records.ledger.append(MODEL, [], at=NOON)) == []
        assert records.versions.models() == []

    @pytest.mark.parametrize("number", [float("nan"), float("inf")])
    def test_refuses_what_would_come_back_otherwise(self, records: Doors, number: float) -> None:
        run = begin(records)
        with pytest.raises(UsageError):
            append(records, run_finished(run, outcome=Succeeded(metrics={"auc": number})))
        assert records.runs.unfinished(MODEL) == run

    def test_refuses_a_change_of_another_model(self, records: Doors) -> None:
        run = begin(records)
        with pytest.raises(Bug):
            append(records, run_finished(run), model="fare")
