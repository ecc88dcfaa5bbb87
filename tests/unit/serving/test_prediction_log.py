"""The prediction log: what was acknowledged is read once, in order, whatever happened to its writer."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest

from noria.adapters import prediction_log
from noria.adapters.prediction_log import LogReader, LogRefused, LogWriter
from noria.ports.serving import Answered
from noria.records.predictions import parse_id, prediction_ids, segment_name


def answered(values: list[float], version: int = 1) -> Answered:
    count = len(values)
    at = pa.array([datetime(2024, 1, 1, tzinfo=UTC)] * count, pa.timestamp("us", tz="UTC"))
    columns = {"at": at, "key": [f"k{value}" for value in values], "answer.answer": values}
    return Answered(version=version, rows=pa.RecordBatch.from_pydict(columns))


def values(log: LogReader, cursor: dict[str, int] | None = None) -> list[float]:
    logged = log.read("m", cursor or {})
    return [value for table in logged.tables for value in table.column("answer.answer").to_pylist()]


def test_rows_come_back_with_their_ids_and_versions(tmp_path: Path) -> None:
    writer, reader = LogWriter(tmp_path, "m"), LogReader(tmp_path)
    first, second = writer.append(answered([1.0, 2.0])), writer.append(answered([3.0]))
    (table,) = reader.read("m", {}).tables
    assert table.column("id").to_pylist() == [*first, *second]
    assert table.column("version").to_pylist() == [1, 1, 1]
    assert [*first, *second] == sorted([*first, *second])


def test_each_row_is_read_once_beside_the_writer(tmp_path: Path) -> None:
    writer, reader = LogWriter(tmp_path, "m"), LogReader(tmp_path)
    seen: list[float] = []
    cursor: dict[str, int] = {}
    for number in range(30):
        writer.append(answered([float(number)], version=1 + number // 10))
        if number % 7 == 0:
            logged = reader.read("m", json.loads(json.dumps(cursor)))
            seen += [value for table in logged.tables for value in table.column("answer.answer").to_pylist()]
            cursor = dict(logged.cursor)
    writer.close()
    assert seen + values(reader, cursor) == [float(number) for number in range(30)]
    assert reader.read("m", reader.read("m", cursor).cursor).rows == 0


def test_a_limit_leaves_the_rest_for_the_next_read(tmp_path: Path) -> None:
    writer, reader = LogWriter(tmp_path, "m"), LogReader(tmp_path)
    for number in range(10):
        writer.append(answered([float(number)], version=1 + number // 5))
    first = reader.read("m", {}, limit=3)
    assert first.rows == 3
    assert len(values(reader, dict(first.cursor))) == 7


def test_a_new_version_begins_a_segment(tmp_path: Path) -> None:
    writer = LogWriter(tmp_path, "m")
    ids = [writer.append(answered([1.0], version=version))[0] for version in (1, 1, 2)]
    segments = [(parse_id(id) or ("", 0))[0] for id in ids]
    assert segments[0] == segments[1] < segments[2]
    writer.close()
    for path in (tmp_path / "m").glob("*.arrows"):
        pa.ipc.open_stream(path).read_all()  # any Arrow reader can read a finished segment


def test_only_ids_that_were_given_out_are_known(tmp_path: Path) -> None:
    writer, reader = LogWriter(tmp_path, "m"), LogReader(tmp_path)
    (first,) = writer.append(answered([1.0]))
    segment, _ = parse_id(first) or ("", 0)
    (second,) = prediction_ids(segment, 1, 1)
    (other,) = prediction_ids(segment_name(1, 1), 0, 1)
    strange = [second, other, "", "abc", first.upper(), f"{first}0", f"../m/{first}"]
    assert reader.known("m", [first, *strange]) == {first}
    assert reader.known("other", [first]) == set()
    writer.append(answered([2.0]))
    assert reader.known("m", [first, second]) == {first, second}
    writer.close()
    assert LogReader(tmp_path).known("m", [first, second]) == {first, second}  # after a restart, too


@pytest.mark.parametrize("cut", [1, 7, 8, 100, 300])
def test_a_torn_tail_is_passed_over_and_counted_once(tmp_path: Path, cut: int) -> None:
    writer, reader = LogWriter(tmp_path, "m"), LogReader(tmp_path)
    writer.append(answered([1.0]))
    whole = writer.size
    (lost,) = writer.append(answered([2.0]))
    (path,) = (tmp_path / "m").glob("*.arrows")
    os.close(writer._segment.descriptor)  # type: ignore[union-attr]  # as the kernel does at a kill
    os.truncate(path, writer.size - cut)
    assert path.stat().st_size > whole
    later = LogWriter(tmp_path, "m")
    later.append(answered([3.0]))
    logged = reader.read("m", {})
    assert logged.torn == 1
    assert sorted(values(reader)) == [1.0, 3.0]
    assert reader.known("m", [lost]) == set()
    again = reader.read("m", logged.cursor)
    assert (again.rows, again.torn) == (0, 0)


def test_a_record_that_is_being_written_is_waited_for(tmp_path: Path) -> None:
    writer, reader = LogWriter(tmp_path, "m"), LogReader(tmp_path)
    writer.append(answered([1.0]))
    (path,) = (tmp_path / "m").glob("*.arrows")
    start = path.stat().st_size
    writer.append(answered([2.0]))
    record = path.read_bytes()[start:]
    os.truncate(path, start + 20)  # as a reader sees it half-way
    logged = reader.read("m", {})
    assert (logged.rows, logged.torn) == (1, 0)
    os.truncate(path, start)
    with path.open("ab") as file:
        file.write(record)
    assert values(reader, dict(logged.cursor)) == [2.0]


def test_a_full_disk_refuses_the_answer_and_leaves_no_garbage(tmp_path: Path) -> None:
    """In a process of its own, whose files may not grow beyond a limit: what a full disk does, at any byte."""
    script = f"""
