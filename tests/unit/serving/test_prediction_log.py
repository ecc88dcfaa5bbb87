"""The prediction log: what was acknowledged is read once, in order, whatever happened to its writer."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pyarrow as pa
import pytest

from noria.adapters import log_reader
from noria.adapters.log_reader import LogReader
from noria.adapters.log_rotation import Rotation
from noria.adapters.log_writer import LogRefused, LogWriter, Unlogged
from noria.ports.serving import VALUES, Answered, Layout, Values
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


def test_a_log_that_is_removed_under_its_writer_takes_no_answer_in_vain(tmp_path: Path) -> None:
    writer, reader = LogWriter(tmp_path, "m"), LogReader(tmp_path)
    writer.append(answered([1.0]))
    shutil.rmtree(tmp_path / "m")
    with pytest.raises(LogRefused, match="ENOENT"):
        writer.append(answered([2.0]))
    writer.append(answered([3.0]))
    assert values(reader) == [3.0]


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
    (path,) = (tmp_path / "m").glob("*.rows")
    os.close(writer._open.descriptor)  # type: ignore[union-attr]  # as the kernel does at a kill
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
    (path,) = (tmp_path / "m").glob("*.rows")
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
    inner = log_reader.read_part

    def listed(path: Path, *words: int) -> object:
        read.append(path)
        return inner(path, *words)

    monkeypatch.setattr(log_reader, "read_part", listed)
    logged = reader.read("m", {}, version=2)
    assert [table.column("version").to_pylist() for table in logged.tables] == [[2]]
    assert len(read) == 1
    writer.append(answered([3.0], version=2))
    assert reader.read("m", logged.cursor, version=2).rows == 1
    assert reader.read("m", {}).rows == 4


SCHEMA = pa.schema(
    [
        *(pa.field(name, pa.timestamp("us", tz="UTC")) for name in ("at", "time")),
        *(pa.field(name, pa.string()) for name in ("key", "unit")),
        pa.field("took", pa.int64()),
        pa.field("way", pa.string()),
        pa.field("request.km", pa.float64()),
        pa.field("request.day", pa.date32()),
        pa.field("answer.answer", pa.float64()),
    ]
)
PLAIN = Layout(version=4, request=2, schema=SCHEMA.serialize().to_pybytes())


def plainly(*rows: tuple[float | None, int]) -> bytes:
    """A request of some rows as a process without Arrow logs it."""
    keys = [(f"k{day}", None, 1_000_000 * day) for _, day in rows]
    answers = [(float("nan") if km is None else 2 * km,) for km, _ in rows]
    return msgspec.msgpack.encode(Values(5_000_000, 120, "canary", rows, keys, answers))


def test_rows_without_arrow_and_batches_come_back_in_one_table(tmp_path: Path) -> None:
    writer, reader = LogWriter(tmp_path, "m"), LogReader(tmp_path)
    writer.take(PLAIN, VALUES, 2, plainly((1.5, 3), (None, 4)))
    assert reader.read("m", {}).rows == 0  # taken, and not handed over yet
    writer.hand_over()
    batch = pa.RecordBatch.from_arrays([pa.nulls(1, field.type) for field in SCHEMA], schema=SCHEMA)
    (third,) = writer.append(Answered(version=4, rows=batch))
    writer.take(PLAIN, VALUES, 1, plainly((2.5, 5)))
    writer.hand_over()
    (table,) = reader.read("m", {}).tables
    assert table.column("id").to_pylist()[2] == third
    assert table.column("request.km").to_pylist() == [1.5, None, None, 2.5]
    assert [str(day) for day in table.column("request.day").to_pylist()[:2]] == ["1970-01-04", "1970-01-05"]
    assert str(table.column("answer.answer").to_pylist()) == "[3.0, nan, None, 5.0]"
    assert table.column("key").to_pylist() == ["k3", "k4", None, "k5"]
    assert table.column("time").to_pylist()[0] == datetime(1970, 1, 1, 0, 0, 3, tzinfo=UTC)
    assert (table.column("took").to_pylist()[0], table.column("way").to_pylist()[0]) == (120, "canary")
    assert set(table.column("version").to_pylist()) == {4}


def test_what_could_not_be_written_when_a_segment_ended_is_told_to_who_waits(tmp_path: Path) -> None:
    """The rows of one turn lie in two segments, and the disk refuses the first."""
    writer = LogWriter(tmp_path, "m")
    writer.take(PLAIN, VALUES, 1, plainly((1.0, 1)))
    full = os.open("/dev/full", os.O_WRONLY)
    os.dup2(full, writer._open.descriptor)  # type: ignore[union-attr]
    os.close(full)
    other = Layout(version=5, request=2, schema=PLAIN.schema)
    with pytest.raises(LogRefused):
        writer.take(other, VALUES, 1, plainly((2.0, 1)))
        writer.hand_over()


def test_a_service_without_a_log_gives_ids_that_no_row_has(tmp_path: Path) -> None:
    log = Unlogged()
    first, second = log.take(PLAIN, VALUES, 2, b""), log.take(PLAIN, VALUES, 1, b"")
    log.hand_over()
    assert (first[1], second[1]) == (0, 2)
    assert LogReader(tmp_path).known("m", list(prediction_ids(*first, 3))) == set()


def test_a_flush_reaches_the_segments_that_ended_since_the_last_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An answer of an ended segment must not leave before that is on the disk, too."""
    flushed: set[int] = set()
    inner = os.fdatasync

    def noted(descriptor: int) -> None:
        flushed.add(os.fstat(descriptor).st_ino)
        inner(descriptor)

    monkeypatch.setattr(os, "fdatasync", noted)
    writer = LogWriter(tmp_path, "m", synced=True)
    writer.append(answered([1.0], version=1))
    writer.append(answered([2.0], version=2))
    writer.sync()
    assert flushed == {path.stat().st_ino for path in (tmp_path / "m").glob("*.rows")}
    writer.close()
    writer.sync()
    assert Rotation(tmp_path, "m").due(), "no segment is held open any more"
    assert all(_unlocked(path) for path in (tmp_path / "m").glob("*.rows"))


def _unlocked(path: Path) -> bool:
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True
