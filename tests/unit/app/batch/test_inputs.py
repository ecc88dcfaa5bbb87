"""What is found of an input, what is wrong with it before any row is answered, and how it is cut."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from noria.adapters.places import open_place
from noria.app.batch.errors import BadFile, BadSchema, NoInput, OutputIsInput, UnknownInput
from noria.app.batch.formats import batches
from noria.app.batch.inputs import PART_ROWS, Looked, find, look, pattern, pieces, require_apart
from noria.ports.places import Lying
from noria.records.versions import RequestColumn, Signature, Version
from noria.testing.samples import a_version

ROWS = {"flight_id": [1, 2, 3], "distance": [1.0, 2.0, 3.0], "month": [1, 1, 2]}


def version() -> Version:
    signature = Signature(
        request=(
            RequestColumn(name="flight_id", type="int64"),
            RequestColumn(name="distance", type="double"),
            RequestColumn(name="month", type="int64"),
        ),
        key=("flight_id",),
        answer=a_version().signature.answer,
    )
    return msgspec.structs.replace(a_version(), signature=signature)


def write(path: Path, rows: dict[str, Any] = ROWS, **more: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(rows), path, **more)
    return path


def names(address: Path | str) -> list[str]:
    return [one.name for one in find(pattern(str(address)), open_place).files]


def faults(address: Path, *columns: str) -> str:
    with pytest.raises(BadSchema) as caught:
        look(find(pattern(str(address)), open_place), version(), columns)
    return str(caught.value)


def test_a_file_a_folder_and_a_pattern_are_found(tmp_path: Path) -> None:
    for name in ("a.parquet", "year=2/b.parquet", "_temporary/c.parquet", ".d.parquet"):
        write(tmp_path / name)
    (tmp_path / "README.md").write_text("no rows")
    assert names(tmp_path) == ["a.parquet", "year=2/b.parquet"]
    assert names(tmp_path / "a.parquet") == ["a.parquet"]
    assert names(tmp_path / "*" / "*.parquet") == ["year=2/b.parquet"]


def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(NoInput, match="none\\.parquet"):
        find(pattern(str(tmp_path / "none.parquet")), open_place)
    (tmp_path / "README.md").write_text("no rows")
    with pytest.raises(NoInput, match="among 1 others"):
        find(pattern(str(tmp_path)), open_place)
    with pytest.raises(UnknownInput, match=r"README\.md"):
        look(find(pattern(str(tmp_path / "README.md")), open_place), version(), [])


def test_every_fault_is_named_with_its_file_and_column(tmp_path: Path) -> None:
    write(tmp_path / "a.parquet", {**ROWS, "distance": ["far"] * 3})
    write(tmp_path / "b.parquet", {"flight_id": [1], "distance": ["far"]})
    said = faults(tmp_path, "extra")
    assert "a.parquet: column distance is string, expected a number (and 1 more files)" in said
    assert "b.parquet: there is no column month, expected an integer" in said
    assert "a.parquet: there is no column extra" in said


def test_folders_spell_out_columns(tmp_path: Path) -> None:
    rows = {name: values for name, values in ROWS.items() if name != "month"}
    write(tmp_path / "month=3" / "a.parquet", rows)
    assert len(look(find(pattern(str(tmp_path)), open_place), version(), [])) == 1
    write(tmp_path / "month=may" / "a.parquet", rows)
    assert "month=may/a.parquet: its folder says month=may, expected an integer" in faults(tmp_path)


def test_a_corrupt_file_is_named(tmp_path: Path) -> None:
    write(tmp_path / "a.parquet")
    (tmp_path / "b.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(BadFile, match=r"b\.parquet"):
        look(find(pattern(str(tmp_path)), open_place), version(), [])


@pytest.mark.parametrize(
    ("input", "output", "apart"),
    [
        ("in", "in", False),
        ("in", "in/answers", False),
        ("in", "out", True),
        ("in/*.parquet", "in/answers", True),
        ("in/**/*.parquet", "in/answers", False),
        ("in/a.parquet", "in/answers", True),
        ("in", ".", False),
    ],
)
def test_no_batch_reads_what_it_writes(tmp_path: Path, input: str, output: str, apart: bool) -> None:
    write(tmp_path / "in" / "a.parquet")
    named = pattern(str(tmp_path / input))
    found, into = find(named, open_place), str((tmp_path / output).resolve())
    if apart:
        require_apart(found, named, into)
    else:
        with pytest.raises(OutputIsInput):
            require_apart(found, named, into)


def looked(name: str, groups: list[int] | None) -> Looked:
    return Looked(Lying(name, 1, "tag"), pa.schema([]), groups)


def test_row_groups_are_gathered_into_parts_in_their_order() -> None:
    half = PART_ROWS // 2
    cut = pieces([looked("a", [half, half, half]), looked("b", []), looked("c.csv", None), looked("d", [5])])
    assert [(one.part, one.file, one.groups, one.first) for one in cut] == [
        ("part-00000.parquet", 0, (0, 2), 0),
        ("part-00001.parquet", 0, (2, 3), PART_ROWS),
        ("part-00002.parquet", 2, None, 0),
        ("part-00003.parquet", 3, (0, 1), 0),
    ]


def test_an_input_without_rows_makes_one_part() -> None:
    assert [(one.part, one.file) for one in pieces([looked("a", []), looked("b", [])])] == [
        ("part-00000.parquet", 0)
    ]


@pytest.mark.parametrize("ending", ["parquet", "arrow", "feather", "csv", "ndjson"])
def test_every_form_gives_the_same_rows_some_at_a_time(tmp_path: Path, ending: str) -> None:
    frame, path = pl.DataFrame({**ROWS, "name": ["NA", "", "x"]}), tmp_path / f"a.{ending}"
    frame = frame.with_columns(pl.col("name").replace("", None))
    writers = {
        "parquet": frame.write_parquet,
        "arrow": frame.write_ipc_stream,
        "feather": frame.write_ipc,
        "csv": frame.write_csv,
        "ndjson": frame.write_ndjson,
    }
    writers[ending](path)
    with path.open("rb") as file:
        read = list(
            batches(
                path.name, file, ["distance", "name"], groups=None, rows=2, types={"distance": pa.float64()}
            )
        )
    assert [one.num_rows for one in read] == [2, 1]
    rows = [row for one in read for row in one.to_pylist()]
    assert rows == frame.select("distance", "name").to_dicts()
