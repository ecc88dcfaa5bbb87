"""A segment that nobody writes any more, as a Parquet file: `MODEL/SEGMENT.parquet`, in the order of its requests.

Any reader of Parquet can read it, each file by its own schema. The footer says under `noria` what only Noria asks: how
many ids were given out, and of each request the byte after it in the segment that it came from, so that a cursor of a
reader that stood there still holds.
"""

from __future__ import annotations

import base64
import os
import zlib
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from noria.adapters.log_rows import Opened, Part
from noria.ports.serving import AT, ID

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from pyarrow.parquet import ParquetFile, ParquetWriter

SUFFIX = ".parquet"
PARTIAL = ".parquet.partial"
GROUP = 20_000  # rows of a row group: some 50 MB as Python's objects, on their way from MessagePack
NOTE = b"noria"
MARKS = b"noria.marks"
"""Steps from a request's last byte to the next one's, then the rows kept of each: uint32, zlib, base64. Some 1.5 bytes a
request, so they are read only where a reader stands in the middle of a file."""


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What a rotated segment says of itself."""

    format: int = 1
    model: str
    version: int
    ids: int
    """Ids that were given out."""
    rows: int
    end: int
    """Bytes of the segment that it was."""
    torn: int
    """Requests that its writer left unfinished."""
    newest: int
    """When its last request came: microseconds since 1970."""


def write_rotated(opened: Opened, into: Path) -> Facts | None:
    """Write a segment that is closed, whole or not at all, and put it on the disk. None for one without ids.

    Nothing of it is seen under its name before all of it is there.
    """
    partial = into.with_suffix(PARTIAL)
    with partial.open("wb") as file:
        facts = _write(opened, file)
        file.flush()
        os.fsync(file.fileno())
    if facts is None:
        partial.unlink()
        return None
    partial.replace(into)
    sync_folder(into.parent)
    return facts


def sync_folder(folder: Path) -> None:
    """Put a folder's names on the disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write(opened: Opened, file: Any) -> Facts | None:
    marks: list[tuple[int, int]] = []
    ids = rows = torn = newest = 0
    end, writer = opened.start, None
    for part in opened.parts(GROUP):
        marks += part.marks
        ids, end, torn = ids + part.ids, part.end, torn + part.torn
        if part.table is None:
            continue
        writer = writer or _writer(file, part.table.schema)
        writer.write_table(part.table)
        rows, newest = rows + part.table.num_rows, max(newest, _newest(part.table))
    if not ids:
        return None
    writer = writer or _writer(file, _empty(opened).schema)
    facts = Facts(
        model=opened.told.model,
        version=opened.told.version,
        ids=ids,
        rows=rows,
        end=end,
        torn=torn,
        newest=newest or int(datetime.now(UTC).timestamp() * 1e6),
    )
    writer.add_key_value_metadata({NOTE: msgspec.json.encode(facts), MARKS: _packed(marks)})
    writer.close()
    return facts


def _writer(file: Any, schema: pa.Schema) -> ParquetWriter:
    """Fractions hardly repeat, and ids do not: a dictionary of them takes half of the time of a file, and no byte off it.
    Nobody looks for a fraction by its bounds: they are left out, too."""
    import pyarrow as pa
    from pyarrow.parquet import ParquetWriter

    repeat = [field.name for field in schema if field.name != ID and not pa.types.is_floating(field.type)]
    return ParquetWriter(
        file, schema, compression="zstd", use_dictionary=repeat, write_statistics=[ID, *repeat]
    )


def _empty(opened: Opened) -> pa.Table:
    """Of a segment of which no row was kept."""
    import pyarrow as pa

    from noria.adapters.log_rows import schema_of

    return schema_of(pa.ipc.read_schema(pa.py_buffer(opened.schema))).empty_table()


def _newest(table: pa.Table) -> int:
    import numpy as np

    chunks = [chunk.view("int64").to_numpy() for chunk in table.column(AT).chunks]
    return int(max((chunk.max(initial=np.int64(0)) for chunk in chunks), default=0))


def read_facts(path: Path) -> Facts:
    """Raises `FileNotFoundError`."""
    from pyarrow.parquet import read_metadata

    return msgspec.json.decode(read_metadata(path).metadata[NOTE], type=Facts)


def read_rotated(path: Path, facts: Facts, start: int, limit: int) -> Part:
    """As `read_part` reads the segment that it was, from the same byte on. Raises `FileNotFoundError`."""
    if start == 0 and limit >= facts.rows:
        return Part(read_rows(path, 0, facts.rows), facts.ids, facts.end, facts.end, facts.torn)
    ends, kept = _marks(path)
    totals = kept.cumsum()
    first = int(ends.searchsorted(start, side="right"))
    before = int(totals[first - 1]) if first else 0
    last = int(totals.searchsorted(before + limit))
    whole = last >= len(ends) - 1
    upto = facts.rows if whole else int(totals[last])
    end = facts.end if whole else int(ends[last])
    table = read_rows(path, before, upto) if upto > before else None
    return Part(table, facts.ids, end, end, facts.torn if whole else 0)


def _marks(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """The byte after each request, and the rows kept of it."""
    from pyarrow.parquet import read_metadata

    return _unpacked(read_metadata(path).metadata[MARKS])


def read_rows(path: Path, start: int, stop: int) -> pa.Table:
    """Rows by their places in the file; only the row groups that hold them are read."""
    from pyarrow.parquet import ParquetFile

    with ParquetFile(path) as file:
        groups, first = _groups(file, start, stop)
        return file.read_row_groups(groups).slice(start - first, stop - start)


def tables_of(path: Path, columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
    """The file's rows, a row group at a time; nothing where it has been dropped meanwhile."""
    from pyarrow.parquet import ParquetFile

    try:
        file = ParquetFile(path)
    except FileNotFoundError:
        return
    with file:
        for group in range(file.num_row_groups):
            yield file.read_row_group(group, columns=None if columns is None else list(columns))


def _groups(file: ParquetFile, start: int, stop: int) -> tuple[list[int], int]:
    """The row groups that hold rows `start` to `stop`, and the first row of the first of them."""
    groups: list[int] = []
    begin = at = 0
    for group in range(file.num_row_groups):
        rows = file.metadata.row_group(group).num_rows
        if at < stop and at + rows > start:
            begin = begin if groups else at
            groups.append(group)
        at += rows
    return groups, begin


def _packed(marks: Sequence[tuple[int, int]]) -> bytes:
    import numpy as np

    ends = np.array([end for end, _ in marks], dtype=np.int64)
    steps = np.diff(ends, prepend=0)
    words = np.concatenate([steps, [kept for _, kept in marks]]).astype("<u4")
    return base64.b64encode(zlib.compress(words.tobytes()))


def _unpacked(marks: bytes) -> tuple[np.ndarray, np.ndarray]:
    import numpy as np

    words = np.frombuffer(zlib.decompress(base64.b64decode(marks)), "<u4").astype(np.int64)
    steps, kept = words[: len(words) // 2], words[len(words) // 2 :]
    return steps.cumsum(), kept
