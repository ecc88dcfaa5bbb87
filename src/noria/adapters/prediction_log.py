"""The prediction log in a folder: Arrow IPC streams, `MODEL/SEGMENT.arrows`, each by one writer, never rewritten.

A segment begins with the schema of one version's rows; each request is one record batch, handed to the kernel
before its answer leaves. The writer holds a lock on its segment, so that a reader can tell a record which is being
written from one that a killed writer left unfinished: only the last of a segment can be torn.
"""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from noria.errors import Unavailable
from noria.ports.serving import ID, VERSION, Answered, Cursor, Logged
from noria.records.predictions import ROWS, parse_id, prediction_ids, segment_name

if TYPE_CHECKING:
    import pyarrow as pa

SUFFIX = ".arrows"
FORMAT = b"1"  # of the frames below, in each segment's schema under `noria.log`
ITS_VERSION = (
    b"noria.version"  # the version that gave all of a segment's answers, in its schema; not in old ones
)
BIGGEST = 128 * 2**20  # bytes of a segment: a reader that catches up holds one in memory
OLDEST = 24 * 3600.0  # s; retention will drop whole segments, so none may span weeks
END = b"\xff\xff\xff\xff\x00\x00\x00\x00"  # Arrow's end of stream: its writer closed it


@dataclass(eq=False)
class LogRefused(Unavailable):
    code: ClassVar[str] = "LOG-UNWRITABLE"
    what: ClassVar[str] = "the answer could not be logged ({reason}), so it was not given"
    next: ClassVar[str] = "ask again later; the operator: make room or mend the disk under the state folder"
    reason: str


