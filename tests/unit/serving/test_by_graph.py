"""From a request's rows to the batch that the graph reads."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pyarrow as pa

from noria.serving.by_graph import FEW, batch_of

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
    many = batch_of(rows * FEW, SCHEMA)
    few = batch_of(rows, SCHEMA)
    assert few.schema.equals(many.schema, check_metadata=True)
    assert few.equals(many.slice(0, len(rows)))
    assert few.to_pylist()[0]["moment"] == FULL[7] and few.num_rows == 3
