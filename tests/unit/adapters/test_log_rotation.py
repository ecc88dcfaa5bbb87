"""Closed segments become Parquet: no row is lost or doubled, whoever reads, and wherever the rotation was stopped."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pytest

from noria.adapters import log_parquet, log_rotation
from noria.adapters.log_dropped import FILE
from noria.adapters.log_parquet import read_facts
from noria.adapters.log_reader import LogReader
from noria.adapters.log_rotation import Rotation, Round
from noria.adapters.log_writer import LogWriter
from noria.ports.serving import BATCH, NONE, SOME, Answered, some
from noria.records.predictions import prediction_ids

AT = datetime(2024, 1, 1, tzinfo=UTC)
MOMENT = pa.timestamp("us", tz="UTC")


def rows(
    values: list[Any], *, at: datetime = AT, time: datetime | None = None, **more: Any
) -> pa.RecordBatch:
    columns = {
        "at": pa.array([at] * len(values), MOMENT),
        "time": pa.array([time or at] * len(values), MOMENT),
        "key": [f"k{value}" for value in values],
        "answer.answer": values,
        **{name: pa.array([value] * len(values)) for name, value in more.items()},
    }
    return pa.RecordBatch.from_pydict(columns)


def answered(values: list[Any], version: int = 1, **more: Any) -> Answered:
    return Answered(version=version, rows=rows(values, **more))


def later_writer(root: Path) -> LogWriter:
    """A writer whose segment sorts behind those that are there: names begin with a millisecond."""
    begun = time.time_ns() // 1_000_000
    while time.time_ns() // 1_000_000 == begun:
        pass
    return LogWriter(root, "m")


def rotate(root: Path) -> Round:
    done = Round()
    Rotation(root, "m").rotate(done)
    return done


def values(reader: LogReader, cursor: dict[str, int] | None = None, limit: int = 1_000_000) -> list[float]:
    found: list[float] = []
    at = cursor or {}
    while (logged := reader.read("m", at, limit=limit)).rows:
        at = dict(logged.cursor)
        found += [v for table in logged.tables for v in table.column("answer.answer").to_pylist()]
    return found


def test_a_closed_segment_becomes_parquet_and_reads_the_same(tmp_path: Path) -> None:
    writer = LogWriter(tmp_path, "m")
    ids = [*writer.append(answered([1.0, 2.0])), *writer.append(answered([3.0]))]
    before = LogReader(tmp_path).read("m", {}).tables[0]
    assert rotate(tmp_path).rotated == 0, "it is being written"
    writer.close()
    done = rotate(tmp_path)
    assert (done.rotated, done.rows) == (1, 3)
    assert [path.suffix for path in (tmp_path / "m").iterdir() if path.name != "rotating"] == [".parquet"]
    reader = LogReader(tmp_path)
    (after,) = reader.read("m", {}).tables
    assert after.equals(before)
    assert reader.known("m", ids) == set(ids)
    beyond = list(prediction_ids(ids[0].split("-")[0], 3, 1))
    assert reader.known("m", beyond) == set()
    assert rotate(tmp_path).rotated == 0


@pytest.mark.parametrize("read_before", range(7))
@pytest.mark.parametrize("limit", [1, 2, 100])
def test_a_cursor_goes_on_in_the_rotated_file(tmp_path: Path, read_before: int, limit: int) -> None:
    writer = LogWriter(tmp_path, "m")
    reader, cursor, seen = LogReader(tmp_path), {}, []
    for number in range(6):
        writer.append(answered([number + 0.1, number + 0.2]))
        if number < read_before:
            logged = reader.read("m", cursor)
            cursor = dict(logged.cursor)
            seen += [v for table in logged.tables for v in table.column("answer.answer").to_pylist()]
    writer.close()
    rotate(tmp_path)
    for one in (reader, LogReader(tmp_path)):  # who stood there, and who is given its cursor
        rest = values(one, cursor, limit)
        assert seen + rest == [number + part for number in range(6) for part in (0.1, 0.2)]


def test_a_request_that_a_killed_writer_left_torn_is_told_once(tmp_path: Path) -> None:
    writer = LogWriter(tmp_path, "m")
    writer.append(answered([1.0]))
    os.write(writer._open.descriptor, b"half a frame")  # type: ignore[union-attr]
    os.close(writer._open.descriptor)  # type: ignore[union-attr]
    reader = LogReader(tmp_path)
    live = reader.read("m", {})
    assert (live.rows, live.torn) == (1, 1)
    rotate(tmp_path)
    fresh = LogReader(tmp_path).read("m", {})
    assert (fresh.rows, fresh.torn) == (1, 1)
    for one in (live, fresh):
        again = LogReader(tmp_path).read("m", one.cursor)
        assert (again.rows, again.torn) == (0, 0)


def test_a_segment_whose_header_is_not_written_yet_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "m").mkdir()
    begun = tmp_path / "m" / "0123456789abc.rows"
    begun.touch()
    assert rotate(tmp_path).rotated == 0 and not Rotation(tmp_path, "m").due()
    assert begun.exists()
    os.utime(begun, (0, 0))
    assert Rotation(tmp_path, "m").due(), "its writer was killed before the first row"
    rotate(tmp_path)
    assert not begun.exists() and LogReader(tmp_path).read("m", {}).rows == 0


class Stopped(BaseException):
    """As a kill: nothing of the rotation runs after it, but for what ends its files."""


def stopping(at: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the rotation's `at`-th step onto the disk be its last; it is not taken."""
    steps = itertools.count(1)

    def counted(step: Callable[..., Any]) -> Callable[..., Any]:
        def take(*words: Any, **named: Any) -> Any:
            if next(steps) >= at:
                raise Stopped
            return step(*words, **named)

        return take

    for place, name in (
        (log_parquet.os, "fsync"),
        (Path, "replace"),
        (Path, "unlink"),
        (log_rotation, "write_dropped"),
    ):
        monkeypatch.setattr(place, name, counted(getattr(place, name)))


