"""In a worker: chosen raw rows answered by a version's own graph, and the loss of each answer.

The two are apart so that two versions' answers are judged by one loss: each answers in its own source tree, and
the candidate's tree scores both.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from noria.artifacts.unframed import array_of
from noria.declare import DataSpec, Resolved
from noria.graph.answer import Graph, answer_kind, answer_table, losses
from noria.graph.errors import AllSeen
from noria.graph.open import open_graph
from noria.graph.rows import require, visible
from noria.records.tasks import Answer, Answered, Score, Scored
from noria.records.versions import Quality

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

    from noria.artifacts import Artifacts

LOSS = "loss"  # the column beside key and time in a table of losses


def answer(task: Answer, resolved: Resolved, artifacts: Artifacts, graph: Graph | None = None) -> Answered:
    """Answer the rows whose keys `task.keys` names, but for those that `task.seen` had outside `task.kept`. `graph` may
    be given when it is open already. Raises `AllSeen` where no row is left: not every model answers no rows at all."""
    if resolved.predict is None:
        raise ValueError(f"pipeline {resolved.name} has no predict")
    rows, left_out = chosen(task, resolved.data, artifacts)
    if left_out and not rows.num_rows:
        raise AllSeen(count=left_out)
    with ThreadPoolExecutor(
        1
    ) as beside:  # a disk takes as long to be sure of the rows as they take to be answered
        saving = beside.submit(artifacts.save, rows)
        value = (graph or open_graph(task.graph, resolved, artifacts)).raw_answer(
            visible(rows, resolved.data)
        )
        answers = artifacts.save(answer_table(value, rows.num_rows, resolved.predict))
    return Answered(rows=saving.result(), answers=answers, kind=answer_kind(value), left_out=left_out)


def score(task: Score, resolved: Resolved, artifacts: Artifacts) -> Scored:
    """The losses of answers that have labels, as a table of key, time and loss."""
    import numpy as np

    spec, loss = resolved.data, resolved.loss_spec
    if resolved.loss is None or loss is None:
        raise ValueError(f"pipeline {resolved.name} has no loss")
    rows = artifacts.table(task.rows)
    each, clipped = losses(resolved, rows, artifacts.table(task.answers), task.kind)
    beside = [name for name in dict.fromkeys((*spec.key, spec.time)) if name in rows.column_names]
    table = rows.select(beside).append_column(LOSS, array_of(each))
    return Scored(
        quality=Quality(
            loss=resolved.loss.name,
            range=loss.range,
            mean=float(np.mean(each)) if len(each) else 0.0,
            rows=len(each),
            clipped=clipped,
            losses=artifacts.save(table),
        )
    )


def chosen(task: Answer, spec: DataSpec, artifacts: Artifacts) -> tuple[pa.Table, int]:
    """The raw rows to answer, in the data's order, and how many were left out as seen in training."""
    import numpy as np

    rows = artifacts.table(task.rows)
    wanted = np.ones(rows.num_rows, dtype=bool)
    if task.keys is not None:
        keys = artifacts.table(task.keys)
        require(keys, spec.key, where="the holdout", why="joins it with the raw rows")
        wanted = _among(rows, keys, spec.key)
    fresh = wanted
    if task.seen is not None:
        fresh = wanted & ~_among(rows, artifacts.table(task.seen), spec.key)
        if task.kept is not None:
            fresh |= wanted & _among(rows, artifacts.table(task.kept), spec.key)
    return rows.filter(array_of(fresh)), int(wanted.sum() - fresh.sum())


def _among(rows: pa.Table, others: pa.Table, key: tuple[str, ...]) -> np.ndarray:
    """A boolean mask over `rows`: whose key occurs in `others`."""
    import polars as pl

    left = pl.DataFrame(rows.select(list(key)))
    right = pl.DataFrame(others.select(list(key))).unique().with_columns(there=True)
    found = left.join(right, on=list(key), how="left", maintain_order="left", nulls_equal=True)
    return found["there"].fill_null(False).to_numpy()
