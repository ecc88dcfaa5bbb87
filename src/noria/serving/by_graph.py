"""A version that answers by its graph: its code, its frozen artifacts, its reader of requests; tried before it is shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain
from typing import TYPE_CHECKING, Any

import msgspec

from noria.artifacts.kinds import kind_wanted
from noria.artifacts.unframed import array_of
from noria.declare import Resolved, resolve
from noria.errors import NoriaError
from noria.fast.leaf_masks import FEWEST
from noria.graph.answer import Graph
from noria.graph.columns import kind_of
from noria.graph.load import load_pipeline
from noria.graph.open import open_graph
from noria.ports.serving import CodeTrees
from noria.records.versions import Version
from noria.serving.answers import Answers
from noria.serving.asked import Reader
from noria.serving.beyond import explained
from noria.serving.log import Narrator
from noria.serving.quick import QuickReader, Values
from noria.serving.quickened import few_rows, opened, stands
from noria.serving.sample import as_requests, training_rows
from noria.serving.served import ByColumns, Few
from noria.serving.service_errors import TrialFailed

if TYPE_CHECKING:
    import polars as pl
    import pyarrow as pa

    from noria.artifacts import Artifacts
    from noria.fast.opened import Fast

BY_STRUCT = 32  # rows, up to which: a column's conversion takes some 4 us before its first value, a struct's field 0.1 us a value more


@dataclass(frozen=True)
class GraphServed:
    """One version, answering by its graph; see `served.Served`."""

    version: Version
    reader: Reader
    answers: Answers
    graph: Graph
    polars: bool
    """Whether a step reads the request as a polars frame."""
    trained: pa.Schema | None
    """How the training data held the request's columns, where that is known and differs from plain types."""
    example: Mapping[str, Any] | None
    quick: QuickReader | None
    direct: Few | None = None
    by_columns: ByColumns | None = None

    @cached_property
    def _row(self) -> pa.StructType:
        """A request's row."""
        import pyarrow as pa

        return pa.struct(self.reader.schema)

    def answer(self, rows: pa.RecordBatch) -> pa.RecordBatch:
        try:
            return self._answer(rows)
        except Exception as error:  # the user's code: anything
            ordinary = None if self.example is None else self.reader.rows([dict(self.example)]).rows
            told = explained(error, self.version, rows, ordinary, self._answer)
            if told is error:
                raise
            raise told from error

    def _answer(self, rows: pa.RecordBatch) -> pa.RecordBatch:
        import pyarrow as pa

        if self.trained is not None:
            rows = rows.cast(self.trained)
        if not self.polars:
            return self.answers.fitted(self.graph.answer(pa.Table.from_batches([rows])))
        import polars as pl

        # From one batch, polars makes a frame without a detour through its thread pool: a quarter of the time.
        return self.answers.fitted(self.graph.answer(pl.DataFrame(rows)))

    def answer_rows(self, rows: Sequence[Values]) -> list[tuple[Any, ...]]:
        structs = structs_of(rows, self._row)
        if self.polars and self.trained is None:
            with suppress(
                Exception
            ):  # the user's code: anything; asked once more below, where it is explained
                return self._by_frame(structs, len(rows))
        return _as_rows(self.answer(batch_of(structs, self.reader.schema)))

    def _by_frame(self, structs: pa.StructArray, count: int) -> list[tuple[Any, ...]]:
        """`answer_rows` without a batch before polars' frame, and without a table after numbers."""
        found = self.graph.raw_answer(frame_of(structs))
        numbers = self.graph.floats(found, count, self.answers.names) if self.answers.doubles else None
        if numbers is not None:
            return numbers
        return _as_rows(self.answers.fitted(self.graph.table(found, count)))


def structs_of(rows: Sequence[Values], row: pa.StructType) -> pa.StructArray:
    """Rows in Arrow: a few in one conversion, whose price is a row's; more in one a column."""
    import pyarrow as pa

    if len(rows) < BY_STRUCT:
        return pa.array(rows, row)
    fields = list(row)
    columns = [
        pa.array(values, field.type) for values, field in zip(zip(*rows, strict=True), fields, strict=True)
    ]
    return pa.StructArray.from_arrays(columns, fields=fields)


def batch_of(structs: pa.StructArray, schema: pa.Schema) -> pa.RecordBatch:
    """Rows as a batch of the schema that their struct is made from."""
    import pyarrow as pa

    return pa.RecordBatch.from_struct_array(structs).replace_schema_metadata(schema.metadata)


def frame_of(structs: pa.StructArray) -> pl.DataFrame:
    """A frame of the structs' fields: by way of a series polars takes half of the time that it takes for a batch."""
    import polars as pl

    return pl.Series(structs).struct.unnest()


