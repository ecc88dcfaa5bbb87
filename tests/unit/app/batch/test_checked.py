"""Rows of a file against a signature."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Literal

import pyarrow as pa
import pytest

from noria.app.batch.checked import Checked, checked, fits
from noria.records.artifacts import Column
from noria.records.versions import RequestColumn, Signature
from noria.serving.asked import Reader

NOON = datetime(2013, 2, 1, 12, tzinfo=UTC)
GOOD: dict[str, Any] = {
    "id": pa.array(["a", "b", "c"]),
    "distance": pa.array([1.5, None, 3.0]),
    "seats": pa.array([1, 2, 3], pa.int16()),
    "carrier": pa.array(["AA", "UA", "AA"]),
    "when": pa.array([NOON] * 3, pa.timestamp("us", tz="UTC")),
}


def reader(unknown: Literal["accept", "refuse"] = "accept") -> Reader:
    columns = (
        RequestColumn(name="id", type="string"),
        RequestColumn(name="distance", type="double", nulls=True),
        RequestColumn(name="seats", type="int16"),
        RequestColumn(name="carrier", type="string", levels=("AA", "UA")),
        RequestColumn(name="when", type="timestamp[us, tz=UTC]"),
    )
    signature = Signature(
        request=columns,
        key=("id",),
        unknown=unknown,
        answer=(Column(name="answer", type="double", nullable=False),),
    )
    return Reader(signature, model="delay", max_rows=10)


def why(found: Checked) -> list[str | None]:
    return [None] * found.rows.num_rows if found.why is None else found.why.to_pylist()


def test_good_rows_are_typed_as_a_request_would_be() -> None:
    found = checked({**GOOD, "seats": pa.array([1, 2, 3], pa.int64())}, reader())
    assert found.why is None and found.refused == 0
    assert found.rows.schema == reader().schema
    assert found.rows.column("seats").to_pylist() == [1, 2, 3]
    assert found.nulls == {"distance": 1}


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"distance": pa.array([1.0, float("nan"), float("inf")])}, "distance: NaN or infinite"),
        ({"id": pa.array(["a", None, "c"])}, "id: null, and it is the key"),
        ({"seats": pa.array([1, 70_000, 3])}, "seats: not an integer from -32768 to 32767"),
        (
            {"when": pa.array([0, 1, 2000], pa.timestamp("ns", tz="UTC"))},
            "when: not a time in ISO 8601",
        ),
    ],
    ids=["not finite", "null key", "out of range", "finer than the column"],
)
def test_a_refused_row_says_why_and_the_others_stand(changed: dict[str, Any], expected: str) -> None:
    found = checked(GOOD | changed, reader())
    said = why(found)
    assert said[0] is None
    assert str(said[1]).startswith(expected)
    (name,) = changed
    assert found.rows.column(name).to_pylist()[1] is None
    assert found.rows.column(name).to_pylist()[0] is not None


def test_many_misfits_among_many_rows_are_all_found() -> None:
    count = 10_000
    seats = pa.array([70_000 if at % 7 == 0 else at % 100 for at in range(count)])
    columns = {
        name: pa.concat_arrays([array.slice(0, 1)] * count) for name, array in GOOD.items() if name != "seats"
    }
    found = checked({**columns, "seats": seats}, reader())
    assert [at for at, reason in enumerate(why(found)) if reason] == list(range(0, count, 7))


def test_unknown_categories_and_nulls_go_by_the_policy() -> None:
    odd = GOOD | {"carrier": pa.array(["AA", "XX", None]), "seats": pa.array([1, None, 3], pa.int16())}
    accepted = checked(odd, reader("accept"))
    assert accepted.why is None
    assert accepted.unknown == {"carrier": 1}
    assert accepted.nulls == {"distance": 1, "seats": 1, "carrier": 1}
    refused = checked(odd, reader("refuse"))
    assert why(refused) == [
        None,
        "seats: null, and training had none here",
        "carrier: null, and training had none here",
    ]
    assert refused.refused == 2


def test_a_category_is_text_whichever_way_a_file_holds_it() -> None:
    found = checked(GOOD | {"carrier": GOOD["carrier"].dictionary_encode()}, reader("refuse"))
    assert found.why is None
    assert found.rows.column("carrier").to_pylist() == ["AA", "UA", "AA"]


@pytest.mark.parametrize(
    ("given", "wanted", "fine"),
    [
        (pa.int64(), pa.float64(), True),
        (pa.float32(), pa.float64(), True),
        (pa.float64(), pa.int64(), False),
        (pa.string(), pa.float64(), False),
        (pa.large_string(), pa.string(), True),
        (pa.dictionary(pa.int32(), pa.string()), pa.string(), True),
        (pa.timestamp("us"), pa.timestamp("us", tz="UTC"), False),
        (pa.null(), pa.string(), True),
        (pa.bool_(), pa.int8(), False),
    ],
)
def test_a_column_may_stand_for_another_only_where_it_means_the_same(
    given: pa.DataType, wanted: pa.DataType, fine: bool
) -> None:
    assert fits(given, wanted) is fine


def test_a_time_beyond_the_calendar_refuses_its_row_and_not_the_part() -> None:
    ticks = pa.array([0, 2**62, 1], pa.int64()).view(pa.timestamp("us", tz="UTC"))
    found = checked({**GOOD, "when": ticks}, reader())
    assert why(found) == [None, "when: a time beyond the years 1 to 9999", None]
    assert found.rows.column("when").null_count == 1
