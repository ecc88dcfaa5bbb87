"""Tables as Arrow files: written once without copies, mapped by every reader."""

from __future__ import annotations

import mmap
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from noria.artifacts.codec import Shelf, spelled
from noria.artifacts.kinds import COLUMNS, TABLES, kind_of
from noria.artifacts.tables import arrow_of
from noria.ports.objects import Writer
from noria.records.artifacts import Artifact, Column
from noria.records.base import Digest

if TYPE_CHECKING:
    import pyarrow as pa


class ArrowCodec:
    """Tables and series of polars, pandas and Arrow; a series is a table of one column.

    Uncompressed, for a compressed column cannot be mapped. Text has 64-bit offsets rather than views: a view's
    buffers keep whatever they were cut from, so equal columns would differ in their bytes.
    """

    name = "arrow"
    version = 1

    def fits(self, value: object) -> bool:
        return kind_of(value) in TABLES | COLUMNS

    def save(self, value: Any, shelf: Shelf) -> Artifact:
        from noria.artifacts.canonical import canonical_table
        from noria.artifacts.frames import hidden

        table = canonical_table(arrow_of(value))
        sink = _write(table, shelf)
        unseen = set(hidden(table))
        return Artifact(
            digest=sink.digest,
            codec=spelled(self),
            size=sink.size,
            type=kind_of(value),
            rows=table.num_rows,
            columns=tuple(
                Column(name=field.name, type=str(field.type), nullable=field.nullable)
                for field in table.schema
                if field.name not in unseen
            ),
        )

    def load(self, artifact: Artifact, shelf: Shelf) -> Any:
        """The Arrow table with its notes; `Artifacts.load` gives it the form that it had or that is wanted."""
        return mapped(artifact.digest, shelf)

    def holds(self, artifact: Artifact, shelf: Shelf) -> Iterable[Digest]:
        return ()


def mapped(digest: Digest, shelf: Shelf) -> pa.Table:
    """An Arrow file's table over the mapped file: no byte is read before it is used."""
    import pyarrow as pa

    with shelf.store.path(digest).open("rb") as file:
        memory = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    return pa.ipc.open_file(pa.py_buffer(memory)).read_all()


def _write(table: pa.Table, shelf: Shelf) -> Writer:
    import pyarrow as pa

    options = pa.ipc.IpcWriteOptions(compression=None, use_threads=False)
    with shelf.store.writer() as sink:
        stream = pa.PythonFile(_Stream(sink), mode="w")
        with pa.ipc.new_file(stream, table.schema, options=options) as file:
            file.write_table(table)
    return sink


class _Stream:
    """A store's writer as the file object that Arrow expects."""

    closed = False

    def __init__(self, sink: Writer) -> None:
        self._sink = sink

    def write(self, data: Any) -> int:
        return self._sink.write(memoryview(data))

    def flush(self) -> None:
        """The store flushes when its block ends."""
