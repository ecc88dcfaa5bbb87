"""A stored table is its content: nothing of it is lost, and nothing else is in its digest."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from noria.artifacts import Artifacts
from noria.artifacts.artifacts import NotATableArtifact

PARIS = ZoneInfo("Europe/Paris")
EVERYTHING = pl.DataFrame(
    {
        "int": [1, None, 3],
        "float": [1.5, float("nan"), None],
        "text": ["a", None, "longer than twelve bytes, so not inline"],
        "flag": [True, None, False],
        "category": pl.Series(["x", "y", None], dtype=pl.Categorical),
        "enum": pl.Series(["u", None, "v"], dtype=pl.Enum(["w", "u", "v"])),
        "decimal": [Decimal("1.10"), None, Decimal("-2.00")],
        "date": [date(2024, 1, 1), None, date(1969, 12, 31)],
        "time": [time(1, 2, 3), None, time(23, 59)],
        "zoned": [datetime(2024, 3, 31, 3, tzinfo=PARIS), None, datetime(1960, 1, 1, tzinfo=PARIS)],
        "span": [timedelta(seconds=1), None, timedelta(days=-1)],
        "binary": [b"", None, b"\0\xff"],
        "array": pl.Series([[1, 2], None, [3, 4]], dtype=pl.Array(pl.Int64, 2)),
        "list": [[1, None], None, []],
        "lists": [[["a"], []], None, [None, ["b", "c"]]],
        "categories": pl.Series([["a"], None, ["b", "a"]], dtype=pl.List(pl.Categorical)),
        "struct": [{"a": 1, "b": "x"}, None, {"a": None, "b": "z"}],
        "nothing": [None, None, None],
        "half": pl.Series([1.5, None, 2.5], dtype=pl.Float32).cast(pl.Float16),
    }
)


def test_a_polars_frame_comes_back_as_it_was(artifacts: Artifacts) -> None:
    artifact = artifacts.save(EVERYTHING)
    back = artifacts.load(artifact)
    assert back.equals(EVERYTHING)
    assert back.schema == EVERYTHING.schema
    assert (artifact.type, artifact.rows, artifact.codec) == ("polars.DataFrame", 3, "arrow/1")
    assert [(column.name, column.type) for column in artifact.columns[:3]] == [
        ("int", "int64"),
        ("float", "double"),
        ("text", "large_string"),
    ]


def test_an_empty_frame_keeps_its_columns(artifacts: Artifacts) -> None:
    back = artifacts.load(artifacts.save(EVERYTHING.clear()))
    assert back.height == 0
    assert back.schema == EVERYTHING.schema
    assert artifacts.load(artifacts.save(pl.DataFrame())).shape == (0, 0)


def same_content() -> dict[str, Any]:
    """The table made in ways that leave other bytes in memory."""
    three = pl.concat([EVERYTHING[:1], EVERYTHING[1:2], EVERYTHING[2:]], rechunk=False)
    arrow = EVERYTHING.to_arrow()
    views = EVERYTHING.to_arrow(compat_level=pl.CompatLevel.newest())
    return {
        "in three chunks": three,
        "cut out of a longer one": pl.concat([EVERYTHING] * 3).slice(3, 3),
        "filtered": pl.concat([EVERYTHING, EVERYTHING]).filter(
            pl.Series([True, False, False, False, True, True])
        ),
        "lazy": EVERYTHING.lazy(),
        "as Arrow": arrow,
        "as Arrow with views": views,
        "with another library's notes": arrow.replace_schema_metadata({b"pandas": b"{}", b"written": b"now"}),
        "read from a stream": pa.ipc.open_stream(in_stream(arrow)).read_all(),
    }


def in_stream(table: pa.Table) -> pa.Buffer:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table, max_chunksize=2)
    return sink.getvalue()


@pytest.mark.parametrize("way", same_content())
def test_equal_tables_have_one_digest(artifacts: Artifacts, way: str) -> None:
    assert artifacts.save(same_content()[way]).digest == artifacts.save(EVERYTHING).digest


def test_what_stands_under_nulls_and_behind_the_end_is_not_in_the_digest(artifacts: Artifacts) -> None:
    valid = pa.py_buffer(np.packbits([1, 0, 1], bitorder="little"))
    dirty = pa.py_buffer(bytes([valid.to_pybytes()[0] | 0b11111000]))
    tables = [
        pa.table({"x": pa.Array.from_buffers(pa.int64(), 3, [bits, pa.py_buffer(np.array(values))])})
        for bits, values in ((valid, [1, 0, 3]), (valid, [1, 99, 3]), (dirty, [1, 7, 3, 55, 66]))
    ]
    texts = [
        pa.table(
            {
                "s": pa.Array.from_buffers(
                    pa.large_string(), 3, [valid, pa.py_buffer(np.array(ends)), pa.py_buffer(data)]
                )
            }
        )
        for ends, data in (([0, 1, 1, 2], b"ac"), ([0, 1, 4, 5], b"abbbc"), ([2, 3, 3, 4], b"..ac??"))
    ]
    for group in (tables, texts):
        assert len({artifacts.save(table).digest for table in group}) == 1
        assert artifacts.table(artifacts.save(group[1])).to_pylist() == group[0].to_pylist()


def test_a_category_has_one_digest_whatever_the_process_saw_before(artifacts: Artifacts) -> None:
    script = (
        "import polars as pl, sys; from pathlib import Path; from noria.adapters.folder import FolderStore;"
        "from noria.artifacts import Artifacts;"
        "seen = pl.Series(['z', 'y', 'b'], dtype=pl.Categorical);"
        "frame = pl.DataFrame({'c': pl.Series(['a', None, 'b', 'a'], dtype=pl.Categorical)});"
        "print(Artifacts(FolderStore(Path(sys.argv[1]))).save(frame).digest)"
    )
    root = artifacts.store.root  # type: ignore[attr-defined]
    other = subprocess.run([sys.executable, "-c", script, root], capture_output=True, text=True, check=True)
    here = artifacts.save(pl.DataFrame({"c": pl.Series(["a", None, "b", "a"], dtype=pl.Categorical)}))
    assert other.stdout.strip() == here.digest


PANDAS = pd.DataFrame(
    {
        "int": [1, 2, 3],
        "text": ["x", None, "y"],
        "nullable": pd.array([1, None, 2**60 + 1], dtype="Int64"),
        "flag": pd.array([True, None, False], dtype="boolean"),
        "level": pd.Categorical(["u", None, "v"], categories=["z", "v", "u"], ordered=True),
        "zoned": pd.to_datetime(["2020-01-01", "2021-01-01", None], utc=True).tz_convert("Europe/Paris"),
        "arrow": pd.array([1, 2, None], dtype="int32[pyarrow]"),
        "float": [1.0, np.nan, 2.0],
    }
)


@pytest.mark.parametrize(
    "index",
    [
        None,
        pd.RangeIndex(5, 11, 2),
        pd.Index([7, 3, 9]),
        pd.Index(["a", "b", "c"], name="key"),
        pd.date_range("2024", periods=3, name="at"),
        pd.MultiIndex.from_tuples([("a", 1), ("a", 2), ("b", 1)], names=["one", None]),
    ],
)
def test_a_pandas_frame_comes_back_with_its_types_and_index(
    artifacts: Artifacts, index: pd.Index | None
) -> None:
    frame = PANDAS if index is None else PANDAS.set_axis(index)
    back = artifacts.load(artifacts.save(frame))
    pd.testing.assert_frame_equal(back, frame, check_index_type=False, check_freq=False)


def test_a_pandas_frame_that_was_loaded_can_be_written_to(artifacts: Artifacts) -> None:
    artifact = artifacts.save(PANDAS)
    frame = artifacts.load(artifact)
    frame.loc[0, "int"] = 100
    frame["float"] += 1
    assert frame["int"].tolist() == [100, 2, 3]
    assert artifacts.load(artifact)["int"].tolist() == [1, 2, 3]


@pytest.mark.parametrize(
    "series",
    [
        pd.Series([1.0, 2.0], index=[3, 4], name="x"),
        pd.Series([1.0, 2.0]),
        pl.Series("x", ["a"]),
        pl.Series([1, 2]),
    ],
)
def test_a_series_is_a_series_again(artifacts: Artifacts, series: Any) -> None:
    back = artifacts.load(artifacts.save(series))
    if isinstance(series, pl.Series):
        assert back.equals(series, check_names=True)
    else:
        pd.testing.assert_series_equal(back, series)
    assert artifacts.load(artifacts.save(series), np.ndarray).tolist() == series.to_list()


@pytest.mark.parametrize("wanted", [pl.DataFrame, pd.DataFrame, pa.Table, pl.LazyFrame])
def test_a_reader_gets_the_table_as_its_annotation_says(artifacts: Artifacts, wanted: type) -> None:
    assert isinstance(artifacts.load(artifacts.save(PANDAS), wanted), wanted)


def test_only_tables_are_tables(artifacts: Artifacts) -> None:
    assert artifacts.table(artifacts.save(PANDAS.set_axis([4, 5, 6]))).column_names == list(PANDAS.columns)
    with pytest.raises(NotATableArtifact, match=r"numpy\.ndarray"):
        artifacts.table(artifacts.save(np.zeros(3)))


def test_other_types_of_arrow_survive(artifacts: Artifacts) -> None:
    table = pa.table(
        {
            "short": pa.array(["a", None], pa.string()),
            "map": pa.array([[("k", 1)], None], pa.map_(pa.string(), pa.int32())),
            "fixed": pa.array([b"ab", None], pa.binary(2)),
            "seconds": pa.array([datetime(2024, 1, 1, tzinfo=UTC), None], pa.timestamp("s", "UTC")),
            "months": pa.array([(1, 2, 3), None], pa.month_day_nano_interval()),
        }
    )
    back = artifacts.load(artifacts.save(table))
    assert back.equals(table)
    assert back.schema == table.schema