import resource, signal, sys
sys.path[:0] = {[str(Path(__file__).parent)]!r}
from pathlib import Path
from test_prediction_log import answered, LogWriter, LogRefused
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
writer = LogWriter(Path({str(tmp_path)!r}), "m")
soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
refused = 0
for number in range(40):
    full = number in (5, 6, 20)
    resource.setrlimit(resource.RLIMIT_FSIZE, (writer.size + 100 if full else soft, hard))
    try:
        writer.append(answered([float(number)]))
        assert not full
    except LogRefused as error:
        assert full and error.reason == "EFBIG", error
        refused += 1
writer.close()
assert refused == 3
"""
    subprocess.run([sys.executable, "-c", script], check=True)
    reader = LogReader(tmp_path)
    assert values(reader) == [float(number) for number in range(40) if number not in (5, 6, 20)]
    assert reader.read("m", {}).torn == 0


def test_a_folder_that_cannot_be_written_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "m").write_text("a file where the folder should be")
    with pytest.raises(LogRefused, match=errno.errorcode[errno.EEXIST]):
        LogWriter(tmp_path, "m").append(answered([1.0]))


def test_segments_of_other_versions_are_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer, reader = LogWriter(tmp_path, "m"), LogReader(tmp_path)
    for version in (1, 2, 1):
        writer.append(answered([float(version)], version=version))
    read: list[Path] = []
    inner = prediction_log._read

    def listed(path: Path, *words: object) -> object:
        read.append(path)
        return inner(path, *words)  # type: ignore[arg-type]

    monkeypatch.setattr(prediction_log, "_read", listed)
    logged = reader.read("m", {}, version=2)
    assert [table.column("version").to_pylist() for table in logged.tables] == [[2]]
    assert len(read) == 1
    writer.append(answered([3.0], version=2))
    assert reader.read("m", logged.cursor, version=2).rows == 1
    assert reader.read("m", {}).rows == 4


def test_a_segment_that_does_not_name_its_version_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prediction_log, "ITS_VERSION", b"as.before")
    writer = LogWriter(tmp_path, "m")
    writer.append(answered([1.0], version=1))
    monkeypatch.undo()
    assert LogReader(tmp_path).read("m", {}, version=1).rows == 1
    assert LogReader(tmp_path).read("m", {}, version=2).rows == 1, "some may still come"
