"""Requests read in bulk are those read one by one, whatever their values are."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from typing import Any

import msgspec
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from noria.adapters import log_values
from noria.adapters.log_gathered import gathered
from noria.ports.serving import AT, KEY, TIME, TOOK, TRACE, UNIT, WAY, Values

MOMENT = pa.timestamp("us", "UTC")
OWN = [(AT, MOMENT), (TIME, MOMENT), (KEY, pa.string()), (UNIT, pa.string()), (TOOK, pa.int64())]
COLUMNS: dict[str, tuple[pa.DataType, Callable[[random.Random], Any]]] = {
    "number": (pa.float64(), lambda r: r.choice([r.gauss(0, 1e3), math.inf, -0.0, r.randint(-300, 300)])),
    "large": (pa.float64(), lambda r: r.choice([1.5, 2**53, -(2**40)])),
    "count": (pa.int64(), lambda r: r.choice([0, 127, 128, -1, -33, 70_000, -(2**33), 2**63 - 1])),
    "carrier": (pa.string(), lambda r: r.choice(["AA", "UA", "é", "", "x" * 40, "ж" * 200])),
    "known": (pa.bool_(), lambda r: r.random() < 0.5),
    "moment": (MOMENT, lambda r: r.randint(0, 2**50)),
    "tags": (pa.list_(pa.int64()), lambda r: [r.randint(0, 9)] * r.randint(0, 2)),
    "small": (pa.float32(), lambda r: r.randint(0, 9) / 4),
}


def schema_of(names: list[str], answer: pa.DataType) -> pa.Schema:
    """As a version lays out its log."""
    user = [(name, COLUMNS[name][0]) for name in names]
    return pa.schema([*OWN, (WAY, pa.string()), (TRACE, pa.string()), *user, ("answer", answer)])


def requests(names: list[str], count: int, seed: int, *, gaps: float, rows: int = 1) -> list[Values]:
    random_ = random.Random(seed)

    def value(name: str) -> Any:
        return None if random_.random() < gaps else COLUMNS[name][1](random_)

    return [
        Values(
            at=1_764_000_000_000_000 + at,
            took=random_.choice([60, 130, 300, 70_000]),
            way=random_.choice(["champion", "asked"]),
            rows=[tuple(value(name) for name in names) for _ in range(size)],
            keys=[(random_.choice([None, "k1", "k22"]), None, at) for _ in range(size)],
            answers=[(random_.random(),) for _ in range(size)],
            trace=random_.choice([None, "0af7651916cd43dd8448eb211c80319c"]),
        )
        for at, size in enumerate(random_.randint(1, rows) for _ in range(count))
    ]


def expected(made: list[Values], schema: pa.Schema) -> pa.Table:
    """Written out value by value."""
    user = [name for name in schema.names if name not in (AT, TIME, KEY, UNIT, TOOK, WAY, TRACE)]
    lines = [
        {AT: one.at, TOOK: one.took, WAY: one.way, TRACE: one.trace}
        | dict(zip((KEY, UNIT, TIME), keys, strict=True))
        | dict(zip(user, [*given, *answer], strict=True))
        for one in made
        for given, keys, answer in zip(one.rows, one.keys, one.answers, strict=True)
    ]
    return pa.table(
        [pa.array([line[name] for line in lines], schema.field(name).type) for name in schema.names],
        schema=schema,
    )


def packed(made: list[Values]) -> list[memoryview]:
    encoder = msgspec.msgpack.Encoder()
    return [memoryview(encoder.encode(one)) for one in made]


@settings(max_examples=60, deadline=None)
@given(
    names=st.lists(st.sampled_from(sorted(COLUMNS)), min_size=1, max_size=6, unique=True),
    count=st.integers(1, 120),
    seed=st.integers(0, 2**32),
    gaps=st.sampled_from([0.0, 0.1, 1.0]),
    rows=st.sampled_from([1, 1, 3, 80]),
)
def test_in_bulk_and_one_by_one_are_the_same_rows(
    names: list[str], count: int, seed: int, gaps: float, rows: int
) -> None:
    made = requests(names, count, seed, gaps=gaps, rows=rows)
    schema = schema_of(names, pa.float64())
    found = gathered(packed(made), schema)
    assert found.schema == schema
    assert found.combine_chunks().equals(expected(made, schema).combine_chunks())


def test_plain_rows_are_all_read_in_bulk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("noria.adapters.log_gathered._values", None)  # of one by one
    monkeypatch.setattr("noria.adapters.log_gathered._request", None)
    names = ["number", "carrier", "known", "moment"]
    made = [
        Values(
            2**50 + at,
            200,
            "champion",
            [(0.5 + at, "AA", at % 2 == 0, 2**40 + at)],
            [("k1", None, at % 100)],
            [(at / 7,)],
        )
        for at in range(500)
    ]
    schema = schema_of(names, pa.float64())
    assert gathered(packed(made), schema).equals(expected(made, schema))


@pytest.mark.parametrize("wrong", [2**53 + 1, 2**63, -(2**53) - 1])
def test_no_integer_becomes_another_number_on_the_way(wrong: int) -> None:
    """What Arrow itself refuses is refused, and not rounded."""
    made = [msgspec.structs.replace(one, rows=[(wrong,)]) for one in requests(["number"], 100, 1, gaps=0.0)]
    schema = schema_of(["number"], pa.float64())
    for read in (lambda: expected(made, schema), lambda: gathered(packed(made), schema)):
        with pytest.raises((pa.ArrowInvalid, OverflowError)):
            read()


@given(st.binary(max_size=60))
def test_bytes_that_are_no_request_have_no_form(data: bytes) -> None:
    for form in (log_values.request_form(memoryview(data)), log_values.row_form(memoryview(data))):
        assert form is None or all(value.at + value.head + value.size <= len(data) for value in form.values)