class LogWriter:
    """The `PredictionLog` of one model in this process."""

    def __init__(self, root: Path, model: str) -> None:
        self._folder = root / model
        self._segment: _Open | None = None
        self._closed_bytes = 0
        self._last = 0

    @property
    def size(self) -> int:
        return self._closed_bytes + (self._segment.end if self._segment else 0)

    def append(self, answered: Answered) -> Sequence[str]:
        rows = answered.rows
        try:
            segment = self._for(answered)
            ids = list(prediction_ids(segment.name, segment.rows, rows.num_rows))
            segment.write(_with_ids(rows, ids, answered.version, segment.schema).serialize(), rows.num_rows)
        except OSError as error:
            self._drop_if_broken()
            raise LogRefused(reason=errno.errorcode.get(error.errno or 0, "EIO")) from error
        return ids

    def close(self) -> None:
        if self._segment is not None:
            self._closed_bytes += self._segment.end
            segment, self._segment = self._segment, None
            segment.close()

    def _for(self, answered: Answered) -> _Open:
        """The segment that takes these rows: the open one, unless the version changed or it is full or old."""
        open_now = self._segment
        if open_now is not None and open_now.takes(answered):
            return open_now
        self.close()
        self._segment = _Open(self._folder, self._next_name(), answered)
        return self._segment

    def _next_name(self) -> str:
        self._last = max(self._last + 1, time.time_ns() // 1_000_000)
        return segment_name(self._last, secrets.randbits(20))

    def _drop_if_broken(self) -> None:
        """A segment that could not be cut back to its last whole record is left: its tail is torn, no more."""
        if self._segment is not None and self._segment.broken:
            self._closed_bytes += self._segment.end
            os.close(self._segment.descriptor)
            self._segment = None


class _Open:
    """A segment that is being written."""

    def __init__(self, folder: Path, name: str, answered: Answered) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.name = name
        self.version = answered.version
        self.given = answered.rows.schema
        self.schema = _schema(answered)
        self.rows = 0
        self.end = 0
        self.broken = False
        self.opened = time.monotonic()
        path = folder / (name + SUFFIX)
        self.descriptor = os.open(
            path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600
        )
        try:
            fcntl.flock(
                self.descriptor, fcntl.LOCK_EX
            )  # a reader that asks whether we live holds it for moments
            self.write(self.schema.serialize(), 0)
        except OSError:
            os.close(self.descriptor)
            path.unlink(missing_ok=True)  # it holds no row
            raise

    def takes(self, answered: Answered) -> bool:
        return (
            answered.version == self.version
            and self.end < BIGGEST
            and time.monotonic() - self.opened < OLDEST
            and self.rows + answered.rows.num_rows <= ROWS
            and answered.rows.schema.equals(self.given)
        )

    def write(self, frame: pa.Buffer, rows: int) -> None:
        """All of the frame, or OSError and nothing of it; `broken` when even that failed."""
        view = memoryview(frame)
        try:
            while view:
                view = view[os.write(self.descriptor, view) :]
        except OSError:
            try:
                os.ftruncate(self.descriptor, self.end)
            except OSError:
                self.broken = True
            raise
        self.end += frame.size
        self.rows += rows

    def close(self) -> None:
        with suppress(OSError):  # without its end mark it reads the same, and every row is in it already
            os.write(self.descriptor, END)
        os.close(self.descriptor)


def _schema(answered: Answered) -> pa.Schema:
    import pyarrow as pa

    own = [pa.field(ID, pa.string(), nullable=False), pa.field(VERSION, pa.int64(), nullable=False)]
    return pa.schema(
        [*own, *answered.rows.schema], metadata={b"noria.log": FORMAT, ITS_VERSION: b"%d" % answered.version}
    )


def _with_ids(rows: pa.RecordBatch, ids: list[str], version: int, schema: pa.Schema) -> pa.RecordBatch:
    import pyarrow as pa

    own = [pa.array(ids, pa.string()), pa.array([version] * len(ids), pa.int64())]
    return pa.RecordBatch.from_arrays([*own, *rows.columns], schema=schema)


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
        for path in sorted((self._root / model).glob("*" + SUFFIX)):
            if left <= 0:
                break
            start = after.get(path.stem, 0)
            if path.stat().st_size <= start or self._is_of_another(path, version):
                continue
            part = _read(path, start, left)
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
                rows[segment] = self._rows(self._root / model / (segment + SUFFIX))
            if row < rows[segment]:
                found.add(text)
        return found

    def _is_of_another(self, path: Path, version: int | None) -> bool:
        """Whether a segment says of itself that another version gave its answers; its schema is read once."""
        if version is None:
            return False
        if path not in self._versions:
            with path.open("rb", buffering=0) as file:
                schema = _schema_of(file.fileno())
            said = (schema.metadata or {}).get(ITS_VERSION) if schema is not None else None
            if said is None:
                return False
            self._versions[path] = int(said)
        return self._versions[path] != version

    def _rows(self, path: Path) -> int:
        """Whole rows in a segment; what was counted once is not read again."""
        end, rows = self._counted.get(path, (0, 0))
        try:
            if path.stat().st_size <= end:
                return rows
            part = _read(path, end, ROWS, keep=False)
        except FileNotFoundError:
            return 0
        rows += part.rows
        self._counted[path] = (part.whole, rows)
        return rows


@dataclass(frozen=True)
class _Part:
    table: pa.Table | None
    rows: int
    whole: int
    """Byte after the last whole record."""
    end: int
    """`whole`, or the end of the file where a dead writer's torn record, or the end mark, was passed over."""
    torn: int


def _read(path: Path, start: int, limit: int, *, keep: bool = True) -> _Part:
    """Records from byte `start` on, until about `limit` rows or the last whole one; only counted unless `keep`."""
    import pyarrow as pa

    with path.open("rb", buffering=0) as file:
        dead = _writer_is_dead(
            file.fileno()
        )  # asked before reading: what it wrote last is then in what is read
        schema = _schema_of(file.fileno())
        if schema is None:
            return _Part(None, 0, start, start, 0)
        data = _all_from(file.fileno(), start)
    source = pa.BufferReader(data)
    batches, rows, whole, stop = [], 0, 0, "limit"
    while rows < limit:
        batch = _next(source, schema)
        if isinstance(batch, str):
            stop = batch
            break
        whole = source.tell()
        if batch is not None:
            if keep:
                batches.append(batch)
            rows += batch.num_rows
    table = pa.Table.from_batches(batches, schema).combine_chunks() if batches else None
    over = len(data) - whole if stop == "end" or (dead and stop == "torn") else 0
    torn = 1 if dead and stop == "torn" and len(data) > whole else 0
    return _Part(table, rows, start + whole, start + whole + over, torn)


def _next(source: pa.BufferReader, schema: pa.Schema) -> pa.RecordBatch | str | None:
    """The next record; None for a schema; `end` at the end mark, `torn` where no whole record follows."""
    import pyarrow as pa

    here = source.tell()
    try:
        message = pa.ipc.read_message(source)
        return pa.ipc.read_record_batch(message, schema) if message.type == "record batch" else None
    except EOFError:
        return "end" if source.tell() > here else "torn"
    except (pa.ArrowInvalid, OSError):
        return "torn"


def _schema_of(descriptor: int) -> pa.Schema | None:
    """A segment's schema; None while its writer has not written it whole."""
    import pyarrow as pa

    length = int.from_bytes(os.pread(descriptor, 8, 0)[4:8], "little")
    try:
        return pa.ipc.read_schema(pa.py_buffer(os.pread(descriptor, 8 + length, 0)))
    except (pa.ArrowInvalid, EOFError, OSError):
        return None


def _all_from(descriptor: int, start: int) -> bytes:
    """The file from `start` on. Read, not mapped: a writer may cut back a record that it could not finish."""
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