def test_wherever_a_rotation_is_stopped_each_row_is_there_once(tmp_path: Path) -> None:
    stops = 0
    for at in range(1, 100):
        root = tmp_path / str(at)
        for number in range(3):
            writer = LogWriter(root, "m")
            writer.append(answered([float(number)]))
            writer.close()
        cursor = dict(LogReader(root).read("m", {}, limit=1).cursor)
        with pytest.MonkeyPatch.context() as patch:
            stopping(at, patch)
            try:
                rotate(root)
                break
            except Stopped:
                stops += 1
        assert sorted(values(LogReader(root))) == [0.0, 1.0, 2.0]
        assert len(values(LogReader(root), cursor)) == 2
        rotate(root)
        assert sorted(values(LogReader(root))) == [0.0, 1.0, 2.0]
        assert {path.suffix for path in (root / "m").iterdir()} == {".parquet", ""}
    assert stops >= 12, "each of three segments: file, name, folder, segment, folder"


def test_any_reader_of_parquet_reads_the_folder_across_versions(tmp_path: Path) -> None:
    """A column that came, one that went, one that became wider: by name, with nulls."""
    for version, more in (
        (1, {"request.km": 1, "request.old": "x"}),
        (2, {"request.km": 2.5, "request.new": True}),
    ):
        writer = later_writer(tmp_path)
        writer.append(answered([float(version)], version, **more))
        writer.close()
    rotate(tmp_path)
    files = sorted((tmp_path / "m").glob("*.parquet"))
    frame = pl.concat([pl.scan_parquet(file) for file in files], how="diagonal_relaxed").collect()
    assert frame["request.km"].to_list() == [1.0, 2.5]
    assert frame["request.new"].to_list() == [None, True]
    assert frame["request.old"].to_list() == ["x", None]
    whole = pl.scan_parquet(
        tmp_path / "m" / "*.parquet",
        missing_columns="insert",
        extra_columns="ignore",
        cast_options=pl.ScanCastOptions(
            integer_cast=["upcast", "allow-float"], float_cast=["upcast", "downcast"]
        ),
    )
    assert whole.select("id", "version", "answer.answer").collect()["version"].to_list() == [1, 2]
    import pyarrow.dataset as ds

    one = ds.dataset(str(tmp_path / "m"), format="parquet", exclude_invalid_files=True).to_table(
        columns=["id"]
    )
    assert one.num_rows == 2


def test_a_file_of_several_row_groups_is_read_from_the_middle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_parquet, "GROUP", 4)
    writer = LogWriter(tmp_path, "m")
    for number in range(25):
        writer.append(answered([float(number)]))
    reader = LogReader(tmp_path)
    cursors = [dict(reader.read("m", {}, limit=limit).cursor) for limit in (1, 4, 9, 24, 25)]
    writer.close()
    rotate(tmp_path)
    (file,) = (tmp_path / "m").glob("*.parquet")
    assert pl.read_parquet(file)["answer.answer"].to_list() == [float(n) for n in range(25)]
    for cursor, done in zip(cursors, (1, 4, 9, 24, 25), strict=True):
        for limit in (1, 3, 1000):
            assert values(LogReader(tmp_path), cursor, limit) == [float(n) for n in range(done, 25)]


# A sample


def test_rows_that_were_left_out_have_ids_and_the_others_keep_theirs(tmp_path: Path) -> None:
    writer = LogWriter(tmp_path, "m")
    batch = rows([0.0, 1.0, 2.0, 3.0])
    layout = log_writer_layout(batch)
    segment, first = writer.take(layout, NONE, 3, b"")
    kept = batch.take(pa.array([1, 3]))
    _, second = writer.take(layout, BATCH | SOME, 4, some([1, 3], kept.serialize().to_pybytes()))
    _, third = writer.take(layout, BATCH, 4, batch.serialize().to_pybytes())
    writer.hand_over()
    assert (first, second, third) == (0, 3, 7)
    ids = list(prediction_ids(segment, 0, 11))
    wanted = [ids[4], ids[6], *ids[7:]]
    cursor = dict(LogReader(tmp_path).read("m", {}, limit=1).cursor)
    for _ in ("as frames", "as Parquet"):
        reader = LogReader(tmp_path)
        (table,) = reader.read("m", {}).tables
        assert table.column("id").to_pylist() == wanted
        assert table.column("answer.answer").to_pylist() == [1.0, 3.0, 0.0, 1.0, 2.0, 3.0]
        assert reader.known("m", ids) == set(ids)
        assert values(reader, cursor) == [0.0, 1.0, 2.0, 3.0]
        found = reader.find(ids[6])
        assert found is not None and found.row is not None and found.row.column("id").to_pylist() == [ids[6]]
        left = reader.find(ids[0])
        assert left is not None and left.row is None and left.version == 1
        writer.close()
        rotate(tmp_path)
    assert read_facts(next((tmp_path / "m").glob("*.parquet"))).ids == 11


