"""What a version takes and gives, read off the data that it was trained on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from noria.artifacts.unframed import ticks_of
from noria.declare import DataSpec, Resolved
from noria.graph.answer import Graph, answer_kind, answer_table
from noria.graph.columns import type_name
from noria.graph.open import open_graph
from noria.graph.rows import visible
from noria.records.artifacts import Column
from noria.records.tasks import Sign, Signed
from noria.records.versions import RequestColumn, Signature

if TYPE_CHECKING:
    import pyarrow as pa

    from noria.artifacts import Artifacts

LEVELS = (
    1_000  # distinct strings up to which a column counts as categorical; more is an identifier or free text
)
SAMPLE = 50  # rows answered to learn the answer's columns
LATE = 0.99  # quantile of the label's delay after which a block counts as mature


def sign(task: Sign, resolved: Resolved, artifacts: Artifacts, graph: Graph | None = None) -> Signed:
    """The signature of a serving graph: its request from the raw rows, its answer from answering a few of them.
    `graph` may be given when it is open already."""
    rows = artifacts.table(task.rows)
    spec = resolved.data
    asked = visible(rows, spec)
    sample = asked.slice(0, min(SAMPLE, asked.num_rows))
    value = (graph or open_graph(task.graph, resolved, artifacts)).raw_answer(sample)
    if resolved.predict is None:
        raise ValueError("a signature needs a predict")
    answers = answer_table(value, sample.num_rows, resolved.predict)
    signature = Signature(
        request=tuple(_request_column(name, asked.column(name), spec) for name in asked.column_names),
        key=spec.key,
        time=spec.time,
        unit=spec.unit,
        unknown=spec.unknown,
        answer=tuple(Column(name=field.name, type=type_name(field.type)) for field in answers.schema),
        answer_kind=answer_kind(value),
    )
    return Signed(signature=signature, label_delay=_label_delay(rows, spec))


def _request_column(name: str, values: pa.ChunkedArray, spec: DataSpec) -> RequestColumn:
    kind = type_name(values.type)
    return RequestColumn(
        name=name,
        type=kind,
        nulls=values.null_count > 0,
        levels=_levels(values) if kind == "string" and name not in (*spec.key, spec.unit) else None,
    )


def _levels(values: pa.ChunkedArray) -> tuple[str, ...] | None:
    import pyarrow as pa
    import pyarrow.compute as pc

    distinct = pc.unique(values.cast(pa.string()))
    if len(distinct) > LEVELS:
        return None
    return tuple(sorted(level for level in distinct.to_pylist() if level is not None))


def _label_delay(rows: pa.Table, spec: DataSpec) -> float | None:
    if spec.time is None or spec.known is None:
        return None
    import numpy as np

    delays = _micros(rows.column(spec.known)) - _micros(rows.column(spec.time))
    return max(0.0, float(np.quantile(delays, LATE)) / 1e6)


def _micros(times: pa.ChunkedArray) -> Any:
    import pyarrow as pa

    return ticks_of(times.cast(pa.timestamp("us", tz="UTC")))
