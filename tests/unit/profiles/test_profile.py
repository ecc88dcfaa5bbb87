"""Profiles of columns of every kind, and what their changes are called."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from noria.profiles import changes, found_alone, profile, volume
from noria.records.base import Digest, canonical
from noria.records.policy import DataPolicy
from noria.records.profiles import ColumnProfile
from noria.records.runs import DataVersion

NOON = datetime(2024, 1, 1, 12, tzinfo=UTC)


def column(values: Any, kind: pa.DataType | None = None) -> ColumnProfile:
    return profile(pa.table({"x": pa.array(values, kind)})).columns[0]


@pytest.mark.parametrize(
    ("values", "kind", "expected"),
    [
        ([3, 1, None, 2], pa.int64(), {"missing": 1, "distinct": 3, "low": 1, "high": 3, "mean": 2.0}),
        (
            [1.5, float("nan"), None, float("inf")],
            pa.float64(),
            {"missing": 2, "distinct": 2, "low": 1.5, "high": 1.5},
        ),
        ([True, False, True], pa.bool_(), {"distinct": 2, "levels": ("false", "true"), "counts": (1, 2)}),
        (["b", "a", "b", None], pa.string(), {"missing": 1, "top": (("b", 2), ("a", 1)), "low": "a"}),
        ([NOON, NOON + timedelta(days=1)], pa.timestamp("us", "UTC"), {"low": "2024-01-01T12:00:00+00:00"}),
        ([date(2024, 1, 2)], pa.date32(), {"low": "2024-01-02", "distinct": 1}),
        ([Decimal("1.50"), Decimal("2.50")], pa.decimal128(10, 2), {"mean": 2.0}),
        ([None, None], pa.float64(), {"missing": 2, "distinct": None}),
        ([], pa.string(), {"missing": 0, "rows": 0}),
        ([[1], [2]], pa.list_(pa.int64()), {"missing": 0, "low": None}),
        ([b"x"], pa.binary(), {"type": "binary"}),
        ([2**64 - 1], pa.uint64(), {"high": str(2**64 - 1)}),
    ],
)
def test_a_column_of_each_kind(values: Any, kind: pa.DataType, expected: dict[str, Any]) -> None:
    found = column(values, kind)
    assert {name: getattr(found, name) for name in expected} == expected


def test_a_category_is_as_its_values_and_too_many_are_not_listed() -> None:
    coded = pa.chunked_array([pa.array(["b", "a"]).dictionary_encode()])
    assert profile(pa.table({"x": coded})).columns[0].levels == ("a", "b")
    many = column([str(number) for number in range(5000)])
    assert (many.levels, many.distinct, len(many.top)) == (None, 5000, 10)


@given(
    rows=st.lists(
        st.tuples(
            st.one_of(st.none(), st.floats()),
            st.one_of(st.none(), st.sampled_from("abc")),
            st.integers(-5, 5),
        ),
        min_size=1,
        max_size=60,
    ),
    seed=st.integers(0, 99),
)
def test_order_and_chunks_of_rows_do_not_matter(rows: list[tuple[Any, ...]], seed: int) -> None:
    def table(each: list[tuple[Any, ...]]) -> pa.Table:
        x, y, z = zip(*each, strict=True)
        return pa.table({"x": pa.array(x, pa.float64()), "y": pa.array(y, pa.string()), "z": pa.array(z)})

    shuffled = random.Random(seed).sample(rows, len(rows))
    cut = seed % (len(rows) + 1)
    parts = [table(part) for part in (shuffled[:cut], shuffled[cut:]) if part]
    whole = profile(table(rows), label="z")
    assert canonical(profile(pa.concat_tables(parts), label="z")) == canonical(whole)


def frame(**columns: Any) -> pa.Table:
    return pl.DataFrame(columns).to_arrow()


BASE = {"x": [float(n) for n in range(100)], "c": ["a", "b"] * 50}
FAULTS: dict[str, tuple[dict[str, Any], str]] = {
    "gone": ({"x": BASE["x"]}, "c is gone"),
    "type": ({**BASE, "x": [str(x) for x in BASE["x"]]}, "x was double"),
    "missing": ({**BASE, "x": [None] * 30 + BASE["x"][30:]}, "x is missing in 30.0%"),
    "unit": ({**BASE, "x": [1.8 * x + 320 for x in BASE["x"]]}, "x lies in 320"),
    "new level": ({**BASE, "c": ["a", "z"] * 50}, "new categories in 50.0%"),
    "lost level": ({**BASE, "c": ["a"] * 100}, "lost categories"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_each_planted_fault_is_found_and_said(fault: str) -> None:
    columns, words = FAULTS[fault]
    found = list(changes(profile(frame(**columns)), profile(frame(**BASE)), DataPolicy()))
    assert any(words in one.what and one.severity == "refuse" for one in found)


def test_what_is_as_it_was_and_what_is_switched_off_finds_nothing() -> None:
    base = profile(frame(**BASE))
    assert list(changes(base, base, DataPolicy())) == []
    (new,) = changes(profile(frame(**BASE, more=[1] * 100)), base, DataPolicy())
    assert new.severity == "warn"
    off = DataPolicy(missing=None, range=None, categories=None, volume=None, leakage=None)
    for name in ("missing", "unit", "new level", "lost level"):
        assert list(changes(profile(frame(**FAULTS[name][0])), base, off)) == []
    ignored = DataPolicy(ignore=("x", "c"))
    assert [one for name in FAULTS for one in changes(profile(frame(**FAULTS[name][0])), base, ignored)] == []


@given(share=st.floats(0, 1), more=st.floats(0, 1))
def test_a_larger_fault_never_finds_less(share: float, more: float) -> None:
    def found(part: float) -> int:
        rows = int(100 * part)
        table = frame(x=[None] * rows + BASE["x"][rows:], c=["z"] * rows + BASE["c"][rows:])
        return len(
            [
                one
                for one in changes(profile(table), profile(frame(**BASE)), DataPolicy())
                if one.check != "schema"
            ]
        )

    small, large = sorted((share, more))
    if large < 1:  # all gone is another type of column
        assert found(small) <= found(large)


@pytest.mark.parametrize("of", ["number", "truth", "words"])
def test_the_label_under_another_name_is_found_and_a_mere_relative_is_not(of: str) -> None:
    random_ = random.Random(1)
    values = [random_.random() for _ in range(400)]
    label: list[Any] = {
        "number": values,
        "truth": [x > 0.5 for x in values],
        "words": ["late" if x > 0.5 else "on time" for x in values],
    }[of]
    number = values if of == "number" else [float(x > 0.5) for x in values]
    columns = {
        "copy": [3 * x - 1 for x in number],
        "named": [f"level {round(x, 2)}" if of != "number" else "one" for x in number],
        "relative": [x + random_.gauss(0, 0.3) for x in number],
        "identifier": [str(n) for n in range(400)],
    }
    told = profile(frame(label=label, **columns), label="label")
    found = {one.column for one in found_alone(told, DataPolicy())}
    assert found == ({"copy"} if of == "number" else {"copy", "named"})
    hidden = profile(frame(label=label, **columns), label="label", hidden=["copy", "named"])
    assert list(found_alone(hidden, DataPolicy())) == []


def data(rows: int, days: float, since: float = 0) -> DataVersion:
    first = NOON + timedelta(days=since)
    return DataVersion(
        digest=Digest("x"), rows=rows, columns=(), first=first, last=NOON + timedelta(days=days)
    )


@pytest.mark.parametrize(
    ("now", "words"),
    [
        (data(2000, 200), None),
        (data(1400, 150), None),
        (data(1100, 200), "rows a day"),
        (data(4000, 200), "rows a day"),
        (data(1001, 101), None),
        (data(400, 100), "400 rows, and there were 1,000"),
        (data(500, 50), None),
        (data(1000, 140, since=40), None),
        (data(1000, 260, since=160), None),
        (data(300, 140, since=40), "3 rows a day since 2024-02-10, and there were 10"),
        (data(500, 100, since=50), None),
        (data(400, 98), "400 rows, and there were 1,000"),
        (data(2000, 101), "2,000 rows, and there were 1,000"),
        (data(2000, 100, since=-100), None),
    ],
    ids=[
        "steady",
        "a little less",
        "a trickle",
        "a flood",
        "a day",
        "half lost",
        "earlier",
        "window slides",
        "window apart",
        "window thins",
        "window shortens",
        "half lost, and a little time",
        "as much again in the same time",
        "more history",
    ],
)
def test_a_sudden_change_of_volume(now: DataVersion, words: str | None) -> None:
    found = [one.what for one in volume(now, data(1000, 100), DataPolicy())]
    assert (words is None and not found) or (words is not None and words in found[0])


def test_a_column_that_names_its_rows_may_name_new_ones() -> None:
    """References to files, identifiers, texts: few enough to be listed, and no categories."""
    before = frame(**BASE, photo=[f"digest {n}" for n in range(100)])
    now = frame(**BASE, photo=[f"digest {n}" for n in range(100, 200)])
    assert list(changes(profile(now), profile(before), DataPolicy())) == []
