"""A segment of the prediction log as Arrow tables: whole requests only, with an id and the version beside each row."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from noria.adapters import log_segment as segments
from noria.ports.serving import AT, ID, KEY, TIME, TOOK, TRACE, UNIT, VALUES, VERSION, WAY, Values
from noria.records.predictions import IdWriter, prediction_ids

if TYPE_CHECKING:
    import pyarrow as pa

_values = msgspec.msgpack.Decoder(Values)


@dataclass(frozen=True)
class Part:
    """Some requests of a segment, one after the other."""

    table: pa.Table | None
    ids: int
    """Ids that were given out; more than there are rows where a sample is kept."""
    whole: int
    """Byte after the last whole frame."""
    end: int
    """`whole`, or the end of the file where a dead writer's torn frame, or the end mark, was passed over."""
    torn: int
    marks: Sequence[tuple[int, int]] = ()
    """Of each request the byte after it, and how many rows of it were kept."""


@dataclass(frozen=True)
class Opened:
    """A segment read into memory from some byte on."""

    told: segments.Header
    schema: bytes
    name: str
    start: int
    data: memoryview
    dead: bool
    """Whether its writer had ended before it was read."""

    def part(self, at: int, limit: int, *, keep: bool = True) -> Part:
        """Requests from byte `at` of `data` on, until there are about `limit` rows; only counted unless `keep`."""
        rows, ids, kept, marks, torn = 0, 0, [], [], False
        while rows < limit:
            try:
                frame = segments.read_frame(self.data, at)
            except segments.Torn:
                torn = True
                break
            at = frame.end
            if frame.kind == segments.END:
                break
            rows, ids = rows + (frame.kept if keep else frame.rows), ids + frame.rows
            marks.append((self.start + at, frame.kept))
            if keep and frame.kept:
                kept.append(frame)
        over = len(self.data) - at if self.dead and torn else 0
        table = _table(kept, self) if kept else None
        return Part(table, ids, self.start + at, self.start + at + over, 1 if over else 0, marks)

    def parts(self, size: int) -> Iterator[Part]:
        """All of it, in parts of about `size` rows."""
        at = 0
        while True:
            part = self.part(at, size)
            yield part
            if part.whole == self.start + at or part.end - self.start >= len(self.data):
                return
            at = part.whole - self.start


def open_segment(path: Path, start: int = 0) -> Opened | None:
    """None while its header is not whole."""
    with path.open("rb", buffering=0) as file:
        dead = _writer_is_dead(
            file.fileno()
        )  # asked before reading: what it wrote last is then in what is read
        try:
            told, schema, first = header_of(file.fileno())
        except segments.Torn:
            return None
        start = max(start, first)
        return Opened(told, schema, path.stem, start, memoryview(_all_from(file.fileno(), start)), dead)


def read_part(path: Path, start: int, limit: int, *, keep: bool = True) -> Part:
    """Frames from byte `start` on, until about `limit` rows or the last whole one; only counted unless `keep`."""
    opened = open_segment(path, start)
    return Part(None, 0, start, start, 0) if opened is None else opened.part(0, limit, keep=keep)


def _table(frames: Sequence[segments.Frame], opened: Opened) -> pa.Table:
    """The frames' rows in one table, with ids and version, in their order."""
    import pyarrow as pa

    columns = pa.ipc.read_schema(pa.py_buffer(opened.schema))
    batches = list(_batches(frames, opened.told, columns))
    rows = pa.Table.from_batches(batches, columns).combine_chunks()
    ids = pa.array(list(_ids(frames, opened.name)), pa.string())
    version = pa.array([opened.told.version] * rows.num_rows, pa.int64())
    return pa.Table.from_arrays([ids, version, *rows.columns], schema=schema_of(columns))


def schema_of(columns: pa.Schema) -> pa.Schema:
    """The rows' own schema, behind what the log adds."""
    import pyarrow as pa

    fields = [pa.field(ID, pa.string(), nullable=False), pa.field(VERSION, pa.int64(), nullable=False)]
    return pa.schema([*fields, *columns])


def _ids(frames: Sequence[segments.Frame], segment: str) -> Iterator[str]:
    one = IdWriter().one
    for frame in frames:
        if frame.rows == 1 and frame.places is None:
            yield one(segment, frame.first)
            continue
        ids = prediction_ids(segment, frame.first, frame.rows)
        if frame.places is None:
            yield from ids
        else:
            given = list(ids)
            yield from (given[place] for place in frame.places)


def _batches(
    frames: Sequence[segments.Frame], told: segments.Header, columns: pa.Schema
) -> Iterator[pa.RecordBatch]:
    """Batches as they are; requests of values gathered into one batch as far as they follow one another."""
    import pyarrow as pa

    waiting: list[Values] = []
    for frame in frames:
        if frame.kind == VALUES:
            waiting.append(_values.decode(frame.payload))
            continue
        if waiting:
            yield _gathered(waiting, told, columns)
            waiting = []
        yield pa.ipc.read_record_batch(pa.py_buffer(frame.payload), columns)
    if waiting:
        yield _gathered(waiting, told, columns)


def _gathered(requests: Sequence[Values], told: segments.Header, columns: pa.Schema) -> pa.RecordBatch:
    import pyarrow as pa

    counts = [len(one.rows) for one in requests]
    keys = list(zip(*(each for one in requests for each in one.keys), strict=True))
    own: dict[str, list[Any]] = {
        AT: _repeated([one.at for one in requests], counts),
        TIME: list(keys[2]),
        KEY: list(keys[0]),
        UNIT: list(keys[1]),
        TOOK: _repeated([one.took for one in requests], counts),
        WAY: _repeated([one.way for one in requests], counts),
        TRACE: _repeated([one.trace for one in requests], counts),
    }
    given = zip(*(row for one in requests for row in one.rows), strict=True)
    answered = zip(*(row for one in requests for row in one.answers), strict=True)
    user = dict(zip([name for name in columns.names if name not in own], [*given, *answered], strict=True))
    return pa.RecordBatch.from_arrays(
        [pa.array(own.get(field.name) or user[field.name], field.type) for field in columns], schema=columns
    )


def _repeated(values: Sequence[Any], counts: Sequence[int]) -> list[Any]:
    return [value for value, count in zip(values, counts, strict=True) for _ in range(count)]


def header_of(descriptor: int) -> tuple[segments.Header, bytes, int]:
    """Raises `Torn` while its writer has not written it whole."""
    size = 1 << 16
    while True:
        data = os.pread(descriptor, size, 0)
        try:
            return segments.read_header(data)
        except segments.Torn:
            if len(data) < size:
                raise
            size *= 16


def _all_from(descriptor: int, start: int) -> bytes:
    """The file from `start` on. Read, not mapped: a writer may cut back a frame that it could not finish."""
    size = os.fstat(descriptor).st_size
    parts, at = [], start
    while at < size:
        part = os.pread(descriptor, size - at, at)
        if not part:
            break
        parts.append(part)
        at += len(part)
    return b"".join(parts)


def _writer_is_dead(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return False
    fcntl.flock(descriptor, fcntl.LOCK_UN)
    return True
