"""In a worker: one piece of the input, from its file to its part."""

from __future__ import annotations

import json
import resource
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import blake3

from noria.app.batch.checked import Checked, checked
from noria.app.batch.errors import RowsRefused
from noria.app.batch.formats import batches, partitions
from noria.app.batch.layout import Names, names_of
from noria.ports.places import Place
from noria.records.base import Digest
from noria.records.batches import PartDone
from noria.records.tasks import Predict
from noria.serving.served import Served

if TYPE_CHECKING:
    import pyarrow as pa

METADATA = b"noria"  # in a part's schema: which version answered, and from where its rows came
KILO = 1024  # the kernel counts memory in these


def answer_part(task: Predict, served: Served, source: Place, into: Place) -> PartDone:
    """Answer a piece's rows and write them, in their order. Raises `BadFile`, `RowsRefused`, what the user's code raises,
    and what the places raise; then nothing of the part is there."""
    return _Part(task, served).written(source, into)


def _most_memory() -> int:
    """Bytes that this process had at the most. Linux's ru_maxrss begins with what whoever started it had."""
    status = Path("/proc/self/status")
    if not status.exists():  # macOS, which counts in bytes
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    peak = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
    return int(peak.split()[1]) * KILO


class _Part:
    def __init__(self, task: Predict, served: Served) -> None:
        signature = task.version.signature
        self._task = task
        self._served = served
        self._names: Names = names_of(signature, task.columns, refused=task.on_refused == "null")
        self._request = [column.name for column in signature.request]
        self._folders = partitions(task.file.path)
        self._rows = self._refused = 0
        self._nulls: Counter[str] = Counter()
        self._unknown: Counter[str] = Counter()

    def written(self, source: Place, into: Place) -> PartDone:
        began, task, file = time.perf_counter(), self._task, self._task.file
        with into.writing(task.piece.part) as path:
            with source.open(file.path, file.size, file.tag) as opened:
                self._write(path, self._answered(opened))
            size, digest = path.stat().st_size, blake3.blake3().update_mmap(path).hexdigest()
        return PartDone(
            part=task.piece.part,
            rows=self._rows,
            size=size,
            digest=Digest(f"blake3:{digest}"),
            refused=self._refused,
            nulls=dict(self._nulls),
            unknown=dict(self._unknown),
            seconds=time.perf_counter() - began,
            memory=_most_memory(),
        )

    def _write(self, path: Path, made: Iterator[pa.RecordBatch]) -> None:
        """Batch by batch, each a row group, so that nothing gathers in memory."""
        import pyarrow.parquet as pq

        first = next(made)
        schema = first.schema.with_metadata({METADATA: self._said()})
        with pq.ParquetWriter(path, schema, compression="zstd") as writer:
            for batch in _beginning(first, made):
                writer.write_batch(batch.cast(schema), row_group_size=max(1, batch.num_rows))

    def _said(self) -> bytes:
        task = self._task
        said = {"version": task.version.name, "file": task.file.path, "first_row": task.piece.first}
        return json.dumps(said).encode()

    def _answered(self, opened: Any) -> Iterator[pa.RecordBatch]:
        """At least one batch, of no rows where there are none: it says which columns a part has."""
        task = self._task
        wanted = dict.fromkeys([*self._request, *self._names.kept])
        types = {
            name: kind.type for name, kind in self._served.reader.kinds.items() if name not in self._folders
        }
        read = batches(
            task.file.path,
            opened,
            [name for name in wanted if name not in self._folders],
            groups=task.piece.groups,
            rows=task.batch_rows,
            types=types,
        )
        for batch in read:
            if batch.num_rows:
                yield self._one(batch)
        if not self._rows:
            yield self._none()

    def _one(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        columns = {
            **self._spelled(batch.num_rows),
            **dict(zip(batch.schema.names, batch.columns, strict=True)),
        }
        found = checked(columns, self._served.reader)
        self._check(found)
        answers = self._answers(found)
        self._rows += batch.num_rows
        self._refused += found.refused
        self._nulls.update(found.nulls)
        self._unknown.update(found.unknown)
        return self._table(columns, found, answers)

    def _spelled(self, count: int) -> dict[str, Any]:
        """The columns that the folders spell out, as many times as there are rows."""
        import pyarrow as pa

        kinds = self._served.reader.kinds
        made: dict[str, Any] = {}
        for name, text in self._folders.items():
            kind = kinds.get(name)
            value = text if kind is None or text is None else kind.one_written(text)
            made[name] = pa.array([value] * count, pa.string() if kind is None else kind.type)
        return made

    def _check(self, found: Checked) -> None:
        if found.why is None or self._task.on_refused == "null":
            return
        at = next(at for at, why in enumerate(found.why.to_pylist()) if why is not None)
        first = self._task.piece.first + self._rows
        raise RowsRefused(
            file=self._task.file.path,
            row=first + at,
            why=found.why[at].as_py(),
            count=found.refused,
            of=found.rows.num_rows,
            first=first,
        )

    def _answers(self, found: Checked) -> pa.RecordBatch:
        """The answers to all rows, null for those that are refused."""
        import pyarrow as pa
        import pyarrow.compute as pc

        if found.why is None:
            return self._served.answer(found.rows)
        fine = pc.is_null(found.why)
        if not pc.any(fine).as_py():
            return self._empty().take(pa.nulls(found.rows.num_rows, pa.int64()))
        places = pc.if_else(fine, pc.subtract(pc.cumulative_sum(fine.cast(pa.int64())), 1), None)
        return self._served.answer(found.rows.filter(fine)).take(places)

    def _empty(self) -> pa.RecordBatch:
        import pyarrow as pa

        types = self._served.answers.types
        return pa.RecordBatch.from_arrays(
            [pa.array([], kind or pa.null()) for kind in types.values()], names=list(types)
        )

    def _none(self) -> pa.RecordBatch:
        import pyarrow as pa

        schema = self._served.reader.schema
        columns: dict[str, Any] = {name: pa.array([], schema.field(name).type) for name in schema.names}
        columns |= {name: pa.array([], pa.null()) for name in self._names.kept if name not in columns}
        found = checked({name: columns[name] for name in schema.names}, self._served.reader)
        return self._table(columns, found, self._empty())

    def _table(self, columns: Mapping[str, Any], found: Checked, answers: pa.RecordBatch) -> pa.RecordBatch:
        import pyarrow as pa

        count, names = found.rows.num_rows, self._names
        arrays = [
            *(found.rows.column(name) for name in names.own),
            *(columns[name] for name in names.kept),
            *answers.columns,
            pa.array([self._task.version.number] * count, pa.int64()),
            *([found.why or pa.nulls(count, pa.string())] if names.refused else []),
        ]
        return pa.RecordBatch.from_arrays(arrays, names=names.all)


def _beginning(first: pa.RecordBatch, others: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    yield first
    yield from others
