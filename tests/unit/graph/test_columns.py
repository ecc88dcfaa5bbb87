"""Which JSON values a column takes, and what it says of the others."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest

from noria.graph.columns import CannotCarry, Misfit, as_json, kind_of, require_carried

MAX64 = 2**63 - 1


@pytest.mark.parametrize(
    ("type_name", "given", "held"),
    [
        ("double", [1, 2.5, None], [1.0, 2.5, None]),
        ("double", [2**60 + 1], [float(2**60 + 1)]),  # rounded as every JSON number is
        ("double", [1e308, -0.0, 5e-324], [1e308, -0.0, 5e-324]),
        ("float", [0.5, 3], [0.5, 3.0]),
        ("int8", [-128, 127, None], [-128, 127, None]),
        ("int64", [MAX64, -MAX64 - 1], [MAX64, -MAX64 - 1]),
        ("uint64", [2**64 - 1], [2**64 - 1]),
        ("int32", [3.0], [3]),  # 3.0 is 3 in JSON
        ("string", ["", "é\u0000", None], ["", "é\u0000", None]),
        ("bool", [True, False, None], [True, False, None]),
        ("binary", ["YWI="], [b"ab"]),
        ("date32[day]", ["2024-02-29"], [date(2024, 2, 29)]),
        (
            "timestamp[us, tz=UTC]",
            ["2013-01-31T17:05:00.25Z"],
            [datetime(2013, 1, 31, 17, 5, 0, 250_000, UTC)],
        ),
        ("timestamp[us, tz=UTC]", ["2013-01-31 12:05:00-05:00"], [datetime(2013, 1, 31, 17, 5, tzinfo=UTC)]),
        (
            "timestamp[ms, tz=UTC]",
            ["1969-12-31T23:59:59.999Z"],
            [datetime(1970, 1, 1, tzinfo=UTC) - timedelta(milliseconds=1)],
        ),
        ("timestamp[us]", ["2013-01-31T17:05:00"], [datetime(2013, 1, 31, 17, 5)]),
        ("list<double>", [[1, 2.5], [], None, [None]], [[1.0, 2.5], [], None, [None]]),
        ("fixed_size_list<item: double>[2]", [[1, 2]], [[1.0, 2.0]]),
        ("list<list<int8>>", [[[1], [2, 3]]], [[[1], [2, 3]]]),
        ("list<timestamp[us]>", [["2013-01-31T17:05:00"]], [[datetime(2013, 1, 31, 17, 5)]]),
    ],
)
def test_values_that_fit(type_name: str, given: list[Any], held: list[Any]) -> None:
    array, misfits = kind_of("c", type_name).read(given)
    assert misfits == []
    assert array is not None
    assert array.to_pylist() == held


@pytest.mark.parametrize(
    ("type_name", "wrong"),
    [
        ("double", ["17.9", True, [], {}, "NaN", 10**400]),
        ("float", [1e39, "1", False]),
        ("halffloat", [70000.0]),
        ("int8", [128, -129, 1.5, True, "1", 1e30, 2**70]),
        ("int64", [2**63, 2.0**60, 0.1]),
        ("uint8", [-1, 256]),
        ("string", [1, 1.5, True, ["a"], {"a": 1}]),
        ("bool", [0, 1, "true", 1.0]),
        ("binary", ["?", 1]),
        ("date32[day]", ["2023-02-29", "2024-1-1", "20240101", 19000]),
        (
            "timestamp[us, tz=UTC]",
            [
                "2013-01-31T17:05:00",
                "2013-13-01T00:00:00Z",
                "yesterday",
                1359651900,
                "2013-01-31",
                "2013-01-31T25:00:00Z",
            ],
        ),
        ("timestamp[us]", ["2013-01-31T17:05:00Z"]),
        ("timestamp[ms, tz=UTC]", ["2013-01-31T17:05:00.0001Z"]),
        ("timestamp[ns, tz=UTC]", ["1600-01-31T17:05:00Z"]),  # before what nanoseconds can count
        ("list<double>", [1.0, ["1"], [True], [[1.0]], "abc", {}]),
        ("fixed_size_list<item: double>[2]", [[1], [1, 2, 3], []]),
    ],
)
def test_each_value_that_does_not_fit_is_named(type_name: str, wrong: list[Any]) -> None:
    array, misfits = kind_of("c", type_name).read([None, *wrong])
    assert array is None
    assert [position for position, _ in misfits] == list(range(1, len(wrong) + 1))
    assert all(len(given) < 120 for _, given in misfits)


def test_nanoseconds_are_kept() -> None:
    array, _ = kind_of("c", "timestamp[ns, tz=UTC]").read(["1970-01-01T00:00:00.123456789Z"])
    assert array is not None
    assert array.cast("int64").to_pylist() == [123_456_789]


@pytest.mark.parametrize("type_name", ["struct<a: int8>", "duration[us]", "decimal128(10, 2)", "null"])
def test_a_type_without_a_form_in_json_is_refused_by_name(type_name: str) -> None:
    with pytest.raises(CannotCarry, match="fare"):
        kind_of("fare", type_name)


def test_all_columns_that_no_request_can_carry_are_named_at_once() -> None:
    schema = pa.schema(
        {
            "fare": pa.decimal128(12, 2),
            "carrier": pa.dictionary(pa.int32(), pa.large_string()),
            "spans": pa.list_(pa.field("item", pa.float64(), nullable=False)),
            "took": pa.duration("us"),
        }
    )
    with pytest.raises(CannotCarry) as raised:
        require_carried(schema)
    assert (
        str(raised.value)
        == "no request can carry column fare of decimal128(12, 2), column took of duration[us]"
    )


@pytest.mark.parametrize(
    ("type_name", "written", "stored"),
    [
        ("bool", "true", True),
        ("bool", "0", False),
        ("bool", 1, True),  # a column of a typed file
        ("int64", "0017", 17),
        ("int64", "17.0", 17),
        ("double", "12", 12.0),
        ("halffloat", "0.5", 0.5),
        ("double", "1e3", 1000.0),
        ("large_string", "007", "007"),
        ("dictionary<values=large_string, indices=uint32, ordered=0>", "north", "north"),
        ("date32[day]", "2024-02-29", "2024-02-29"),
        ("date32[day]", datetime(2024, 2, 29), "2024-02-29"),
        ("timestamp[us, tz=UTC]", "2024-02-29", "2024-02-29T00:00:00Z"),
        ("timestamp[us, tz=UTC]", "2024-02-29T07:30:00", "2024-02-29T07:30:00Z"),
        ("timestamp[us, tz=UTC]", "2024-02-29T07:30:00.000000+0100", "2024-02-29T06:30:00Z"),
        ("timestamp[us, tz=UTC]", datetime(2024, 2, 29, tzinfo=UTC), "2024-02-29T00:00:00Z"),
        ("timestamp[us]", datetime(2024, 2, 29, 7), "2024-02-29T07:00:00"),
        ("list<int64>", "[1, 2]", [1, 2]),
        ("binary", b"ab", "YWI="),
    ],
)
def test_what_a_file_or_a_person_writes(type_name: str, written: object, stored: object) -> None:
    held = as_json(kind_of("c", type_name).one_written(written))
    assert (type(held), held) == (type(stored), stored)


@pytest.mark.parametrize(
    ("type_name", "written"),
    [
        ("bool", "maybe"),
        ("bool", 2),
        ("int64", "1.5"),
        ("int64", "abc"),
        ("int64", "9" * 5000),
        ("double", "nan"),
        ("double", float("inf")),
        ("double", True),
        ("string", 7),
        ("date32[day]", "soon"),
        ("timestamp[us]", "2024-02-29T07:30:00Z"),
        ("list<int64>", "1, 2"),
        ("int64", None),
    ],
)
def test_what_nobody_should_write(type_name: str, written: object) -> None:
    with pytest.raises(Misfit):
        kind_of("c", type_name).one_written(written)
