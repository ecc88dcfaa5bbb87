"""Prediction ids: sortable by time, parsed without an index; and keys as text."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noria.records.predictions import ROWS, key_text, parse_id, prediction_ids, segment_name


@given(st.integers(0, 2**44), st.integers(0, 2**20 - 1), st.integers(0, ROWS - 3000))
def test_an_id_tells_its_segment_and_row(millisecond: int, salt: int, row: int) -> None:
    segment = segment_name(millisecond, salt)
    ids = list(prediction_ids(segment, row, 3000))
    assert [parse_id(id) for id in (ids[0], ids[-1])] == [(segment, row), (segment, row + 2999)]
    assert ids == sorted(ids)
    assert len(set(map(len, ids))) == 1


@given(st.integers(0, 2**44), st.integers(0, 2**44))
def test_segments_sort_by_time(first: int, second: int) -> None:
    if first < second:
        assert segment_name(first, 2**20 - 1) < segment_name(second, 0)


@pytest.mark.parametrize(
    "text", ["", "x", "0" * 21, "0" * 13 + "-" + "i" * 7, "0" * 13 + "-0000000\n", "é" * 21]
)
def test_what_is_no_id(text: str) -> None:
    assert parse_id(text) is None


@pytest.mark.parametrize(
    ("values", "text"),
    [
        (["AA 1"], "AA 1"),
        ([17], "17"),
        ([True], "true"),
        ([1.5], "1.5"),
        ([datetime(2024, 1, 1, 8, tzinfo=UTC)], "2024-01-01T08:00:00Z"),
        ([date(2024, 1, 1)], "2024-01-01"),
        (["a", 1], '["a",1]'),
        (['q"', datetime(2024, 1, 1, tzinfo=UTC)], '["q\\"","2024-01-01T00:00:00Z"]'),
    ],
)
def test_a_key_as_text(values: list[object], text: str) -> None:
    assert key_text(values) == text
