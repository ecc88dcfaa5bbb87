"""A segment of the prediction log as Arrow tables: whole requests only, with an id and the version beside each row."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from noria.adapters import log_segment as segments
from noria.adapters.log_columns import put_together
from noria.adapters.log_gathered import gathered
from noria.adapters.log_ids import ids_of
from noria.ports.serving import COLUMNS, ID, VALUES, VERSION

if TYPE_CHECKING:
    import pyarrow as pa


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
        rows, ids, found, marks, torn = 0, 0, [], [], False
        while rows < limit:
            try:
                frame = segments.read_frame(self.data, at)
            except segments.Torn:
                torn = True
                break
            at = frame.end
            if frame.kind == segments.END:
                break
            kept = frame.rows if frame.places is None else len(frame.places)
            rows, ids = rows + (kept if keep else frame.rows), ids + frame.rows
            marks.append((self.start + at, kept))
            if keep and kept:
                found.append(frame)
        over = len(self.data) - at if self.dead and torn else 0
        table = _table(found, self) if found else None
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
    tables = [
        one if isinstance(one, pa.Table) else pa.Table.from_batches([one], columns)
        for one in _batches(frames, columns)
    ]
    rows = pa.concat_tables(tables).combine_chunks()
    version = pa.repeat(pa.scalar(opened.told.version, pa.int64()), rows.num_rows)
    return pa.Table.from_arrays(
        [ids_of(frames, opened.name), version, *rows.columns], schema=schema_of(columns)
    )


def schema_of(columns: pa.Schema) -> pa.Schema:
    """The rows' own schema, behind what the log adds."""
    import pyarrow as pa

    fields = [pa.field(ID, pa.string(), nullable=False), pa.field(VERSION, pa.int64(), nullable=False)]
    return pa.schema([*fields, *columns])


def _batches(frames: Sequence[segments.Frame], columns: pa.Schema) -> Iterator[pa.RecordBatch | pa.Table]:
    """Batches as they are; other requests gathered as far as they follow one another."""
    import pyarrow as pa

    for kind, some in groupby(frames, key=lambda frame: frame.kind):
        payloads = [frame.payload for frame in some]
        if kind == VALUES:
            yield gathered(payloads, columns)
        elif kind == COLUMNS:
            yield from put_together(payloads, columns)
        else:
            for payload in payloads:
                yield pa.ipc.read_record_batch(pa.py_buffer(payload), columns)


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
