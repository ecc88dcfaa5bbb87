"""In a worker: a version's estimators compiled, held against the originals, and the way from a request to them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from noria.artifacts.unframed import array_of
from noria.declare import Resolved
from noria.fast.compiled import Compiled, Uncompiled
from noria.fast.compiling import compile_model
from noria.fast.discovery import Called, Direction, Predicting, called_with, discover, watched
from noria.fast.parity import as_frame, check_parity
from noria.fast.rows import Rows
from noria.fast.standing import columns_of
from noria.graph.answer import Graph
from noria.graph.evaluate import chosen
from noria.graph.planned import Look, planned
from noria.graph.rows import visible
from noria.graph.rowwise import chain_names
from noria.graph.sessions import session_path
from noria.records.fast import FastPath
from noria.records.tasks import Answer, Quicken, Quickened

if TYPE_CHECKING:
    import polars as pl
    import pyarrow as pa

    from noria.artifacts import Artifacts

SAMPLE = 256  # rows of the holdout; the rows that find differences are made of the model itself
LIBRARIES = ("sklearn", "lightgbm", "xgboost")


def quicken(task: Quicken, resolved: Resolved, artifacts: Artifacts, graph: Graph) -> Quickened:
    """The fast path of a version. What has no fast path is served as it is: this never fails a run."""
    sample = _sample(task, resolved, artifacts)
    if not sample.num_rows:
        return _original("there is no row to compare on")
    by_session = session_path(task, resolved, artifacts, graph, sample)
    if isinstance(by_session, FastPath):
        return Quickened(fast=by_session)
    found = _compared(graph, sample)
    if isinstance(found, str):
        return _original(by_session or found)
    compiled = {name: one.compiled for name, one in found.items()}
    plan = by_session or planned(resolved, graph, sample, _look(compiled))
    direct = None if isinstance(plan, str) else plan.plan
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
    import numpy as np

    rows, _ = chosen(Answer(graph=task.graph, rows=task.rows, keys=task.keys), resolved.data, artifacts)
    step = max(1, rows.num_rows // SAMPLE)
    places = np.arange(0, rows.num_rows, step)[:SAMPLE]
    return visible(rows.take(array_of(places)), resolved.data)


def _compared(graph: Graph, sample: pa.Table) -> dict[str, Compared] | str:
    """Each estimator that predict or a transform asks, compiled and compared; or why one is not."""
    stands = {
        name: watched(value)
        for name, value in graph.frozen.items()
        if type(value).__module__.partition(".")[0] in LIBRARIES
    }
    if not stands:
        return "no frozen output is an estimator of scikit-learn, LightGBM or XGBoost, or an ONNX model"
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


def _look(compiled: Mapping[str, Compiled]) -> Look:
    """Into what predict asks its estimator."""

    def look(predicting: Predicting, rows: pl.DataFrame) -> Direction | str:
        plan = discover(predicting, compiled, rows)
        if isinstance(plan, Uncompiled):
            return plan.reason
        return Direction(plan, compiled[plan.estimator])

    return look
