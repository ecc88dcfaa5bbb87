"""In a worker: a version's estimators compiled, held against the originals, and the way from a request to them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from noria.artifacts.tables import as_wanted, is_table, to_arrow
from noria.declare import Resolved
from noria.fast.compiled import Compiled, Linear, Uncompiled
from noria.fast.compiling import compile_model
from noria.fast.direct import open_direct
from noria.fast.discovery import Called, Predicting, called_with, discover, watched
from noria.fast.opened import open_model
from noria.fast.parity import LINEAR_TOLERANCE, as_frame, check_parity
from noria.fast.rows import Rows
from noria.fast.standing import columns_of
from noria.graph.answer import Graph
from noria.graph.evaluate import chosen
from noria.graph.rows import visible
from noria.graph.rowwise import (
    chain_names,
    lacking,
    odd_rows,
    python_rows,
    row_difference,
    row_function,
)
from noria.records.fast import FastPath, Plan
from noria.records.tasks import Answer, Quicken, Quickened

if TYPE_CHECKING:
    import pyarrow as pa

    from noria.artifacts import Artifacts

SAMPLE = 256  # rows of the holdout; the rows that find differences are made of the model itself
LIBRARIES = ("sklearn", "lightgbm", "xgboost")


def quicken(task: Quicken, resolved: Resolved, artifacts: Artifacts, graph: Graph) -> Quickened:
    """The fast path of a version. What has no fast path is served as it is: this never fails a run."""
    sample = _sample(task, resolved, artifacts)
    if not sample.num_rows:
        return _original("there is no row to compare on")
    found = _compared(graph, sample)
    if isinstance(found, str):
        return _original(found)
    compiled = {name: one.compiled for name, one in found.items()}
    plan = _plan(resolved, graph, compiled, sample)
    direct = plan if isinstance(plan, Plan) else None
    fast = FastPath(
        level="direct" if direct else "inside",
        compiled={name: artifacts.save(one.to_bytes()) for name, one in compiled.items()},
        plan=direct,
        rows=chain_names(resolved, direct.table) if direct else (),
        libraries=tuple(sorted({one.library for one in compiled.values()})),
        compared=sum(one.rows for one in found.values()),
        tolerance=max(one.tolerance for one in found.values()),
        why=plan if isinstance(plan, str) else "",
    )
    return Quickened(fast=fast)


@dataclass(frozen=True)
class Compared:
    """A compiled estimator that answered as the original on so many rows."""

    compiled: Compiled
    rows: int
    tolerance: float


class Differs(str):
    """Why a compiled estimator is not its original."""

    __slots__ = ()


def _original(why: str) -> Quickened:
    return Quickened(fast=FastPath(level="original", why=why))


def _sample(task: Quicken, resolved: Resolved, artifacts: Artifacts) -> pa.Table:
    """Visible raw rows, from all over the holdout."""
    rows, _ = chosen(Answer(graph=task.graph, rows=task.rows, keys=task.keys), resolved.data, artifacts)
    step = max(1, rows.num_rows // SAMPLE)
    return visible(rows.take(list(range(0, rows.num_rows, step))[:SAMPLE]), resolved.data)


def _compared(graph: Graph, sample: pa.Table) -> dict[str, Compared] | str:
    """Each estimator that predict or a transform asks, compiled and compared; or why one is not."""
    stands = {
        name: watched(value)
        for name, value in graph.frozen.items()
        if type(value).__module__.partition(".")[0] in LIBRARIES
    }
    if not stands:
        return "no frozen output is an estimator of scikit-learn, LightGBM or XGBoost"
    graph.with_frozen({name: stand for name, (stand, _) in stands.items()}).raw_answer(sample)
    found: dict[str, Compared] = {}
    reasons: list[str] = []
    for name, (_, notes) in stands.items():
        made = _tried(notes.original, notes.calls) if notes.calls else "it is not asked for answers"
        if isinstance(made, str):
            reasons.append(f"{name}: {made}")
        else:
            found[name] = made
    return found or "; ".join(reasons)


def _tried(estimator: Any, calls: list[Called]) -> Compared | str:
    """Compiling reads what other releases of a library may keep elsewhere: then the original serves, and says so."""
    try:
        found = _one(compile_model(estimator), estimator, calls)
        if isinstance(found, Differs):  # where a library's own code can answer instead, it may still agree
            found = _one(compile_model(estimator, own=True), estimator, calls)
        return found if isinstance(found, Compared) else str(found)
    except Exception as error:  # nothing that goes wrong here is a reason to lose a trained version
        return f"{type(estimator).__name__} cannot be compiled: {type(error).__name__}: {error}"


def _one(made: Compiled | Uncompiled, estimator: Any, calls: list[Called]) -> Compared | Differs | str:
    if isinstance(made, Uncompiled):
        return made.reason
    methods = called_with(calls)
    if missing := [name for name in methods if name not in made.methods]:
        return f"{made.estimator} is asked for {missing[0]}, which has no fast form"
    kept = {name: width for name, width in made.methods.items() if name in methods}
    compiled = msgspec.structs.replace(made, methods=kept)
    given = calls[0].given[0] if calls[0].given else None
    columns = columns_of(compiled, given)
    if columns is None:
        return f"{made.estimator} is asked with a {type(given).__name__} that only the original reads"
    columns = [columns[:, at] for at in range(compiled.width)] if hasattr(columns, "shape") else columns
    parity = check_parity(compiled, estimator, columns, _as_given(compiled, given))
    if not parity.equal:
        return Differs(f"differs: {parity.difference}")
    return Compared(compiled, parity.rows, parity.tolerance)


def _as_given(compiled: Compiled, given: Any) -> Callable[[Rows], Any] | None:
    """How the estimator is called: a frame of the same library, or a matrix."""
    if not hasattr(given, "columns"):
        return None
    return as_frame(list(compiled.inputs) or list(given.columns), type(given))


def _plan(resolved: Resolved, graph: Graph, compiled: Mapping[str, Compiled], sample: pa.Table) -> Plan | str:
    """The way from a request's values to the compiled model, compared end to end; or why there is none."""
    predict = resolved.predict
    if predict is None:
        return "there is no predict"
    tables = [name for name in predict.inputs if name in resolved.rows]
    if len(tables) != 1:
        return f"predict reads {len(tables)} tables"
    table = tables[0]
    if missing := lacking(resolved, table):
        return f"{missing[0]} has no row function (@{resolved.name}.row({missing[0]}))"
    plan = _discovered(resolved, graph, compiled, sample, table)
    if isinstance(plan, str):
        return plan
    function = row_function(resolved, graph.frozen, graph.given, table)
    if function is None:
        return f"{table} has no row function"
    for rows in (sample, odd_rows(sample, _nullable(sample))):
        if problem := row_difference(graph, rows, table, function) if table != _request(resolved) else "":
            return f"the row function of {table} differs: {problem}"
    return _end_to_end(graph, compiled[plan.estimator], plan, sample, function) or plan