def test_a_segment_of_which_nothing_was_kept_still_knows_its_ids(tmp_path: Path) -> None:
    writer = LogWriter(tmp_path, "m")
    segment, _ = writer.take(log_writer_layout(rows([1.0])), NONE, 2, b"")
    writer.close()
    rotate(tmp_path)
    ids = list(prediction_ids(segment, 0, 2))
    assert LogReader(tmp_path).known("m", ids) == set(ids)
    assert LogReader(tmp_path).read("m", {}).rows == 0


def log_writer_layout(batch: pa.RecordBatch) -> Any:
    from noria.adapters.log_writer import framed

    return framed(Answered(1, batch))[0]


# Retention


def drop(root: Path, before: datetime, needed: dict[int, datetime | None] | None = None) -> Round:
    done = Round()
    Rotation(root, "m").drop(done, before=before, needed=needed or {})
    return done


def filed(root: Path, *days: int, version: int = 1, event: int = 0) -> list[str]:
    """A Parquet file a day, of one row."""
    ids = []
    for day in days:
        writer, at = later_writer(root), AT + timedelta(days=day)
        ids += writer.append(answered([float(day)], version, at=at, time=at + timedelta(days=event)))
        writer.close()
    rotate(root)
    return ids


def test_old_files_go_and_their_ids_stay_known(tmp_path: Path) -> None:
    ids = filed(tmp_path, 0, 1, 2)
    reader = LogReader(tmp_path)
    cursor = dict(reader.read("m", {}, limit=2).cursor)
    assert drop(tmp_path, AT + timedelta(days=2)).dropped == 2
    for one in (reader, LogReader(tmp_path)):
        assert values(one) == [2.0]
        assert values(one, cursor) == [2.0]
        assert one.known("m", ids) == set(ids)
        assert one.dropped("m", 1) == 2
        found = one.find(ids[0])
        assert found is not None and found.row is None and found.version == 1
    assert drop(tmp_path, AT + timedelta(days=2)).dropped == 0


def test_of_what_went_a_champions_traffic_is_counted(tmp_path: Path) -> None:
    for way in ("", "shadow", "instead", "asked", "canary"):
        writer = later_writer(tmp_path)
        writer.append(answered([1.0, 2.0], way=way))
        writer.close()
    rotate(tmp_path)
    assert drop(tmp_path, AT + timedelta(days=2)).dropped == 5
    assert LogReader(tmp_path).dropped("m", 1) == 4
    lines = (tmp_path / "m" / FILE).read_text().replace(',"own":0', "")  # as before they were counted
    (tmp_path / "m" / FILE).write_text(lines)
    assert LogReader(tmp_path).dropped("m", 1) == 10


def test_what_a_monitor_waits_for_stays_however_old_it_is(tmp_path: Path) -> None:
    filed(tmp_path, 0, 1, 2)
    filed(tmp_path, 0, version=2)
    late = AT + timedelta(days=100)
    assert drop(tmp_path, late, {1: None}).held == 3
    assert values(LogReader(tmp_path)) == [0.0, 1.0, 2.0]
    assert (drop(tmp_path, late, {1: AT + timedelta(days=1)})) == Round(dropped=1, held=2)
    assert (drop(tmp_path, late, {1: AT + timedelta(days=3)})) == Round(dropped=2)


def test_an_event_of_a_broken_clock_keeps_no_file(tmp_path: Path) -> None:
    filed(tmp_path, 0, event=4000)
    assert drop(tmp_path, AT + timedelta(days=100), {1: AT + timedelta(days=1)}).dropped == 1


def test_wherever_dropping_is_stopped_rows_are_counted_once(tmp_path: Path) -> None:
    for at in range(1, 20):
        root = tmp_path / str(at)
        ids = filed(root, 0, 1)
        with pytest.MonkeyPatch.context() as patch:
            stopping(at, patch)
            try:
                drop(root, AT + timedelta(days=9))
                break
            except Stopped:
                pass
        reader = LogReader(root)
        assert reader.dropped("m", 1) + len(values(reader)) == 2
        assert reader.known("m", ids) == set(ids)
        drop(root, AT + timedelta(days=9))
        assert LogReader(root).dropped("m", 1) == 2
    assert at > 4
