"""From a request's rows to the batch that the graph reads."""

from __future__ import annotations

from datetime import UTC, date, datetime
from types import SimpleNamespace
from typing import Any

import polars as pl
import pyarrow as pa
import pytest

from noria.records.artifacts import Column
from noria.records.versions import RequestColumn, Signature
from noria.serving.asked import Reader
from noria.serving.by_graph import BY_STRUCT, GraphServed, batch_of, frame_of, structs_of
from noria.serving.errors import BeyondTraining

SCHEMA = pa.schema(
    [
        pa.field("whole", pa.int64()),
        pa.field("small", pa.int8(), nullable=False),
        pa.field("number", pa.float64()),
        pa.field("single", pa.float32()),
        pa.field("text", pa.string()),
        pa.field("truth", pa.bool_()),
        pa.field("day", pa.date32()),
        pa.field("moment", pa.timestamp("us", "America/New_York")),
        pa.field("local", pa.timestamp("ns")),
        pa.field("list", pa.list_(pa.float64())),
    ],
    metadata={"a": "note"},
)
FULL = (
    2**60,
    7,
    0.1,
    0.5,
    "ä",
    True,
    date(2013, 1, 1),
    datetime(2013, 1, 1, 5, tzinfo=UTC),
    datetime(2013, 1, 2),
    [1.0],
)
BARE = (None, -8, None, None, None, None, None, None, None, None)
ODD = (-1, 0, float("inf"), -0.0, "", False, date(1, 1, 1), datetime(1969, 1, 1, tzinfo=UTC), None, [])


def test_a_few_rows_are_the_same_batch_as_among_many() -> None:
    rows = [FULL, BARE, ODD]
    row = pa.struct(SCHEMA)
    many = batch_of(structs_of(rows * BY_STRUCT, row), SCHEMA)
    few = batch_of(structs_of(rows, row), SCHEMA)
    assert few.schema.equals(many.schema, check_metadata=True)
    assert few.equals(many.slice(0, len(rows)))
    assert few.to_pylist()[0]["moment"] == FULL[7] and few.num_rows == 3


SIGNATURE = Signature(
    request=(
        RequestColumn(name="ride", type="string"),
        RequestColumn(name="km", type="double"),
        RequestColumn(name="zone", type="string", nulls=True, levels=("north", "south")),
    ),
    key=("ride",),
    answer=(Column(name="answer", type="double"),),
)


def served(answer: Any) -> GraphServed:
    version: Any = SimpleNamespace(name="rides:1", model="rides", signature=SIGNATURE)
    return GraphServed(
        version=version,
        reader=Reader(SIGNATURE, model="rides", max_rows=100),
        answers=SimpleNamespace(fitted=lambda table: table.to_batches()[0]),  # type: ignore[arg-type]
        graph=SimpleNamespace(answer=answer),  # type: ignore[arg-type]
        polars=False,
        trained=None,
        example={"ride": "a", "km": 1.0, "zone": "north"},
        quick=None,
    )


def refusing(table: pa.Table) -> pa.Table:
    """As scikit-learn's models that know no missing value do."""
    if table.column("km").null_count or "moon" in table.column("zone").to_pylist():
        raise ValueError("Input X contains NaN in /home/somebody")
    return table.select(["km"])


def test_values_that_training_never_had_are_named_where_the_model_raises_on_them() -> None:
    """The caller's fault, not the service's: no 500, and what to change is said."""
    rows = [("a", 1.0, "north"), ("b", None, None), ("c", 2.0, "moon")]
    with pytest.raises(BeyondTraining) as caught:
        served(refusing).answer_rows(rows)
    assert [(each.row, each.column) for each in caught.value.faults] == [(1, "km"), (2, "zone")]
    assert caught.value.status == 422 and "ValueError" in str(caught.value)
    assert "somebody" not in str(caught.value)


def test_what_fails_with_ordinary_values_too_is_the_versions_own_fault() -> None:
    def broken(table: pa.Table) -> pa.Table:
        raise ZeroDivisionError

    for rows in ([("a", 1.0, "north")], [("b", None, "moon")]):
        with pytest.raises(ZeroDivisionError):
            served(broken).answer_rows(rows)


def test_a_frame_of_rows_is_what_polars_makes_of_their_batch() -> None:
    structs = structs_of([FULL, BARE, ODD], pa.struct(SCHEMA))
    expected = pl.DataFrame(batch_of(structs, SCHEMA))
    frame = frame_of(structs)
    assert frame.schema == expected.schema
    assert frame.equals(expected, null_equal=True)
