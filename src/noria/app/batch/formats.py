"""The files of a batch's input: which columns they have, how they are cut, how they are read bit by bit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import PurePosixPath
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import unquote

from noria.app.batch.errors import BadFile, UnknownInput

if TYPE_CHECKING:
    import pyarrow as pa

PARQUET = (".parquet", ".pq")
ARROW = (".arrow", ".ipc", ".feather")
LINES = (".ndjson", ".jsonl")
ENDINGS = (*PARQUET, *ARROW, ".csv", *LINES)
BLOCK = 1 << 20  # bytes of a text file that are parsed at once
NO_VALUE = "__HIVE_DEFAULT_PARTITION__"  # how Hive's folders write a null


def is_known(name: str) -> bool:
    """Whether a file is one that a batch reads. What begins with `_` or `.` is others' bookkeeping."""
    parts = PurePosixPath(name)
    return parts.suffix.lower() in ENDINGS and not any(part.startswith(("_", ".")) for part in parts.parts)


def schema_of(name: str, file: IO[bytes]) -> tuple[pa.Schema, Sequence[int] | None]:
    """A file's columns, and how many rows each of its row groups has; None for a form that has no groups. Of a text
    file, the types are those that its beginning looks like. Raises `BadFile`, `UnknownInput`."""
    import pyarrow.parquet as pq

    ending = _ending(name)
    with readable(name):
        if ending in PARQUET:
            with pq.ParquetFile(file) as parquet:
                groups = [parquet.metadata.row_group(at).num_rows for at in range(parquet.num_row_groups)]
                return parquet.schema_arrow, groups
        reader = _opened(ending, file, {})
        return reader.schema, None


def batches(
    name: str,
    file: IO[bytes],
    columns: Sequence[str],
    *,
    groups: tuple[int, int] | None,
    rows: int,
    types: Mapping[str, pa.DataType],
) -> Iterator[pa.RecordBatch]:
    """Some columns of a stretch of a file, `rows` at a time at most; `types`: what a text file's columns are read as."""
    import pyarrow.parquet as pq

    ending = _ending(name)
    with readable(name):
        if ending in PARQUET:
            # read ahead, all row groups of the stretch would be in memory: twice as much, of a million rows
            with pq.ParquetFile(
                file, buffer_size=BLOCK, pre_buffer=False, page_checksum_verification=True
            ) as parquet:
                wanted = list(range(*groups)) if groups else list(range(parquet.num_row_groups))
                yield from parquet.iter_batches(
                    rows, row_groups=wanted, columns=list(columns), use_threads=False
                )
            return
        reader = _opened(ending, file, types)
        for batch in _each(reader):
            chosen = batch.select(list(columns))
            for start in range(0, chosen.num_rows, rows):
                yield chosen.slice(start, rows)


def partitions(name: str) -> dict[str, str | None]:
    """The columns that folders spell out: `year=2013/month=1/x.parquet`."""
    found = (part.partition("=") for part in PurePosixPath(name).parts[:-1])
    return {
        column: None if value == NO_VALUE else unquote(value)
        for column, equals, value in found
        if equals and column
    }


@contextmanager
def readable(name: str) -> Iterator[None]:
    """What Arrow says of a file, as an error that names it."""
    import pyarrow as pa

    try:
        yield
    except (pa.ArrowException, OSError, EOFError, UnicodeDecodeError) as error:
        raise BadFile(file=name, why=str(error).strip().split("\n")[0]) from error


def _ending(name: str) -> str:
    ending = PurePosixPath(name).suffix.lower()
    if ending not in ENDINGS:
        raise UnknownInput(file=name, known=ENDINGS)
    return ending


def _opened(ending: str, file: IO[bytes], types: Mapping[str, pa.DataType]) -> Any:
    """A reader of record batches."""
    import pyarrow as pa

    if ending in ARROW:
        try:
            return pa.ipc.open_file(file)
        except pa.ArrowInvalid:  # a stream has no footer
            file.seek(0)
            return pa.ipc.open_stream(file)
    if ending == ".csv":
        from pyarrow import csv

        return csv.open_csv(
            file,
            read_options=csv.ReadOptions(use_threads=False, block_size=BLOCK),
            convert_options=csv.ConvertOptions(
                column_types=dict(types), strings_can_be_null=True, null_values=[""]
            ),
        )
    from pyarrow import json

    parsing = json.ParseOptions(explicit_schema=pa.schema(types.items()) if types else None)
    return json.open_json(file, json.ReadOptions(use_threads=False, block_size=BLOCK), parsing)


def _each(reader: Any) -> Iterator[pa.RecordBatch]:
    if hasattr(reader, "num_record_batches"):
        yield from (reader.get_batch(at) for at in range(reader.num_record_batches))
    else:
        yield from reader
