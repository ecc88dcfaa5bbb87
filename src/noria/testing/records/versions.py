"""The contract of `VersionRecords`."""

from __future__ import annotations

import pytest

from noria.errors import Conflict, NotFound
from noria.records.events import (
    AlarmRaised,
    Change,
    Judged,
    VersionApproved,
    VersionRegistered,
)
from noria.testing.records.doors import Doors, append, begin, moved
from noria.testing.samples import (
    MODEL,
    NOON,
    a_judgement,
    a_label,
    a_version,
    an_alarm,
    an_approval,
)


class VersionRecordsContract:
    def test_lists_versions_the_newest_first(self, records: Doors) -> None:
        append(records, *[VersionRegistered(version=a_version(number)) for number in (1, 2, 10)])
        assert [version.number for version in records.versions.versions(MODEL)] == [10, 2, 1]
        assert records.versions.version(MODEL, 2) == a_version(2)
        assert records.versions.version(MODEL, 3) is None

    def test_refuses_a_number_twice(self, records: Doors) -> None:
        append(records, VersionRegistered(version=a_version(1)))
        with pytest.raises(Conflict):
            append(records, VersionRegistered(version=a_version(1, run=2)))
        assert records.versions.versions(MODEL) == [a_version(1)]

    def test_moves_an_alias_only_from_where_it_is(self, records: Doors) -> None:
        append(records, *[VersionRegistered(version=a_version(number)) for number in (1, 2)])
        append(records, moved(None, 1), moved(None, 2, alias="challenger"))
        with pytest.raises(Conflict) as caught:
            append(records, moved(2, 1))
        facts = caught.value.facts()
        assert (facts["alias"], facts["expected"], facts["found"]) == ("champion", 2, 1)
        append(records, moved(1, 2), moved(2, None, alias="challenger"))
        assert records.versions.aliases(MODEL) == {"champion": 2}
        assert records.versions.aliases("fare") == {}

    @pytest.mark.parametrize(
        "change",
        [
            moved(None, 3),
            Judged(judgement=a_judgement(3)),
            VersionApproved(approval=an_approval(3)),
            AlarmRaised(alarm=an_alarm(version=3)),
        ],
        ids=lambda change: type(change).__name__,
    )
    def test_knows_nothing_of_a_version_that_was_never_registered(
        self, records: Doors, change: Change
    ) -> None:
        with pytest.raises(NotFound):
            append(records, change)

    def test_lists_judgements_the_newest_first(self, records: Doors) -> None:
        append(records, VersionRegistered(version=a_version()))
        append(records, Judged(judgement=a_judgement(outcome="fail")))
        append(records, Judged(judgement=a_judgement(champion=1)))
        assert [one.passed for one in records.versions.judgements(MODEL, 1)] == [True, False]
        assert records.versions.judgements(MODEL, 2) == []

    def test_names_every_model_with_a_run_or_a_version(self, records: Doors) -> None:
        begin(records, "fare")
        append(records, VersionRegistered(version=a_version()))
        records.feedback.add("only labels", [a_label("p-1")], at=NOON)
        assert records.versions.models() == ["delay", "fare"]