def _as_rows(answers: pa.RecordBatch) -> list[tuple[Any, ...]]:
    return list(zip(*(column.to_pylist() for column in answers.columns), strict=True))


class Loader:
    """Makes a version ready."""

    def __init__(self, artifacts: Artifacts, trees: CodeTrees, narrate: Narrator, *, max_rows: int) -> None:
        self._artifacts = artifacts
        self._trees = trees
        self._narrate = narrate
        self._max_rows = max_rows
        self.unused: NoriaError | None = None
        """What kept the compiled models from being opened."""

    def load(self, version: Version) -> GraphServed:
        """Load a version and let it answer rows of its own training data. Raises whatever keeps it from answering."""
        root, signature = self._trees.materialise(version.code), version.signature
        resolved = resolve(load_pipeline(root, version.graph.pipeline))
        models = self._models(version)
        graph = open_graph(version.graph, resolved, self._artifacts, stands(models))
        sample = training_rows(version, self._artifacts, self._narrate)
        answers = Answers(signature, version=version.name)
        served = GraphServed(
            version=version,
            reader=Reader(signature, model=version.model, max_rows=self._max_rows),
            answers=answers,
            graph=graph,
            polars=_reads_polars(resolved),
            trained=None if sample is None else _trained(sample.schema, signature.request),
            example=None if sample is None or not sample.num_rows else as_requests(sample.slice(0, 1))[0],
            quick=QuickReader(signature, max_rows=self._max_rows) if answers.plain else None,
            direct=few_rows(version, resolved, graph, models) if models else None,
        )
        if sample is not None:
            _try(served, sample)
            served = self._held(served, sample)
        return served

    def _held(self, served: GraphServed, sample: pa.Table) -> GraphServed:
        """Itself, with the way of single rows tried beside the graph; without it, said aloud, where they differ."""
        if served.direct is None or served.quick is None or not sample.num_rows:
            return served
        near = served.version.fast.tolerance if served.version.fast else 0.0
        read = served.quick.read(msgspec.json.encode({"rows": as_requests(sample)}))
        if read is not None and same(served.direct(read.rows), served.answer_rows(read.rows), near):
            return served
        why = "single rows are answered otherwise than by the graph in this environment"
        self._narrate("fast.unused", version=served.version.name, why=why)
        return replace(served, direct=None)

    def _models(self, version: Version) -> dict[str, Fast]:
        """The compiled models; none, said aloud, where this environment has not what they need."""
        try:
            return opened(version.fast, self._artifacts.store)
        except NoriaError as error:
            self.unused = error
            self._narrate("fast.unused", version=version.name, why=str(error))
            return {}


def _trained(schema: pa.Schema, request: tuple[Any, ...]) -> pa.Schema | None:
    """The types that a request's plain columns are cast to, so that categories arrive as categories; None when
    there is nothing to cast."""
    import pyarrow as pa

    fields = [
        schema.field(column.name)
        if pa.types.is_dictionary(schema.field(column.name).type)
        else pa.field(column.name, kind_of(column.name, column.type).type)
        for column in request
    ]
    if not schema.metadata and not any(pa.types.is_dictionary(field.type) for field in fields):
        return None
    return pa.schema(fields, metadata=schema.metadata)


def _reads_polars(resolved: Resolved) -> bool:
    steps = (*resolved.served(), *((resolved.predict,) if resolved.predict else ()))
    name = resolved.request.name if resolved.request else ""
    return any(kind_wanted(step.wanted(name)) == "polars.DataFrame" for step in steps if name in step.inputs)


def _try(served: GraphServed, sample: pa.Table) -> None:
    """Answer one row, then several, then as many as large batches have: what is compiled or imported at the first call is so before a request waits.
    Raises `TrialFailed`."""
    import numpy as np
    import pyarrow as pa

    rows = sample.cast(served.reader.schema)
    for count in (1, rows.num_rows, max(FEWEST, rows.num_rows)) if rows.num_rows else ():
        some = rows.take(array_of(np.arange(count) % rows.num_rows))
        columns = [column.combine_chunks() for column in some.columns]
        try:
            served.answer(pa.RecordBatch.from_arrays(columns, schema=rows.schema))
        except NoriaError:
            raise
        except Exception as error:  # the user's code: anything
            kind = type(error).__name__
            raise TrialFailed(version=served.version.name, kind=kind, problem=str(error)) from error


def same(some: Sequence[tuple[Any, ...]], others: Sequence[tuple[Any, ...]], near: float) -> bool:
    """Whether answers are equal, NaN with NaN; numbers within `near`."""
    return all(
        one == other
        or (one != one and other != other)
        or (isinstance(one, float) and isinstance(other, float) and abs(one - other) <= near)
        for one, other in zip(chain(*some), chain(*others), strict=True)
    )
