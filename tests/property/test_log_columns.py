"""Large requests that are logged by column are read as those that are logged row by row, whatever their values are."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import msgspec
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from noria.adapters.log_columns import put_together
from noria.adapters.log_reader import LogReader
from noria.adapters.log_rotation import Rotation, Round
from noria.adapters.log_writer import LogWriter
from noria.ports.serving import BATCH, COLUMNS, NONE, SOME, VALUES, Columns, Layout, Values, some
from noria.serving.columns import packed, some_of
from property.test_log_values import COLUMNS as KINDS
from property.test_log_values import expected, requests, schema_of

_pack = msgspec.msgpack.Encoder().encode


@dataclass(frozen=True)
class How:
    """Which of a request's forms is written."""

    key: str
    """`column`, `list` or `none`."""
    unit: bool
    time: bool
    """Whether each row has its own."""


def by_column(one: Values, names: list[str], how: How) -> Columns:
    count, columns = len(one.rows), [*zip(*one.rows, strict=True), *zip(*one.answers, strict=True)]
    doubles = {at for at, name in enumerate([*names, "number"]) if KINDS[name][0] == pa.float64()}
    numbers = packed(columns, doubles, count)
    keys, units, times = zip(*one.keys, strict=True)
    return Columns(
        at=one.at,
        took=one.took,
        way=one.way,
        count=count,
        numbers=b"".join(each for each in numbers if each is not None),
        others=[None if each is not None else column for each, column in zip(numbers, columns, strict=True)],
        keys={"column": names.index("carrier"), "list": keys, "none": None}[how.key],
        units=units if how.unit else None,
        times=times if how.time else one.at,
        trace=one.trace,
    )


def by_row(one: Values, names: list[str], how: How) -> Values:
    """What the same request is row by row."""
    carrier = names.index("carrier")
    keys = []
    for row, (key, unit, time) in zip(one.rows, one.keys, strict=True):
        own = {"column": row[carrier], "list": key, "none": None}[how.key]
        keys.append((own, unit if how.unit else own, time if how.time else one.at))
    return msgspec.structs.replace(one, keys=keys)


HOW = st.builds(How, st.sampled_from(["column", "list", "none"]), st.booleans(), st.booleans())


@settings(max_examples=60, deadline=None)
@given(
    more=st.lists(st.sampled_from(sorted(set(KINDS) - {"carrier"})), max_size=5, unique=True),
    seed=st.integers(0, 2**32),
    gaps=st.sampled_from([0.0, 0.05, 1.0]),
    hows=st.lists(HOW, min_size=1, max_size=4),
)
def test_by_column_and_by_row_are_the_same_rows(
    more: list[str], seed: int, gaps: float, hows: list[How]
) -> None:
    names = ["carrier", *more]
    made, schema = requests(names, len(hows), seed, gaps=gaps, rows=40), schema_of(names, pa.float64())
    pairs = list(zip(made, hows, strict=True))
    payloads = [memoryview(_pack(by_column(one, names, how))) for one, how in pairs]
    found = pa.Table.from_batches(put_together(payloads, schema), schema)
    rows = expected([by_row(one, names, how) for one, how in pairs], schema)
    assert found.combine_chunks().equals(rows.combine_chunks())


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32), how=HOW, kept=st.sets(st.integers(0, 39), min_size=1))
def test_some_of_the_rows_are_those_rows(seed: int, how: How, kept: set[int]) -> None:
    names = ["carrier", "number", "count"]
    (one,) = requests(names, 1, seed, gaps=0.02, rows=40)
    places = sorted(place for place in kept if place < len(one.rows)) or [0]
    schema = schema_of(names, pa.float64())
    whole = expected([by_row(one, names, how)], schema)
    part = memoryview(_pack(some_of(by_column(one, names, how), places)))
    found = pa.Table.from_batches(put_together([part], schema), schema)
    assert found.combine_chunks().equals(whole.take(places).combine_chunks())


def test_a_segment_of_all_kinds_is_read_the_same_before_and_after_its_rotation(tmp_path: Path) -> None:
    names = ["carrier", "number", "count"]
    schema = schema_of(names, pa.float64())
    layout, how = Layout(1, len(names), schema.serialize().to_pybytes()), How("column", False, False)
    log, reader = LogWriter(tmp_path, "m"), LogReader(tmp_path)
    made = requests(names, 40, 7, gaps=0.02, rows=50)
    kept, wanted = [2, 3], []
    for number, one in enumerate(made):
        rows = by_row(one, names, how)
        table, count, kind = expected([rows], schema), len(one.rows), number % 5
        if kind == 0:
            log.take(layout, VALUES, count, _pack(rows))
        elif kind == 1:
            log.take(layout, BATCH, count, table.to_batches()[0].serialize().to_pybytes())
        elif kind == 2 and count > 3:
            part = _pack(some_of(by_column(one, names, how), kept))
            log.take(layout, COLUMNS | SOME, count, some(kept, part))
            table = table.take(kept)
        elif kind == 3:
            log.take(layout, NONE, count, b"")
            continue
        else:
            log.take(layout, COLUMNS, count, _pack(by_column(one, names, how)))
        log.hand_over()
        wanted.append(table)
    (before,) = reader.read("m", {}).tables
    assert before.drop_columns(["id", "version"]).equals(pa.concat_tables(wanted).combine_chunks())
    middle = reader.read("m", {}, limit=200)
    log.close()
    Rotation(tmp_path, "m").rotate(Round())
    (after,) = reader.read("m", {}).tables
    assert after.equals(before)
    (rest,) = reader.read("m", middle.cursor).tables
    assert rest.equals(before.slice(middle.rows))
    ids = before.column("id").to_pylist()
    assert ids == sorted(set(ids))
    found = reader.find(ids[-1])
    assert found is not None and found.row is not None
    assert found.row.column("id").to_pylist() == [ids[-1]]


def test_a_request_that_was_cut_off_is_torn(tmp_path: Path) -> None:
    names = ["carrier", "number"]
    schema = schema_of(names, pa.float64())
    layout = Layout(1, len(names), schema.serialize().to_pybytes())
    log = LogWriter(tmp_path, "m")
    for one in requests(names, 3, 9, gaps=0.0, rows=40):
        log.take(layout, COLUMNS, len(one.rows), _pack(by_column(one, names, How("list", True, True))))
        log.hand_over()
    log.close()
    (path,) = (tmp_path / "m").glob("*.rows")
    whole = LogReader(tmp_path).read("m", {})
    path.write_bytes(path.read_bytes()[:-60])
    cut = LogReader(tmp_path).read("m", {})
    assert cut.torn == 1 and 0 < cut.rows < whole.rows
    assert cut.tables[0].equals(whole.tables[0].slice(0, cut.rows))