def _request(resolved: Resolved) -> str:
    return resolved.request.name if resolved.request else ""


def _nullable(sample: pa.Table) -> list[str]:
    return [name for name in sample.column_names if sample.column(name).null_count]


def _discovered(
    resolved: Resolved, graph: Graph, compiled: Mapping[str, Compiled], sample: pa.Table, table: str
) -> Plan | str:
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
    rows = pl.DataFrame(to_arrow(graph.read(sample)[table]))
    plan = discover(looked_into, compiled, rows)
    return plan.reason if isinstance(plan, Uncompiled) else plan


def _end_to_end(
    graph: Graph, compiled: Compiled, plan: Plan, sample: pa.Table, function: Callable[[Any], Any]
) -> str:
    """The first request row of the sample that the direct path answers differently; empty when none is."""
    import numpy as np

    row = None if plan.table == _request(graph.resolved) else function
    direct = open_direct(plan, open_model(compiled), sample.column_names, row)
    wanted = np.asarray(graph.raw_answer(sample))
    got = np.array([direct.one(row) for row in python_rows(sample)], dtype=wanted.dtype)
    close = LINEAR_TOLERANCE if isinstance(compiled.model, Linear) else 0.0
    if wanted.dtype.kind == "f" and got.shape == wanted.shape:
        same = np.isclose(got, wanted, rtol=close, atol=close, equal_nan=True)
    else:
        same = np.asarray(got == wanted)
    if same.shape == wanted.shape and same.all():
        return ""
    at = int(np.flatnonzero(~same.reshape(len(same), -1).all(axis=1))[0]) if same.shape else 0
    return f"the direct answer to row {at} of the holdout is {got[at]}, predict's is {wanted[at]}"
