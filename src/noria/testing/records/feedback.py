"""The contract of `FeedbackRecords`."""

from __future__ import annotations

from datetime import timedelta

import pytest

from noria.errors import Conflict, UsageError
from noria.testing.records.doors import Doors
from noria.testing.samples import (
    MODEL,
    NOON,
    a_label,
)


class FeedbackRecordsContract:
    def test_says_what_became_of_each_item(self, records: Doors) -> None:
        said = records.feedback.add(
            MODEL, [a_label("a"), a_label("b", 0), a_label("a"), a_label("b", 1, correction=True)], at=NOON
        )
        assert list(said) == ["stored", "stored", "repeated", "corrected"]

    @pytest.mark.parametrize(
        ("stored", "again"), [(1, 1.0), (None, None), ("late", "late"), ([1, {"a": 2}], [1, {"a": 2}])]
    )
    def test_takes_an_equal_label_as_repeated(self, records: Doors, stored: object, again: object) -> None:
        records.feedback.add(MODEL, [a_label("a", stored)], at=NOON)
        assert list(records.feedback.add(MODEL, [a_label("a", again)], at=NOON)) == ["repeated"]
        assert list(records.feedback.add(MODEL, [a_label("a", again, correction=True)], at=NOON)) == [
            "repeated"
        ]
        assert len(records.feedback.after(MODEL, 0)) == 1

    def test_refuses_a_different_label_and_all_that_came_with_it(self, records: Doors) -> None:
        records.feedback.add(MODEL, [a_label("a", 1)], at=NOON)
        with pytest.raises(Conflict) as caught:
            records.feedback.add(MODEL, [a_label("new", 1), a_label("a", 0)], at=NOON)
        facts = caught.value.facts()
        assert (facts["ref"], facts["stored"], facts["given"]) == ("a", 1, 0)
        assert records.feedback.current(MODEL, "id", ["a", "new"]) == {"a": a_label("a", 1)}

    def test_refuses_a_batch_that_contradicts_itself(self, records: Doors) -> None:
        with pytest.raises(Conflict):
            records.feedback.add(MODEL, [a_label("a", 1), a_label("a", 0)], at=NOON)
        assert records.feedback.after(MODEL, 0) == []

    def test_keeps_the_history_of_corrections(self, records: Doors) -> None:
        records.feedback.add(MODEL, [a_label("a", 1)], at=NOON)
        records.feedback.add(MODEL, [a_label("a", 0, correction=True)], at=NOON + timedelta(hours=1))
        arrived = records.feedback.after(MODEL, 0)
        assert [(one.what.label, one.received) for one in arrived] == [
            (1, NOON),
            (0, NOON + timedelta(hours=1)),
        ]
        assert records.feedback.current(MODEL, "id", ["a"]) == {"a": a_label("a", 0, correction=True)}

    def test_keeps_ids_keys_and_models_apart(self, records: Doors) -> None:
        records.feedback.add(MODEL, [a_label("a", 1), a_label("a", 2, by_key=True)], at=NOON)
        records.feedback.add("fare", [a_label("a", 3)], at=NOON)
        assert records.feedback.current(MODEL, "id", ["a"])["a"].label == 1
        assert records.feedback.current(MODEL, "key", ["a"])["a"].label == 2
        assert records.feedback.current("fare", "id", ["a"])["a"].label == 3

    def test_gives_what_arrived_after_a_seq_in_order(self, records: Doors) -> None:
        for ref in "abc":
            records.feedback.add(MODEL, [a_label(ref)], at=NOON)
            records.feedback.add("fare", [a_label(ref)], at=NOON)
        first, *rest = records.feedback.after(MODEL, 0)
        assert [one.what.ref for one in (first, *rest)] == ["a", "b", "c"]
        assert list(records.feedback.after(MODEL, first.seq)) == rest
        assert list(records.feedback.after(MODEL, 0, limit=1)) == [first]
        assert list(records.feedback.after(MODEL, rest[-1].seq)) == []

    def test_holds_many_references_at_once(self, records: Doors) -> None:
        refs = [f"p-{number}" for number in range(2500)]
        records.feedback.add(MODEL, [a_label(ref) for ref in refs], at=NOON)
        assert set(records.feedback.add(MODEL, [a_label(ref) for ref in refs], at=NOON)) == {"repeated"}
        assert len(records.feedback.current(MODEL, "id", [*refs, "unknown"])) == 2500
        assert records.feedback.current(MODEL, "id", []) == {}

    @pytest.mark.parametrize("label", [float("nan"), float("-inf"), [float("nan")]])
    def test_refuses_a_label_that_json_cannot_hold(self, records: Doors, label: object) -> None:
        with pytest.raises(UsageError):
            records.feedback.add(MODEL, [a_label("a"), a_label("b", label)], at=NOON)
        assert records.feedback.after(MODEL, 0) == []

    def test_adds_nothing_when_given_nothing(self, records: Doors) -> None:
        assert list(records.feedback.add(MODEL, [], at=NOON)) == []
