"""In a worker: the way from a request's values to a compiled model, looked for and compared end to end."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from noria.artifacts.tables import as_wanted, is_table, to_arrow
from noria.declare import Resolved
from noria.fast.compiled import Compiled
from noria.fast.direct import open_direct
from noria.fast.discovery import Direction, Predicting
from noria.fast.opened import open_model
from noria.fast.parity import tolerance_of
from noria.graph.answer import Graph
from noria.graph.rowwise import lacking, odd_rows, python_rows, row_difference, row_function
from noria.records.fast import Plan

if TYPE_CHECKING:
    import polars as pl
    import pyarrow as pa

Look = Callable[[Predicting, "pl.DataFrame"], Direction | str]
"""What predict asks its model, found in its source and by watching; or why that cannot be told."""


def planned(resolved: Resolved, graph: Graph, sample: pa.Table, look: Look) -> Direction | str:
    """The plan and the model that it leads to; or why there is none."""
    predict = resolved.predict
    if predict is None:
        return "there is no predict"
    tables = [name for name in predict.inputs if name in resolved.rows]
    if len(tables) != 1:
        return f"predict reads {len(tables)} tables"
    table = tables[0]
    if missing := lacking(resolved, table):
        return f"{missing[0]} has no row function (@{resolved.name}.row({missing[0]}))"
    found = _discovered(resolved, graph, sample, table, look)
    if isinstance(found, str):
        return found
    function = row_function(resolved, graph.frozen, graph.given, table)
    if function is None:
        return f"{table} has no row function"
    for rows in (sample, odd_rows(sample, _nullable(sample))):
        if problem := row_difference(graph, rows, table, function) if table != _request(resolved) else "":
            return f"the row function of {table} differs: {problem}"
    return _end_to_end(graph, found.compiled, found.plan, sample, function) or found


def _request(resolved: Resolved) -> str:
    return resolved.request.name if resolved.request else ""


def _nullable(sample: pa.Table) -> list[str]:
    return [name for name in sample.column_names if sample.column(name).null_count]


def _discovered(
    resolved: Resolved, graph: Graph, sample: pa.Table, table: str, look: Look
) -> Direction | str:
    import polars as pl

    predict = resolved.predict
    if predict is None:
        return "there is no predict"
    wanted = predict.wanted(table)
    looked_into = Predicting(
        function=predict.function,
        table=table,
        frozen={name: graph.frozen[name] for name in predict.inputs if name in graph.frozen},
        parameters={**predict.parameters, **graph.given.get(predict.name, {})},
        as_wanted=lambda frame: as_wanted(frame, wanted) if is_table(frame) else frame,
    )
    return look(looked_into, pl.DataFrame(to_arrow(graph.read(sample)[table])))


def _end_to_end(
    graph: Graph, compiled: Compiled, plan: Plan, sample: pa.Table, function: Callable[[Any], Any]
) -> str:
    """The first request row of the sample that the direct path answers differently; empty when none is."""
    import numpy as np

    row = None if plan.table == _request(graph.resolved) else function
    direct = open_direct(plan, open_model(compiled), sample.column_names, row)
    wanted = np.asarray(graph.raw_answer(sample))
    got = np.array([direct.one(row) for row in python_rows(sample)], dtype=wanted.dtype)
    close = tolerance_of(compiled)
    if wanted.dtype.kind == "f" and got.shape == wanted.shape:
        same = np.isclose(got, wanted, rtol=close, atol=close, equal_nan=True)
    else:
        same = np.asarray(got == wanted)
    if same.shape == wanted.shape and same.all():
        return ""
    at = int(np.flatnonzero(~same.reshape(len(same), -1).all(axis=1))[0]) if same.shape else 0
    return f"the direct answer to row {at} of the holdout is {got[at]}, predict's is {wanted[at]}"
