"""The prediction log read beside its writers: whole rows only, as Arrow tables with an id each."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from noria.adapters import log_segment as segments
from noria.ports.serving import (
    AT,
    ID,
    KEY,
    TIME,
    TOOK,
    UNIT,
    VALUES,
    VERSION,
    WAY,
    Cursor,
    Logged,
    Values,
)
from noria.records.predictions import ROWS, parse_id, prediction_ids

if TYPE_CHECKING:
    import pyarrow as pa

_values = msgspec.msgpack.Decoder(Values)


class LogReader:
    """The `Predictions` of all models under `root`."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._counted: dict[Path, tuple[int, int]] = {}
        self._versions: dict[Path, int] = {}

    def read(
        self, model: str, cursor: Cursor, *, limit: int = 1_000_000, version: int | None = None
    ) -> Logged:
        tables: list[pa.Table] = []
        after, torn, left = dict(cursor), 0, limit
        for path in sorted((self._root / model).glob("*" + segments.SUFFIX)):
            if left <= 0:
                break
            start = after.get(path.stem, 0)
            if path.stat().st_size <= start or self._is_of_another(path, version):
                continue
            part = read_part(path, start, left)
            after[path.stem] = part.end
            torn += part.torn
            if part.table is not None:
                tables.append(part.table)
                left -= part.table.num_rows
        return Logged(tables=tables, cursor=after, torn=torn)

    def known(self, model: str, ids: Sequence[str]) -> set[str]:
        rows: dict[str, int] = {}
        found = set()
        for text in ids:
            parsed = parse_id(text)
            if parsed is None:
                continue
            segment, row = parsed
            if rows.get(segment, -1) <= row:
                rows[segment] = self._rows(self._root / model / (segment + segments.SUFFIX))
            if row < rows[segment]:
                found.add(text)
        return found

    def _is_of_another(self, path: Path, version: int | None) -> bool:
        """Whether a segment says of itself that another version gave its answers; its header is read once."""
        if version is None:
            return False
        if path not in self._versions:
            try:
                with path.open("rb", buffering=0) as file:
                    told, _, _ = _header_of(file.fileno())
            except segments.Torn:
                return False
            self._versions[path] = told.version
        return self._versions[path] != version

    def _rows(self, path: Path) -> int:
        """Whole rows in a segment; what was counted once is not read again."""
        end, rows = self._counted.get(path, (0, 0))
        try:
            if path.stat().st_size <= end:
                return rows
            part = read_part(path, end, ROWS, keep=False)
        except FileNotFoundError:
            return 0
        rows += part.rows
        self._counted[path] = (part.whole, rows)
        return rows


@dataclass(frozen=True)
class Part:
    table: pa.Table | None
    rows: int
    whole: int
    """Byte after the last whole frame."""
    end: int
    """`whole`, or the end of the file where a dead writer's torn frame, or the end mark, was passed over."""
    torn: int


def read_part(path: Path, start: int, limit: int, *, keep: bool = True) -> Part:
    """Frames from byte `start` on, until about `limit` rows or the last whole one; only counted unless `keep`."""
    with path.open("rb", buffering=0) as file:
        dead = _writer_is_dead(
            file.fileno()
        )  # asked before reading: what it wrote last is then in what is read
        try:
            told, schema, first = _header_of(file.fileno())
        except segments.Torn:
            return Part(None, 0, start, start, 0)
        start = max(start, first)
        data = memoryview(_all_from(file.fileno(), start))
    at, rows, kept, stop = 0, 0, [], "limit"
    while rows < limit:
        try:
            frame = segments.read_frame(data, at)
        except segments.Torn:
            stop = "torn"
            break
        at = frame.end
        if frame.kind == segments.END:
            break
        rows += frame.rows
        if keep:
            kept.append(frame)
    over = len(data) - at if dead and stop == "torn" else 0
    table = _table(kept, told, schema, path.stem) if kept else None
    return Part(table, rows, start + at, start + at + over, 1 if over else 0)


def _table(frames: Sequence[segments.Frame], told: segments.Header, schema: bytes, segment: str) -> pa.Table:
    """The frames' rows in one table, with ids and version, in their order."""
    import pyarrow as pa

    columns = pa.ipc.read_schema(pa.py_buffer(schema))
    batches = list(_batches(frames, told, columns))
    rows = pa.Table.from_batches(batches, columns).combine_chunks()
    ids = pa.array(list(prediction_ids(segment, frames[0].first, rows.num_rows)), pa.string())
    version = pa.array([told.version] * rows.num_rows, pa.int64())
    fields = [pa.field(ID, pa.string(), nullable=False), pa.field(VERSION, pa.int64(), nullable=False)]
    return pa.Table.from_arrays([ids, version, *rows.columns], schema=pa.schema([*fields, *columns]))


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
    }
    given = zip(*(row for one in requests for row in one.rows), strict=True)
    answered = zip(*(row for one in requests for row in one.answers), strict=True)
    user = dict(zip([name for name in columns.names if name not in own], [*given, *answered], strict=True))
    return pa.RecordBatch.from_arrays(
        [pa.array(own.get(field.name) or user[field.name], field.type) for field in columns], schema=columns
    )


def _repeated(values: Sequence[Any], counts: Sequence[int]) -> list[Any]:
    return [value for value, count in zip(values, counts, strict=True) for _ in range(count)]


def _header_of(descriptor: int) -> tuple[segments.Header, bytes, int]:
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
