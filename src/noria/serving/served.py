"""A version made ready to answer: its code, its frozen artifacts, its reader of requests; tried before it is shown."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from noria.artifacts.kinds import kind_wanted
from noria.declare import Pipeline, Resolved, resolve
from noria.errors import NoriaError, NotFound
from noria.graph.answer import Graph
from noria.graph.columns import kind_of
from noria.graph.load import forget, load_pipeline
from noria.graph.open import open_graph
from noria.ports.serving import CodeTrees
from noria.records.versions import Version
from noria.serving.answers import Answers, plain
from noria.serving.asked import Asked, Reader
from noria.serving.errors import CannotAnswer
from noria.serving.log import Narrator

if TYPE_CHECKING:
    import pyarrow as pa

    from noria.artifacts import Artifacts

TRIED = 16  # rows of its own training data that a version answers before any request: enough to load every library


@dataclass(frozen=True)
class Served:
    """One version, answering. Its graph is for one thread at a time."""

    version: Version
    root: Path
    pipeline: Pipeline
    reader: Reader
    answers: Answers
    graph: Graph
    polars: bool
    """Whether a step reads the request as a polars frame."""
    trained: pa.Schema | None
    """How the training data held the request's columns, where that is known and differs from plain types."""
    example: Mapping[str, Any] | None
    """A row of the training data as a request would send it."""

    def answer(self, rows: pa.RecordBatch) -> pa.RecordBatch:
        """The answers to typed rows, as the signature has them. Raises what the user's code raises."""
        import pyarrow as pa

        if self.trained is not None:
            rows = rows.cast(self.trained)
        if not self.polars:
            return self.answers.fitted(self.graph.answer(pa.Table.from_batches([rows])))
        import polars as pl

        # From one batch, polars makes a frame without a detour through its thread pool: a quarter of the time.
        return self.answers.fitted(self.graph.answer(pl.DataFrame(rows)))

    def read(self, rows: object) -> Asked:
        return self.reader.rows(rows)


class Loader:
    """Makes versions ready, one at a time."""

    def __init__(self, artifacts: Artifacts, trees: CodeTrees, narrate: Narrator, *, max_rows: int) -> None:
        self._artifacts = artifacts
        self._trees = trees
        self._narrate = narrate
        self._max_rows = max_rows

    def load(self, version: Version, current: Served | None = None) -> Served:
        """Load a version beside the one that answers now, and let it answer rows of its own training data.

        Raises whatever keeps it from answering; the process then imports from the current version's tree as before.
        """
        root = self._trees.materialise(version.code)
        with _imports_of(root, current):
            same = current is not None and current.root == root
            pipeline = current.pipeline if same and current else load_pipeline(root, version.graph.pipeline)
            resolved, signature = resolve(pipeline), version.signature
            graph = open_graph(version.graph, resolved, self._artifacts)
            sample = self._sample(version)
            served = Served(
                version=version,
                root=root,
                pipeline=pipeline,
                reader=Reader(signature, model=version.model, max_rows=self._max_rows),
                answers=Answers(signature, version=version.name),
                graph=graph,
                polars=_reads_polars(resolved),
                trained=None if sample is None else _trained(sample.schema, signature.request),
                example=None if sample is None or not sample.num_rows else _as_json(sample.slice(0, 1)),
            )
            if sample is not None:
                _try(served, sample)
        return served

    def _sample(self, version: Version) -> pa.Table | None:
        """A few raw rows of the training data; None, said aloud, where the store does not have them any more."""
        names = [column.name for column in version.signature.request]
        try:
            return self._artifacts.table(version.rows).select(names).slice(0, TRIED)
        except NotFound as error:
            self._narrate("warmup.skipped", version=version.name, why=str(error))
            return None


@contextmanager
def _imports_of(root: Path, current: Served | None) -> Iterator[None]:
    """Let modules come from `root` in place of the current version's; as they were before when the block fails."""
    before = current.root if current is not None and current.root != root else None
    kept = _modules_of(before) if before is not None else {}
    if before is not None:
        forget(before)
    try:
        yield
    except BaseException:
        if current is None or before is not None:
            forget(root)
        if before is not None:
            sys.modules.update(kept)
            sys.path.insert(0, str(before))
        raise


def _modules_of(root: Path) -> dict[str, ModuleType]:
    return {
        name: module
        for name, module in list(sys.modules.items())
        if (file := getattr(module, "__file__", None)) and Path(file).is_relative_to(root)
    }


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


def _try(served: Served, sample: pa.Table) -> None:
    """Answer one row, then several: what is compiled or imported at the first call is so before a request waits.
    Raises `CannotAnswer`."""
    import pyarrow as pa

    rows = sample.cast(served.reader.schema)
    for count in {1, rows.num_rows} if rows.num_rows else ():
        columns = [column.combine_chunks() for column in rows.slice(0, count).columns]
        try:
            served.answer(pa.RecordBatch.from_arrays(columns, schema=rows.schema))
        except NoriaError:
            raise
        except Exception as error:  # the user's code: anything
            kind = type(error).__name__
            raise CannotAnswer(version=served.version.name, kind=kind, problem=str(error)) from error


def _as_json(rows: pa.Table) -> dict[str, Any]:
    return {name: plain(rows.column(name).combine_chunks())[0] for name in rows.column_names}
