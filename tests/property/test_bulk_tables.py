"""Whatever the quick reader of tables takes, the careful one reads the same; what that refuses, the quick one leaves."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from noria.errors import NoriaError
from noria.records.artifacts import Column
from noria.records.versions import RequestColumn, Signature
from noria.serving import table
from noria.serving.asked import Asked, Reader
from noria.serving.bulk_tables import BulkTables
from noria.serving.quick import QuickReader

TYPES = {"key": pa.string(), "a": pa.float64(), "zone": pa.string(), "b": pa.float64()}
FINITE = st.floats(allow_nan=False, allow_infinity=False)
MOST = 5


def signature(unknown: str) -> Signature:
    return Signature(
        request=(
            RequestColumn(name="key", type="string"),
            RequestColumn(name="a", type="double"),
            RequestColumn(name="zone", type="string", nulls=True, levels=("north",)),
            RequestColumn(name="b", type="double", nulls=True),
        ),
        key=("key",),
        unknown=unknown,  # type: ignore[arg-type]
        answer=(Column(name="answer", type="double"),),
    )


def stream(rows: pa.Table, *, chunk: int | None = None, **how: Any) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.schema, options=pa.ipc.IpcWriteOptions(**how)) as writer:
        writer.write_table(rows, chunk)
    return bytes(sink.getvalue().to_pybytes())


@st.composite
def tables(draw: Any) -> tuple[pa.Table, bool]:
    """Rows for the signature, and whether all of them are sound; else one column has something odd."""
    count, odd = draw(st.integers(1, MOST)), draw(st.sampled_from([None, None, *TYPES, "rows"]))
    columns: dict[str, pa.Array] = {}
    for name in draw(st.permutations(list(TYPES))):
        made: st.SearchStrategy[Any] = st.text(max_size=3) if name == "key" else FINITE
        made = st.sampled_from(["north", None]) if name == "zone" else made
        kind = TYPES[name]
        if name == odd:
            kind = draw(
                st.sampled_from([pa.string(), pa.float64(), pa.float32(), pa.large_string(), pa.int64()])
            )
            texts = pa.types.is_string(kind) or pa.types.is_large_string(kind)
            made = st.none() | (st.text(max_size=2) if texts else st.sampled_from([1, 2**20]))
            made = (
                made | st.sampled_from([float("nan"), float("inf"), 1e308]) if kind == pa.float64() else made
            )
        columns[name] = pa.array(draw(st.lists(made, min_size=count, max_size=count)), kind)
    if odd == "rows":
        return pa.table(columns).slice(draw(st.integers(0, 1)), draw(st.integers(0, MOST))), False
    return pa.table(columns), odd is None


def careful(body: bytes, own: Signature) -> Asked | NoriaError:
    try:
        return table.read(body, Reader(own, model="m", max_rows=MOST))
    except NoriaError as error:
        return error


def taken(body: bytes, own: Signature) -> bool:
    """Whether the quick reader took it; then the careful one has to have read the same."""
    quick = QuickReader(own, max_rows=MOST)
    read = BulkTables(quick, max_rows=MOST).read(body)
    if read is None:
        return False
    slow = careful(body, own)
    assert isinstance(slow, Asked), slow
    made = [pa.array(read.column(at), field.type) for at, field in enumerate(slow.rows.schema)]
    assert pa.RecordBatch.from_arrays(made, schema=slow.rows.schema).equals(slow.rows)
    whole = [column for at, column in enumerate(slow.rows.columns) if read.others[at] is None]
    assert read.numbers == b"".join(column.to_numpy().tobytes() for column in whole)
    assert quick.nulls_by_column(read) == slow.nulls and quick.unknown_by_column(read) == slow.unknown
    assert read.count == slow.rows.num_rows and read.reply == "table"
    return True


@settings(max_examples=150, deadline=None)
@given(tables(), st.sampled_from(["accept", "refuse"]))
def test_both_read_the_same(made: tuple[pa.Table, bool], unknown: str) -> None:
    rows, sound = made
    own = signature(unknown)
    assert taken(stream(rows), own) or not sound or huge(rows)


def huge(rows: pa.Table) -> bool:
    """Whether its numbers may have a sum that is not finite: then the careful reader looks at each."""
    return any(abs(value) > 1e300 for name in ("a", "b") for value in rows[name].to_pylist())


SOUND = pa.table(
    {name: pa.array(["x", "y"] if kind == "string" else [1.5, -0.0], kind) for name, kind in TYPES.items()}
)


@pytest.mark.parametrize(
    "body",
    [
        stream(SOUND, chunk=1),
        stream(SOUND, compression="zstd"),
        stream(SOUND.append_column("more", pa.array([1.0, 2.0]))),
        stream(SOUND.append_column("a", pa.array([1.0, 2.0]))),
        stream(SOUND.drop_columns("b")),
        stream(SOUND.rename_columns(["key", "a", "zone", "c"])),
        stream(SOUND.rename_columns(["key", "a", "zone", "a"])),
        stream(SOUND.slice(0, 0)),
        stream(pa.concat_tables([SOUND] * MOST)),
        stream(SOUND)[:-200],
        stream(SOUND)[200:],
        b"",
    ],
    ids=range(12),
)
def test_what_leaves_a_doubt_is_left(body: bytes) -> None:
    assert not taken(body, signature("accept"))
    assert taken(stream(SOUND), signature("accept"))
    assert taken(stream(SOUND.select(["b", "zone", "a", "key"])), signature("accept"))


@settings(max_examples=150, deadline=None)
@given(st.integers(0, len(stream(SOUND)) - 1), st.integers(0, 255))
def test_a_byte_that_was_changed_is_read_alike_or_left(at: int, value: int) -> None:
    body = bytearray(stream(SOUND))
    body[at] = value
    taken(bytes(body), signature("accept"))
